/**
 * A long string of a big body of which only the beginning went on: behind it stand a mark and what was found out about
 * the whole. Nobody else can write the mark, and none gets into a record: the beginning is longer than a record keeps.
 */

export interface AbridgedFacts {
  /** UTF-16 units of the whole. */
  length: number;
  /** The keyed hash of the whole, without `data:…,` in front; absent where it could not be read. */
  hash?: string;
  /** Of the bytes that it stands for, where it is base64. */
  media?: { bytes: number; sha256: string };
}

export interface AbridgedText extends AbridgedFacts {
  /** How it begins. */
  head: string;
}

/** Strings with fewer characters are whole. */
export const LEAST_ABRIDGED: number = 64 * 1024;
/** Characters that a mark and its facts take, at most. */
const LONGEST_MARK = 256;
const END = "\0";

let mark = createMark();

function createMark(): string {
  let digits = "";
  while (digits.length < 24) digits += Math.random().toString(36).slice(2);
  return `${END}${digits.slice(0, 24)}`;
}

/** What a thread must know that goes on with what another has abridged. */
export function getMark(): string {
  return mark;
}

export function setMark(given: string): void {
  mark = given;
}

/** What stands behind the beginning, as it is written inside of a JSON string. */
export function writeFacts({ length, hash, media }: AbridgedFacts): string {
  const facts = [length, toHex(hash), media?.bytes ?? "", media?.sha256 ?? ""];
  return `\\u0000${mark.slice(1)} ${facts.join(" ")}\\u0000`;
}

export function isAbridged(text: string): boolean {
  return text.charCodeAt(text.length - 1) === 0 && text.lastIndexOf(mark) !== -1;
}

/** `undefined`: the text is whole. */
export function readAbridged(text: string): AbridgedText | undefined {
  if (text.charCodeAt(text.length - 1) !== 0) return undefined;
  const end = text.slice(-LONGEST_MARK);
  const at = end.lastIndexOf(mark);
  if (at === -1) return undefined;
  const [length, hash, bytes, sha256] = end.slice(at + mark.length + 1, -1).split(" ");
  return {
    head: text.slice(0, text.length - end.length + at),
    length: Number(length),
    ...(hash && { hash: fromHex(hash) }),
    ...(bytes && sha256 && { media: { bytes: Number(bytes), sha256 } }),
  };
}

/** Of a text, abridged or not. */
export function hashText(text: string, hash: (text: string) => string): string {
  return readAbridged(text)?.hash ?? hash(text);
}

/** Hashes have a character for each byte. */
function toHex(bytes: string | undefined): string {
  let digits = "";
  for (let at = 0; at < (bytes?.length ?? 0); at += 1)
    digits += (bytes as string).charCodeAt(at).toString(16).padStart(2, "0");
  return digits;
}

function fromHex(digits: string): string {
  return String.fromCharCode(...(digits.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
}
