/** Text from the wire, made harmless for a terminal. */

/** CSI, OSC, DCS and the other string sequences, and two-byte escapes; 7-bit and 8-bit forms. Each branch is linear. */
const ANSI_SEQUENCES =
  // eslint-disable-next-line no-control-regex
  /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)?|\u001B[ -/]*[0-~]/g;

/** Line breaks and tabs: they separate words, so they become spaces. */
const BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;

/** C0, DEL, C1, bidi controls, zero-width characters, byte order marks, interlinear and tag characters, lone surrogates. */
const INVISIBLE =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E007F}]|\p{Surrogate}/gu;

/**
 * One line of plain text: no escape sequences, no control, bidi or invisible characters.
 *
 * @param maxLength characters kept; what is cut is marked with `…`.
 */
export function plainLine(text: string, maxLength = 200): string {
  // Cut before the expressions run, so that megabytes from the wire cost nothing; sequences may take some of it away.
  const head = text.length > maxLength * 4 ? text.slice(0, maxLength * 4) : text;
  const plain = head.replace(ANSI_SEQUENCES, "").replace(BREAKS, " ").replace(INVISIBLE, "").trim();
  if (plain.length <= maxLength && head.length === text.length) return plain;
  const characters = Array.from(plain);
  return characters.length <= maxLength && head.length === text.length
    ? plain
    : `${characters.slice(0, maxLength).join("")}…`;
}
