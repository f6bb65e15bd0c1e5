/**
 * Shortens a JSON text while it comes, without parsing it: of each long string only the beginning is kept, with facts
 * about the whole behind it, and of an answer with embeddings only the first vector. What is left is JSON of the same
 * shape, small enough to be parsed in one go. Each byte is looked at by the runtime's own searches: a megabyte takes some
 * tenths of a millisecond.
 */
import type { RunningSums } from "#platform";
import { cutMark, writeFacts } from "../abridged-text.ts";
import { isEscapedAt } from "./json-string.ts";
import { KeptBytes } from "./kept-bytes.ts";
import { LongString } from "./long-string.ts";

export interface AbridgeOptions {
  /** Characters of a string that are kept at least; one that is longer is abridged. */
  keepLength: number;
  /** Bytes that are kept at most; beyond that the middle of what is left is dropped. */
  maxBytes: number;
  /** The answer holds embeddings. */
  isVectors: boolean;
  sums: RunningSums;
}

export interface AbridgedJson {
  bytes: Uint8Array;
  /** The middle was dropped here. */
  gapAt: number | undefined;
  notes: readonly string[];
}

/** Bytes that are looked at in one go: some microseconds. */
export const ABRIDGED_PIECE: number = 64 * 1024;
/** Bytes of a string from which more is found out about it: sooner than any is shortened. */
const LONG = 16 * 1024;
/** Bytes by which more may be kept of a string than has to be. */
const STEP = 4 * 1024;
/** Shorter vectors are left as they are. */
const LEAST_VECTOR = 256;
/** With its white space escaped. */
const JSON_TEXT = /^(?:\s|\\[nrt])*[[{]/;
const NUMBER = /\s*[-\d]/y;
const VECTOR_TEXT = /^[A-Za-z0-9+/_=-]+$/;
const encoder = new TextEncoder();

export class JsonAbridger {
  readonly #options: AbridgeOptions;
  readonly #kept: KeptBytes;
  readonly #notes: string[] = [];
  #isInString = false;
  /** The last byte was a backslash, and what comes next belongs to it. */
  #isEscaped = false;
  /** Where the content of the open string begins in what is kept. `undefined`: it is kept as it is. */
  #stringAt: number | undefined = undefined;
  /** The open string, once it is long. */
  #string: LongString | undefined = undefined;
  /** Of the open string nothing more is kept. */
  #isDropped = false;
  /** A string that was shortened and has ended: what comes next tells whether it is a key. Its closing quote is due. */
  #closed: LongString | undefined = undefined;
  #isDroppingList = false;
  #hasVector = false;
  /** The vector in the open string is not the first. */
  #isLaterVector = false;
  /** The last character that is no white space, outside of strings. */
  #last = "";

  constructor(options: AbridgeOptions) {
    this.#options = options;
    this.#kept = new KeptBytes(options.maxBytes);
  }

  /** Bytes that are held. */
  get heldBytes(): number {
    return this.#kept.size;
  }

  /** Takes up to `ABRIDGED_PIECE` bytes. Keeps no reference to them. */
  push(bytes: Uint8Array): void {
    const { sums } = this.#options;
    // Most of a long string.
    if (this.#isInString && this.#isDropped && !this.#isEscaped && sums.isPlain(bytes)) {
      this.#string?.addPlain(bytes);
      return;
    }
    const text = sums.readLatin1(bytes);
    /** What comes before was kept or dropped. */
    let from = 0;
    let start = 0;
    if (this.#closed !== undefined) {
      from = start = text.search(/\S/);
      if (start === -1) return;
      this.#writeFacts(this.#closed, text.charAt(start) === ":");
    }
    for (let at = start; at < text.length;) {
      if (!this.#isInString) {
        const quote = text.indexOf('"', at);
        if (this.#options.isVectors) from = this.#dropLists(bytes, text, from, at, quote === -1 ? text.length : quote);
        if (quote === -1) break;
        at = quote + 1;
        this.#open(text, quote, at - from);
      }
      const end = this.#findEnd(text, at);
      if (end === -1) {
        from = this.#goOn(bytes, from, at);
        break;
      }
      from = this.#close(bytes, text, from, at, end);
      at = end + 1;
    }
    if (from < bytes.byteLength) this.#kept.add(bytes.subarray(from));
  }

  end(): AbridgedJson {
    // A string that never ended: what follows would close it.
    if (this.#closed !== undefined) this.#writeFacts(this.#closed, false);
    else if (this.#string !== undefined && this.#isDropped) this.#writeFacts(this.#string, undefined);
    return { ...this.#kept.take(), notes: this.#notes };
  }

  /** There is no room for more than the ends. */
  shrink(headBytes: number): void {
    this.#kept.shrink(headBytes);
  }

  #open(text: string, quote: number, unkept: number): void {
    this.#isInString = true;
    this.#isEscaped = false;
    this.#isDropped = false;
    this.#string = undefined;
    this.#stringAt = this.#kept.isWhole ? this.#kept.size + unkept : undefined;
    if (this.#options.isVectors) this.#isLaterVector = this.#isLater(text, quote);
    this.#last = '"';
  }

  /** Index of the closing quote; -1: it is not in this piece. */
  #findEnd(text: string, start: number): number {
    let from = this.#isEscaped ? start + 1 : start;
    this.#isEscaped = false;
    for (;;) {
      const quote = text.indexOf('"', from);
      const end = quote === -1 ? text.length : quote;
      const isEscaped = isEscapedAt(text, end, from);
      if (quote === -1) {
        this.#isEscaped = isEscaped;
        return -1;
      }
      if (!isEscaped) return quote;
      from = quote + 1;
    }
  }

  /** The open string goes on behind this piece. @returns what of the piece was kept or dropped */
  #goOn(bytes: Uint8Array, from: number, at: number): number {
    const all = bytes.byteLength;
    if (this.#string !== undefined) {
      this.#addLong(this.#string, bytes.subarray(at));
      return all;
    }
    if (this.#isDropped) return all;
    this.#kept.add(bytes.subarray(from));
    if (this.#stringAt !== undefined && this.#kept.isWhole) this.#watch(this.#kept.view(this.#stringAt));
    return all;
  }

  /** What a long string goes on with: kept up to a length, and then only looked at. */
  #addLong(string: LongString, bytes: Uint8Array): void {
    let at = 0;
    while (!this.#isDropped && at < bytes.byteLength) {
      const piece = bytes.subarray(at, at + STEP);
      string.add(piece);
      this.#kept.add(piece);
      at += piece.byteLength;
      if (string.length < this.#options.keepLength) continue;
      if (this.#holdsMedia(string)) {
        this.#string = this.#stringAt = undefined;
        this.#kept.add(bytes.subarray(at));
        return;
      }
      // Not in the middle of a character or an escape.
      this.#kept.removeLast(string.openBytes);
      string.keptLength = string.length;
      this.#isDropped = true;
    }
    if (at < bytes.byteLength) string.add(bytes.subarray(at));
  }

  /** Looks whether the open string is one of those that are shortened. @param content - all of it so far */
  #watch(content: Uint8Array): void {
    if (this.#options.isVectors) {
      if (!this.#isLaterVector || !isVectorText(content)) return;
      this.#kept.cutTo(this.#stringAt ?? 0);
      this.#isDropped = true;
      return;
    }
    if (content.byteLength < LONG) return;
    // JSON in a string is parsed: half of it says nothing.
    if (JSON_TEXT.test(this.#options.sums.readLatin1(content.subarray(0, 64)))) {
      this.#stringAt = undefined;
      return;
    }
    this.#string = new LongString(this.#options.sums);
    this.#string.add(content);
  }

  /** Media in the middle of a text are described one by one, for which all of it is needed. */
  #holdsMedia({ prefixLength }: LongString): boolean {
    if (this.#stringAt === undefined || !this.#kept.isWhole) return false;
    const { sums } = this.#options;
    return sums.readLatin1(this.#kept.view(this.#stringAt)).includes(";base64,", prefixLength);
  }

  #close(bytes: Uint8Array, text: string, from: number, at: number, end: number): number {
    const string = this.#string;
    const { isVectors } = this.#options;
    this.#isInString = false;
    if (string !== undefined) {
      this.#string = undefined;
      this.#addLong(string, bytes.subarray(at, end));
      if (!this.#isDropped) return end;
      this.#closed = string;
      const next = /\S/g;
      next.lastIndex = end + 1;
      const behind = next.exec(text);
      if (behind === null) return bytes.byteLength;
      this.#writeFacts(string, behind[0] === ":");
      return end + 1;
    }
    if (this.#isDropped) return end;
    if (!isVectors || end - at < LEAST_VECTOR || !VECTOR_TEXT.test(text.slice(at, at + 64))) return from;
    if (!this.#isLaterVector) {
      this.#hasVector = true;
      return from;
    }
    this.#kept.add(bytes.subarray(from, at));
    return end;
  }

  /** @param isKey - `undefined`: the string never ended */
  #writeFacts(string: LongString, isKey: boolean | undefined): void {
    this.#closed = undefined;
    const facts = string.end();
    // Names pass as they are: a mark would get into a record.
    const behind = isKey === true ? cutMark(facts.length) : writeFacts(facts, string.keptLength);
    this.#kept.add(encoder.encode(isKey === undefined ? behind : `${behind}"`));
    if (string.hasInvalidUtf8 && this.#notes.length === 0) this.#notes.push("invalid_utf8");
  }

  /** Between strings: drops what is in lists of numbers that are not the first. @returns the new `from` */
  #dropLists(bytes: Uint8Array, text: string, given: number, start: number, stop: number): number {
    let from = given;
    let at = start;
    if (this.#isDroppingList) {
      const close = indexWithin(text, "]", at, stop);
      this.#isDroppingList = close === -1 && stop === text.length;
      if (close === -1) return stop;
      from = close;
      at = close;
    }
    for (let open = indexWithin(text, "[", at, stop); open !== -1; open = indexWithin(text, "[", at, stop)) {
      NUMBER.lastIndex = at = open + 1;
      if (!NUMBER.test(text)) continue;
      const isLater = this.#isLater(text, open);
      this.#hasVector = true;
      const close = indexWithin(text, "]", at, stop);
      const end = close === -1 ? stop : close;
      if (isLater && end - at >= LEAST_VECTOR) {
        this.#kept.add(bytes.subarray(from, at));
        from = end;
        this.#isDroppingList = end === text.length;
      }
      at = end;
    }
    this.#noteLast(text, start, stop);
    return from;
  }

  /** Whether what begins here has one like it before it: in the same list, or under the same key. */
  #isLater(text: string, at: number): boolean {
    const before = /\S(?=\s*$)/.exec(text.slice(Math.max(0, at - 16), at))?.[0] ?? this.#last;
    return before === "," || (before === ":" && this.#hasVector);
  }

  #noteLast(text: string, start: number, stop: number): void {
    for (let at = stop - 1; at >= start; at -= 1) {
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
