/** Of an answer with embeddings only the first vector is kept, as a list of numbers or as base64; the others are empty. */
import type { KeptBytes } from "./kept-bytes.ts";
import type { StringVisitor } from "./string-visitor.ts";

/** Shorter vectors are left as they are. */
const LEAST_VECTOR = 256;
const NUMBER = /\s*[-\d]/y;
const VECTOR_TEXT = /^[A-Za-z0-9+/_=-]+$/;

export class VectorDropper implements StringVisitor {
  isDropping = false;
  readonly notes: readonly string[] = [];
  readonly #kept: KeptBytes;
  /** Where the content of the open string begins in what is kept. `undefined`: the middle of the body was dropped. */
  #stringAt: number | undefined = undefined;
  #isDroppingList = false;
  #hasVector = false;
  /** The vector in the open string is not the first. */
  #isLaterVector = false;
  /** The last character that is no white space, outside of strings. */
  #last = "";

  constructor(kept: KeptBytes) {
    this.#kept = kept;
  }

  startPiece(): number {
    return 0;
  }

  /** Drops what is in lists of numbers that are not the first. */
  passBetween(bytes: Uint8Array, text: string, given: number, start: number, end: number): number {
    let from = given;
    let at = start;
    if (this.#isDroppingList) {
      const close = indexWithin(text, "]", at, end);
      this.#isDroppingList = close === -1 && end === text.length;
      if (close === -1) return end;
      from = close;
      at = close;
    }
    for (let open = indexWithin(text, "[", at, end); open !== -1; open = indexWithin(text, "[", at, end)) {
      NUMBER.lastIndex = at = open + 1;
      if (!NUMBER.test(text)) continue;
      const isLater = this.#isLater(text, open);
      this.#hasVector = true;
      const close = indexWithin(text, "]", at, end);
      const listEnd = close === -1 ? end : close;
      if (isLater && listEnd - at >= LEAST_VECTOR) {
        this.#kept.add(bytes.subarray(from, at));
        from = listEnd;
        this.#isDroppingList = listEnd === text.length;
      }
      at = listEnd;
    }
    this.#noteLast(text, start, end);
    return from;
  }

  open(text: string, quote: number, unkept: number): void {
    this.isDropping = false;
    this.#stringAt = this.#kept.isWhole ? this.#kept.size + unkept : undefined;
    this.#isLaterVector = this.#isLater(text, quote);
    this.#last = '"';
  }

  passPlain(): void {}

  goOn(bytes: Uint8Array, from: number): number {
    if (this.isDropping) return bytes.byteLength;
    this.#kept.add(bytes.subarray(from));
    if (this.#stringAt !== undefined && this.#kept.isWhole && this.#isLaterVector) this.#dropFrom(this.#stringAt);
    return bytes.byteLength;
  }

  close(bytes: Uint8Array, text: string, from: number, at: number, end: number): number {
    if (this.isDropping) return end;
    if (end - at < LEAST_VECTOR || !VECTOR_TEXT.test(text.slice(at, at + 64))) return from;
    if (!this.#isLaterVector) {
      this.#hasVector = true;
      return from;
    }
    this.#kept.add(bytes.subarray(from, at));
    return end;
  }

  end(): void {}

  /** Where the open string is a vector. */
  #dropFrom(stringAt: number): void {
    if (!isVectorText(this.#kept.view(stringAt))) return;
    this.#kept.cutTo(stringAt);
    this.isDropping = true;
  }

  /** Whether what begins here has one like it before it: in the same list, or under the same key. */
  #isLater(text: string, at: number): boolean {
    const before = /\S(?=\s*$)/.exec(text.slice(Math.max(0, at - 16), at))?.[0] ?? this.#last;
    return before === "," || (before === ":" && this.#hasVector);
  }

  #noteLast(text: string, start: number, end: number): void {
    for (let at = end - 1; at >= start; at -= 1) {
      if (text.charCodeAt(at) <= 0x20) continue;
      this.#last = text.charAt(at);
      return;
    }
  }
}

/** Looks no further than `end`: what is looked for may be far. */
function indexWithin(text: string, searched: string, from: number, end: number): number {
  const at = text.slice(from, end).indexOf(searched);
  return at === -1 ? -1 : from + at;
}

function isVectorText(content: Uint8Array): boolean {
  if (content.byteLength < LEAST_VECTOR) return false;
  return VECTOR_TEXT.test(String.fromCharCode(...content.subarray(0, 64)));
}
