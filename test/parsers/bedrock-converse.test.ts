import { describe, expect, it } from "vitest";
import { bedrockConverseParser } from "../../src/parsers/bedrock-converse.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../../src/parsers/parser.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames, routeFor } from "./run.ts";

describeParserContract({ parser: bedrockConverseParser, route: { provider: "aws.bedrock" } });

describe("what an event counts as", () => {
  const delta = (value: object): object => ({ contentBlockIndex: 0, delta: value });
  it.each<[string, string, object, number]>([
    ["the start of the message", "messageStart", { role: "assistant" }, FRAME_NOTHING],
    ["text", "contentBlockDelta", delta({ text: "a" }), FRAME_OUTPUT],
    ["an empty text", "contentBlockDelta", delta({ text: "" }), FRAME_NOTHING],
    ["reasoning", "contentBlockDelta", delta({ reasoningContent: { text: "a" } }), FRAME_OUTPUT],
    ["a signature", "contentBlockDelta", delta({ reasoningContent: { signature: "c2ln" } }), FRAME_NOTHING],
    ["tool input", "contentBlockDelta", delta({ toolUse: { input: "{" } }), FRAME_OUTPUT],
    ["a tool", "contentBlockStart", { start: { toolUse: { toolUseId: "t", name: "n" } } }, FRAME_OUTPUT],
    ["the end of a block", "contentBlockStop", { contentBlockIndex: 0 }, FRAME_NOTHING],
    ["the end of the message", "messageStop", { stopReason: "end_turn" }, FRAME_TERMINAL],
    ["metadata", "metadata", { usage: { inputTokens: 1 } }, FRAME_NOTHING],
    ["an exception", "throttlingException", { message: "Slow down." }, FRAME_TERMINAL],
  ])("%s", (_name, name, value, bits) => {
    const state = bedrockConverseParser.start({
      route: routeFor(bedrockConverseParser),
      status: 200,
      headers: {},
      request: { parameters: {} },
      contentLimit: 1000,
    });
    expect(bedrockConverseParser.chunk(state, { kind: "event", name, value })).toBe(bits);
  });
});

describe("usage", () => {
  it.each([
    ["a total with cached tokens", 1130, undefined],
    ["a total without cached tokens", 30, undefined],
    ["a total that is neither", 99, true],
  ])("takes %s as it is", (_name, totalTokens, inconsistent) => {
    const usage = {
      inputTokens: 10,
      outputTokens: 20,
      totalTokens,
      cacheReadInputTokens: 1000,
      cacheWriteInputTokens: 100,
    };
    const parsed = parseFrames(bedrockConverseParser, [{ kind: "body", value: { usage } }]);
    expect(parsed.usage).toMatchObject({ inputTokens: 1110, outputTokens: 20, totalTokens });
    expect(parsed.usage.inconsistent).toBe(inconsistent);
  });

  it("is missing when the stream is cut before its metadata", () => {
    const frames = [{ kind: "event" as const, name: "messageStop", value: { stopReason: "end_turn" } }];
    expect(parseFrames(bedrockConverseParser, frames).usage).toMatchObject({ source: "missing" });
  });
});

it.each([
  ["ThrottlingException:http://internal.example/", { message: "Slow down." }, "ThrottlingException", "Slow down."],
  ["ValidationException", {}, "ValidationException", "ValidationException"],
  ["AccessDeniedException:", { Message: "No." }, "AccessDeniedException", "No."],
])("names an error after the header %s", (header, value, type, message) => {
  const parsed = parseFrames(bedrockConverseParser, [{ kind: "body", value }], {
    status: 400,
    headers: { "x-amzn-errortype": header },
  });
  expect(parsed.error).toEqual({ type, message });
});

it("does not take a header for an error when the answer is a success", () => {
  const parsed = parseFrames(bedrockConverseParser, [{ kind: "body", value: { stopReason: "end_turn" } }], {
    headers: { "x-amzn-errortype": "ValidationException" },
  });
  expect(parsed.error).toBeUndefined();
});

it.each([
  ["/model/m/converse-stream", true],
  ["/model/m/converse", undefined],
])("%s asks for a stream: %s", (path, stream) => {
  const route = routeFor(bedrockConverseParser, { pathModel: "m" });
  expect(bedrockConverseParser.readRequest({ route, path, headers: {}, body: {} }).stream).toBe(stream);
});
