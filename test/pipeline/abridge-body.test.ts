/** What is recorded of a big body does not depend on whether its long strings were shortened before it was parsed. */
import { createHash } from "node:crypto";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ABRIDGED_PIECE, JsonAbridger } from "../../src/decode/abridge-json.ts";
import { getMark, LEAST_ABRIDGED } from "../../src/abridged-text.ts";
import { KeptBytes } from "../../src/decode/kept-bytes.ts";
import { recoverLargeJson } from "../../src/decode/repair-json.ts";
import { createLinker } from "../../src/enrich/link.ts";
import { noteEnd } from "../../src/interceptor/exchange.ts";
import { randomHex } from "../../src/interceptor/id.ts";
import { createRequestAbridger } from "../../src/pipeline/abridge-body.ts";
import { createJob, type JobOptions } from "../../src/pipeline/exchange-job.ts";
import { createKeyedHash, createRunningSums, type RunningSums } from "../../src/platform/node.ts";
import { createRecorder } from "../../src/record-call.ts";
import type { Exchange, LlmCall, TapOptions } from "../../src/types.ts";
import { addBody, type ExchangeOptions, makeAnswer, startExchange } from "./exchanges.ts";

const key = new Uint8Array(32).fill(5);
const sums = createRunningSums(key) as RunningSums;
const exchangeBytes = 8 * 1024 * 1024;

interface Reader {
  record(exchange: Exchange): Promise<LlmCall>;
  wasAbridged: boolean;
}

const sameDigits = (length: number): string => "a".repeat(length);

function createReader(isAbridged: boolean, options: TapOptions = {}, makeDigits = sameDigits): Reader {
  const maxContentLength = options.maxContentLength ?? 100_000;
  const recordCall = createRecorder({
    options,
    cost: { ready: () => Promise.resolve(), readyNow: () => undefined, price: () => undefined },
    linker: createLinker({ randomHex: makeDigits, hash: createKeyedHash(key) }),
    report: (_place, error) => {
      throw error;
    },
    onContentSampledOut: () => undefined,
  });
  const reader: Reader = {
    wasAbridged: false,
    async record(exchange) {
      const jobOptions: JobOptions = { exchangeBytes, hasCallShape: () => true };
      if (isAbridged) {
        jobOptions.abridge = ({ route }) => {
          reader.wasAbridged = true;
          return {
            keepLength: Math.max(LEAST_ABRIDGED, maxContentLength + 4_096),
            maxBytes: exchangeBytes,
            isVectors: route.operation === "embeddings",
            sums,
          };
        };
      }
      const job = createJob(exchange, jobOptions);
      while (job.work(() => true) || !job.isDrained()) await job.busy;
      const recorded = recordCall(exchange, job.finish());
      if (recorded === undefined || recorded === "poll") throw new Error("nothing was recorded");
      return recorded.call;
    },
  };
  return reader;
}

function makeExchange(given: ExchangeOptions, startTime = 0): Exchange {
  const exchange = startExchange(given);
  if (given.api === "openai-embeddings" || given.api === "vertex-predict") exchange.route.operation = "embeddings";
  if (given.api === "openai-images") exchange.route.operation = "image_generation";
  addBody(exchange, given.body ?? makeAnswer(), given.chunkBytes);
  noteEnd(exchange, false);
  return Object.assign(exchange, {
    startTime,
    headersTime: startTime + 1,
    firstByteTime: startTime + 2,
    lastByteTime: startTime + 3,
    endTime: startTime + 4,
    startedAt: 1_700_000_000_000 + startTime,
  });
}

const words = (length: number): string =>
  "All work and no play makes Jack a dull boy. ".repeat(length / 44 + 1).slice(0, length);
const code = (length: number): string =>
  'print("tab\\t", \'é漢🚀\')\n\t# "quoted"\r\n'.repeat(length / 36 + 1).slice(0, length);
const image = (bytes: number): string => {
  const data = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) data[at] = (at * 31 + (at >> 5)) & 0xff;
  return data.toString("base64");
};
const chat = (messages: unknown[]): string => JSON.stringify({ model: "m-1", messages });
const user = (content: unknown) => ({ role: "user", content });
const imageUrl = (url: string) => ({ type: "image_url", image_url: { url } });

const makeToolAnswer = (given: string): string =>
  JSON.stringify({
    id: "c-1",
    model: "m-1",
    choices: [
      {
        index: 0,
        finish_reason: "tool_calls",
        message: {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "call_1", type: "function", function: { name: "write", arguments: given } }],
        },
      },
    ],
  });

