/** JSON that is not all there: closed where the wire ended, or joined over a gap in its middle. */
import { GAP_MARK } from "../types.ts";
import { dropFacts } from "../abridged-text.ts";
import { parseBoundedJson } from "./bounded-json.ts";
import { findStringEnd, isEscapedAt } from "./json-string.ts";

/** Facts that may stand at the root of a large body behind its content. */
const TAIL_KEYS = [
  "usage",
  "usageMetadata",
  "stop_reason",
  "stopReason",
  "status",
  "model",
  "modelVersion",
  "id",
  "responseId",
  "service_tier",
  "prompt_eval_count",
  "eval_count",
  "done_reason",
  "stream",
] as const;
/** Places that are tried for a key before giving up: text may be full of what looks like one. */
const MAX_ATTEMPTS = 16;

const QUOTE = 34;
const BACKSLASH = 92;

export interface RepairedJson {
  value: unknown;
}

/**
 * Reads JSON whose end is missing: open strings and brackets are closed, a key without a value and half a literal are
 * dropped. One pass, no recursion. `undefined` when that is not enough.
 */
export function repairTruncatedJson(text: string): RepairedJson | undefined {
  /** Closing brackets that are due, innermost last. */
  const open: string[] = [];
  /** Where the text may be cut without leaving half a value behind, and how many brackets are open there. */
  let safe = 0;
  let safeDepth = 0;
  /** In an object: the next string is a key. */
  let expectsKey = false;
  let keyEnd = false;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = findStringEnd(text, at + 1);
      const isKey = expectsKey;
      if (end === -1) {
        if (isKey) return close(text.slice(0, safe), open, safeDepth);
        return close(`${trimEscape(text.slice(0, text.length))}"`, open, open.length);
      }
      at = end + 1;
      if (isKey) {
        expectsKey = false;
        keyEnd = true;
      } else {
        safe = at;
        safeDepth = open.length;
      }
      continue;
    }
    const char = text.charAt(at);
    if (char === "{" || char === "[") {
      open.push(char === "{" ? "}" : "]");
      expectsKey = char === "{";
      at++;
      safe = at;
      safeDepth = open.length;
    } else if (char === "}" || char === "]") {
      if (open.pop() !== char) return undefined;
      at++;
      safe = at;
      safeDepth = open.length;
      if (open.length === 0) return close(text.slice(0, at), open, 0);
    } else if (char === ",") {
      // What came before the comma is whole, a number too.
      safe = at;
      safeDepth = open.length;
      expectsKey = open.at(-1) === "}";
      at++;
    } else {
      if (char === ":" && keyEnd) keyEnd = false;
      at++;
    }
  }
  return close(text.slice(0, safe), open, safeDepth);
}

/**
 * Reads a body of which only its beginning and its end were kept. The head gives the structure; what is missing of the
 * facts at its root is looked for in the tail. `undefined` when nothing can be read.
 */
export function recoverLargeJson(head: string, given: string): unknown {
  const tail = dropFacts(given);
  const joined = joinOverGap(head, tail);
  if (joined !== undefined) return joined.value;
  const value = repairTruncatedJson(head)?.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const root = value as Record<string, unknown>;
  for (const key of TAIL_KEYS) {
    if (root[key] !== undefined) continue;
    const found = findRootValue(tail, key);
    if (found !== undefined && found !== null) root[key] = found;
  }
  return root;
}

/**
 * Reads JSON whose middle is missing: `head` and `tail` are joined as if both were in the same string or the same list
 * of numbers, which is where all large bodies are large. `undefined` when that gives no JSON.
 */
export function joinOverGap(head: string, tail: string): RepairedJson | undefined {
  const inString = parse(trimEscape(head) + GAP_MARK + trimLeadingEscape(tail));
  if (inString !== undefined) return inString;
  const lastComma = head.lastIndexOf(",");
  const firstComma = tail.indexOf(",");
  return lastComma === -1 || firstComma === -1 ? undefined : parse(head.slice(0, lastComma) + tail.slice(firstComma));
}

/**
 * The value of a key at the root of an object of which `text` is the end; `undefined` when it is not there or not whole.
 * A key inside of a string has escaped quotes and does not match.
 */
export function findRootValue(text: string, key: string): unknown {
  const pattern = `"${key}"`;
  let at = text.lastIndexOf(pattern);
  for (let attempt = 0; at !== -1 && attempt < MAX_ATTEMPTS; attempt++) {
    const colon = /^\s*:\s*/.exec(text.slice(at + pattern.length, at + pattern.length + 100));
    if (colon !== null && text.charCodeAt(at - 1) !== BACKSLASH) {
      const start = at + pattern.length + colon[0].length;
      const end = findValueEnd(text, start);
      if (end !== -1 && closesRoot(text, end)) return parse(text.slice(start, end))?.value;
    }
    at = at === 0 ? -1 : text.lastIndexOf(pattern, at - 1);
  }
  return undefined;
}

/** Where a value that begins at `start` ends; -1 when that is not in the text. */
function findValueEnd(text: string, start: number): number {
  const first = text.charAt(start);
  if (first === '"') return findStringEnd(text, start + 1) + 1 || -1;
  if (first === "{" || first === "[") return scanBrackets(text, start, 0);
  const literal = /^[\w.+-]+/.exec(text.slice(start, start + 40));
  return literal === null ? -1 : start + literal[0].length;
}

/** From `from` on, exactly one object is closed, and with it the text ends. */
function closesRoot(text: string, from: number): boolean {
  const end = scanBrackets(text, from, 1);
  return end !== -1 && text.slice(end).trim() === "";
}

/** Index behind the bracket that brings the depth to 0; -1 when there is none. */
function scanBrackets(text: string, from: number, depth: number): number {
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') {
      const end = findStringEnd(text, at + 1);
      if (end === -1) return -1;
      at = end;
    } else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) return at + 1;
  }
  return -1;
}

/** Half an escape at the end: a lone backslash, or `\u` with fewer than four digits. */
function trimEscape(text: string): string {
  const unicode = /(\\+)u[0-9a-fA-F]{0,3}$/.exec(text);
  if (unicode !== null && (unicode[1]?.length ?? 0) % 2 === 1)
    return text.slice(0, -unicode[0].length + (unicode[1]?.length ?? 1) - 1);
  return isEscapedAt(text, text.length, 0) ? text.slice(0, -1) : text;
}

/** What may be the second half of an escape at the start: harmless as text, but for a quote. */
function trimLeadingEscape(text: string): string {
  return text.startsWith('"') || text.startsWith("\\") ? text.slice(1) : text;
}

function close(text: string, open: readonly string[], depth: number): RepairedJson | undefined {
  return parse(text + open.slice(0, depth).toReversed().join(""));
}

function parse(text: string): RepairedJson | undefined {
  try {
    return { value: parseBoundedJson(text) };
  } catch {
    return undefined;
  }
}
