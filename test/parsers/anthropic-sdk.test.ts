/** The official SDK folds the same events: whatever it makes of them, the parser has to make too. */
import Anthropic from "@anthropic-ai/sdk";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outputText, reasoningText, toolCalls } from "../../src/read-call.ts";
import { parseExchange } from "../../src/parsers/index.ts";

type Block =
  | { type: "text" | "thinking"; pieces: string[] }
  | { type: "tool_use" | "server_tool_use"; name: string; input: unknown; cuts: number[] }
  | { type: "redacted_thinking" | "web_search_tool_result" };
interface Story {
  blocks: Block[];
  start: Record<string, unknown>;
  deltas: Record<string, unknown>[];
  stopReason: string;
  pings: number[];
}

const text = fc.string({ unit: "binary", maxLength: 12 });
const count = fc.nat({ max: 5000 });
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null | undefined> =>
  fc.oneof(value, fc.constant(null), fc.constant(undefined));
const block: fc.Arbitrary<Block> = fc.oneof(
  fc.record({ type: fc.constantFrom("text" as const, "thinking" as const), pieces: fc.array(text, { maxLength: 5 }) }),
  fc.record({
    type: fc.constantFrom("tool_use" as const, "server_tool_use" as const),
    name: fc.constantFrom("look", "walk"),
    input: fc.dictionary(fc.constantFrom("a", "b c", "ü"), fc.jsonValue({ maxDepth: 2 })),
    cuts: fc.array(fc.nat({ max: 40 }), { maxLength: 4 }),
  }),
  fc.record({ type: fc.constantFrom("redacted_thinking" as const, "web_search_tool_result" as const) }),
);
const counts = {
  input_tokens: maybe(count),
  cache_creation_input_tokens: maybe(count),
  cache_read_input_tokens: maybe(count),
  output_tokens: count,
};
const story: fc.Arbitrary<Story> = fc.record({
  blocks: fc.array(block, { maxLength: 6 }),
  start: fc.record({ ...counts, input_tokens: count }),
  deltas: fc.array(fc.record(counts), { minLength: 1, maxLength: 3 }),
  stopReason: fc.constantFrom("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"),
  pings: fc.array(fc.nat({ max: 30 }), { maxLength: 3 }),
});

/** The bytes of a stream that tells it. */
function toStream({ blocks, start, deltas, stopReason, pings }: Story): Uint8Array<ArrayBuffer> {
  const events: { type: string; [field: string]: unknown }[] = [
    {
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-1",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: start,
      },
    },
  ];
  for (const [index, one] of blocks.entries()) {
    events.push({ type: "content_block_start", index, content_block: openBlock(one, index) });
    for (const delta of deltasOf(one)) events.push({ type: "content_block_delta", index, delta });
    events.push({ type: "content_block_stop", index });
  }
  for (const [position, usage] of deltas.entries()) {
    const isLast = position === deltas.length - 1;
    events.push({
      type: "message_delta",
      delta: { stop_reason: isLast ? stopReason : null, stop_sequence: null },
      usage,
    });
  }
  events.push({ type: "message_stop" });
  for (const at of pings) events.splice(1 + (at % events.length), 0, { type: "ping" });
  return new TextEncoder().encode(
    events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
  );
}

function openBlock(one: Block, index: number): Record<string, unknown> {
  switch (one.type) {
    case "text":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "tool_use":
    case "server_tool_use":
      return { type: one.type, id: `id_${index}`, name: one.name, input: {} };
    case "redacted_thinking":
      return { type: one.type, data: "AAAA" };
    default:
      return { type: one.type, tool_use_id: `id_${index}`, content: [] };
  }
}

function deltasOf(one: Block): object[] {
  if (one.type === "text") return one.pieces.map((piece) => ({ type: "text_delta", text: piece }));
  if (one.type === "thinking") {
    const thoughts = one.pieces.map((piece) => ({ type: "thinking_delta", thinking: piece }));
    return [...thoughts, { type: "signature_delta", signature: "sig" }];
  }
  if (!("cuts" in one)) return [];
  const json = Object.keys(one.input as object).length === 0 ? "" : JSON.stringify(one.input);
  const ends = [...new Set([...one.cuts.map((cut) => Math.min(cut, json.length)), json.length])].sort((a, b) => a - b);
  let from = 0;
  return ends.map((end) => {
    const piece = json.slice(from, end);
    from = end;
    return { type: "input_json_delta", partial_json: piece };
  });
}

async function foldWithSdk(body: Uint8Array<ArrayBuffer>): Promise<Anthropic.Message> {
  const fetch = (): Promise<Response> =>
    Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  const client = new Anthropic({ apiKey: "x", fetch, maxRetries: 0 });
  const stream = client.messages.stream({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] });
  return stream.finalMessage();
}

describe("streams that the official SDK folds", () => {
  it("give the same message and usage", async () => {
    await fc.assert(
      fc.asyncProperty(story, fc.integer({ min: 1, max: 400 }), async (told, size) => {
        const body = toStream(told);
        const message = await foldWithSdk(body);
        const chunks = [];
        for (let at = 0; at < body.length; at += size) chunks.push({ bytes: body.subarray(at, at + size), atMs: at });
        const call = parseExchange({
          request: { method: "POST", url: "https://api.anthropic.com/v1/messages", body: { model: "m", stream: true } },
          response: { status: 200, headers: { "content-type": "text/event-stream" }, chunks },
        });
        if (call === undefined) throw new Error("no call");
        const { usage } = message;
        const join = (type: "text" | "thinking", field: "text" | "thinking"): string =>
          message.content.flatMap((part) => (part.type === type ? [(part as never)[field] as string] : [])).join("");
        expect(outputText(call) ?? "").toBe(join("text", "text"));
        expect(reasoningText(call) ?? "").toBe(join("thinking", "thinking"));
        expect(toolCalls(call).map(({ id, name, arguments: input }) => ({ id, name, input }))).toEqual(
          message.content.flatMap((part) =>
            part.type === "tool_use" ? [{ id: part.id, name: part.name, input: part.input }] : [],
          ),
        );
        expect(call.response?.choices[0]?.rawFinishReason).toBe(message.stop_reason);
        expect(call.response).toMatchObject({ id: message.id, model: message.model });
        expect(call.usage.outputTokens).toBe(usage.output_tokens);
        expect(call.usage.inputTokens).toBe(
          usage.input_tokens + (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0),
        );
        expect(call.usage.cacheReadTokens).toBe(usage.cache_read_input_tokens ?? undefined);
        expect(call.usage.cacheWriteTokens).toBe(usage.cache_creation_input_tokens ?? undefined);
        expect(call.outcome).toBe("success");
      }),
      { numRuns: 150 },
    );
  });
});
