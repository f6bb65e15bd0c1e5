import { expect, it } from "vitest";
import { tgiParser } from "../../src/parsers/tgi.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames, routeFor } from "./run.ts";

describeParserContract({ parser: tgiParser, route: { operation: "text_completion" } });

it.each([
  ["/generate_stream", {}, true],
  ["/v1/generate_stream?x=1", {}, true],
  ["/generate", { stream: true }, true],
  ["/generate", {}, undefined],
])("knows from path %s and body %j whether a stream was asked for", (path, more, stream) => {
  const route = routeFor(tgiParser);
  expect(tgiParser.readRequest({ route, path, headers: {}, body: { inputs: "a", ...more } }).stream).toBe(stream);
});

it("believes counts in the body before those in the headers, and no header that is no number", () => {
  const value = { generated_text: "a", details: { finish_reason: "length", generated_tokens: 7, prefill: [] } };
  const headers = { "x-prompt-tokens": "3", "x-generated-tokens": "99", "x-total-time": "soon" };
  const parsed = parseFrames(tgiParser, [{ kind: "body", value }], { headers });
  expect(parsed.usage).toMatchObject({ inputTokens: 3, outputTokens: 7 });
  expect(parsed.processingMs).toBeUndefined();
});
