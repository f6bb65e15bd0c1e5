/** The official SDK's accumulator and the parser make the same answer of the same chunks. */
import * as fc from "fast-check";
import { ChatCompletionStream } from "openai/lib/ChatCompletionStream";
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import { expect, it } from "vitest";
import { openaiChatParser } from "../../src/parsers/openai-chat.ts";
import type { Choice, Part } from "../../src/types.ts";
import { parseFrames } from "./run.ts";

type Delta = ChatCompletionChunk.Choice.Delta;

const text = fc.string({ maxLength: 12, unit: "grapheme" });

/** What one choice says, in order: text or a refusal, then tool calls, each in pieces. */
const said: fc.Arbitrary<Delta[]> = fc
  .record({
    key: fc.constantFrom<"content" | "refusal">("content", "refusal"),
    pieces: fc.array(text, { maxLength: 5 }),
    calls: fc.array(
      fc.record({ name: fc.constantFrom("f", "weather"), value: fc.jsonValue({ maxDepth: 1 }), cut: fc.nat(20) }),
      {
        maxLength: 3,
      },
    ),
    interleaved: fc.boolean(),
  })
  .map(({ key, pieces, calls, interleaved }) => {
    const each = calls.map(({ name, value, cut }, index): Delta[] => {
      const json = JSON.stringify({ value });
      return [
        { tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name, arguments: "" } }] },
        { tool_calls: [{ index, function: { arguments: json.slice(0, cut) } }] },
        { tool_calls: [{ index, function: { arguments: json.slice(cut) } }] },
      ];
    });
    const turns = interleaved
      ? [0, 1, 2].flatMap((at) => each.flatMap((deltas) => deltas.slice(at, at + 1)))
      : each.flat();
    const opening: Delta = { role: "assistant", content: "" };
    return [opening].concat(
      pieces.map((piece) => ({ [key]: piece })),
      turns,
    );
  });

const answers = fc
  .record({
    choices: fc.array(
      fc.tuple(said, fc.constantFrom<"stop" | "length" | "content_filter">("stop", "length", "content_filter")),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
    /** Which choice speaks next. */
    order: fc.array(fc.nat(), { maxLength: 40 }),
    usage: fc.option(fc.record({ prompt_tokens: fc.nat(999), completion_tokens: fc.nat(999) }), { nil: undefined }),
  })
  .map(({ choices, order, usage }) => {
    const queues = choices.map(([deltas, reason], index) => [
      ...deltas.map((delta) => ({ index, delta, finish_reason: null })),
      { index, delta: {}, finish_reason: reason },
    ]);
    const chunks: ChatCompletionChunk[] = [];
    const push = (list: ChatCompletionChunk["choices"], extra: object = {}): void => {
      chunks.push({ id: "c-1", object: "chat.completion.chunk", created: 1, model: "gpt-5", choices: list, ...extra });
    };
    // All choices have to begin in order: the SDK wants it so.
    for (const queue of queues) push(queue.splice(0, 1));
    for (const which of [...order, ...queues.flatMap((queue, index) => queue.map(() => index))]) {
      const next = queues[which % queues.length]?.shift();
      if (next !== undefined) push([next]);
    }
    if (usage !== undefined)
      push([], { usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens } });
    return { chunks, count: choices.length };
  });

async function accumulate(chunks: readonly ChatCompletionChunk[]): Promise<ChatCompletion> {
  const lines = chunks.map((chunk) => `${JSON.stringify(chunk)}\n`).join("");
  const readable = new Response(lines).body as ReadableStream;
  return ChatCompletionStream.fromReadableStream(readable).finalChatCompletion();
}

const textOf = (parts: readonly Part[], type: "text" | "refusal"): string =>
  parts.map((part) => (part.type === type ? (part as { content: string }).content : "")).join("");

function compareChoice(ours: Choice, theirs: ChatCompletion.Choice): void {
  const { parts } = ours.message;
  expect(ours.index).toBe(theirs.index);
  expect(ours.rawFinishReason).toBe(theirs.finish_reason);
  expect(ours.message.role).toBe(theirs.message.role);
  expect(textOf(parts, "text")).toBe(theirs.message.content ?? "");
  expect(textOf(parts, "refusal")).toBe(theirs.message.refusal ?? "");
  const calls = parts.flatMap((part) => (part.type === "tool_call" ? [[part.id, part.name, part.arguments]] : []));
  const expected = (theirs.message.tool_calls ?? []).flatMap((call) =>
    call.type === "function" ? [[call.id, call.function.name, JSON.parse(call.function.arguments)]] : [],
  );
  expect(calls).toEqual(expected);
}

it("Chat: choices, texts, refusals, tool calls in pieces, usage", async () => {
  await fc.assert(
    fc.asyncProperty(answers, async ({ chunks, count }) => {
      const theirs = await accumulate(chunks);
      const request = { parameters: { n: count }, messages: [] };
      const ours = parseFrames(
        openaiChatParser,
        chunks.map((value) => ({ kind: "event", value })),
        { request },
      );
      expect([ours.id, ours.model]).toEqual([theirs.id, theirs.model]);
      expect(ours.choices.length).toBe(theirs.choices.length);
      for (const [at, choice] of ours.choices.entries()) compareChoice(choice, theirs.choices[at]!);
      if (theirs.usage === undefined || theirs.usage === null) return;
      // Zeros beside an answer are a server that does not count.
      if (ours.usage.missingReason === "zero_with_output") return;
      const { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: totalTokens } = theirs.usage;
      expect(ours.usage).toMatchObject({ inputTokens, outputTokens, totalTokens });
    }),
    { numRuns: 150 },
  );
});
