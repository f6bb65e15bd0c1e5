/**
 * Chooses how a response body is framed and splits it. The content type is a hint only: streams come as
 * `application/json` or without a type, JSON errors as `text/event-stream`; the first bytes that are no white space
 * decide.
 */
import { createAwsEventStreamSplitter } from "./aws-event-stream.ts";
import { concat } from "./bytes.ts";
import { createJsonArraySplitter } from "./json-array.ts";
import { mediaTypeOf } from "./media-type.ts";
import { createNdjsonSplitter } from "./ndjson.ts";
import { createSseSplitter } from "./sse.ts";
import type { Splitter, SplitterSink } from "./splitter.ts";
import { createUtf8Decoder } from "./utf8.ts";
import { remember } from "../remember.ts";

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
  return new BodyFraming(options);
}

class BodyFraming implements Framing {
  kind: FramingKind | undefined = undefined;
  private readonly options: FramingOptions;
  private readonly sink: FramingSink;
  private utf8 = createUtf8Decoder();
  /** The first bytes, while they do not yet tell. */
  private head: Uint8Array | undefined = undefined;
  private splitter: Splitter | undefined = undefined;
  private binarySplitter: Splitter<Uint8Array> | undefined = undefined;
  private binaryBytes = 0;
  /** White space before the body. */
  private skipped = 0;
  private readonly body: BodyBuffer;
  /** The first line of what looks like one JSON value is still open. */
  private awaitsFirstLine = false;

  constructor(options: FramingOptions) {
    this.options = options;
    this.sink = options.sink;
    this.body = new BodyBuffer(options.maxBodyLength);
  }

  push(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    if (this.kind !== undefined) {
      this.take(bytes);
      return;
    }
    this.head = this.head === undefined ? bytes : concat([this.head, bytes]);
    this.sniff(false);
  }

  skip(): void {
    if (this.kind === undefined) this.sniff(true);
    if (this.utf8.invalid) this.sink.onNote("invalid_utf8");
    this.utf8 = createUtf8Decoder();
    this.awaitsFirstLine = false;
    this.body.skip();
    // The event that was cut ends here.
    if (this.kind === "sse" || this.kind === "ndjson") this.splitter?.push("\n\n");
  }

  end(): void {
    if (this.kind === undefined) this.sniff(true);
    const last = this.utf8.end();
    if (last !== "") this.takeText(last);
    const { kind, sink, body } = this;
    if (this.utf8.invalid) sink.onNote("invalid_utf8");
    this.splitter?.end();
    this.binarySplitter?.end();
    if (kind !== undefined && isMismatch(kind, this.options.contentType)) sink.onNote("content_type_mismatch");
    if (kind === "binary") sink.onBinary(this.skipped + this.binaryBytes);
    else if ((kind === "json" || kind === "text") && !body.isEmpty()) sink.onBody(kind, body.peek(), body.tail());
  }

  private choose(next: FramingKind): void {
    const { sink } = this;
    this.kind = next;
    if (next === "sse") this.splitter = createSseSplitter(sink);
    else if (next === "ndjson") this.splitter = createNdjsonSplitter(sink);
    else if (next === "json-array") this.splitter = createJsonArraySplitter(sink);
    else if (next === "aws-event-stream") this.binarySplitter = createAwsEventStreamSplitter(sink);
    this.awaitsFirstLine = next === "json" && this.options.status < 400;
  }

  private take(bytes: Uint8Array): void {
    if (this.kind === "binary") this.binaryBytes += bytes.byteLength;
    else if (this.binarySplitter !== undefined) this.binarySplitter.push(bytes);
    else this.takeText(this.utf8.push(bytes));
  }

  private takeText(text: string): void {
    if (text === "") return;
    if (this.splitter !== undefined) {
      this.splitter.push(text);
      return;
    }
    this.body.push(text);
    if (this.awaitsFirstLine && text.includes("\n")) this.checkFirstLine();
  }

  /** A whole JSON object on the first line with more behind it: the body was a stream all along. */
  private checkFirstLine(): void {
    const text = this.body.peek();
    const start = text.length - text.trimStart().length;
    const lineEnd = text.indexOf("\n", start);
    if (lineEnd === -1) return;
    const rest = text.slice(lineEnd + 1);
    if (rest.trim() === "") return;
    this.awaitsFirstLine = false;
    const line = text.slice(start, lineEnd).trimEnd();
    if (!line.startsWith("{") || !line.endsWith("}") || !isJson(line)) return;
    const isSse = /^\s*(?:data|event):/.test(rest.slice(0, 200));
    this.choose(isSse ? "sse" : "ndjson");
    this.body.clear();
    if (isSse) this.sink.onEvent(line);
    this.splitter?.push(isSse ? rest : text);
  }

  private sniff(final: boolean): void {
    const { head } = this;
    if (head === undefined) return;
    const start = skipWhiteSpace(head);
    const rest = start === 0 ? head : head.subarray(start);
    if (rest.byteLength === 0 && !final) {
      this.skipped += start;
      this.head = undefined;
      return;
    }
    const next = chooseKind(rest, this.options, final);
    if (next === undefined) {
      // The caller's memory is the caller's.
      this.head = head.slice();
      return;
    }
    this.choose(next);
    this.skipped += start;
    this.head = undefined;
    this.take(rest);
  }
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

/** They come again and again. */
const kinds = new Map<string, FramingKind | undefined>();
const MAX_KINDS = 200;

function kindOfMediaType(type: string): FramingKind | undefined {
  const known = kinds.get(type);
  if (known !== undefined || kinds.has(type)) return known;
  return remember(kinds, MAX_KINDS, type, readMediaType(type));
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

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Keeps the first `limit` characters and, beyond them, the last `TAIL_LENGTH`. */
class BodyBuffer {
  private limit: number;
  private text = "";
  private tails: string[] | undefined = undefined;
  private tailLength = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  push(text: string): void {
    const room = this.limit - this.text.length;
    if (text.length <= room) {
      this.text += text;
      return;
    }
    if (room > 0) this.text += text.slice(0, room);
    this.pushTail(room > 0 ? text.slice(room) : text);
  }

  private pushTail(text: string): void {
    const tails = (this.tails ??= []);
    tails.push(text);
    this.tailLength += text.length;
    while (tails.length > 1 && this.tailLength - (tails[0]?.length ?? 0) >= TAIL_LENGTH) {
      this.tailLength -= tails.shift()?.length ?? 0;
    }
  }

  /** What comes next is no longer the beginning. */
  skip(): void {
    this.limit = this.text.length;
  }

  /** What was kept from the beginning. */
  peek(): string {
    return this.text;
  }

  /** How the body ends, when its middle was dropped. */
  tail(): string | undefined {
    return this.tails === undefined ? undefined : this.tails.join("").slice(-TAIL_LENGTH);
  }

  isEmpty(): boolean {
    return this.text === "";
  }

  clear(): void {
    this.text = "";
    this.tails = undefined;
    this.tailLength = 0;
  }
}
