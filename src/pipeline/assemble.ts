/**
 * One exchange, from decoded bytes to what its parser makes of them: framing, JSON, the fold, and when the first token
 * came. Never throws; what is odd becomes a note.
 */
import { parseBoundedJson } from "../decode/bounded-json.ts";
import { createFraming, type Framing, type FramingSink, TAIL_LENGTH } from "../decode/framing.ts";
import { mediaTypeOf } from "../decode/media-type.ts";
import { recoverLargeJson, repairTruncatedJson } from "../decode/repair-json.ts";
import type { ParsedBody } from "../decode/request-body.ts";
import { decodeUtf8 } from "../decode/utf8.ts";
import { OPEN_BRACE } from "../decode/json-units.ts";
import type { ConversationPrint } from "../enrich/fingerprint.ts";
import { findParser } from "../parsers/table.ts";
import {
  FRAME_OUTPUT,
  FRAME_TERMINAL,
  type Frame,
  missingUsage,
  type ParsedRequest,
  type ParsedResponse,
  type Parser,
  type RouteInfo,
} from "../parsers/parser.ts";

import type { Part } from "../types.ts";
import { RepeatedEvents } from "./repeated-events.ts";

export interface AssemblyOptions {
  route: RouteInfo;
  /** Path with query, as sent. */
  path: string;
  method: string;
  status: number;
  /** Lower-case names, allow-listed. */
  requestHeaders: Record<string, string>;
  /** Lower-case names, allow-listed, with `content-type`. */
  responseHeaders: Record<string, string>;
  /** Called once, when the first frame comes or at the end: a request body may still be on its way when a response begins. */
  requestBody: () => ParsedBody;
  /** Characters of content that the answer may keep. */
  contentLimit: number;
  /** Characters kept of a body that is one JSON value. Default 8 MiB. */
  maxBodyBytes?: number;
  /** Default: the parser of `route.api`. */
  parser?: Parser;
}

export interface AssembledExchange {
  request: ParsedRequest;
  response: ParsedResponse;
  streaming: boolean;
  notes: string[];
  /** Something of the response was left out because of a bound of ours. */
  responseTruncated: boolean;
  /** The same for the request, where that is told only here. */
  requestTruncated?: boolean;
  /** Content has passed the gate already, but for redaction: texts are cut to length, media are described. */
  isGated?: boolean;
  /** What the conversation will be recognised by, where not all of its content is here any more. */
  print?: ConversationPrint;
  firstTokenMs?: number;
}

export interface Assembly {
  /** Takes decoded bytes (no content encoding) and when they came, in ms since the start. Keeps no reference to them. */
  push(bytes: Uint8Array, atMs: number): void;
  /** Bytes are missing between what was pushed and what comes next. */
  skip(): void;
  /** Takes a whole body that is one JSON object on one line. `false`: it may be more than that, and has to be pushed. */
  takeJson(bytes: Uint8Array): boolean;
  /**
   * When output was first seen. Until then push chunk by chunk so that the time is exact; afterwards bigger batches are
   * as good.
   */
  readonly firstTokenMs: number | undefined;
  /** The model has finished: closing now is no cancellation. */
  readonly terminal: boolean;
  /** Characters that the answer may hold by now, at most. */
  readonly heldLength: number;
  /** The response is a stream. `false` until its first bytes were seen. */
  readonly streaming: boolean;
  finish(end: { interrupted: boolean }): AssembledExchange;
}

/** An event with nothing but usage has some 500 characters. */
const MAX_USAGE_EVENT = 16 * 1024;
/** Characters of an event that are framing, ids and names, at least. */
const EVENT_OVERHEAD = 80;
const DEFAULT_MAX_BODY = 8 * 1024 * 1024;
/** Notes that mean that a bound of ours cut the response. */
const TRUNCATION_NOTES: ReadonlySet<string> = new Set([
  "response_content_dropped",
  "response_body_too_large",
  "sse_line_too_long",
  "ndjson_line_too_long",
  "json_element_too_long",
  "event_stream_message_too_long",
]);
export function createAssembly(options: AssemblyOptions): Assembly {
  return new ExchangeAssembly(options);
}

/** Takes what the framing finds, as its sink. */
class ExchangeAssembly implements Assembly, FramingSink {
  firstTokenMs: number | undefined = undefined;
  terminal = false;
  heldLength = 0;
  streaming = false;
  private readonly options: AssemblyOptions;
  private readonly parser: Parser | undefined;
  private framing: Framing | undefined = undefined;
  private json: string | undefined = undefined;
  private notes: string[] = [];
  private now = 0;
  /** `[DONE]` came: SDKs read nothing behind it. */
  private closed = false;
  /** The wire ended early and what comes now was cut off by it. */
  private cutOff = false;
  private request: ParsedRequest | undefined = undefined;
  private state: unknown = undefined;
  private started = false;
  private repeated: RepeatedEvents | undefined = undefined;
  private readonly noteTooDeep = (): void => this.onNote("json_too_deep");

