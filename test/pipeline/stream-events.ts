/** Events of streams as the APIs write them, and odd ones among them. */
import * as fc from "fast-check";

export interface Event {
  data: string;
  name?: string;
}

/** Texts as models write them, and as nobody does. */
const text = fc.oneof(
  fc.constantFrom(
    "",
    " a",
    "\n\n",
    '"',
    "\\",
    'x"},"logprobs":null}',
    "ü",
    "🦙",
    "a longer piece of text than most",
    "\u0000",
    "}",
  ),
  fc.string({ unit: "grapheme", maxLength: 20 }),
);
export const styles = fc.constantFrom("compact", "spaced", "padded");

/** JSON as JavaScript writes it, as Python does, and with Anthropic's padding. */
export function write(value: unknown, style: string, index: number): string {
  if (style === "spaced") return JSON.stringify(value, undefined, 1).replaceAll(/\n\s*/g, "");
  const json = JSON.stringify(value);
  return style === "compact" ? json : `${json.slice(0, -1)}${" ".repeat(index % 7)}}`;
}

const padding = fc.constantFrom({}, { obfuscation: "x" }, { obfuscation: 'a"b\\c' }, { obfuscation: "" }, { p: "abc" });

/** Together says all twice. */
const twice = fc.option(fc.record({ text, token_id: fc.nat() }), { nil: undefined });

export const chatEvent = fc
  .record({
    delta: fc.oneof(
      { weight: 8, arbitrary: fc.record({ content: text }) },
      fc.record({ role: fc.constant("assistant"), content: text, refusal: fc.constant(null) }),
      fc.record({ content: fc.constant(null), reasoning: text }),
      fc.record({ reasoning_content: text, content: fc.constantFrom("", "both") }),
      fc.record({ tool_calls: fc.constant([{ index: 0, id: "c", function: { name: "f", arguments: "{" } }]) }),
      fc.record({
        tool_calls: fc
          .record({ index: fc.constantFrom(0, 0, 0, 1), text })
          .map(({ index, text: said }) => [{ index, id: null, type: "function", function: { arguments: said } }]),
      }),
      fc.record({ content: text, content_list: fc.constant([{ type: "text" }]) }),
    ),
    more: fc.constantFrom(
      {},
      {},
      {},
      { usage: { prompt_tokens: 1, completion_tokens: 2 } },
      { provider: "p" },
      { provider: "q", service_tier: "flex" },
      { error: { message: "no" } },
    ),
    index: fc.constantFrom(0, 0, 0, 1),
    end: fc.constantFrom(null, null, null, undefined, undefined, "stop"),
    padding,
    twice,
  })
  .map(({ delta, more, index, end, padding: pad, twice: again }) => {
    const { text: said, token_id } = again ?? {};
    const choices = [{ index, text: said, delta: { ...delta, token_id }, logprobs: null, finish_reason: end }];
    return Object.assign({ id: "chatcmpl-1", model: "gpt", choices }, more, pad);
  });

export const completionEvent = fc
  .record({
    text: fc.oneof({ weight: 8, arbitrary: text }, fc.constantFrom(null, undefined)),
    index: fc.constantFrom(0, 0, 0, 1),
    end: fc.constantFrom(null, null, null, "length"),
    delta: fc.option(fc.record({ content: text, token_id: fc.nat() }), { nil: undefined }),
    more: fc.constantFrom(
      {},
      {},
      {},
      { value: "v" },
      { content: "c" },
      { usage: { total_tokens: 3, prompt_tokens: 1 } },
    ),
  })
  .map(({ text: said, index, end, delta, more }) =>
    Object.assign({ id: "cmpl", choices: [{ index, text: said, delta, logprobs: null, finish_reason: end }] }, more),
  );

export const ollamaLine = fc
  .record({
    message: fc.oneof(
      { weight: 6, arbitrary: fc.record({ message: fc.record({ role: fc.constant("assistant"), content: text }) }) },
      fc.record({ message: fc.record({ content: fc.constant(""), thinking: text }) }),
      fc.record({ message: fc.record({ content: text, tool_calls: fc.constant([{ function: { name: "f" } }]) }) }),
      fc.record({ response: text }),
      fc.record({ response: text, thinking: fc.constantFrom("", "hm"), content: fc.constantFrom("", null) }),
    ),
    created_at: fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", ""),
    done: fc.constantFrom(false, false, false, true),
  })
  .map(({ message, ...fields }) => Object.assign({ model: "llama" }, fields, message, { done_reason: null }));

export const messageEvent = fc
  .record({
    index: fc.constantFrom(0, 0, 1),
    delta: fc.oneof(
      fc.record({ type: fc.constant("text_delta"), text }),
      fc.record({ type: fc.constant("thinking_delta"), thinking: text }),
      { weight: 3, arbitrary: fc.record({ type: fc.constant("input_json_delta"), partial_json: text }) },
    ),
  })
  .map((fields) => Object.assign({ type: "content_block_delta" }, fields));

export const responseEvent = fc
  .record({
    kind: fc.constantFrom("output_text", "output_text", "reasoning_summary_text", "function_call_arguments"),
    delta: text,
    item_id: fc.constantFrom("i", "i", "j"),
    output_index: fc.constantFrom(0, 0, 0, 1, undefined),
    sequence_number: fc.nat(),
    padding,
  })
  .map(({ kind, padding: pad, ...fields }) => {
    const type = `response.${kind}.delta`;
    return Object.assign({ type, content_index: 0, logprobs: [] }, fields, pad);
  });