const cases: Record<string, ExchangeOptions> = {
  "a long answer": { body: makeAnswer(words(700_000)) },
  "a long answer in code": { body: makeAnswer(code(700_000)) },
  "a long answer in another script": { body: makeAnswer("漢字かな🚀".repeat(60_000)) },
  "an answer that is shorter than what is kept": { body: makeAnswer(words(99_000)) },
  "an answer just over what is kept": { body: makeAnswer(words(100_001)) },
  "an answer just over what is shortened": { body: makeAnswer(words(104_200)) },
  "an image": {
    api: "openai-images",
    path: "/v1/images/generations",
    request: JSON.stringify({ model: "gpt-image-1", prompt: "x" }),
    body: JSON.stringify({
      created: 1,
      data: [{ b64_json: image(700_000) }],
      usage: { input_tokens: 1, output_tokens: 2 },
    }),
  },
  "embeddings as numbers": {
    api: "openai-embeddings",
    path: "/v1/embeddings",
    request: JSON.stringify({ model: "e-1", input: ["a", "b"] }),
    body: JSON.stringify({
      object: "list",
      data: [0, 1, 2].map((index) => ({
        index,
        embedding: Array.from({ length: 3_072 }, (_, at) => Math.sin(at + index)),
      })),
      usage: { prompt_tokens: 2, total_tokens: 2 },
    }),
  },
  "embeddings as base64": {
    api: "openai-embeddings",
    path: "/v1/embeddings",
    request: JSON.stringify({ model: "e-1", input: ["a", "b"], encoding_format: "base64" }),
    body: JSON.stringify({
      object: "list",
      data: Array.from({ length: 20 }, (_, index) => ({ index, embedding: image(12_288) })),
    }),
  },
  "embeddings of Vertex": {
    api: "vertex-predict",
    path: "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
    request: JSON.stringify({ instances: [{ content: "a" }, { content: "b" }, { content: "c" }] }),
    body: JSON.stringify({
      predictions: [0, 1, 2].map((index) => ({
        embeddings: {
          statistics: { truncated: false, token_count: 6 },
          values: Array.from({ length: 3_072 }, (_, at) => Math.sin(at + index)),
        },
      })),
    }),
  },
  "a request with an image": {
    request: chat([user([{ type: "text", text: "what is it?" }, imageUrl(`data:image/png;base64,${image(400_000)}`)])]),
  },
  "a request with a long document": { request: chat([user(words(900_000)), user("sum it up")]) },
  "a request with a document of many lines": { request: chat([user(code(300_000))]) },
  "a tool with a long result": {
    request: chat([
      user("read it"),
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "call_abc123XYZ789defGHI", type: "function", function: { name: "read", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "call_abc123XYZ789defGHI", content: words(200_000) },
    ]),
  },
  "a system prompt that is long": { request: chat([{ role: "system", content: words(150_000) }, user("hi")]) },
  "long arguments": { body: makeToolAnswer(JSON.stringify({ text: words(300_000) })) },
  "an image in the middle of a text": {
    request: chat([user(`Look: data:image/png;base64,${image(40_000)} and say. ${words(100_000)}`)]),
  },
  "a sound that begins with silence": {
    request: chat([
      user([
        { type: "input_audio", input_audio: { format: "pcm16", data: Buffer.alloc(150_000, 0).toString("base64") } },
      ]),
    ]),
  },
  "a data URL in a field of base64": {
    request: chat([user([{ type: "novelty", data: `data:image/png;base64,${image(150_000)}` }])]),
  },
  "arguments behind white space": {
    body: makeToolAnswer(`\n {"text":${JSON.stringify(words(300_000))}}`),
  },
  "arguments that are pretty and short of nothing": {
    body: makeToolAnswer(JSON.stringify({ text: words(300_000) }, undefined, 2)),
  },
  "many short texts": { request: chat(Array.from({ length: 3_000 }, (_, index) => user(`${index} ${words(90)}`))) },
  "JSON that breaks off": { body: makeAnswer(words(300_000)).slice(0, 250_000) },
  "JSON that breaks off within what is kept": { body: makeAnswer(words(300_000)).slice(0, 90_000) },
};

const policies: Record<string, TapOptions> = {
  "as it is": {},
  "with less content": { maxContentLength: 1_000 },
  "with more content": { maxContentLength: 250_000 },
};

