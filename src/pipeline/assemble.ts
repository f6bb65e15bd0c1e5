/**
 * One exchange, from decoded bytes to what its parser makes of them: framing, JSON, the fold, and when the first token
 * came. Never throws; what is odd becomes a note.
 */
import { parseBoundedJson } from "../decode/bounded-json.ts";
import { createFraming, type FramingSink, TAIL_LENGTH } from "../decode/framing.ts";
import { recoverLargeJson, repairTruncatedJson } from "../decode/repair-json.ts";
import type { ParsedBody } from "../decode/request-body.ts";
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
  const { route, status } = options;
  const parser: Parser | undefined = options.parser ?? findParser(route.api);
  const notes = new Set<string>();
  let now = 0;
  /** `[DONE]` came: SDKs read nothing behind it. */
  let closed = false;
  /** The wire ended early and what comes now was cut off by it. */
  let cutOff = false;
  let request: ParsedRequest | undefined;
  let state: unknown;
  let started = false;

  function guard<Result>(fallback: Result, run: () => Result): Result {
    try {
      return run();
    } catch {
      notes.add("parser_failed");
      return fallback;
    }
  }

  function readRequest(): ParsedRequest {
    if (request !== undefined) return request;
    const body = guard<ParsedBody>({ value: undefined, notes: [] }, options.requestBody);
    for (const note of body.notes) notes.add(note);
    const input = { route, path: options.path, headers: options.requestHeaders, body: body.value };
    request = guard<ParsedRequest>({ parameters: {} }, () => parser?.readRequest(input) ?? { parameters: {} });
    return request;
  }

  function start(): void {
    if (started) return;
    started = true;
    const input = {
      route,
      status,
      headers: options.responseHeaders,
      request: readRequest(),
      contentLimit: options.contentLimit,
    };
    state = guard<unknown>(undefined, () => parser?.start(input));
  }

  function fold(frame: Frame): number {
    start();
    if (parser === undefined) return 0;
    return guard(0, () => parser.chunk(state, frame));
  }

  const noteTooDeep = (): void => void notes.add("json_too_deep");

  const sink: FramingSink = {
    onEvent(text, name) {
      if (closed && !isUsageAlone(text)) return;
      assembly.heldLength += Math.max(0, text.length - EVENT_OVERHEAD);
      const frame = readEvent(text, name, noteTooDeep);
      if (frame === undefined) notes.add(cutOff ? "truncated_event" : "invalid_event_json");
      if (frame === undefined && cutOff) return;
      const bits = fold(frame ?? eventText(text, name));
      if ((bits & FRAME_OUTPUT) !== 0 && status < 400) assembly.firstTokenMs ??= now;
      if ((bits & FRAME_TERMINAL) !== 0) assembly.terminal = true;
      if (isEndMark(text)) assembly.terminal = closed = true;
    },
    onBody(kind, text, tail) {
      if (tail !== undefined) notes.add("response_body_too_large");
      if (kind === "text") {
        fold({ kind: "text", text });
        return;
      }
      const value = tail === undefined ? readBody(text, notes, noteTooDeep) : recoverLargeJson(text, tail);
      fold(value === undefined ? { kind: "text", text } : { kind: "body", value });
    },
    onBinary(bytes) {
      const mimeType = options.responseHeaders["content-type"];
      fold(mimeType === undefined ? { kind: "binary", bytes } : { kind: "binary", bytes, mimeType });
    },
    onNote(note) {
      notes.add(note);
    },
  };

  const framing = createFraming({
    contentType: options.responseHeaders["content-type"],
    status,
    mayBeJsonArray: options.path.includes(":streamGenerateContent"),
    mayBeEventStream: route.api.startsWith("bedrock-"),
    maxBodyLength: options.maxBodyBytes ?? DEFAULT_MAX_BODY,
    sink,
  });

  function isStreaming(): boolean {
    const { kind } = framing;
    return status < 400 && kind !== undefined && kind !== "json" && kind !== "text" && kind !== "binary";
  }

  // Properties, not getters: an object with getters is slow to make.
  const assembly: { -readonly [Key in keyof Assembly]: Assembly[Key] } = {
    firstTokenMs: undefined,
    terminal: false,
    heldLength: 0,
    streaming: false,
    push(bytes, atMs) {
      now = atMs;
      framing.push(bytes);
      assembly.streaming = isStreaming();
      if (!assembly.streaming) assembly.heldLength += bytes.byteLength;
    },
    skip() {
      notes.add("response_content_dropped");
      framing.skip();
    },
    finish({ interrupted }) {
      cutOff = interrupted;
      framing.end();
      start();
      const streaming = isStreaming();
      const response =
        parser === undefined
          ? emptyResponse("no_parser")
          : (guard(undefined, () => parser.finish(state, { streaming, interrupted })) ??
            emptyResponse("parser_failed"));
      if (closed) response.finished = true;
      if (notes.has("truncated_json")) {
        response.finished = false;
        // Counts may be missing behind the cut.
        if (response.usage.source === "reported") response.usage = { ...response.usage, complete: false };
      }
      // Vectors in the part that was dropped were not counted.
      if (notes.has("response_body_too_large")) {
        delete response.embeddings;
        for (const { message } of response.choices) for (const part of message.parts) forgetCutMedia(part);
      }
      const result: AssembledExchange = {
        request: readRequest(),
        response,
        streaming,
        notes: notes.size === 0 && response.notes.length === 0 ? [] : [...new Set([...notes, ...response.notes])],
        responseTruncated:
          response.contentTruncated === true ||
          (notes.size > 0 && [...notes].some((note) => TRUNCATION_NOTES.has(note))),
      };
      if (streaming && assembly.firstTokenMs !== undefined) result.firstTokenMs = assembly.firstTokenMs;
      return result;
    },
  };
  return assembly;
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

function readBody(text: string, notes: Set<string>, onTooDeep: () => void): unknown {
  try {
    return parseBoundedJson(text, onTooDeep);
  } catch {
    const repaired = /^\s*[{[]/.test(text) ? repairTruncatedJson(text) : undefined;
    notes.add(repaired === undefined ? "invalid_json" : "truncated_json");
    return repaired?.value;
  }
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
