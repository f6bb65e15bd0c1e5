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
