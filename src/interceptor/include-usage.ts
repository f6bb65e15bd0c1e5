/**
 * `includeUsage`, the request's half: puts `stream_options.include_usage` into the JSON text of a request that does not
 * speak of it. Everything else of the text stays as it is, byte for byte.
 */
import { REFUSED_BESIDE, takesIncludeUsage } from "../providers/include-usage.ts";
import type { Exchange } from "../types.ts";
import { addNote } from "./exchange.ts";
import { findHeader, listHeaders, withHeaders } from "./headers.ts";
import { readMembers, skipSpace } from "./json-members.ts";

/** What to send instead. */
export interface UsageRequest {
  body: string | Uint8Array<ArrayBuffer>;
  headers: unknown;
}

/**
 * The request with the option added; `undefined` to send it as it is. Notes in the exchange that the answer will have an
 * event which the app did not ask for.
 * @param body What the app sends, if that can be told now.
 */
export function askForUsage(exchange: Exchange, headers: unknown, body: unknown): UsageRequest | undefined {
  const { route, path, settings } = exchange;
  if (!settings.tokenTracking || !takesIncludeUsage(route, path)) return undefined;
  if (body === undefined || body === null || isForm(body) || !mayChange(headers)) return undefined;
  const text = toText(body);
  if (text === undefined || text.length > MAX_BODY) {
    addNote(exchange, "include_usage_not_added");
    return undefined;
  }
  const splice = findSplice(text);
  if (splice === undefined) return undefined;
  exchange.addedUsage = { choices: splice.choices };
  addNote(exchange, "include_usage_added");
  const changed = applySplice(body, splice);
  return { body: changed, headers: fixHeaders(headers, changed) };
}

function isForm(body: unknown): boolean {
  const name = (body as { constructor?: { name?: unknown } }).constructor?.name;
  return name === "FormData" || name === "URLSearchParams";
}

/** Longer texts would hold up the app's call. */
const MAX_BODY = 16 * 1024 * 1024;

/** Not what is signed or digested, and not what says that it is something else than plain JSON. */
function mayChange(headers: unknown): boolean {
  for (const [name, value] of listHeaders(headers)) {
    const lower = name.toLowerCase();
    const text = String(value);
    if (SIGNATURES.has(lower)) return false;
    if (lower === "authorization" && text.startsWith("AWS4-")) return false;
    if (lower === "content-encoding" && text.toLowerCase() !== "identity") return false;
    if (lower === "content-type" && !/\bjson\b/i.test(text)) return false;
  }
  return true;
}

const SIGNATURES: ReadonlySet<string> = new Set([
  "content-md5",
  "digest",
  "content-digest",
  "signature",
  "signature-input",
  "x-amz-content-sha256",
]);

/** The text, or for bytes a text with one character a byte: JSON's own signs are ASCII, so offsets are the same. */
function toText(body: unknown): string | undefined {
  if (typeof body === "string") return body;
  const bytes = toBytes(body);
  return bytes === undefined ? undefined : latin1.decode(bytes);
}

const latin1 = new TextDecoder("latin1");

function toBytes(body: unknown): Uint8Array | undefined {
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  return ArrayBuffer.isView(body) ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength) : undefined;
}

interface Splice {
  from: number;
  to: number;
  /** ASCII. */
  insert: string;
  /** How many choices the answer will have. */
  choices: number;
}

function findSplice(text: string): Splice | undefined {
  const root = readMembers(text, 0, ROOT_FIELDS);
  if (root === undefined || skipSpace(text, root.end) !== text.length) return undefined;
  const value = (name: string): string | undefined => {
    const member = root.members.get(name);
    return member && text.slice(member.from, member.to);
  };
  if (value("stream") !== "true") return undefined;
  for (const name of REFUSED_BESIDE) if (root.members.has(name)) return undefined;
  const choices = countChoices(value("n"), value("prompt"));
  const options = root.members.get("stream_options");
  if (options === undefined) {
    return { from: root.lastEnd, to: root.lastEnd, insert: `,"stream_options":{${OPTION}}`, choices };
  }
  if (value("stream_options") === "null") return { ...options, insert: `{${OPTION}}`, choices };
  const inner = readMembers(text, options.from, OPTION_FIELDS);
  if (inner === undefined || inner.members.has("include_usage")) return undefined;
  const at = options.from + 1;
  return { from: at, to: at, insert: inner.count === 0 ? OPTION : `${OPTION},`, choices };
}

const OPTION = '"include_usage":true';
const ROOT_FIELDS: ReadonlySet<string> = new Set(["stream", "stream_options", "n", "prompt", ...REFUSED_BESIDE]);
const OPTION_FIELDS: ReadonlySet<string> = new Set(["include_usage"]);

/** `n` for each prompt; a list of numbers is one prompt of tokens. */
function countChoices(n: string | undefined, prompt: string | undefined): number {
  const each = n !== undefined && /^[1-9]\d{0,3}$/.test(n) ? Number(n) : 1;
  if (prompt === undefined || !prompt.startsWith("[")) return each;
  try {
    const prompts = JSON.parse(prompt) as unknown[];
    return typeof prompts[0] === "number" ? each : each * Math.max(1, prompts.length);
  } catch {
    return each;
  }
}

function applySplice(body: unknown, { from, to, insert }: Splice): string | Uint8Array<ArrayBuffer> {
  if (typeof body === "string") return body.slice(0, from) + insert + body.slice(to);
  const bytes = toBytes(body) ?? new Uint8Array();
  const changed = new Uint8Array(bytes.byteLength - (to - from) + insert.length);
  changed.set(bytes.subarray(0, from));
  changed.set(encoder.encode(insert), from);
  changed.set(bytes.subarray(to), from + insert.length);
  return changed;
}

const encoder = new TextEncoder();

/** What cannot be read cannot be filtered: no encoding, please. A length that the app gave is put right. */
function fixHeaders(headers: unknown, body: string | Uint8Array): unknown {
  const changes: Record<string, string> = { "accept-encoding": "identity" };
  if (findHeader(headers, "content-length") !== undefined) {
    changes["content-length"] = String(typeof body === "string" ? encoder.encode(body).byteLength : body.byteLength);
  }
  return withHeaders(headers, changes);
}
