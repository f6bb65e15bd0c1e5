/** Cutting texts, and telling identifiers from prose. */
import { cutMark, isAbridged, readAbridged } from "../abridged-text.ts";
import { findBrokenIban } from "./redact-iban.ts";

/** The first `length` UTF-16 units, one less where the cut would split a surrogate pair. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  if (length <= 0) return "";
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

/** A cut text says so, and how long it was. */
export function cutWithMarker(text: string, length: number): string {
  if (text.length <= length && !isAbridged(text)) return text;
  const { head, length: whole } = readAbridged(text) ?? { head: text, length: text.length };
  return cutText(head, length) + cutMark(whole);
}

/** Characters that a number, a key or an address may take. */
const LONGEST_TOKEN = 256;

/** Without its last word, and without the numbers before that: it may be the beginning of something that is masked. */
export function dropBrokenEnd(text: string): string {
  const lowest = Math.max(0, text.length - LONGEST_TOKEN);
  let end = text.length;
  while (end > lowest && !isSpace(text.charCodeAt(end - 1))) end -= 1;
  while (end > lowest && isNumberPart(text.charCodeAt(end - 1))) end -= 1;
  end = Math.min(end, findBrokenIban(text));
  return end === text.length ? text : text.slice(0, end);
}

/** The same for the beginning: without its first word, and the numbers behind it. */
export function dropBrokenStart(text: string): string {
  const highest = Math.min(text.length, LONGEST_TOKEN);
  let start = 0;
  while (start < highest && !isSpace(text.charCodeAt(start))) start += 1;
  while (start < highest && isNumberPart(text.charCodeAt(start))) start += 1;
  // Groups of letters and digits, as in the second half of an account number.
  const groups = /^(?:[A-Z0-9]{4}[ -])*[A-Z0-9]{1,4}(?![A-Za-z0-9])/.exec(text.slice(start, start + 48))?.[0];
  if (groups !== undefined && /\d{2}/.test(groups)) start += groups.length;
  return start === 0 ? text : text.slice(start);
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code >= 0xa0 && /\s/.test(String.fromCharCode(code)));
}

/** Digits and what stands between them. */
function isNumberPart(code: number): boolean {
  if (code < 0x80) return isSpace(code) || (code >= 0x28 && code <= 0x39) || code === 0x5f;
  return /[\s\p{Nd}\p{Pd}\p{Cf}\u2212\u00b7]/u.test(String.fromCharCode(code)) || isHalf(code);
}

/** Of a character beyond the first plane: some digits are. */
function isHalf(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}

const IDENTIFIER = /^[A-Za-z0-9_@$][\w.:/@+=~#$|,-]{0,255}$/;

/**
 * Looks like a name that a machine made or reads: a model, an id, a finish reason, a tool name. No spaces, no quotes,
 * plain ASCII, at most 256 characters.
 */
export function isIdentifier(text: string): boolean {
  return IDENTIFIER.test(text);
}

const ERROR_NAME = /^[A-Za-z0-9_][\w.:/#-]{0,95}$/;

/** Looks like the type or code of an error: `rate_limit_exceeded`, `ThrottlingException`, `UND_ERR_SOCKET`, `429`. */
export function isErrorName(text: string): boolean {
  return ERROR_NAME.test(text);
}
