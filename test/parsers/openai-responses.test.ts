import { describe, expect, it } from "vitest";
import { openaiResponsesParser } from "../../src/parsers/openai-responses.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../../src/parsers/parser.ts";
import type { Frame, ParsedResponse } from "../../src/parsers/parser.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiResponsesParser });

const route = { provider: "openai", api: "openai-responses", operation: "chat" } as const;

function start(body: unknown = {}): ReturnType<typeof openaiResponsesParser.start> {
  const request = openaiResponsesParser.readRequest({ route, path: "/v1/responses", headers: {}, body });
  return openaiResponsesParser.start({ route, status: 200, headers: {}, request, contentLimit: 1_000_000 });
}

function finish(state: ReturnType<typeof start>, interrupted = false): ParsedResponse {
  return openaiResponsesParser.finish(state, { streaming: true, interrupted });
}

function event(type: string, fields: object = {}): Frame {
  return { kind: "event", value: { type, ...fields }, name: type };
}

const message = { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] };

describe("what an event carried", () => {
  it.each<[string, Frame, number]>([
    ["created", event("response.created", { response: { id: "r", status: "in_progress" } }), FRAME_NOTHING],
    [
      "an opened message",
      event("response.output_item.added", { output_index: 0, item: { type: "message", content: [] } }),
      FRAME_NOTHING,
    ],
    [
      "an opened reasoning item",
      event("response.output_item.added", { output_index: 0, item: { type: "reasoning", summary: [] } }),
      FRAME_NOTHING,
    ],
    [
      "an opened call",
      event("response.output_item.added", {
        output_index: 0,
        item: { type: "function_call", name: "f", call_id: "a" },
      }),
      FRAME_OUTPUT,
    ],
    [
      "an opened part",
      event("response.content_part.added", { output_index: 0, part: { type: "output_text", text: "" } }),
      FRAME_NOTHING,
    ],
    ["text", event("response.output_text.delta", { output_index: 0, delta: "a" }), FRAME_OUTPUT],
    ["empty text", event("response.output_text.delta", { output_index: 0, delta: "" }), FRAME_NOTHING],
    ["reasoning", event("response.reasoning_text.delta", { output_index: 0, delta: "a" }), FRAME_OUTPUT],
    ["a summary", event("response.reasoning_summary_text.delta", { output_index: 0, delta: "a" }), FRAME_OUTPUT],
    ["a refusal", event("response.refusal.delta", { output_index: 0, delta: "a" }), FRAME_OUTPUT],
    ["arguments", event("response.function_call_arguments.delta", { output_index: 0, delta: "{" }), FRAME_OUTPUT],
    [
      "a partial image",
      event("response.image_generation_call.partial_image", { partial_image_b64: "AAAA" }),
      FRAME_OUTPUT,
    ],
    [
      "a finished message that no delta told of",
      event("response.output_item.done", { output_index: 0, item: message }),
      FRAME_OUTPUT,
    ],
    ["progress of a tool", event("response.web_search_call.searching", { output_index: 0 }), FRAME_NOTHING],
    ["a new kind of event", event("response.hologram.delta", { delta: "a" }), FRAME_NOTHING],
    ["completed", event("response.completed", { response: { status: "completed", output: [] } }), FRAME_TERMINAL],
    ["incomplete", event("response.incomplete", { response: { status: "incomplete", output: [] } }), FRAME_TERMINAL],
    [
      "failed",
      event("response.failed", { response: { status: "failed", error: { code: "x", message: "y" } } }),
      FRAME_TERMINAL,
    ],
    ["an error", event("error", { message: "x" }), FRAME_TERMINAL],
    ["a queued body", { kind: "body", value: { id: "r", status: "queued", output: [] } }, FRAME_TERMINAL],
  ])("%s", (_name, frame, expected) => {
    expect(openaiResponsesParser.chunk(start(), frame)).toBe(expected);
  });

  it("counts a message once that came in pieces", () => {
    const state = start();
    openaiResponsesParser.chunk(state, event("response.output_text.delta", { output_index: 0, delta: "Hel" }));
    const done = event("response.output_text.done", { output_index: 0, text: "Hello" });
    expect(openaiResponsesParser.chunk(state, done)).toBe(FRAME_NOTHING);
    const closed = event("response.output_item.done", { output_index: 0, item: message });
    expect(openaiResponsesParser.chunk(state, closed)).toBe(FRAME_NOTHING);
    expect(finish(state, true).choices[0]?.message.parts).toEqual([{ type: "text", content: "Hello" }]);
  });
});

describe("the end of a stream", () => {
  it("takes the event name where the data has no type", () => {
    const state = start();
    const frame: Frame = {
      kind: "event",
      name: "response.completed",
      value: { response: { status: "completed", output: [message] } },
    };
    expect(openaiResponsesParser.chunk(state, frame) & FRAME_TERMINAL).toBe(FRAME_TERMINAL);
    expect(finish(state)).toMatchObject({ finished: true, choices: [{ finishReason: "stop" }] });
  });

  it("is the last whole response when a stream holds several", () => {
    const state = start();
    const call = { type: "function_call", call_id: "a", name: "f", arguments: "{}" };
    const first = { id: "resp_1", status: "completed", output: [call], usage: { input_tokens: 1, output_tokens: 1 } };
    const second = {
      id: "resp_2",
      status: "completed",
      output: [message],
      usage: { input_tokens: 9, output_tokens: 9 },
    };
    for (const response of [first, second])
      openaiResponsesParser.chunk(state, event("response.completed", { response }));
    const parsed = finish(state);
    expect(parsed).toMatchObject({ id: "resp_2", usage: { inputTokens: 9 }, choices: [{ finishReason: "stop" }] });
    expect(parsed.choices[0]?.message.parts).toEqual([{ type: "text", content: "Hello" }]);
  });

  it("says of a background stream that was left that its usage comes later", () => {
    const state = start({ background: true });
    openaiResponsesParser.chunk(state, event("response.queued", { response: { id: "resp_1", status: "queued" } }));
    expect(finish(state, true)).toMatchObject({
      jobId: "resp_1",
      usage: { missingReason: "deferred" },
      finished: false,
    });
  });

  it("keeps no more of endless items than the limit", () => {
    const state = start();
    for (let index = 0; index < 20_000; index++) {
      const item = { type: "function_call", call_id: `c${index}`, name: "f", arguments: "x".repeat(1000) };
      openaiResponsesParser.chunk(state, event("response.output_item.done", { output_index: index, item }));
    }
    const parsed = finish(state, true);
    expect(parsed.choices[0]?.message.parts).toHaveLength(4096);
    expect(JSON.stringify(parsed).length).toBeLessThan(2_000_000);
    expect(parsed.contentTruncated).toBe(true);
  });
});
