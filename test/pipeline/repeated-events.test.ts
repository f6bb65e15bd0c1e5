import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createEventPattern } from "../../src/decode/event-pattern.ts";
import { anthropicMessagesParser } from "../../src/parsers/anthropic-messages.ts";
import { type LlmCall, parseExchange, type RecordedExchange } from "../../src/parsers/index.ts";
import { ollamaParser } from "../../src/parsers/ollama.ts";
import { openaiChatParser } from "../../src/parsers/openai-chat.ts";
import { openaiCompletionsParser } from "../../src/parsers/openai-completions.ts";
import { openaiResponsesParser } from "../../src/parsers/openai-responses.ts";
import type { Parser } from "../../src/parsers/parser.ts";
import { type AssembledExchange, createAssembly } from "../../src/pipeline/assemble.ts";
import { cutAt, cuts } from "../decode/rechunk.ts";
import { root } from "../docs/pages.ts";

interface Event {
  data: string;
  name?: string;
}

const parsers = [
  openaiChatParser,
  anthropicMessagesParser,
  openaiResponsesParser,
  openaiCompletionsParser,
  ollamaParser,
] as unknown as Parser[];

afterEach(() => vi.restoreAllMocks());

/** Every event is parsed and folded, as if none were like another. */
function parseEach<Result>(run: () => Result): Result {
  for (const parser of parsers) vi.spyOn(parser, "findText").mockReturnValue(undefined);
  try {
    return run();
  } finally {
    vi.restoreAllMocks();
  }
}

