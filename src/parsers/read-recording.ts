/**
 * Reads what a user passes to `parseExchange`: every form in which HTTP clients and recorders hold URLs, headers and
 * bodies becomes one. What can't be a recording at all is a TypeError that says what to do; what a server sent is never.
 */
import { decodeContentSync } from "../decode/content-encoding.ts";

/** Header fields as fetch, undici, HAR readers and cassettes hold them. Names in any case. */
export type RecordedHeaders =
  | Readonly<Record<string, string | number | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>;

/** Bytes, text, or the JSON value that they hold. */
export type RecordedBody = string | Uint8Array | ArrayBuffer | object | null;

export interface RecordedExchange {
  /** Default: a new UUIDv7. */
  id?: string;
  /** Epoch ms. Default: now. */
  startedAt?: number;
  /** Default: when the last of `chunks` came, else 0. */
  durationMs?: number;
  request: {
    method: string;
    /** Absolute URL. */
    url: string | URL;
    headers?: RecordedHeaders;
    body?: RecordedBody;
  };
  response: {
    status: number;
    headers?: RecordedHeaders;
    /** Where it is still encoded as `content-encoding` says, that is undone. */
    body?: RecordedBody;
    /** The body in the pieces in which it came, instead of `body`, decoded; `atMs` counts from the dispatch. */
    chunks?: readonly { bytes: Uint8Array; atMs: number }[];
  };
}

/** A recording, read. */
export interface Recording {
  id: string | undefined;
  startedAt: number | undefined;
  durationMs: number | undefined;
  request: {
    method: string;
    url: string;
    /** Lower-case names. */
    headers: Record<string, string>;
    body: string | Uint8Array | undefined;
  };
  response: {
    status: number;
    headers: Record<string, string>;
    body: string | Uint8Array | undefined;
    chunks: readonly { bytes: Uint8Array; atMs: number }[] | undefined;
  };
}

const EXAMPLE = '{ request: { method: "POST", url, headers, body }, response: { status: 200, headers, body } }';

/** @throws TypeError that names the field, what was expected and what came */
export function readRecording(exchange: RecordedExchange): Recording {
  if (!isRecord(exchange)) fail("the exchange", `an object like ${EXAMPLE}`, exchange);
  const { id, startedAt, durationMs, request, response } = exchange;
  if (!isRecord(request)) fail("`request`", "an object like { method, url, headers, body }", request);
  if (!isRecord(response)) fail("`response`", "an object like { status, headers, body }", response);
  if (id !== undefined && typeof id !== "string") fail("`id`", "a string", id);
  checkTime("`startedAt`", "a time in ms since 1970, like Date.now()", startedAt);
  checkTime("`durationMs`", "a number of ms", durationMs);
  const requestHeaders = readHeaders("`request.headers`", request.headers);
  const responseHeaders = readHeaders("`response.headers`", response.headers);
  return {
    id,
    startedAt,
    durationMs,
    request: {
      method: readMethod(request.method),
      url: readUrl(request.url),
      headers: requestHeaders,
      body: undoEncoding(readBody("`request.body`", request.body), requestHeaders),
    },
    response: {
      status: readStatus(response.status),
      headers: responseHeaders,
      body: undoEncoding(readBody("`response.body`", response.body), responseHeaders),
      chunks: readChunks(response.chunks),
    },
  };
}

function readMethod(method: unknown): string {
  if (typeof method === "string" && method !== "") return method.toUpperCase();
  return fail("`request.method`", 'a string like "POST"', method);
}

function readUrl(url: unknown): string {
  if (typeof url === "string") return url;
  if (url instanceof URL) return url.href;
  return fail("`request.url`", 'an absolute URL like "https://api.openai.com/v1/responses"', url);
}

/** Cassettes keep it as text now and then. */
function readStatus(status: unknown): number {
  const code = typeof status === "string" && /^\d{3}$/.test(status) ? Number(status) : status;
  if (typeof code === "number" && Number.isInteger(code) && code >= 100 && code <= 999) return code;
  return fail("`response.status`", "an HTTP status like 200", status);
}