describe.each(Object.entries(policies))("%s, the record is the same:", (_policy, options) => {
  it.each(Object.entries(cases))("%s", async (name, given) => {
    const plain = createReader(false, options);
    const abridging = createReader(true, options);
    const call = await abridging.record(makeExchange(given));
    expect(abridging.wasAbridged).toBe(true);
    expect(call).toEqual(await plain.record(makeExchange(given)));
    expect(JSON.stringify(call)).not.toContain("\\u0000");
    if (name === "an image")
      expect(call.response?.choices[0]?.message.parts[0]).toMatchObject({
        bytes: 700_000,
        sha256: createHash("sha256")
          .update(Buffer.from(image(700_000), "base64"))
          .digest("hex"),
      });
  });
});

const pack = {
  gzip: gzipSync,
  br: brotliCompressSync,
  "deflate, gzip": (body: string | Uint8Array) => gzipSync(deflateSync(body)),
};

function makePacked(given: ExchangeOptions, encoding: keyof typeof pack, keptShare = 1): Exchange {
  const packed = pack[encoding](given.body ?? makeAnswer());
  const exchange = makeExchange({ ...given, body: packed.subarray(0, packed.byteLength * keptShare) });
  exchange.responseHeaders["content-encoding"] = encoding;
  return exchange;
}

describe.each(Object.keys(pack) as (keyof typeof pack)[])("packed with %s, the record is the same:", (encoding) => {
  it.each(Object.entries(cases))("%s", async (_name, given) => {
    const call = await createReader(true).record(makePacked(given, encoding));
    expect(call).toEqual(await createReader(false).record(makePacked(given, encoding)));
    const plain = await createReader(false).record(makeExchange(given));
    expect(call).toMatchObject({
      ...plain,
      response: { ...plain.response, bytes: expect.any(Number), chunks: expect.any(Number) },
    });
    expect(JSON.stringify(call)).not.toContain("\\u0000");
  });

  it.each(Object.entries(cases))("%s, when the end is missing", async (_name, given) => {
    const call = await createReader(true).record(makePacked(given, encoding, 0.7));
    expect(call.capture.notes).toContain("truncated_content_encoding");
    const { notes } = (await createReader(false).record(makePacked(given, encoding, 0.7))).capture;
    expect(call.capture.notes.toSorted()).toEqual(notes.toSorted());
  });
});

it.each([100, 5_000, 200_000])(
  "of a packed body of %s characters all that has come is told when the process ends",
  (size) => {
    const text = Array.from({ length: size / 10 }, (_, index) => `${Math.sin(index)}`.slice(3, 13)).join("");
    const exchange = makePacked({ body: makeAnswer(text) }, "gzip");
    const job = createJob(exchange, {
      exchangeBytes,
      hasCallShape: () => true,
      abridge: () => ({ keepLength: LEAST_ABRIDGED, maxBytes: exchangeBytes, isVectors: false, sums }),
    });
    job.work(() => false);
    job.workNow();
    const assembled = job.finish();
    // What zlib's threads hold can't be waited for.
    if (size < 100_000) expect(assembled?.response.usage.totalTokens).toBe(33);
    expect(assembled?.notes).not.toContain("parser_failed");
  },
);

it("of a packed body that is being unpacked what came out is told when the process ends, and nothing else", async () => {
  const text = Array.from({ length: 40_000 }, (_, index) => `${Math.sin(index)}`.slice(3, 13)).join("");
  const packed = gzipSync(makeAnswer(text));
  const exchange = startExchange();
  exchange.responseHeaders["content-encoding"] = "gzip";
  const job = createJob(exchange, {
    exchangeBytes,
    hasCallShape: () => true,
    abridge: () => ({ keepLength: LEAST_ABRIDGED, maxBytes: exchangeBytes, isVectors: false, sums }),
  });
  const half = packed.byteLength / 2;
  addBody(exchange, packed.subarray(0, half));
  job.work(() => false);
  await job.busy;
  addBody(exchange, packed.subarray(half));
  noteEnd(exchange, true);
  job.workNow();
  const assembled = job.finish();
  expect(assembled?.response).toMatchObject({ id: "chatcmpl-1", model: "m-1-2026" });
  expect(assembled?.notes).not.toContain("invalid_utf8");
});

