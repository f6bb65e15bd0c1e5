import { describe, expect, it } from "vitest";
import { anthropicMessagesParser } from "../../src/parsers/anthropic-messages.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../../src/parsers/parser.ts";
import type { Frame } from "../../src/parsers/parser.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames, routeFor } from "./run.ts";

describeParserContract({ parser: anthropicMessagesParser, route: { provider: "anthropic" } });

const event = (value: { type: string } & Record<string, unknown>): Frame => ({
  kind: "event",
  value,
  name: value.type,
});
const start = (usage: object): Frame =>
  event({ type: "message_start", message: { id: "msg_1", model: "claude", role: "assistant", usage } });
const delta = (value: object): Frame => event({ type: "content_block_delta", index: 0, delta: value });

describe("what an event counts as", () => {
  it.each<[string, Frame, number]>([
    ["message_start", start({ input_tokens: 1 }), FRAME_NOTHING],
    ["ping", event({ type: "ping" }), FRAME_NOTHING],
    [
      "an empty block",
      event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
      FRAME_NOTHING,
    ],
    ["an empty delta", delta({ type: "text_delta", text: "" }), FRAME_NOTHING],
    ["a signature", delta({ type: "signature_delta", signature: "c2ln" }), FRAME_NOTHING],
    ["text", delta({ type: "text_delta", text: "a" }), FRAME_OUTPUT],
    ["thinking", delta({ type: "thinking_delta", thinking: "a" }), FRAME_OUTPUT],
    ["tool input", delta({ type: "input_json_delta", partial_json: "{" }), FRAME_OUTPUT],
    [
      "the name of a tool",
      event({
        type: "content_block_start",
        index: 0,
        content_block: { type: "tool_use", id: "t", name: "n", input: {} },
      }),
      FRAME_OUTPUT,
    ],
    [
      "hidden thinking",
      event({ type: "content_block_start", index: 0, content_block: { type: "redacted_thinking", data: "eA" } }),
      FRAME_OUTPUT,
    ],
    [
      "a delta without a reason",
      event({ type: "message_delta", delta: {}, usage: { output_tokens: 1 } }),
      FRAME_NOTHING,
    ],
    ["the stop reason", event({ type: "message_delta", delta: { stop_reason: "end_turn" } }), FRAME_TERMINAL],
    ["message_stop", event({ type: "message_stop" }), FRAME_TERMINAL],
  ])("%s", (_name, frame, bits) => {
    const state = anthropicMessagesParser.start({
      route: routeFor(anthropicMessagesParser),
      status: 200,
      headers: {},
      request: { parameters: {} },
      contentLimit: 1000,
    });
    expect(anthropicMessagesParser.chunk(state, frame)).toBe(bits);
  });
});

describe("usage of a stream", () => {
  const usageOf = (...deltas: object[]): unknown =>
    parseFrames(anthropicMessagesParser, [
      start({ input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1, service_tier: "standard" }),
      ...deltas.map((usage) => event({ type: "message_delta", delta: {}, usage })),
    ]).usage;

  it("replaces what message_start said, and never adds", () => {
    expect(usageOf({ output_tokens: 7 }, { output_tokens: 9, input_tokens: 20 })).toMatchObject({
      inputTokens: 25,
      outputTokens: 9,
    });
  });

  it("keeps what a delta calls null or leaves out", () => {
    expect(usageOf({ output_tokens: 7, input_tokens: null, cache_read_input_tokens: null })).toMatchObject({
      inputTokens: 15,
      cacheReadTokens: 5,
      outputTokens: 7,
    });
  });

  it("leaves out what is billed apart, but keeps it as it came", () => {
    const iterations = [{ type: "compaction", input_tokens: 9000, output_tokens: 500 }];
    expect(usageOf({ output_tokens: 7, iterations })).toMatchObject({ inputTokens: 15, raw: { iterations } });
  });

  it("does not know the output of a stream that was cut", () => {
    const state = anthropicMessagesParser.start({
      route: routeFor(anthropicMessagesParser),
      status: 200,
      headers: {},
      request: { parameters: {} },
      contentLimit: 1000,
    });
    anthropicMessagesParser.chunk(state, start({ input_tokens: 10, output_tokens: 1 }));
    expect(anthropicMessagesParser.finish(state, { streaming: true, interrupted: true }).usage).toMatchObject({
      source: "reported",
      complete: false,
      inputTokens: 10,
    });
  });
});

it.each([
  ["/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict", true],
  ["/model/anthropic.claude/invoke-with-response-stream", true],
  ["/v1/messages", undefined],
])("takes the wish for a stream from %s", (path, stream) => {
  const route = routeFor(anthropicMessagesParser, { pathModel: "claude" });
  const request = anthropicMessagesParser.readRequest({ route, path, headers: {}, body: { messages: [] } });
  expect(request).toMatchObject({ model: "claude" });
  expect(request.stream).toBe(stream);
});

it("never keeps the credentials of MCP servers", () => {
  const body = { messages: [], mcp_servers: [{ type: "url", name: "n", authorization_token: "not-for-records" }] };
  const request = anthropicMessagesParser.readRequest({
    route: routeFor(anthropicMessagesParser),
    path: "/v1/messages",
    headers: {},
    body,
  });
  expect(JSON.stringify(request)).not.toContain("not-for-records");
  expect(request.tools).toEqual([{ type: "mcp", name: "n" }]);
});
