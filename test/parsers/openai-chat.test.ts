import { describe, expect, it } from "vitest";
import { openaiChatParser } from "../../src/parsers/openai-chat.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../../src/parsers/parser.ts";
import type { Frame, ParsedResponse } from "../../src/parsers/parser.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiChatParser });

const route = { provider: "openai", api: "openai-chat", operation: "chat" } as const;

function start(contentLimit = 1_000_000): ReturnType<typeof openaiChatParser.start> {
  const request = openaiChatParser.readRequest({ route, path: "/v1/chat/completions", headers: {}, body: {} });
  return openaiChatParser.start({ route, status: 200, headers: {}, request, contentLimit });
}

function finish(state: ReturnType<typeof start>): ParsedResponse {
  return openaiChatParser.finish(state, { streaming: true, interrupted: false });
}

function delta(fields: object, finishReason: string | null = null): Frame {
  return { kind: "event", value: { choices: [{ index: 0, delta: fields, finish_reason: finishReason }] } };
}

describe("what a chunk carried", () => {
  it.each<[string, Frame, number]>([
    ["a role", delta({ role: "assistant" }), FRAME_NOTHING],
    ["a role and empty text", delta({ role: "assistant", content: "", refusal: null }), FRAME_NOTHING],
    ["an empty delta", delta({}), FRAME_NOTHING],
    ["empty lists", delta({ content: [], tool_calls: [] }), FRAME_NOTHING],
    ["text", delta({ content: "a" }), FRAME_OUTPUT],
    ["a space", delta({ content: " " }), FRAME_OUTPUT],
    ["chunks of text", delta({ content: [{ type: "text", text: "a" }] }), FRAME_OUTPUT],
    ["reasoning", delta({ content: "", reasoning_content: "a" }), FRAME_OUTPUT],
    [
      "encrypted reasoning",
      delta({ content: "", reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] }),
      FRAME_NOTHING,
    ],
    ["a refusal", delta({ refusal: "a" }), FRAME_OUTPUT],
    [
      "a tool call",
      delta({ tool_calls: [{ index: 0, id: "a", function: { name: "f", arguments: "" } }] }),
      FRAME_OUTPUT,
    ],
    ["a piece of arguments", delta({ tool_calls: [{ index: 0, function: { arguments: "{" } }] }), FRAME_OUTPUT],
    ["sound", delta({ audio: { data: "AAAA" } }), FRAME_OUTPUT],
    ["the id of sound", delta({ audio: { id: "audio_1" } }), FRAME_NOTHING],
    ["a finish reason", delta({}, "stop"), FRAME_TERMINAL],
    ["text with a finish reason", delta({ content: "a" }, "stop"), FRAME_OUTPUT | FRAME_TERMINAL],
    [
      "an empty finish reason",
      { kind: "event", value: { choices: [{ index: 0, delta: {}, finish_reason: "" }] } },
      FRAME_NOTHING,
    ],
    ["usage alone", { kind: "event", value: { choices: [], usage: { prompt_tokens: 1 } } }, FRAME_NOTHING],
    ["filter results", { kind: "event", value: { choices: [], prompt_filter_results: [] } }, FRAME_NOTHING],
    ["the end mark", { kind: "event-text", text: "[DONE]" }, FRAME_TERMINAL],
    ["a ping", { kind: "event", value: {}, name: "ping" }, FRAME_NOTHING],
    ["text that is no JSON", { kind: "event-text", text: "keep-alive" }, FRAME_NOTHING],
    ["an error", { kind: "event", value: { error: { message: "x" } } }, FRAME_TERMINAL],
    ["an error event in plain text", { kind: "event-text", text: "gone", name: "error" }, FRAME_TERMINAL],
    [
      "a whole body",
      { kind: "body", value: { choices: [{ message: { content: "a" } }] } },
      FRAME_OUTPUT | FRAME_TERMINAL,
    ],
    ["a body without an answer", { kind: "body", value: { choices: [] } }, FRAME_TERMINAL],
  ])("%s", (_name, frame, expected) => {
    expect(openaiChatParser.chunk(start(), frame)).toBe(expected);
  });
});

describe("a body", () => {
  it("holds as many calls as its list, whatever their ids say", () => {
    const state = start();
    const call = { id: "", index: 0, function: { name: "f", arguments: "" } };
    const body = { choices: [{ message: { tool_calls: [call, call, { ...call, id: "a" }, { ...call, id: "a" }] } }] };
    openaiChatParser.chunk(state, { kind: "body", value: body });
    expect(finish(state).choices[0]?.message.parts).toHaveLength(4);
  });
});

describe("a stream", () => {
  it("keeps the last usage that counts, and never sums", () => {
    const state = start();
    const usages = [{ prompt_tokens: 5, completion_tokens: 1 }, { prompt_tokens: 5, completion_tokens: 2 }, null, {}];
    for (const usage of usages) openaiChatParser.chunk(state, { kind: "event", value: { choices: [], usage } });
    expect(finish(state).usage).toMatchObject({ inputTokens: 5, outputTokens: 2, totalTokens: 7 });
  });

  it("takes a message for the answer when no delta ever came", () => {
    const state = start();
    const message = { role: "assistant", content: "Hello" };
    openaiChatParser.chunk(state, {
      kind: "event",
      value: { choices: [{ index: 0, message, finish_reason: "stop" }] },
    });
    expect(finish(state).choices[0]?.message.parts).toEqual([{ type: "text", content: "Hello" }]);
  });

  it("folds a long answer in time that grows with its length", () => {
    const state = start(100);
    const frame = delta({ content: "word " });
    for (let count = 0; count < 300_000; count++) openaiChatParser.chunk(state, frame);
    const parsed = finish(state);
    expect(parsed.choices[0]?.message.parts).toEqual([{ type: "text", content: "word ".repeat(20) }]);
    expect(parsed.contentTruncated).toBe(true);
  });
});

describe("text where JSON was expected", () => {
  it("is noted, not taken for an answer", () => {
    const state = start();
    openaiChatParser.chunk(state, { kind: "text", text: "<html></html>" });
    expect(finish(state)).toMatchObject({ choices: [], finished: true, notes: ["unexpected_text"] });
  });
});

it.each([
  ["openai", false, "stream_usage_not_requested"],
  ["openai", true, "stream_usage_not_requested"],
  ["mistral_ai", false, "not_reported"],
  ["mistral_ai", true, "stream_interrupted"],
  ["x_ai", true, "stream_interrupted"],
])("says why a stream of %s (interrupted: %s) has no usage: %s", (provider, interrupted, reason) => {
  const input = { ...route, provider };
  const request = openaiChatParser.readRequest({ route: input, path: "/", headers: {}, body: { stream: true } });
  const state = openaiChatParser.start({ route: input, status: 200, headers: {}, request, contentLimit: 1000 });
  openaiChatParser.chunk(state, delta({ content: "a" }, interrupted ? null : "stop"));
  expect(openaiChatParser.finish(state, { streaming: true, interrupted }).usage.missingReason).toBe(reason);
});
