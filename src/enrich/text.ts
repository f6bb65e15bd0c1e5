/** Cutting texts, and telling identifiers from prose. */

/** The first `length` UTF-16 units, one less where the cut would split a surrogate pair. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  if (length <= 0) return "";
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

/** A cut text says so, and how long it was. */
export function cutWithMarker(text: string, length: number): string {
  return text.length <= length ? text : `${cutText(text, length)}… [cut, ${text.length} characters]`;
}

/** Characters that a number, a key or an address may take. */
const LONGEST_TOKEN = 256;

/** Without its last word, and without the numbers before that: it may be the beginning of something that is masked. */
export function dropBrokenEnd(text: string): string {
  const lowest = Math.max(0, text.length - LONGEST_TOKEN);
  let end = text.length;
  while (end > lowest && !isSpace(text.charCodeAt(end - 1))) end -= 1;
  while (end > lowest && isNumberPart(text.charCodeAt(end - 1))) end -= 1;
  // A number of which only a part is looked at.
  return end === text.length ? text : text.slice(0, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0xa0;
}

/** Digits and what stands between them. */
function isNumberPart(code: number): boolean {
  return isSpace(code) || (code >= 0x28 && code <= 0x39) || (code >= 0x2010 && code <= 0x2015);
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