function assemble(
  parser: Parser,
  events: readonly Event[],
  shares: readonly number[],
  limit: number,
): AssembledExchange {
  const assembly = createAssembly({
    route: { provider: "test", api: parser.api, operation: "chat" },
    path: "/",
    method: "POST",
    status: 200,
    requestHeaders: {},
    responseHeaders: { "content-type": "text/event-stream" },
    requestBody: () => ({ value: { model: "m", messages: [] }, notes: [] }),
    contentLimit: limit,
    parser,
  });
  const body = events
    .map(({ data, name }) => `${name === undefined ? "" : `event: ${name}\n`}data: ${data}\n\n`)
    .join("");
  cutAt(new TextEncoder().encode(body), shares).forEach((bytes, index) => assembly.push(bytes, index));
  return assembly.finish({ interrupted: false });
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
const styles = fc.constantFrom("compact", "spaced", "padded");

/** JSON as JavaScript writes it, as Python does, and with Anthropic's padding. */
function write(value: unknown, style: string, index: number): string {
  if (style === "spaced") return JSON.stringify(value, undefined, 1).replaceAll(/\n\s*/g, "");
  const json = JSON.stringify(value);
  return style === "compact" ? json : `${json.slice(0, -1)}${" ".repeat(index % 7)}}`;
}

const padding = fc.constantFrom({}, { obfuscation: "x" }, { obfuscation: 'a"b\\c' }, { obfuscation: "" }, { p: "abc" });

/** Together says all twice. */
const twice = fc.option(fc.record({ text, token_id: fc.nat() }), { nil: undefined });

const chatEvent = fc
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

const completionEvent = fc
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

const ollamaLine = fc
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

const messageEvent = fc
  .record({
    index: fc.constantFrom(0, 0, 1),
    delta: fc.oneof(
      fc.record({ type: fc.constant("text_delta"), text }),
      fc.record({ type: fc.constant("thinking_delta"), thinking: text }),
      { weight: 3, arbitrary: fc.record({ type: fc.constant("input_json_delta"), partial_json: text }) },
    ),
  })
  .map((fields) => Object.assign({ type: "content_block_delta" }, fields));

const responseEvent = fc
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

describe.each([
  ["openai-chat", openaiChatParser, chatEvent],
  ["anthropic-messages", anthropicMessagesParser, messageEvent],
  ["openai-responses", openaiResponsesParser, responseEvent],
  ["openai-completions", openaiCompletionsParser, completionEvent],
  ["ollama", ollamaParser, ollamaLine],
] as [string, Parser, fc.Arbitrary<{ type?: string }>][])("events of %s that are alike", (_, parser, event) => {
  it("say the same as when each is parsed", () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 30 }),
        styles,
        cuts,
        fc.constantFrom(20, 100_000),
        (values, style, at, limit) => {
          const events = values.map((value, index) => ({
            data: write(value, style, index),
            ...(value.type !== undefined && { name: value.type }),
          }));
          const expected = parseEach(() => assemble(parser, events, at, limit));
          expect(assemble(parser, events, at, limit)).toEqual(expected);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("say the same when some are broken", () => {
    fc.assert(
      fc.property(
        fc.array(event, { minLength: 2, maxLength: 12 }),
        fc.nat(),
        fc.nat(),
        fc.constantFrom("", '"', "\\", "{", ",", "\t"),
        (values, which, where, broken) => {
          const events = values.map((value) => ({ data: JSON.stringify(value) }));
          const chosen = events[which % events.length] as Event;
          const at = where % chosen.data.length;
          chosen.data = chosen.data.slice(0, at) + broken + chosen.data.slice(at + 1);
          const expected = parseEach(() => assemble(parser, events, [], 100_000));
          expect(assemble(parser, events, [], 100_000)).toEqual(expected);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe("a stream of texts", () => {
  function countParsed(run: () => void): number {
    const parse = vi.spyOn(JSON, "parse");
    run();
    const count = parse.mock.calls.length;
    vi.restoreAllMocks();
    return count;
  }

  const words = Array.from({ length: 200 }, (_, index) => ` word${index}`);

  it.each([
    [
      openaiChatParser,
      (content: string) => ({
        id: "chatcmpl-1",
        object: "chat.completion.chunk",
        created: 1,
        model: "gpt-4o",
        system_fingerprint: null,
        choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }],
        usage: null,
        obfuscation: content.slice(0, 3),
      }),
    ],
    [
      anthropicMessagesParser,
      (said: string) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: said } }),
    ],
    [
      openaiResponsesParser,
      (delta: string, sequence_number: number) => ({
        type: "response.output_text.delta",
        content_index: 0,
        delta,
        item_id: "msg_1",
        logprobs: [],
        output_index: 0,
        sequence_number,
      }),
    ],
  ] as [Parser, (said: string, index: number) => object][])(
    "is read without parsing each event (%#)",
    (parser, make) => {
      const events = words.map((word, index) => ({ data: JSON.stringify(make(word, index)) }));
      let assembled: AssembledExchange | undefined;
      const parsed = countParsed(() => {
        assembled = assemble(parser, events, [0.1, 0.5], 100_000);
      });
      expect(parsed).toBeLessThan(10);
      const parts = assembled?.response.choices[0]?.message.parts;
      expect(parts).toEqual([{ type: "text", content: words.join("") }]);
    },
  );

  it("is not looked through for ever when each event differs in more", () => {
    const learn = vi.spyOn(openaiChatParser, "findText");
    const events = words.map((content, created) => ({
      data: JSON.stringify({ created, choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
    }));
    const assembled = assemble(openaiChatParser, events, [], 100_000);
    expect(assembled.response.choices[0]?.message.parts).toEqual([{ type: "text", content: words.join("") }]);
    expect(learn.mock.calls.length).toBeLessThan(10);
  });
});

describe("a pattern", () => {
  it("is none where a name may be written otherwise", () => {
    const create = (json: string): unknown => createEventPattern(json, { key: "t", text: "a", ignored: new Map() });
    expect(create('{"t":"a","\\u0074":"a"}')).toBeUndefined();
    expect(create('{"t":"a","t" :"a"}')).toBeUndefined();
    expect(create('{"t":"a"}')).toBeDefined();
  });

  it("is none where the text may stand in two places", () => {
    const json = '{"content":"a","delta":{"content":"a"}}';
    expect(createEventPattern(json, { key: "content", text: "a", ignored: new Map() })).toBeUndefined();
    expect(createEventPattern('{"content":"b"}', { key: "content", text: "a", ignored: new Map() })).toBeUndefined();
    expect(createEventPattern('{"content": ["a"]}', { key: "content", text: "a", ignored: new Map() })).toBeUndefined();
  });

  it("reads what JSON reads, and nothing else", () => {
    const ignored = new Map<string, string | number>([
      ["n", 7],
      ["pad", "xyz"],
    ]);
    const pattern = createEventPattern('{"n":7,"t":"one","pad":"xyz"}', { key: "t", text: "one", ignored });
    const read = (json: string): string | undefined => pattern?.read(json);
    expect(read('{"n":8,"t":"a \\"b\\" \\u00e9\\n","pad":""}')).toBe('a "b" é\n');
    expect(read('{"n":0,"t":"","pad":"\\\\"}')).toBe("");
    expect(read('{"n":1,"t":"a","pad":""  } ')).toBe("a");
    for (const broken of [
      '{"n":07,"t":"a","pad":""}',
      '{"n":-1,"t":"a","pad":""}',
      '{"n":1.5,"t":"a","pad":""}',
      '{"n":1,"t":"a\\","pad":""}',
      '{"n":1,"t":"a\\x","pad":""}',
      '{"n":1,"t":"a\u0001","pad":""}',
      '{"n":1,"t":"a","pad":"\\u12"}',
      '{"n":1,"t":"a","pad":""',
      '{"n":1,"t":"a","pad":"","more":1}',
    ]) {
      expect(read(broken), broken).toBeUndefined();
    }
  });
});

interface Recording extends Omit<RecordedExchange, "response"> {
  id: string;
  response: { status: number; headers: Record<string, string>; body?: Uint8Array };
}
const { hasTraffic, readExchanges } = (await import(join(root, "scripts/score-exchanges.mjs"))) as {
  hasTraffic(): boolean;
  readExchanges(): Recording[];
};

/** Without what is new in each reading. */
function withoutIds(call: LlmCall): unknown {
  const { id, trace, timing, ...rest } = call;
  expect([id, trace]).not.toContain(undefined);
  return { ...rest, timing: { ...timing, startedAt: 0 } };
}

describe.skipIf(!hasTraffic())("recorded streams", () => {
  it("say the same as when each event is parsed", { timeout: 120_000 }, () => {
    let streams = 0;
    for (const { id, request, response } of readExchanges()) {
      const { status, headers, body = new Uint8Array() } = response;
      const chunks = cutAt(body, [0.02, 0.3, 0.7]).map((bytes, atMs) => ({ bytes, atMs }));
      const read = (): LlmCall | undefined => parseExchange({ request, response: { status, headers, chunks } });
      const found = read();
      if (found?.streaming !== true) continue;
      streams += 1;
      expect(withoutIds(found), id).toEqual(withoutIds(parseEach(read) as LlmCall));
    }
    expect(streams).toBeGreaterThan(100);
  });
});
