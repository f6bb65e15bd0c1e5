/** Reads a request body into the value that parsers take: JSON, the fields of a form, or nothing. */
import type { KnownMessages } from "../known-messages.ts";
import { parseBoundedJson } from "./bounded-json.ts";
import { mediaTypeOf } from "./media-type.ts";
import { recoverLargeJson, repairTruncatedJson } from "./repair-json.ts";

export interface ParsedBody {
  /** `undefined` when there was no body or it could not be read. */
  value: unknown;
  notes: readonly string[];
  /** Messages that are not in `value`: they were read before. */
  known?: KnownMessages;
}

/** A file in a form: what is kept of it. */
export interface FormFile {
  filename?: string;
  mimeType?: string;
  bytes: number;
}

export interface RequestBodyOptions {
  /** `body` is only the beginning of what was sent; what can be read of it is read. */
  truncated?: boolean;
  /** With `truncated`: the last of what was sent. */
  tail?: string | Uint8Array;
  /** Reads a JSON text, in another way than `parseJsonText`. It throws where the text is no JSON. */
  parse?: ((text: string) => ParsedBody) | undefined;
}

/** Characters of a text field of a form that are kept. */
const MAX_FIELD_LENGTH = 1024 * 1024;
/** Fields of a form that are read. */
const MAX_FIELDS = 1000;
/** Shared: it keeps no state. */
const decoder = new TextDecoder();
const NOTHING: ParsedBody = { value: undefined, notes: [] };

/**
 * Reads a request body.
 * @param body What was sent, before any content encoding.
 * @param contentType The `content-type` header; without one, JSON is tried.
 */
export function decodeRequestBody(
  body: string | Uint8Array | undefined,
  contentType: string | undefined,
  options: RequestBodyOptions = {},
): ParsedBody {
  if (body === undefined || body.length === 0) return NOTHING;
  const type = mediaTypeOf(contentType);
  if (type === "multipart/form-data") {
    const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType ?? "");
    const name = boundary?.[1] ?? boundary?.[2];
    if (name === undefined) return { value: undefined, notes: ["invalid_form"] };
    return readMultipart(typeof body === "string" ? new TextEncoder().encode(body) : body, name);
  }
  const text = toText(body);
  if (type === "application/x-www-form-urlencoded" && !text.trimStart().startsWith("{")) return readUrlEncoded(text);
  return readJson(text, type, options);
}

function toText(body: string | Uint8Array): string {
  return typeof body === "string" ? body : decoder.decode(body);
}

function readJson(text: string, type: string, options: RequestBodyOptions): ParsedBody {
  const { truncated, tail, parse = parseJsonText } = options;
  try {
    return parse(text);
  } catch {
    if (truncated === true && /^\s*[{[]/.test(text)) {
      const value = tail === undefined ? repairTruncatedJson(text)?.value : recoverLargeJson(text, toText(tail));
      if (value !== undefined) return { value, notes: [] };
    }
    const claimsJson = type === "" || type.includes("json") || type === "text/plain";
    return claimsJson ? { value: undefined, notes: ["invalid_request_json"] } : NOTHING;
  }
}

/** @throws SyntaxError */
export function parseJsonText(text: string): ParsedBody {
  const notes: string[] = [];
  const value = parseBoundedJson(text, () => notes.push("request_json_too_deep"));
  return { value, notes };
}

function readUrlEncoded(text: string): ParsedBody {
  const fields = createFields();
  for (const [name, value] of new URLSearchParams(text)) if (!addField(fields, name, value)) break;
  return { value: fields.value, notes: [] };
}

/** @see https://www.rfc-editor.org/rfc/rfc7578 */
function readMultipart(bytes: Uint8Array, boundary: string): ParsedBody {
  const fields = createFields();
  const delimiter = new TextEncoder().encode(`--${boundary}`);
  let at = indexOf(bytes, delimiter, 0);
  if (at === -1) return { value: undefined, notes: ["invalid_form"] };
  const notes: string[] = [];
  while (at !== -1) {
    const start = at + delimiter.byteLength;
    // `--` behind the delimiter closes the form.
    if (bytes[start] === 45 && bytes[start + 1] === 45) break;
    at = indexOf(bytes, delimiter, start);
    if (at === -1) notes.push("truncated_form");
    const part = bytes.subarray(start, at === -1 ? bytes.byteLength : at);
    if (!readPart(part, fields)) break;
  }
  return { value: fields.value, notes };
}

function readPart(part: Uint8Array, fields: Fields): boolean {
  const headerEnd = findBlankLine(part);
  if (headerEnd === undefined) return true;
  const headers = decoder.decode(part.subarray(0, headerEnd.start));
  const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1] ?? "";
  const name = readParameter(disposition, "name");
  if (name === undefined) return true;
  let end = part.byteLength;
  // The line break before the delimiter is the delimiter's.
  if (part[end - 1] === 10) end--;
  if (part[end - 1] === 13) end--;
  const content = part.subarray(headerEnd.end, Math.max(headerEnd.end, end));
  const filename = readParameter(disposition, "filename");
  const mimeType = /^content-type:\s*([^\r\n;]+)/im.exec(headers)?.[1]?.trim();
  const isFile =
    filename !== undefined || (mimeType !== undefined && !/^(?:text\/plain|application\/json)/i.test(mimeType));
  if (!isFile) return addField(fields, name, decoder.decode(content.subarray(0, MAX_FIELD_LENGTH)));
  const file: FormFile = { bytes: content.byteLength };
  if (filename !== undefined) file.filename = filename;
  if (mimeType !== undefined) file.mimeType = mimeType;
  return addField(fields, name, file);
}

function readParameter(disposition: string, name: string): string | undefined {
  const match = new RegExp(`[;\\s]${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, "i").exec(disposition);
  return match?.[1] ?? match?.[2];
}

function findBlankLine(part: Uint8Array): { start: number; end: number } | undefined {
  // Headers are short: what does not end within 8 KiB is none.
  const limit = Math.min(part.byteLength, 8192);
  for (let at = 0; at < limit; at++) {
    if (part[at] !== 10) continue;
    if (part[at + 1] === 10) return { start: at, end: at + 2 };
    if (part[at + 1] === 13 && part[at + 2] === 10) return { start: at, end: at + 3 };
  }
  return undefined;
}

/** Index of `needle` in `bytes`, from `from` on; -1 when it is not there. */
function indexOf(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  const first = needle[0] ?? 0;
  for (let at = bytes.indexOf(first, from); at !== -1; at = bytes.indexOf(first, at + 1)) {
    let matched = 1;
    while (matched < needle.byteLength && bytes[at + matched] === needle[matched]) matched++;
    if (matched === needle.byteLength) return at;
  }
  return -1;
}

interface Fields {
  value: Record<string, unknown>;
  count: number;
}

/** Without a prototype: names of fields come from the wire. */
function createFields(): Fields {
  return { value: Object.create(null) as Record<string, unknown>, count: 0 };
}

/** Repeated fields, and those that end in `[]`, become lists. Returns whether there is room for more. */
function addField(fields: Fields, rawName: string, value: unknown): boolean {
  const isList = rawName.endsWith("[]");
  const name = isList ? rawName.slice(0, -2) : rawName;
  const before = fields.value[name];
  if (before === undefined) fields.value[name] = isList ? [value] : value;
  else if (Array.isArray(before)) before.push(value);
  else fields.value[name] = [before, value];
  fields.count++;
  return fields.count < MAX_FIELDS;
}