/** Whole numbers, and what is none of them. */
const count = fc.oneof(
  { weight: 30, arbitrary: fc.nat() },
  fc.constantFrom(0, null, 1.5, -1, "7", 1e21, 123_456_789_012_345, 1_234_567_890_123_456),
);

export const geminiChunk = fc
  .record({
    part: fc.oneof(
      { weight: 20, arbitrary: fc.record({ text }) },
      fc.record({ text, thought: fc.constant(true) }),
      fc.record({ text, thoughtSignature: fc.constantFrom("c2ln", "") }),
      fc.constant({ functionCall: { name: "f", args: { a: 1 } } }),
      fc.constant({ functionCall: { partialArgs: [{ jsonPath: "$.a", stringValue: "b" }], willContinue: true } }),
    ),
    more: fc.constantFrom(
      ...Array.from({ length: 12 }, () => ({ safetyRatings: [{ probability: "NEGLIGIBLE" }] })),
      { index: 1 },
      { groundingMetadata: { webSearchQueries: ["q"] } },
      { finishReason: "STOP" },
      { finishReason: 2 },
    ),
    usage: fc.oneof(
      {
        weight: 15,
        arbitrary: fc.record({
          promptTokenCount: fc.constantFrom(7, 7, 7, 7, 7, 8),
          candidatesTokenCount: count,
          totalTokenCount: count,
          promptTokensDetails: fc.constant([{ modality: "TEXT", tokenCount: 7 }]),
        }),
      },
      fc.record({ promptTokenCount: fc.constant(7), thoughtsTokenCount: count, totalTokenCount: count }),
      fc.constantFrom(undefined, null, { trafficType: "ON_DEMAND" }),
    ),
    head: fc.constantFrom(
      ...Array.from({ length: 20 }, () => ({})),
      { responseId: "r", modelVersion: "gemini" },
      { usage_metadata: { totalTokenCount: 3 } },
      { promptFeedback: { blockReason: "SAFETY" } },
      { totalTokenCount: 9 },
    ),
  })
  .map(({ part, more, usage, head }) => {
    const candidates = [Object.assign({ content: { parts: [part], role: "model" } }, more)];
    return Object.assign({ candidates, usageMetadata: usage }, head);
  });

export const cohereEvent = fc
  .record({
    event: fc.oneof(
      { weight: 4, arbitrary: text.map((said) => ({ type: "content-delta", message: { content: { text: said } } })) },
      text.map((said) => ({ type: "content-delta", message: { content: { thinking: said } } })),
      text.map((said) => ({ type: "content-delta", message: { content: { thinking: said, text: "both" } } })),
      text.map((said) => ({ type: "tool-plan-delta", message: { tool_plan: said } })),
      {
        weight: 3,
        arbitrary: text.map((said) => {
          return { type: "tool-call-delta", message: { tool_calls: { function: { arguments: said } } } };
        }),
      },
      text.map((said) => {
        return { type: "tool-call-delta", message: { tool_calls: [{ id: "c", function: { arguments: said } }] } };
      }),
      fc.constantFrom(
        { type: "tool-call-start", message: { tool_calls: { id: "c", function: { name: "f", arguments: "" } } } },
        { type: "content-start", message: { content: { type: "text", text: "" } } },
        { type: "content-end", message: undefined },
      ),
    ),
    index: fc.constantFrom(0, 0, 0, 1, undefined, [], {}),
  })
  .map(({ event: { type, message }, index }) => ({ type, index, delta: { message } }));

export const cohereLine = fc
  .record({
    event_type: fc.constantFrom(
      "text-generation",
      "text-generation",
      "text-generation",
      undefined,
      "tool-calls-chunk",
      "tool-calls-generation",
      "stream-end",
    ),
    index: fc.constantFrom(undefined, undefined, undefined, 0, 1, [1]),
    is_finished: fc.constantFrom(false, false, false, true),
    response: fc.constantFrom(undefined, { text: "all of it", response_id: "r" }),
    text,
  })
  .map(({ response, ...fields }) => Object.assign(fields, fields.event_type === "stream-end" && { response }));

export const converseEvent = fc
  .record({
    contentBlockIndex: fc.constantFrom(0, 0, 0, 1, []),
    delta: fc.oneof(
      { weight: 3, arbitrary: fc.record({ text }) },
      { weight: 3, arbitrary: text.map((input) => ({ toolUse: { input } })) },
      fc.record({ reasoningContent: fc.record({ text }) }),
      fc.record({ reasoningContent: fc.record({ text, redactedContent: fc.constant("eHl6") }) }),
      fc.record({ toolUse: fc.constant({ input: { a: 1 } }), reasoningContent: fc.record({ text }) }),
      fc.record({ citation: fc.record({ title: text }) }),
      fc.constant(undefined),
    ),
    start: fc.constantFrom(undefined, undefined, undefined, { toolUse: { toolUseId: "t", name: "f" } }),
    p: fc.constantFrom("a", "abcdef"),
  })
  .map(({ start, ...fields }) => Object.assign(fields, start && { start }));

/** The members of an `Event` but for its data. */
export function nameOfType({ type }: { type?: string }): Pick<Event, "name"> {
  return type === undefined ? {} : { name: type };
}

export function nameOfConverse(event: object): Pick<Event, "name"> {
  return { name: "start" in event ? "contentBlockStart" : "contentBlockDelta" };
}