  constructor(options: AssemblyOptions) {
    this.options = options;
    this.parser = options.parser ?? findParser(options.route.api);
  }

  private openFraming(): Framing {
    const { route, path, status, responseHeaders, maxBodyBytes } = this.options;
    return (this.framing ??= createFraming({
      contentType: responseHeaders["content-type"],
      status,
      mayBeJsonArray: path.includes(":streamGenerateContent"),
      mayBeEventStream: route.api.startsWith("bedrock-"),
      maxBodyLength: maxBodyBytes ?? DEFAULT_MAX_BODY,
      sink: this,
    }));
  }

  takeJson(bytes: Uint8Array): boolean {
    const { maxBodyBytes = DEFAULT_MAX_BODY, responseHeaders } = this.options;
    if (bytes[0] !== OPEN_BRACE || bytes.byteLength > maxBodyBytes) return false;
    if (mediaTypeOf(responseHeaders["content-type"]) !== "application/json") return false;
    const text = decodeUtf8(bytes);
    if (text === undefined || text.includes("\n")) return false;
    this.json = text;
    this.heldLength += bytes.byteLength;
    return true;
  }

  push(bytes: Uint8Array, atMs: number): void {
    this.now = atMs;
    this.openFraming().push(bytes);
    this.foldRepeated();
    this.streaming = this.isStreaming();
    if (!this.streaming) this.heldLength += bytes.byteLength;
  }

  skip(): void {
    this.onNote("response_content_dropped");
    this.openFraming().skip();
  }

  finish({ interrupted }: { interrupted: boolean }): AssembledExchange {
    this.cutOff = interrupted;
    if (this.json === undefined) this.openFraming().end();
    else this.onBody("json", this.json, undefined);
    this.foldRepeated();
    this.start();
    const streaming = this.isStreaming();
    const response = this.finishResponse(streaming, interrupted);
    if (this.closed) response.finished = true;
    const { notes } = this;
    if (notes.length > 0) noteLosses(response, notes);
    const result: AssembledExchange = {
      request: this.readRequest(),
      response,
      streaming,
      notes: response.notes.length === 0 ? notes : [...new Set([...notes, ...response.notes])],
      responseTruncated: response.contentTruncated === true || notes.some((note) => TRUNCATION_NOTES.has(note)),
    };
    if (streaming && this.firstTokenMs !== undefined) result.firstTokenMs = this.firstTokenMs;
    return result;
  }

  onEvent(text: string, name?: string): void {
    if (this.closed && !isUsageAlone(text)) return;
    this.heldLength += Math.max(0, text.length - EVENT_OVERHEAD);
    if (this.repeated?.take(text, name) === true) return;
    const frame = readEvent(text, name, this.noteTooDeep);
    if (frame === undefined) this.onNote(this.cutOff ? "truncated_event" : "invalid_event_json");
    if (frame === undefined && this.cutOff) return;
    const bits = this.fold(frame ?? eventText(text, name));
    if ((bits & FRAME_OUTPUT) !== 0 && this.options.status < 400) {
      this.firstTokenMs ??= this.now;
      if (frame?.kind === "event") this.learn(text, name, frame.value);
    }
    if ((bits & FRAME_TERMINAL) !== 0) this.terminal = true;
    if (isEndMark(text)) this.terminal = this.closed = true;
  }

  onBody(kind: "json" | "text", text: string, tail: string | undefined): void {
    if (tail !== undefined) this.onNote("response_body_too_large");
    if (kind === "text") {
      this.fold({ kind: "text", text });
      return;
    }
    const value = tail === undefined ? this.readBody(text) : recoverLargeJson(text, tail);
    this.fold(value === undefined ? { kind: "text", text } : { kind: "body", value });
  }

  onBinary(bytes: number): void {
    const mimeType = this.options.responseHeaders["content-type"];
    this.fold(mimeType === undefined ? { kind: "binary", bytes } : { kind: "binary", bytes, mimeType });
  }

  onNote(note: string): void {
    if (!this.notes.includes(note)) this.notes.push(note);
  }

