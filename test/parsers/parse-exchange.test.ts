import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  findParser,
  FRAME_TERMINAL,
  parseExchange,
  type ParseExchangeOptions,
  type Parser,
  type RecordedExchange,
} from "../../src/parsers/index.ts";

const request = {
  method: "POST",
  url: "https://api.openai.com/v1/chat/completions",
  headers: { "Content-Type": "application/json", Authorization: "Bearer sk-x" },
  body: JSON.stringify({ model: "gpt-x", stream: true, messages: [{ role: "user", content: "hi" }] }),
};
const chunk = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ id: "c1", model: "gpt-x-1", choices: [{ index: 0, delta, finish_reason: null }], ...more })}\n\n`;
const stream = `${chunk({ role: "assistant", content: "" })}${chunk({ content: "Hal" })}${chunk({ content: "lo" })}${chunk(
  {},
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
)}data: [DONE]\n\n`;

describe("parsing a recording", () => {
  it("reads request and response", () => {
    const call = parseExchange({
      startedAt: 1_790_000_000_000,
      request,
      response: {
        status: 200,
        headers: { "Content-Type": "text/event-stream", "X-Request-Id": "req-1" },
        body: stream,
      },
    });
    expect(call).toMatchObject({
      type: "call",
      schemaVersion: 1,
      provider: "openai",
      api: "openai-chat",
      operation: "chat",
      streaming: true,
      outcome: "success",
      request: {
        method: "POST",
        url: "https://api.openai.com/v1/chat/completions",
        host: "api.openai.com",
        model: "gpt-x",
        messages: [{ role: "user", parts: [{ type: "text", content: "hi" }] }],
        bytes: request.body.length,
      },
      response: {
        status: 200,
        model: "gpt-x-1",
        requestId: "req-1",
        choices: [{ message: { parts: [{ type: "text", content: "Hallo" }] }, finishReason: "stop" }],
        bytes: stream.length,
        chunks: 1,
      },
      usage: { source: "missing", missingReason: "stream_usage_not_requested" },
      timing: { startedAt: 1_790_000_000_000, durationMs: 0 },
      context: {},
      capture: { via: "recording", content: "full", notes: [] },
    });
    expect(call?.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7/);
    expect(call?.timing).not.toHaveProperty("firstTokenMs");
    expect(JSON.stringify(call)).not.toContain("sk-x");
  });

  it("tells when the first token came where the chunks have times", () => {
    const bytes = new TextEncoder().encode(stream);
    const first = stream.indexOf("Hal");
    const call = parseExchange({
      request,
      response: {
        status: 200,
        headers: {},
        chunks: [
          { bytes: bytes.subarray(0, first), atMs: 5 },
          { bytes: bytes.subarray(first), atMs: 9 },
        ],
      },
    });
    expect(call?.timing).toMatchObject({ firstByteMs: 5, firstTokenMs: 9, durationMs: 9 });
    expect(call?.response).toMatchObject({ bytes: bytes.length, chunks: 2 });
  });

  it("is undefined for what is no call", () => {
    const response = { status: 200, body: "{}" };
    expect(parseExchange({ request: { ...request, method: "GET" }, response })).toBeUndefined();
    expect(
      parseExchange({ request: { ...request, url: "https://api.openai.com/v1/models" }, response }),
    ).toBeUndefined();
    expect(
      parseExchange({ request: { ...request, url: "https://example.com/v1/messages", body: '{"to":"me"}' }, response }),
    ).toBeUndefined();
    expect(parseExchange({ request, response }, { hosts: { "api.openai.com": false } })).toBeUndefined();
    expect(parseExchange({ request: { ...request, url: "nonsense" }, response })).toBeUndefined();
  });

  it("knows a call on an unknown host by its body, and without a body by its path", () => {
    const response = { status: 200, body: "{}" };
    const url = "http://localhost:8080/v1/chat/completions";
    expect(parseExchange({ request: { ...request, url }, response })?.provider).toBe("custom");
    expect(parseExchange({ request: { method: "POST", url }, response })?.provider).toBe("custom");
    expect(
      parseExchange({ request: { ...request, url }, response }, { hosts: { "localhost:8080": { provider: "vllm" } } })
        ?.provider,
    ).toBe("vllm");
  });

  it("says that the wire ended early", () => {
    const cut = stream.slice(0, stream.indexOf("lo") - 3);
    const call = parseExchange({ request, response: { status: 200, body: cut } }, { interrupted: true });
    expect(call).toMatchObject({ outcome: "truncated", error: { kind: "network" } });
    expect(call?.capture.notes).toContain("truncated_event");
  });

  it("refuses wrong hosts", () => {
    expect(() =>
      parseExchange({ request, response: { status: 200 } }, { hosts: { x: true as unknown as false } }),
    ).toThrow(TypeError);
  });

  it("keeps the id, the trace and the attempt that the recording knows", () => {
    const headers = {
      ...request.headers,
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "x-stainless-retry-count": "2",
    };
    const call = parseExchange({
      id: "019d5f00-0000-7000-8000-000000000001",
      durationMs: 1200,
      request: { ...request, headers },
      response: { status: 503, body: '{"error":{"message":"later"}}', headers: { "retry-after": "3" } },
    });
    expect(call).toMatchObject({
      id: "019d5f00-0000-7000-8000-000000000001",
      outcome: "error",
      error: { kind: "http", status: 503, message: "later", retryAfterMs: 3000 },
      request: { attempt: 3 },
      timing: { durationMs: 1200 },
      trace: { traceId: "0af7651916cd43dd8448eb211c80319c", parentSpanId: "b7ad6b7169203331" },
    });
  });

  it("takes privacy as a tap does", () => {
    const response = { status: 200, body: stream };
    const off = JSON.stringify(parseExchange({ request, response }, { privacyMode: true, context: { userId: "u-1" } }));
    expect(off).not.toContain("Hallo");
    expect(off).toContain("u-1");
    const redacted = parseExchange({ request, response }, { redact: (text) => text.replaceAll("Hallo", "***") });
    expect(redacted?.response?.choices[0]?.message.parts).toEqual([{ type: "text", content: "***" }]);
    const url = "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent?key=AIzaSecret";
    expect(JSON.stringify(parseExchange({ request: { method: "POST", url }, response }))).not.toContain("AIzaSecret");
  });

  it("reads with a parser of one's own", () => {
    const parser: Parser<null> = {
      api: "openai-chat",
      readRequest: () => ({ model: "mine", parameters: {} }),
      start: () => null,
      chunk: () => FRAME_TERMINAL,
      finish: () => ({ choices: [], usage: { source: "missing", complete: false }, finished: true, notes: ["mine"] }),
    };
    const call = parseExchange({ request, response: { status: 200, body: stream } }, { findParser: () => parser });
    expect(call).toMatchObject({ request: { model: "mine" }, capture: { notes: ["mine"] } });
    expect(findParser("openai-chat")?.api).toBe("openai-chat");
  });
});

describe("what a recording may look like", () => {
  const answer = { choices: [{ index: 0, message: { role: "assistant", content: "Hallo" }, finish_reason: "stop" }] };
  const text = JSON.stringify(answer);
  const bytes = new TextEncoder().encode(text);
  const plain = { status: 200, headers: { "x-request-id": "req-1" }, body: text };
  const body = JSON.parse(request.body) as object;

  it.each<[string, unknown]>([
    ["a URL object", { request: { ...request, url: new URL(request.url) }, response: plain }],
    ["a method in lower case", { request: { ...request, method: "post" }, response: plain }],
    ["bodies as JSON values", { request: { ...request, body }, response: { ...plain, body: answer } }],
    ["an ArrayBuffer", { request, response: { ...plain, body: bytes.buffer } }],
    ["a view of other numbers", { request, response: { ...plain, body: new DataView(bytes.buffer) } }],
    ["a status as text", { request, response: { ...plain, status: "200" } }],
    ["Headers", { request, response: { ...plain, headers: new Headers(plain.headers) } }],
    ["a Map of headers", { request, response: { ...plain, headers: new Map(Object.entries(plain.headers)) } }],
    ["pairs of headers", { request, response: { ...plain, headers: Object.entries(plain.headers) } }],
    ["lists of header values", { request, response: { ...plain, headers: { "X-Request-Id": ["req-1"] } } }],
    ["a header that is none", { request, response: { ...plain, headers: { ...plain.headers, "x-odd": {} } } }],
    ...(["gzip", "br"] as const).map((encoding): [string, unknown] => [
      `bytes that are still ${encoding}`,
      {
        request: {
          ...request,
          headers: { ...request.headers, "content-encoding": "gzip" },
          body: gzipSync(request.body),
        },
        response: {
          ...plain,
          headers: { ...plain.headers, "content-encoding": encoding },
          body: encoding === "gzip" ? gzipSync(text) : brotliCompressSync(text),
        },
      },
    ]),
    [
      "bytes whose encoding is undone",
      { request, response: { ...plain, headers: { ...plain.headers, "content-encoding": "br" }, body: bytes } },
    ],
  ])("takes %s", (_name, exchange) => {
    const call = parseExchange(exchange as RecordedExchange);
    expect(call?.response?.choices[0]?.message.parts).toEqual([{ type: "text", content: "Hallo" }]);
    expect(call?.response?.requestId).toBe("req-1");
    expect(call?.request.model).toBe("gpt-x");
    expect(call?.capture.notes).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ["nothing", undefined, /exchange must be an object like \{ request/],
    ["a text", "POST /", /got a string/],
    ["no request", { response: plain }, /`request` must be an object/],
    ["no response", { request }, /`response` must be an object/],
    ["no method", { request: { url: request.url }, response: plain }, /`request\.method` must be a string like "POST"/],
    ["no URL", { request: { method: "POST" }, response: plain }, /`request\.url` must be an absolute URL/],
    ["no status", { request, response: {} }, /`response\.status` must be an HTTP status like 200, got undefined/],
    ["headers as text", { request, response: { ...plain, headers: "a: b" } }, /`response\.headers` must be/],
    ["header lines", { request, response: { ...plain, headers: ["a: b"] } }, /pairs like/],
    [
      "a stream",
      { request, response: { ...plain, body: new ReadableStream() } },
      /read a stream, a Blob or a form first/,
    ],
    ["a Response as response", { request, response: new Response("x") }, /read a stream/],
    ["a cycle", { request: { ...request, body: makeCycle() }, response: plain }, /can't be written as JSON/],
    ["chunks without times", { request, response: { status: 200, chunks: [bytes] } }, /chunks\[0\]` must be \{ bytes/],
    ["times as text", { request, response: { status: 200, chunks: [{ bytes, atMs: "5" }] } }, /atMs` must be a number/],
    ["a start as text", { startedAt: "today", request, response: plain }, /`startedAt` must be a time in ms/],
  ])("says what to do instead of %s", (_name, exchange, message) => {
    expect(() => parseExchange(exchange as RecordedExchange)).toThrow(TypeError);
    expect(() => parseExchange(exchange as RecordedExchange)).toThrow(message);
  });

  it.each<[string, unknown, RegExp]>([
    ["a name in another case", { privacymode: true }, /Did you mean `privacyMode`\?/],
    ["a name of nothing", { colour: 1 }, /knows no option `colour`\. Known are hosts/],
    ["a text for a flag", { privacyMode: "yes" }, /`privacyMode` must be true or false/],
    ["no function", { redact: /a/ }, /`redact` must be a function/],
    ["a length below 1", { maxContentLength: -1 }, /must be a number of characters above 0/],
    ["null", null, /must be one object/],
  ])("refuses options with %s", (_name, options, message) => {
    expect(() => parseExchange({ request, response: plain }, options as ParseExchangeOptions)).toThrow(TypeError);
    expect(() => parseExchange({ request, response: plain }, options as ParseExchangeOptions)).toThrow(message);
  });
});

function makeCycle(): object {
  const cycle: { self?: object } = {};
  cycle.self = cycle;
  return cycle;
}
