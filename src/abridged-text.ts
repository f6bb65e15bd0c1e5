/**
 * A long string of a big body of which only the beginning went on: behind it stand a mark and what was found out about
 * the whole. Nobody else can write the mark, and none gets into a record: the beginning is longer than a record keeps.
 * Parsers join texts, so that something may stand before the beginning and behind the mark.
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

/** What stands behind a text that was cut. @param length - UTF-16 units of the whole */
export function cutMark(length: number): string {
  return `… [cut, ${length} characters]`;
}

/** Strings with fewer characters are whole. */
export const LEAST_ABRIDGED: number = 64 * 1024;
/** Characters that a mark and its facts take, at most. */
const LONGEST_MARK = 256;
const END = "\0";

let mark = createMark();
/** There may be texts with a mark: until then none is looked through. */
let isUsed = false;

function createMark(): string {
  let digits = "";
  while (digits.length < 24) digits += Math.random().toString(36).slice(2);
  // Rare in texts: searches look for it.
  return `\u0001${digits.slice(0, 24)}`;
}

/** What a thread must know that goes on with what another has abridged. */
export function getMark(): string {
  return mark;
}

export function setMark(given: string): void {
  mark = given;
  isUsed = true;
}

/** What stands behind the beginning, as it is written inside of a JSON string. @param headLength - UTF-16 units of that */
export function writeFacts({ length, hash, media }: AbridgedFacts, headLength: number): string {
  isUsed = true;
  const facts = [headLength, length, toHex(hash), media?.bytes ?? "", media?.sha256 ?? ""];
  return `\\u0001${mark.slice(1)} ${facts.join(" ")}\\u0000`;
}

export function isAbridged(text: string): boolean {
  return findMark(text) !== -1;
}

/** Where the first mark stands; -1: the text is whole. */
function findMark(text: string): number {
  return isUsed && text.length > mark.length ? text.indexOf(mark) : -1;
}

/** Behind a mark and its facts. */
function findMarkEnd(text: string, at: number): number {
  const end = text.slice(at, at + LONGEST_MARK).indexOf(END);
  return end === -1 ? text.length : at + end + 1;
}

/** `undefined`: the text is whole. */
export function readAbridged(text: string): AbridgedText | undefined {
  const at = findMark(text);
  if (at === -1) return undefined;
  const end = findMarkEnd(text, at);
  const [headLength, length, hash, bytes, sha256] = text.slice(at + mark.length + 1, end - 1).split(" ");
  const left = Number(length) - Number(headLength);
  if (end < text.length) {
    const rest = text.slice(end);
    return { head: text.slice(0, at), length: at + left + (readAbridged(rest)?.length ?? rest.length) };
  }
  return {
    head: text.slice(0, at),
    // Without `data:…,` the beginning is shorter than it was.
    length: at + left,
    // With something before it, it is another text.
    ...(hash && at <= Number(headLength) && { hash: fromHex(hash) }),
    ...(bytes && sha256 && { media: { bytes: Number(bytes), sha256 } }),
  };
}

/** Changes the pieces of a text, each of which is given with the mark and the facts behind it, or with "". */
export function changeAbridged(text: string, change: (piece: string, mark: string) => string): string {
  const at = findMark(text);
  if (at === -1) return change(text, "");
  const end = findMarkEnd(text, at);
  const changed = change(text.slice(0, at), text.slice(at, end));
  return end === text.length ? changed : changed + changeAbridged(text.slice(end), change);
}

/** The end of a body that may begin inside of a string, or in what stands behind it: without that. */
export function dropFacts(json: string): string {
  const end = String.raw`\u0000`;
  const at = json.indexOf(mark.slice(1));
  if (at === -1)
    return json.slice(/^\\?[\w ]{0,255}\\u0000(?=")/.exec(json.slice(0, 2 * LONGEST_MARK))?.[0].length ?? 0);
  const factsEnd = json.indexOf(end, at);
  return json.slice(0, Math.max(0, at - end.length)) + (factsEnd === -1 ? "" : json.slice(factsEnd + end.length));
}

/** The size of what base64 text decodes to, abridged or not; by arithmetic where nothing more is known. */
export function countBase64Bytes(text: string): number {
  const abridged = readAbridged(text);
  if (abridged !== undefined) return abridged.media?.bytes ?? Math.floor((abridged.length * 3) / 4);
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return Math.max(0, Math.floor((text.length * 3) / 4) - padding);
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