  private readBody(text: string): unknown {
    try {
      return parseBoundedJson(text, this.noteTooDeep);
    } catch {
      const repaired = /^\s*[{[]/.test(text) ? repairTruncatedJson(text) : undefined;
      this.onNote(repaired === undefined ? "invalid_json" : "truncated_json");
      return repaired?.value;
    }
  }

  private readRequest(): ParsedRequest {
    if (this.request !== undefined) return this.request;
    const { route, path, requestHeaders: headers } = this.options;
    try {
      const body = this.options.requestBody();
      for (const note of body.notes) this.onNote(note);
      const { known } = body;
      this.request = this.parser?.readRequest({ route, path, headers, body: body.value, known });
      const beginning = known?.locate(this.request?.messages);
      if (this.request !== undefined && beginning !== undefined) this.request.knownBeginning = beginning;
    } catch {
      this.onNote("parser_failed");
    }
    return (this.request ??= { parameters: {} });
  }

  private start(): void {
    if (this.started) return;
    this.started = true;
    const { route, status, responseHeaders: headers, contentLimit } = this.options;
    const request = this.readRequest();
    try {
      this.state = this.parser?.start({ route, status, headers, request, contentLimit });
    } catch {
      this.onNote("parser_failed");
    }
  }

  private learn(text: string, name: string | undefined, value: unknown): void {
    if (this.parser?.findText === undefined || this.repeated?.isUseless === true) return;
    const event = this.parser.findText(this.state, value);
    if (event !== undefined) (this.repeated ??= new RepeatedEvents()).learn(text, name, event);
  }

  private foldRepeated(): void {
    try {
      this.repeated?.flush();
    } catch {
      this.onNote("parser_failed");
    }
  }

  private fold(frame: Frame): number {
    this.foldRepeated();
    this.start();
    try {
      return this.parser?.chunk(this.state, frame) ?? 0;
    } catch {
      this.onNote("parser_failed");
      return 0;
    }
  }

  private finishResponse(streaming: boolean, interrupted: boolean): ParsedResponse {
    if (this.parser === undefined) return emptyResponse("no_parser");
    let response: ParsedResponse | undefined;
    try {
      response = this.parser.finish(this.state, { streaming, interrupted });
    } catch {
      this.onNote("parser_failed");
    }
    return response ?? emptyResponse("parser_failed");
  }

  private isStreaming(): boolean {
    const kind = this.framing?.kind;
    return this.options.status < 400 && kind !== undefined && kind !== "json" && kind !== "text" && kind !== "binary";
  }
}

/** What can't be told for certain of a body that is not whole. */
function noteLosses(response: ParsedResponse, notes: readonly string[]): void {
  if (notes.includes("truncated_json")) {
    response.finished = false;
    // Counts may be missing behind the cut.
    if (response.usage.source === "reported") response.usage = { ...response.usage, complete: false };
  }
  // Vectors in the part that was dropped were not counted.
  if (notes.includes("response_body_too_large")) {
    delete response.embeddings;
    for (const { message } of response.choices) for (const part of message.parts) forgetCutMedia(part);
  }
}

/** Scalars stay text: a stream of plain text has events like `42` and `null`. `undefined`: JSON that does not parse. */
function readEvent(text: string, name: string | undefined, onTooDeep: () => void): Frame | undefined {
  const first = text.trimStart().charCodeAt(0);
  if (first === 0x5b && isEndMark(text)) return eventText(text.trimStart(), name);
  if (first !== 0x7b && first !== 0x5b) return eventText(text, name);
  try {
    const value = parseBoundedJson(text, onTooDeep);
    return name === undefined ? { kind: "event", value } : { kind: "event", value, name };
  } catch {
    return undefined;
  }
}

/** Behind the end mark, where SDKs read nothing any more, some gateways still tell what was used. */
function isUsageAlone(text: string): boolean {
  if (text.length > MAX_USAGE_EVENT || !text.includes('"usage"')) return false;
  try {
    const { choices, usage } = JSON.parse(text) as { choices?: unknown; usage?: unknown };
    const isEmpty = choices === undefined || (Array.isArray(choices) && choices.length === 0);
    return isEmpty && typeof usage === "object" && usage !== null;
  } catch {
    return false;
  }
}

/** As SDKs do: whatever follows the mark. */
function isEndMark(text: string): boolean {
  return /^\s*\[DONE\]/.test(text);
}

function eventText(text: string, name: string | undefined): Frame {
  return name === undefined ? { kind: "event-text", text } : { kind: "event-text", text, name };
}

/** Media in whose middle something was dropped: what is left of it says nothing of its size. */
function forgetCutMedia(part: Part): void {
  if (part.type !== "blob" || (part.content?.length ?? part.bytes ?? 0) < TAIL_LENGTH) return;
  delete part.content;
  delete part.bytes;
  delete part.sha256;
}

function emptyResponse(note: string): ParsedResponse {
  return { choices: [], usage: missingUsage("not_parsed"), finished: true, notes: [note] };
}
