/** What can be told of the strings in a JSON text that is not parsed. Bytes are read as characters: all that counts is ASCII. */
import { BACKSLASH, QUOTE } from "./json-units.ts";

/** Whether what stands at `at` belongs to a backslash before it. @param start - where the string begins, or goes on */
export function isEscapedAt(text: string | Uint8Array, at: number, start: number): boolean {
  let first = at;
  while (first > start && unitAt(text, first - 1) === BACKSLASH) first -= 1;
  return (at - first) % 2 === 1;
}

/** The closing quote of a string that begins at `start`; -1: there is none. */
export function findStringEnd(text: string, start: number): number {
  let quote = text.indexOf('"', start);
  // Before most quotes stands no backslash.
  while (quote > start && text.charCodeAt(quote - 1) === BACKSLASH && isEscapedAt(text, quote, start)) {
    quote = text.indexOf('"', quote + 1);
  }
  return quote;
}

/**
 * Whether a JSON text may hold a string of that length: an agent's request is big for the number of its messages. Such a
 * string would fill a stretch of half its length, in which then no string begins or ends.
 */
export function mayHoldLongString(text: string | Uint8Array, length: number): boolean {
  const stretch = Math.max(1, Math.floor(length / 2));
  for (let start = 0; start + stretch <= text.length; start += stretch) {
    if (!holdsBorder(text, start, start + stretch)) return true;
  }
  return false;
}

function holdsBorder(text: string | Uint8Array, start: number, end: number): boolean {
  for (let at = findQuote(text, start, end); at !== -1; at = findQuote(text, at + 1, end)) {
    if (!isEscapedAt(text, at, 0)) return true;
  }
  return false;
}

function findQuote(text: string | Uint8Array, from: number, end: number): number {
  const at = typeof text === "string" ? text.indexOf('"', from) : text.indexOf(QUOTE, from);
  return at < end ? at : -1;
}

function unitAt(text: string | Uint8Array, at: number): number | undefined {
  return typeof text === "string" ? text.charCodeAt(at) : text[at];
}