function checkTime(name: string, expected: string, value: unknown): void {
  if (value !== undefined && (typeof value !== "number" || !Number.isFinite(value))) fail(name, expected, value);
}

function readHeaders(name: string, headers: unknown): Record<string, string> {
  const read: Record<string, string> = {};
  if (headers === undefined || headers === null) return read;
  if (typeof headers !== "object") fail(name, 'an object like { "content-type": "application/json" }', headers);
  if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<unknown>) {
      if (!Array.isArray(pair)) fail(name, 'pairs like ["content-type", "application/json"]', pair);
      addHeader(read, pair[0], pair[1]);
    }
    return read;
  }
  for (const field of Object.keys(headers)) addHeader(read, field, (headers as Record<string, unknown>)[field]);
  return read;
}

/** What is no text and no list of it is left out: one odd header is no reason to lose a call. */
function addHeader(read: Record<string, string>, name: unknown, value: unknown): void {
  if (typeof name !== "string" || name === "__proto__") return;
  if (typeof value === "string") read[name.toLowerCase()] = value;
  else if (typeof value === "number") read[name.toLowerCase()] = String(value);
  else if (Array.isArray(value)) read[name.toLowerCase()] = value.filter((item) => typeof item === "string").join(", ");
}

function readBody(name: string, body: unknown): string | Uint8Array | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  const isPlain = Array.isArray(body) || (isRecord(body) && isPlainObject(body));
  if (!isPlain) fail(name, "text, bytes or a JSON value; read a stream, a Blob or a form first", body);
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw new TypeError(`parseExchange: ${name} is an object that can't be written as JSON.`, { cause: error });
  }
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Recorders mostly undo the encoding and keep the header. Encoded bytes don't begin like text; `decodeContentSync` says
 * of others that it can't.
 */
function undoEncoding(
  body: string | Uint8Array | undefined,
  headers: Readonly<Record<string, string>>,
): string | Uint8Array | undefined {
  const encoding = headers["content-encoding"];
  if (encoding === undefined || !(body instanceof Uint8Array) || beginsLikeText(body)) return body;
  return decodeContentSync(encoding, body) ?? body;
}

/** JSON, SSE and the length of an event-stream message, in which the first byte is 0. */
function beginsLikeText(bytes: Uint8Array): boolean {
  const [first = 0] = bytes;
  return (
    first === 0 ||
    first === 0x7b ||
    first === 0x5b ||
    /^\s*(?:data|event|id|:)/.test(String.fromCharCode(...bytes.subarray(0, 8)))
  );
}

function readChunks(chunks: unknown): Recording["response"]["chunks"] {
  if (chunks === undefined || chunks === null) return undefined;
  const expected = "an array of { bytes: Uint8Array, atMs: number }";
  if (!Array.isArray(chunks)) fail("`response.chunks`", expected, chunks);
  for (const [index, chunk] of chunks.entries()) {
    if (!isRecord(chunk) || chunk instanceof Uint8Array) {
      fail(`\`response.chunks[${index}]\``, "{ bytes: Uint8Array, atMs: number }", chunk);
    }
    const { bytes, atMs } = chunk;
    if (!(bytes instanceof Uint8Array)) fail(`\`response.chunks[${index}].bytes\``, "a Uint8Array", bytes);
    if (typeof atMs !== "number") fail(`\`response.chunks[${index}].atMs\``, "a number of ms", atMs);
  }
  return chunks as Recording["response"]["chunks"];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fail(name: string, expected: string, value: unknown): never {
  throw new TypeError(`parseExchange: ${name} must be ${expected}, got ${describe(value)}.`);
}

function describe(value: unknown): string {
  if (typeof value === "string") return value === "" ? "an empty string" : "a string";
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number") return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  return Array.isArray(value) ? "an array" : `a value of type ${value.constructor?.name ?? "object"}`;
}
