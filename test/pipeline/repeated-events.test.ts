import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createEventPattern, type EventPattern } from "../../src/decode/event-pattern.ts";
import { anthropicMessagesParser } from "../../src/parsers/anthropic-messages.ts";
import { bedrockConverseParser } from "../../src/parsers/bedrock-converse.ts";
import { cohereV1Parser } from "../../src/parsers/cohere-v1.ts";
import { cohereV2Parser } from "../../src/parsers/cohere-v2.ts";
import { geminiParser } from "../../src/parsers/gemini.ts";
import { type LlmCall, parseExchange, type RecordedExchange } from "../../src/parsers/index.ts";
import { ollamaParser } from "../../src/parsers/ollama.ts";
import { openaiChatParser } from "../../src/parsers/openai-chat.ts";
import { openaiCompletionsParser } from "../../src/parsers/openai-completions.ts";
import { openaiResponsesParser } from "../../src/parsers/openai-responses.ts";
import type { Parser } from "../../src/parsers/parser.ts";
import { type AssembledExchange, createAssembly } from "../../src/pipeline/assemble.ts";
import { cutAt, cuts } from "../decode/rechunk.ts";
import { root } from "../docs/pages.ts";
import {
  chatEvent,
  cohereEvent,
  cohereLine,
  completionEvent,
  converseEvent,
  type Event,
  geminiChunk,
  messageEvent,
  nameOfConverse,
  nameOfType,
  ollamaLine,
  responseEvent,
  styles,
  write,
} from "./stream-events.ts";

const parsers = [
  openaiChatParser,
  anthropicMessagesParser,
  openaiResponsesParser,
  openaiCompletionsParser,
  ollamaParser,
  geminiParser,
  cohereV2Parser,
  cohereV1Parser,
  bedrockConverseParser,
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

describe.each([
  ["openai-chat", openaiChatParser, chatEvent],
  ["anthropic-messages", anthropicMessagesParser, messageEvent],
  ["openai-responses", openaiResponsesParser, responseEvent],
  ["openai-completions", openaiCompletionsParser, completionEvent],
  ["ollama", ollamaParser, ollamaLine],
  ["gemini", geminiParser, geminiChunk],
  ["cohere-v2", cohereV2Parser, cohereEvent],
  ["cohere-v1", cohereV1Parser, cohereLine],
  ["bedrock-converse", bedrockConverseParser, converseEvent, nameOfConverse],
] as [string, Parser, fc.Arbitrary<{ type?: string }>, nameOf?: typeof nameOfType][])(
  "events of %s that are alike",
  (_, parser, event, nameOf = nameOfType) => {
    it("say the same as when each is parsed", () => {
      fc.assert(
        fc.property(
          fc.array(event, { maxLength: 30 }),
          styles,
          cuts,
          fc.constantFrom(20, 100_000),
          (values, style, at, limit) => {
            const events = values.map((value, index) => ({ data: write(value, style, index), ...nameOf(value) }));
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
            const events = values.map((value) => ({ data: JSON.stringify(value), ...nameOf(value) }));
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
  },
);

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
    [
      geminiParser,
      (said: string, tokens: number) => ({
        candidates: [{ content: { parts: [{ text: said }], role: "model" }, index: 0 }],
        usageMetadata: { promptTokenCount: 8, candidatesTokenCount: tokens, totalTokenCount: tokens + 8 },
        modelVersion: "gemini-2.5-flash",
        responseId: "r",
      }),
    ],
    [
      cohereV2Parser,
      (said: string) => ({ type: "content-delta", index: 0, delta: { message: { content: { text: said } } } }),
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

  it.each([
    ["finishReason", "STOP", "MAX_TOKENS"],
    ["finishReason", 1, 2],
    ["groundingMetadata", { webSearchQueries: ["one"] }, { webSearchQueries: ["two", "three"] }],
    ["promptFeedback", { blockReason: "SAFETY" }, { blockReason: "OTHER" }],
    ["usage_metadata", { totalTokenCount: 3 }, { totalTokenCount: 4 }],
  ])("is taken at its last word where its chunks say more than a text: %s (%#)", (name, first, second) => {
    const make = (text: string, said: unknown): Event => {
      const candidate = { content: { parts: [{ text }] } };
      const isOfChunk = name === "promptFeedback" || name === "usage_metadata";
      const chunk = isOfChunk
        ? { candidates: [candidate], [name]: said }
        : { candidates: [{ ...candidate, [name]: said }] };
      return { data: JSON.stringify(chunk) };
    };
    const chunks = ["a", "b", "c", "d", "e", "f"].map((letter) => make(letter, first));
    const events = [...chunks, make("", second), make("g", first)];
    const expected = parseEach(() => assemble(geminiParser, events, [], 100_000));
    expect(assemble(geminiParser, events, [], 100_000)).toEqual(expected);
  });

  it("has the usage of its last chunk, whole and broken off", () => {
    const chunks = words.map((word, tokens) => ({
      data: JSON.stringify({
        candidates: [{ content: { parts: [{ text: word }] } }],
        usageMetadata: { promptTokenCount: 8, candidatesTokenCount: tokens, totalTokenCount: tokens + 8 },
      }),
    }));
    for (const length of [6, 7, 50, 200]) {
      const { usage } = assemble(geminiParser, chunks.slice(0, length), [0.3], 100_000).response;
      expect(usage).toMatchObject({ inputTokens: 8, outputTokens: length - 1, totalTokens: length + 7 });
    }
  });

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

  it("tells the counts of the last event that it has read", () => {
    const pattern = createEventPattern('{"n":7,"t":"a","m":1}', {
      key: "t",
      text: "a",
      ignored: new Map(),
      counts: { m: 1, n: 7, other: 3 },
    });
    expect(pattern?.read('{"n":8,"t":"b","m":20}')).toBe("b");
    expect(pattern?.counts).toEqual({ n: 8, m: 20 });
    expect(pattern?.read('{"n":9,"t":"b","m":21,"more":1}')).toBeUndefined();
    expect(pattern?.counts).toEqual({ n: 8, m: 20 });
  });

  it("takes no part of a number for the whole", () => {
    const create = (json: string, n: number): EventPattern | undefined =>
      createEventPattern(json, { key: "t", text: "a", ignored: new Map(), counts: { n } });
    expect(create('{"t":"a","n":0e5}', 0)?.read('{"t":"a","n":3e5}')).toBeUndefined();
    expect(create('{"t":"a","n":1.0}', 1)?.read('{"t":"a","n":2.0}')).toBeUndefined();
    expect(create('{"t":"a","n":1}', 1)?.read('{"t":"a","n":1234567890123456}')).toBeUndefined();
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
