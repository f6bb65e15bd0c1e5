/**
 * Chooses how a response body is framed and splits it. The content type is a hint only: streams come as
 * `application/json` or without a type, JSON errors as `text/event-stream`; the first bytes that are no white space
 * decide.
 */
import { createAwsEventStreamSplitter } from "./aws-event-stream.ts";
import { createJsonArraySplitter } from "./json-array.ts";
import { createNdjsonSplitter } from "./ndjson.ts";
import { createSseSplitter } from "./sse.ts";
import type { Splitter, SplitterSink } from "./splitter.ts";
import { createUtf8Decoder } from "./utf8.ts";

export type FramingKind = "json" | "text" | "binary" | "sse" | "ndjson" | "json-array" | "aws-event-stream";

export interface FramingOptions {
  contentType: string | undefined;
  status: number;
  /** The path names a method that streams a JSON array. */
  mayBeJsonArray: boolean;
  /** The API speaks AWS event streams. */
  mayBeEventStream: boolean;
  /** Characters kept of a body that is one value; default 8 MiB. */
  maxBodyLength: number;
  sink: FramingSink;
}

export interface FramingSink extends SplitterSink {
  /** The whole body as text. `tail`: its middle was too much; this is how it ends. */
  onBody(kind: "json" | "text", text: string, tail: string | undefined): void;
  onBinary(bytes: number): void;
}

export interface Framing {
  push(bytes: Uint8Array): void;
  /** Bytes are missing between what was pushed and what comes next. */
  skip(): void;
  end(): void;
  /** `undefined` until the first bytes were seen. */
  readonly kind: FramingKind | undefined;
}

/** Bytes of the beginning that are looked at: enough for every field name of an event stream. */
const SNIFF_BYTES = 16;
/** Characters kept of the end of a body that is too large. */
export const TAIL_LENGTH: number = 64 * 1024;

export function createFraming(options: FramingOptions): Framing {
  const { sink } = options;
  let utf8 = createUtf8Decoder();
  /** The first bytes, while they do not yet tell. */
  let head: Uint8Array | undefined;
  let splitter: Splitter | undefined;
  let binarySplitter: Splitter<Uint8Array> | undefined;
  let binaryBytes = 0;
  /** White space before the body. */
  let skipped = 0;
  const body = createBodyBuffer(options.maxBodyLength);
  /** The first line of what looks like one JSON value is still open. */
  let awaitsFirstLine = false;

  function choose(next: FramingKind): void {
    framing.kind = next;
    if (next === "sse") splitter = createSseSplitter(sink);
    else if (next === "ndjson") splitter = createNdjsonSplitter(sink);
    else if (next === "json-array") splitter = createJsonArraySplitter(sink);
    else if (next === "aws-event-stream") binarySplitter = createAwsEventStreamSplitter(sink);
    awaitsFirstLine = next === "json" && options.status < 400;
  }

  function take(bytes: Uint8Array): void {
    if (framing.kind === "binary") binaryBytes += bytes.byteLength;
    else if (binarySplitter !== undefined) binarySplitter.push(bytes);
    else takeText(utf8.push(bytes));
  }

  function takeText(text: string): void {
    if (text === "") return;
    if (splitter !== undefined) {
      splitter.push(text);
      return;
    }
    body.push(text);
    if (awaitsFirstLine && text.includes("\n")) checkFirstLine();
  }

  /** A whole JSON object on the first line with more behind it: the body was a stream all along. */
  function checkFirstLine(): void {
    const text = body.peek();
    const start = text.length - text.trimStart().length;
    const lineEnd = text.indexOf("\n", start);
    if (lineEnd === -1) return;
    const rest = text.slice(lineEnd + 1);
    if (rest.trim() === "") return;
    awaitsFirstLine = false;
    const line = text.slice(start, lineEnd).trimEnd();
    if (!line.startsWith("{") || !line.endsWith("}") || !isJson(line)) return;
    const isSse = /^\s*(?:data|event):/.test(rest.slice(0, 200));
    choose(isSse ? "sse" : "ndjson");
    body.clear();
    if (isSse) sink.onEvent(line);
    splitter?.push(isSse ? rest : text);
  }

  function sniff(final: boolean): void {
    if (head === undefined) return;
    const start = skipWhiteSpace(head);
    const rest = head.subarray(start);
    if (rest.byteLength === 0 && !final) {
      skipped += start;
      head = undefined;
      return;
    }
    const next = chooseKind(rest, options, final);
    if (next === undefined) {
      // The caller's memory is the caller's.
      head = head.slice();
      return;
    }
    choose(next);
    skipped += start;
    head = undefined;
    take(rest);
  }

  // A property, not a getter: an object with getters is slow to make.
  const framing: { -readonly [Key in keyof Framing]: Framing[Key] } = {
    kind: undefined,
    push(bytes) {
      if (bytes.byteLength === 0) return;
      if (framing.kind !== undefined) {
        take(bytes);
        return;
      }
      head = head === undefined ? bytes : concat(head, bytes);
      sniff(false);
    },
    skip() {
      if (framing.kind === undefined) sniff(true);
      if (utf8.invalid) sink.onNote("invalid_utf8");
      utf8 = createUtf8Decoder();
      awaitsFirstLine = false;
      body.skip();
      // The event that was cut ends here.
      if (framing.kind === "sse" || framing.kind === "ndjson") splitter?.push("\n\n");
    },
    end() {
      if (framing.kind === undefined) sniff(true);
      const last = utf8.end();
      if (last !== "") takeText(last);
      if (utf8.invalid) sink.onNote("invalid_utf8");
      splitter?.end();
      binarySplitter?.end();
      const { kind } = framing;
      if (kind !== undefined && isMismatch(kind, options.contentType)) sink.onNote("content_type_mismatch");
      if (kind === "binary") sink.onBinary(skipped + binaryBytes);
      else if ((kind === "json" || kind === "text") && !body.isEmpty()) sink.onBody(kind, body.peek(), body.tail());
    },
  };
  return framing;
}

