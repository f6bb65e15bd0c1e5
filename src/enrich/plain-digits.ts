/** Digits and what stands between them, in whatever script or form they are written. */

/** Stands where a number has something that nobody sees. */
export const JOINER = "\u2060";

/** Where each script's ten digits begin; those beyond the first plane take two units of UTF-16. */
const ZEROS = [
  0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50, 0x0ed0,
  0x0f20, 0x1040, 0x17e0, 0x1810, 0xff10, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1fbf0,
];

const BEYOND_ASCII = /[\u0080-\uffff]/;
const DIGIT = /\p{Nd}/u;
/** Spaces and dashes of any width, and the escapes of a URL for them. */
const SEPARATORS = /[^\S\r\n\t ]|[\u2010-\u2015\u2212\u2043\uff0d\ufe63]|[\u00b7\u2024\uff0e]|%(?:20|2d|2e|c2%a0)/giu;
const INVISIBLE = /[\u00ad\u200b-\u200f\u2061-\u2064\ufeff]|\ufe0e|\ufe0f/g;

/**
 * The same text, of the same length, with digits `0` to `9`, plain spaces and dashes. Linear.
 *
 * @returns the text itself where it has nothing else
 */
export function toPlainDigits(text: string): string {
  if (!text.includes("%") && !BEYOND_ASCII.test(text)) return text;
  const separated = text.replace(INVISIBLE, JOINER).replace(SEPARATORS, toSeparator);
  return DIGIT.test(separated) ? separated.replace(/(?![0-9])\p{Nd}/gu, toDigit) : separated;
}

function toSeparator(found: string): string {
  const plain = /^(?:[\u2010-\u2015\u2212\u2043\uff0d\ufe63]|%2d)$/iu.test(found)
    ? "-"
    : /^(?:[\u00b7\u2024\uff0e]|%2e)$/iu.test(found)
      ? "."
      : " ";
  return plain + JOINER.repeat(found.length - 1);
}

function toDigit(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  const zero = ZEROS.find((first) => code >= first && code < first + 10);
  return zero === undefined ? digit : String(code - zero) + JOINER.repeat(digit.length - 1);
}