describe("what goes on from a long answer", () => {
  const answer = `${words(150_000)}\n"It is so"\n${code(50_000)}`;
  const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
  const stream = [
    ...(answer.match(/[^]{1,5000}/g) ?? []).map((content) =>
      event({ id: "c-1", model: "m-1", choices: [{ index: 0, delta: { content } }] }),
    ),
    event({ id: "c-1", model: "m-1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
    "data: [DONE]\n\n",
  ].join("");
  const body = JSON.stringify({
    id: "c-1",
    model: "m-1",
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: answer } }],
  });
  const picture = imageUrl(`data:image/png;base64,${image(150_000)}`);
  it.each([
    ["a stream", { body: stream, contentType: "text/event-stream" }, "tell me a story"],
    ["one value", { body }, "tell me a story"],
    ["one value, about an image", { body }, [picture]],
    ["a stream, about a long text", { body: stream, contentType: "text/event-stream" }, words(120_000)],
  ])("is found: %s", async (_name, given, asked) => {
    const reader = createReader(true, {}, randomHex);
    const first = await reader.record(makeExchange({ ...given, request: chat([user(asked)]) }));
    const second = await reader.record(
      makeExchange({ request: chat([user(asked), { role: "assistant", content: answer }, user("go on")]) }, 10),
    );
    expect(second.trace).toMatchObject({ traceId: first.trace.traceId, turn: 2 });
    const other = await reader.record(
      makeExchange({ request: chat([user(asked), { role: "assistant", content: `${answer}!` }, user("go on")]) }, 20),
    );
    expect(other.trace.traceId).not.toBe(first.trace.traceId);
  });
});

describe("nothing of what stands behind a text gets into a record", () => {
  const url = `data:image/png;base64,${image(150_000)}`;
  const answerIn = (content: unknown) => ({
    body: JSON.stringify({ id: "c-1", model: "m-1", choices: [{ index: 0, message: { role: "assistant", content } }] }),
  });
  const texts: Record<string, ExchangeOptions> = {
    "that is a credential to its end": {
      request: chat([user([imageUrl(`https://x.test/?sig=${"a".repeat(150_000)}`)])]),
    },
    "of a tool that names a key": {
      request: JSON.stringify({
        model: "m-1",
        messages: [user("hi")],
        tools: [
          { type: "function", function: { name: "f", description: `-----BEGIN PRIVATE KEY-----${words(150_000)}` } },
        ],
      }),
    },
    "that is joined with others": answerIn([
      { type: "text", text: url },
      { type: "text", text: " is the first" },
      { type: "text", text: url },
      { type: "text", text: " the second" },
    ]),
    "that is thought": answerIn([
      {
        type: "thinking",
        thinking: [
          { type: "text", text: url },
          { type: "text", text: "." },
        ],
      },
    ]),
    "that goes on behind its media": { request: chat([user(`${url} what is it?`)]) },
    "that is a key": {
      request: chat([user([{ type: "novelty", value: { [words(150_000)]: 1, [words(160_000)]: { a: [1] } } }])]),
    },
    "that broke off": { body: makeAnswer(words(300_000)).slice(0, 290_000) },
  };
  it.each(Object.entries(texts))("%s", async (_name, given) => {
    for (const options of [{}, { maxContentLength: 1_000 }]) {
      const call = JSON.stringify(await createReader(true, options).record(makeExchange(given)));
      expect(call).not.toContain(getMark().slice(1));
      expect(call).not.toMatch(/\\u000[01]/);
    }
  });

  it("and of a credential at its end nothing is left, where others made it shorter", async () => {
    const secret = `-----BEGIN PRIVATE KEY-----${"k".repeat(20_000)}-----END PRIVATE KEY-----`;
    const start = `${secret} ${words(104_090 - secret.length)} https://user:`;
    const given = chat([user([imageUrl(`${start}hunter2hunter2@host/ ${words(50_000)}`)])]);
    const call = await createReader(true).record(makeExchange({ request: given }));
    expect(JSON.stringify(call)).toContain("[private_key]");
    expect(JSON.stringify(call)).not.toContain("hunter");
  });

  it("and media that are joined with a text are described each", async () => {
    const given = answerIn([
      { type: "text", text: url },
      { type: "text", text: " is it" },
    ]);
    const call = await createReader(true).record(makeExchange(given));
    expect(call).toEqual(await createReader(false).record(makeExchange(given)));
  });
});

