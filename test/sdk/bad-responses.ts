/** Bodies that no provider should send, and what a record of them must still say. */
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import type { MockProvider, MockRawBody, MockReply } from "../../src/testing/mock/types.ts";
import type { LlmCall } from "../../src/types.ts";

export const SSE = { "content-type": "text/event-stream" };
export const JSON_TYPE = { "content-type": "application/json" };

export const chunk = (delta: unknown, rest: object = {}) =>
  `data: ${JSON.stringify({ id: "chatcmpl-1", model: "gpt-5-mini", choices: [{ index: 0, delta, finish_reason: null }], ...rest })}\n\n`;
export const finish = `data: ${JSON.stringify({ id: "chatcmpl-1", model: "gpt-5-mini", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`;
export const usage = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } })}\n\n`;
export const done = "data: [DONE]\n\n";
export const completion = JSON.stringify({
  id: "chatcmpl-1",
  model: "gpt-5-mini",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
});
const message = (content: unknown) =>
  JSON.stringify({ type: "message", model: "m", content, stop_reason: "end_turn", usage: null });

export interface BadResponse {
  name: string;
  raw: MockRawBody;
  provider?: MockProvider;
  fault?: MockReply["fault"];
  /** Facts that must be in the record all the same. */
  record?: (call: LlmCall) => void;
  /** One of these notes must be there; `any` note will do; absent: not judged. */
  notes?: readonly string[] | "any";
}

const textOf = (call: LlmCall): string =>
  (call.response?.choices[0]?.message.parts ?? []).map((part) => (part.type === "text" ? part.content : "")).join("");
export const hasUsage = (call: LlmCall) =>
  expect(call.usage).toMatchObject({ source: "reported", inputTokens: 11, outputTokens: 7 });
const saysHi = (call: LlmCall) => {
  hasUsage(call);
  expect(textOf(call)).toBe("hi");
  expect(call.outcome).toBe("success");
};
const noUsage = (call: LlmCall) => expect(call.usage.source).toBe("missing");

export const badResponses: BadResponse[] = [
  {
    name: "an HTML page instead of JSON",
    raw: { headers: JSON_TYPE, chunks: ["<html><body>Sign in</body></html>"] },
    record: noUsage,
    notes: "any",
  },
  {
    name: "an HTML page instead of a stream",
    raw: { headers: SSE, chunks: ["<html>\n\nSign in</html>\n"] },
    record: noUsage,
    notes: "any",
  },
  {
    name: "a stream that calls itself JSON",
    raw: { headers: JSON_TYPE, chunks: [chunk({ content: "hi" }), finish, usage, done] },
    record: saysHi,
    notes: "any",
  },
  {
    name: "JSON that calls itself a stream",
    raw: { headers: SSE, chunks: [completion] },
    record: saysHi,
    notes: "any",
  },
  {
    name: "JSON that calls itself HTML",
    raw: { headers: { "content-type": "text/html" }, chunks: [completion] },
    record: saysHi,
    notes: "any",
  },
  { name: "JSON without a content type", raw: { headers: {}, chunks: [completion] }, record: saysHi },
  {
    name: "binary instead of JSON",
    raw: { headers: JSON_TYPE, chunks: [Buffer.from(Array.from({ length: 4_000 }, (_, index) => index % 256))] },
    record: noUsage,
    notes: "any",
  },
  { name: "an empty body", raw: { headers: JSON_TYPE, chunks: [] }, record: noUsage },
  { name: "an empty stream", raw: { headers: SSE, chunks: [] }, record: noUsage },
  {
    name: "JSON that stops in the middle",
    raw: { headers: JSON_TYPE, chunks: [completion.slice(0, completion.indexOf("finish_reason"))] },
    record: noUsage,
    notes: ["truncated_json", "invalid_json"],
  },
  {
    name: "a stream that stops in the middle of an event",
    raw: { headers: SSE, chunks: [chunk({ content: "hi" }), 'data: {"choices":[{"ind'] },
    record: (call) => {
      expect(call.outcome).toBe("truncated");
      expect(textOf(call)).toBe("hi");
    },
  },
  {
    name: "invalid JSON in one event",
    raw: {
      headers: SSE,
      chunks: [
        chunk({ content: "h" }),
        'data: {"choices":[{"delta":{"content":oops\n\n',
        chunk({ content: "i" }),
        finish,
        usage,
        done,
      ],
    },
    record: saysHi,
    notes: ["invalid_event_json"],
  },
  {
    name: "invalid UTF-8 in a stream",
    raw: {
      headers: SSE,
      chunks: [
        chunk({ content: "h" }),
        'data: {"choices":[{"index":0,"delta":{"content":"',
        Uint8Array.of(0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80),
        '"}}]}\n\n',
        finish,
        usage,
        done,
      ],
    },
    record: (call) => {
      hasUsage(call);
      expect(textOf(call)).toMatch(/^h\uFFFD/);
    },
    notes: ["invalid_utf8"],
  },
  {
    name: "invalid UTF-8 in JSON",
    raw: {
      headers: JSON_TYPE,
      chunks: [
        completion.slice(0, completion.indexOf('hi"')),
        Uint8Array.of(0xc3),
        completion.slice(completion.indexOf('hi"')),
      ],
    },
    record: hasUsage,
    notes: ["invalid_utf8"],
  },
  {
    name: "values of every wrong type",
    raw: {
      headers: JSON_TYPE,
      chunks: [
        '{"id":[],"model":{"a":1},"choices":{"0":null},"usage":{"prompt_tokens":"eleven","completion_tokens":-3,"total_tokens":null}}',
      ],
    },
    record: (call) => {
      expect(call.usage.inputTokens).toBeUndefined();
      expect(call.usage.outputTokens).toBeUndefined();
    },
  },
  {
    name: "choices of every wrong type",
    raw: {
      headers: SSE,
      chunks: [
        'data: {"choices":[null,5,"x",{"index":"0","delta":[]},{"index":-1,"delta":{"content":{}}},{"index":1e9,"delta":{"tool_calls":[{"index":1e9,"function":null}]}}]}\n\n',
        "data: null\n\ndata: 5\n\ndata: []\n\n",
        chunk({ content: "hi" }),
        finish,
        usage,
        done,
      ],
    },
    record: hasUsage,
  },
  {
    name: "keys that would poison a prototype",
    raw: {
      headers: JSON_TYPE,
      chunks: [
        `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},${completion.slice(1, -1)},"usage":{"__proto__":{"polluted":1},"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`,
      ],
    },
    record: (call) => {
      hasUsage(call);
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
      expect((call.usage as { polluted?: unknown }).polluted).toBeUndefined();
    },
  },
  {
    name: "JSON nested 100,000 deep",
    raw: {
      headers: JSON_TYPE,
      chunks: [
        `{"choices":${"[".repeat(100_000)}${"]".repeat(100_000)},"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`,
      ],
    },
  },
  { name: "gzip that is none", raw: { headers: { ...JSON_TYPE, "content-encoding": "gzip" }, chunks: [completion] } },
  {
    name: "gzip that stops in the middle",
    raw: { headers: { ...JSON_TYPE, "content-encoding": "gzip" }, chunks: [gzipSync(completion).subarray(0, 60)] },
  },
  {
    name: "an encoding that nobody knows",
    raw: { headers: { ...JSON_TYPE, "content-encoding": "x-rot13" }, chunks: [completion] },
    notes: "any",
  },
  {
    name: "a body shorter than its length",
    raw: {
      headers: { ...JSON_TYPE, "content-length": String(completion.length + 50) },
      chunks: [completion.slice(0, 40), completion.slice(40)],
    },
    fault: { kind: "reset" },
    record: (call) => expect(call.outcome).toBe("truncated"),
  },
  {
    name: "lines that end in every way, comments, a byte order mark",
    raw: {
      headers: SSE,
      chunks: [
        `\uFEFF: hello\r\n\r\n${chunk({ content: "h" }).replaceAll("\n", "\r\n")}${chunk({ content: "i" }).replaceAll("\n", "\r")}`,
        `event: message\nid: 1\nretry: 5\n${finish}`,
        usage,
        "data:[DONE]\n\n",
      ],
    },
    record: saysHi,
  },
  {
    name: "a 500 with HTML",
    raw: { status: 500, headers: { "content-type": "text/html" }, chunks: ["<h1>Bad gateway</h1>"] },
    record: (call) => {
      expect(call.outcome).toBe("error");
      expect(call.error).toMatchObject({ kind: "http", status: 500 });
    },
  },
  {
    name: "a 529 that calls itself a stream",
    provider: "anthropic",
    raw: {
      status: 529,
      headers: SSE,
      chunks: ['{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'],
    },
    record: (call) =>
      expect(call.error).toMatchObject({ kind: "http", status: 529, type: "overloaded_error", message: "Overloaded" }),
  },
  {
    name: "blocks of every wrong type",
    provider: "anthropic",
    raw: {
      headers: JSON_TYPE,
      chunks: [
        message([
          null,
          4,
          { type: "text" },
          { type: "tool_use", input: "x" },
          { type: 7 },
          { type: "text", text: "hi" },
        ]),
      ],
    },
    record: (call) => expect(textOf(call)).toBe("hi"),
  },
  {
    name: "deltas for blocks that never began",
    provider: "anthropic",
    raw: {
      headers: SSE,
      chunks: [
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":99,"delta":{"type":"text_delta","text":"hi"}}\n\n',
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":-1,"delta":null}\n\n',
        "event: message_stop\ndata: {}\n\n",
      ],
    },
  },
  {
    name: "candidates of every wrong type",
    provider: "gemini",
    raw: {
      headers: JSON_TYPE,
      chunks: ['{"candidates":[null,{"content":{"parts":{"0":1}}},{"content":[]}],"usageMetadata":[]}'],
    },
  },
  {
    name: "an array where an object is due",
    provider: "gemini",
    raw: { headers: JSON_TYPE, chunks: ['[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]'] },
  },
];