/** `undefined`: the bytes so far do not tell. */
function chooseKind(bytes: Uint8Array, options: FramingOptions, final: boolean): FramingKind | undefined {
  const type = mediaTypeOf(options.contentType);
  const declared = kindOfMediaType(type);
  const first = bytes[0];
  if (declared === "binary" && options.status < 400) {
    // `octet-stream` means that nobody said; real media types are believed.
    if (type !== "application/octet-stream") return "binary";
  }
  if (first === 0) {
    const isStream = declared === "aws-event-stream" || options.mayBeEventStream || declared === undefined;
    return isStream ? "aws-event-stream" : "binary";
  }
  if (first === 0x7b) return declared === "ndjson" ? "ndjson" : "json";
  if (first === 0x5b) return options.mayBeJsonArray && options.status < 400 ? "json-array" : "json";
  if (bytes.byteLength < SNIFF_BYTES && !final) return undefined;
  const text = String.fromCharCode(...bytes.subarray(0, SNIFF_BYTES));
  if (/^(?:data|event|id|retry):/.test(text)) return "sse";
  if (declared === "sse") return /^(?:\w+)?:/.test(text) || isFieldStart(text) ? "sse" : "text";
  // A comment in front; no page and no text begins so.
  if (text.startsWith(":")) return "sse";
  if (declared === "ndjson" || declared === "json" || declared === "text") return declared;
  return looksBinary(bytes) ? "binary" : "text";
}

/** An event stream that broke off inside its first word. */
function isFieldStart(text: string): boolean {
  return text !== "" && ["data", "event", "id", "retry"].some((field) => field.startsWith(text));
}

/** The content type names another framing than the one that was found. Where it names none, nothing was promised. */
function isMismatch(found: FramingKind, contentType: string | undefined): boolean {
  const type = mediaTypeOf(contentType);
  const declared = kindOfMediaType(type);
  if (declared === undefined || declared === found || type === "application/octet-stream") return false;
  return !(declared === "json" && found === "json-array");
}

function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return "";
  const end = contentType.indexOf(";");
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** They come again and again. */
const kinds = new Map<string, FramingKind | undefined>();
const MAX_KINDS = 200;

function kindOfMediaType(type: string): FramingKind | undefined {
  const known = kinds.get(type);
  if (known !== undefined || kinds.has(type)) return known;
  if (kinds.size >= MAX_KINDS) kinds.clear();
  const kind = readMediaType(type);
  kinds.set(type, kind);
  return kind;
}

function readMediaType(type: string): FramingKind | undefined {
  if (type === "text/event-stream") return "sse";
  if (type === "application/vnd.amazon.eventstream") return "aws-event-stream";
  if (/^application\/(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines|stream\+json|json-seq)$/.test(type)) return "ndjson";
  if (type === "application/json" || type.endsWith("+json") || type === "text/json") return "json";
  if (type.startsWith("text/") || type === "application/xml" || type === "application/x-subrip") return "text";
  if (
    /^(?:audio|image|video|font)\//.test(type) ||
    /^application\/(?:octet-stream|zip|pdf|gzip|ogg|wasm)$/.test(type)
  ) {
    return "binary";
  }
  return undefined;
}

/** White space of JSON, and a byte order mark. */
function skipWhiteSpace(bytes: Uint8Array): number {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  for (; at < bytes.byteLength; at++) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}

function looksBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 64).some((byte) => byte < 0x09 || (byte > 0x0d && byte < 0x20));
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.byteLength + b.byteLength);
  joined.set(a);
  joined.set(b, a.byteLength);
  return joined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface BodyBuffer {
  push(text: string): void;
  /** What comes next is no longer the beginning. */
  skip(): void;
  /** What was kept from the beginning. */
  peek(): string;
  /** How the body ends, when its middle was dropped. */
  tail(): string | undefined;
  isEmpty(): boolean;
  clear(): void;
}

/** Keeps the first `limit` characters and, beyond them, the last `TAIL_LENGTH`. */
function createBodyBuffer(maxLength: number): BodyBuffer {
  let limit = maxLength;
  let pieces: string[] = [];
  let length = 0;
  let tails: string[] = [];
  let tailLength = 0;

  return {
    push(text) {
      const room = limit - length;
      if (room > 0) {
        const kept = text.length > room ? text.slice(0, room) : text;
        pieces.push(kept);
        length += kept.length;
        if (kept.length === text.length) return;
        text = text.slice(room);
      }
      tails.push(text);
      tailLength += text.length;
      while (tails.length > 1 && tailLength - (tails[0]?.length ?? 0) >= TAIL_LENGTH)
        tailLength -= tails.shift()?.length ?? 0;
    },
    skip() {
      limit = length;
    },
    peek() {
      if (pieces.length > 1) pieces = [pieces.join("")];
      return pieces[0] ?? "";
    },
    tail: () => (tailLength === 0 ? undefined : tails.join("").slice(-TAIL_LENGTH)),
    isEmpty: () => length === 0,
    clear() {
      pieces = [];
      length = 0;
      tails = [];
      tailLength = 0;
    },
  };
}
