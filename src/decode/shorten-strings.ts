/** Of each long string of a JSON text only the beginning is kept, with facts about the whole behind it. */
import type { RunningSums } from "#platform";
import { cutMark, writeFacts } from "../abridged-text.ts";
import type { KeptBytes } from "./kept-bytes.ts";
import { LongString } from "./long-string.ts";
import type { StringVisitor } from "./string-visitor.ts";

/** Bytes of a string from which more is found out about it: sooner than any is shortened. */
const LONG = 16 * 1024;
/** Bytes by which more may be kept of a string than has to be. */
const STEP = 4 * 1024;
/** With its white space escaped. */
const JSON_TEXT = /^(?:\s|\\[nrt])*[[{]/;
const encoder = new TextEncoder();

export class StringShortener implements StringVisitor {
  isDropping = false;
  readonly notes: string[] = [];
  readonly #kept: KeptBytes;
  readonly #sums: RunningSums;
  readonly #keepLength: number;
  /** Where the content of the open string begins in what is kept. `undefined`: it is kept as it is. */
  #stringAt: number | undefined = undefined;
  /** The open string, once it is long. */
  #string: LongString | undefined = undefined;
  /** A string that was shortened and has ended: what comes next tells whether it is a key. Its closing quote is due. */
  #closed: LongString | undefined = undefined;

  /** @param keepLength - characters of a string that are kept at least */
  constructor(kept: KeptBytes, sums: RunningSums, keepLength: number) {
    this.#kept = kept;
    this.#sums = sums;
    this.#keepLength = keepLength;
  }

  startPiece(text: string): number {
    if (this.#closed === undefined) return 0;
    const next = text.search(/\S/);
    if (next === -1) return text.length;
    this.#writeFacts(this.#closed, text.charAt(next) === ":");
    return next;
  }

  passBetween(_bytes: Uint8Array, _text: string, from: number): number {
    return from;
  }

  open(_text: string, _quote: number, unkept: number): void {
    this.isDropping = false;
    this.#string = undefined;
    this.#stringAt = this.#kept.isWhole ? this.#kept.size + unkept : undefined;
  }

  passPlain(bytes: Uint8Array): void {
    this.#string?.addPlain(bytes);
  }

  goOn(bytes: Uint8Array, from: number, at: number): number {
    if (this.#string !== undefined) this.#addLong(this.#string, bytes.subarray(at));
    else {
      this.#kept.add(bytes.subarray(from));
      if (this.#stringAt !== undefined && this.#kept.isWhole) this.#watch(this.#kept.view(this.#stringAt));
    }
    return bytes.byteLength;
  }

  close(bytes: Uint8Array, text: string, from: number, at: number, end: number): number {
    const string = this.#string;
    if (string === undefined) return from;
    this.#string = undefined;
    this.#addLong(string, bytes.subarray(at, end));
    if (!this.isDropping) return end;
    this.#closed = string;
    const next = /\S/g;
    next.lastIndex = end + 1;
    const behind = next.exec(text);
    if (behind === null) return bytes.byteLength;
    this.#writeFacts(string, behind[0] === ":");
    return end + 1;
  }

  end(): void {
    // A string that never ended: what follows would close it.
    if (this.#closed !== undefined) this.#writeFacts(this.#closed, false);
    else if (this.#string !== undefined && this.isDropping) this.#writeFacts(this.#string, undefined);
  }

  /** What a long string goes on with: kept up to a length, and then only looked at. */
  #addLong(string: LongString, bytes: Uint8Array): void {
    let at = 0;
    while (!this.isDropping && at < bytes.byteLength) {
      const piece = bytes.subarray(at, at + STEP);
      string.add(piece);
      this.#kept.add(piece);
      at += piece.byteLength;
      if (string.length < this.#keepLength) continue;
      if (this.#holdsMedia(string)) {
        this.#string = this.#stringAt = undefined;
        this.#kept.add(bytes.subarray(at));
        return;
      }
      // Not in the middle of a character or an escape.
      this.#kept.removeLast(string.openBytes);
      string.keptLength = string.length;
      this.isDropping = true;
    }
    if (at < bytes.byteLength) string.add(bytes.subarray(at));
  }

  /** Looks whether the open string is one of those that are shortened. @param content - all of it so far */
  #watch(content: Uint8Array): void {
    if (content.byteLength < LONG) return;
    // JSON in a string is parsed: half of it says nothing.
    if (JSON_TEXT.test(this.#sums.readLatin1(content.subarray(0, 64)))) {
      this.#stringAt = undefined;
      return;
    }
    this.#string = new LongString(this.#sums);
    this.#string.add(content);
  }

  /** Media in the middle of a text are described one by one, for which all of it is needed. */
  #holdsMedia({ prefixLength }: LongString): boolean {
    if (this.#stringAt === undefined || !this.#kept.isWhole) return false;
    return this.#sums.readLatin1(this.#kept.view(this.#stringAt)).includes(";base64,", prefixLength);
  }

  /** @param isKey - `undefined`: the string never ended */
  #writeFacts(string: LongString, isKey: boolean | undefined): void {
    this.#closed = undefined;
    const facts = string.end();
    // Names pass as they are: a mark would get into a record.
    const behind = isKey === true ? cutMark(facts.length) : writeFacts(facts, string.keptLength);
    this.#kept.add(encoder.encode(isKey === undefined ? behind : `${behind}"`));
    if (string.hasInvalidUtf8 && this.notes.length === 0) this.notes.push("invalid_utf8");
  }
}