describe("a body that is being shortened", () => {
  const body = makeAnswer(words(700_000));

  it("is there when the process ends in the middle of it", () => {
    const exchange = startExchange();
    const job = createJob(exchange, {
      exchangeBytes,
      hasCallShape: () => true,
      abridge: () => ({ keepLength: 104_096, maxBytes: exchangeBytes, isVectors: false, sums }),
    });
    addBody(exchange, body.slice(0, 400_000));
    expect(job.work(() => true)).toBe(true);
    expect(job.countHeld()).toBeGreaterThan(400_000);
    addBody(exchange, body.slice(400_000));
    noteEnd(exchange, false);
    job.workNow();
    expect(job.finish()?.response).toMatchObject({ id: "chatcmpl-1", usage: { outputTokens: 22 } });
  });

  it.each(["", "data: "])(
    "is left alone where it is a stream that says it is JSON: its pieces have times, '%s'",
    (start) => {
      const line = (content: string) =>
        JSON.stringify({ id: "c-1", model: "m-1", choices: [{ index: 0, delta: { content } }] });
      const lines = [line("It"), ...Array.from({ length: 2_000 }, (_, index) => `${start}${line(`is ${index}.`)}`)];
      const exchange = Object.assign(startExchange(), { startTime: performance.now() - 1_000 });
      const job = createJob(exchange, {
        exchangeBytes,
        hasCallShape: () => true,
        abridge: () => ({ keepLength: LEAST_ABRIDGED, maxBytes: exchangeBytes, isVectors: false, sums }),
      });
      addBody(exchange, lines.join("\n\n"));
      const { marks } = exchange;
      exchange.marks = marks.map((mark, at) => (at % 2 === 0 ? mark : exchange.startTime + 10 * at));
      noteEnd(exchange, false);
      while (job.work(() => true) || !job.isDrained());
      expect(job.finish()).toMatchObject({ streaming: true, firstTokenMs: 10 });
    },
  );

  it("is left alone packed, too, where it is a stream that says it is JSON", async () => {
    const line = (content: string) =>
      JSON.stringify({ id: "c-1", model: "m-1", choices: [{ index: 0, delta: { content } }] });
    const body = Array.from({ length: 4_000 }, () => line(randomHex(32))).join("\n");
    const exchange = makePacked({ body }, "gzip");
    const end = exchange.lastByteTime;
    exchange.marks = exchange.marks.map((mark, at) => (at % 2 === 0 ? mark : exchange.startTime + 10 + at));
    const job = createJob(exchange, {
      exchangeBytes,
      hasCallShape: () => true,
      abridge: () => ({ keepLength: LEAST_ABRIDGED, maxBytes: exchangeBytes, isVectors: false, sums }),
    });
    while (job.work(() => true) || !job.isDrained()) await job.busy;
    const assembled = job.finish();
    expect(assembled?.streaming).toBe(true);
    expect(assembled?.firstTokenMs).toBeGreaterThan(10);
    expect(assembled?.firstTokenMs).not.toBe(end);
  });

  it.each([0, 1, 5, 30, 60, 90])("keeps only its ends when room is scarce: nothing of facts that are cut, %i", (at) => {
    const marked = abridgeJson(body);
    const end = marked.indexOf(getMark().slice(1));
    const value = recoverLargeJson(marked.slice(0, 8_000), marked.slice(end - 6 + at));
    expect(JSON.stringify(value)).not.toMatch(/\\u000[01]|[0-9a-f]{16}/);
    expect(value).toMatchObject({ usage: { completion_tokens: 22 } });
  });

  it.each([0, 1, 2])("is cut between characters, %i", (shift) => {
    const kept = new KeptBytes(8_192);
    const bytes = new TextEncoder().encode("x".repeat(shift) + "漢".repeat(60_000));
    for (let at = 0; at < bytes.byteLength; at += 5_000) kept.add(bytes.subarray(at, at + 5_000));
    const { bytes: all, gapAt } = kept.take();
    for (const part of [all.subarray(0, gapAt), all.subarray(gapAt)])
      expect(() => new TextDecoder("utf-8", { fatal: true }).decode(part)).not.toThrow();
  });
});

describe("a request that is big for the number of its texts", () => {
  const piece = fc.constantFrom("word ", '"', "\\", '\\"', "\n", "é", "x".repeat(400), '","', '":"', "{}");
  const long = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));

  it("is not looked through, and each is that may hold a long one", () => {
    fc.assert(
      fc.property(fc.array(long, { maxLength: 8 }), fc.boolean(), (texts, isBytes) => {
        const json = chat(texts.map(user));
        const exchange = startExchange({ request: json });
        exchange.requestBody = isBytes ? new TextEncoder().encode(json) : json;
        const options = { keepLength: 1_000, maxBytes: exchangeBytes, isVectors: false, sums };
        const longest = Math.max(0, ...texts.map((content) => JSON.stringify(content).length - 2));
        if (longest >= 1_000) expect(createRequestAbridger(exchange, options)).toBeDefined();
        if (longest < 400) expect(createRequestAbridger(exchange, options)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});

function abridgeJson(json: string): string {
  const abridger = new JsonAbridger({ keepLength: 104_096, maxBytes: exchangeBytes, isVectors: false, sums });
  const bytes = new TextEncoder().encode(json);
  for (let at = 0; at < bytes.byteLength; at += ABRIDGED_PIECE) abridger.push(bytes.subarray(at, at + ABRIDGED_PIECE));
  return new TextDecoder().decode(abridger.end().bytes);
}
