/**
 * Shortens a JSON text while it comes, without parsing it: of each long string only the beginning is kept, with facts
 * about the whole behind it (`shorten-strings.ts`), or of an answer with embeddings only the first vector
 * (`drop-vectors.ts`). What is left is JSON of the same shape, small enough to be parsed in one go. Each byte is looked at
 * by the runtime's own searches: a megabyte takes some tenths of a millisecond.
 */
import type { RunningSums } from "#platform";
import { VectorDropper } from "./drop-vectors.ts";
import { isEscapedAt } from "./json-string.ts";
import { KeptBytes } from "./kept-bytes.ts";
import { StringShortener } from "./shorten-strings.ts";
import type { StringVisitor } from "./string-visitor.ts";

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

export class JsonAbridger {
  readonly #sums: RunningSums;
  readonly #kept: KeptBytes;
  readonly #visitor: StringVisitor;
  #isInString = false;
  /** The last byte was a backslash, and what comes next belongs to it. */
  #isEscaped = false;

  constructor({ keepLength, maxBytes, isVectors, sums }: AbridgeOptions) {
    this.#sums = sums;
    this.#kept = new KeptBytes(maxBytes);
    this.#visitor = isVectors ? new VectorDropper(this.#kept) : new StringShortener(this.#kept, sums, keepLength);
  }

  /** Bytes that are held. */
  get heldBytes(): number {
    return this.#kept.size;
  }

  /** Takes up to `ABRIDGED_PIECE` bytes. Keeps no reference to them. */
  push(bytes: Uint8Array): void {
    const visitor = this.#visitor;
    // Most of a long string.
    if (this.#isInString && visitor.isDropping && !this.#isEscaped && this.#sums.isPlain(bytes)) {
      visitor.passPlain(bytes);
      return;
    }
    const text = this.#sums.readLatin1(bytes);
    let from = visitor.startPiece(text);
    for (let at = from; at < text.length;) {
      if (!this.#isInString) {
        const quote = text.indexOf('"', at);
        from = visitor.passBetween(bytes, text, from, at, quote === -1 ? text.length : quote);
        if (quote === -1) break;
        at = quote + 1;
        this.#isInString = true;
        visitor.open(text, quote, at - from);
      }
      const end = this.#findEnd(text, at);
      if (end === -1) {
        from = visitor.goOn(bytes, from, at);
        break;
      }
      this.#isInString = false;
      from = visitor.close(bytes, text, from, at, end);
      at = end + 1;
    }
    if (from < bytes.byteLength) this.#kept.add(bytes.subarray(from));
  }

  end(): AbridgedJson {
    this.#visitor.end();
    return { ...this.#kept.take(), notes: this.#visitor.notes };
  }

  /** There is no room for more than the ends. */
  shrink(headBytes: number): void {
    this.#kept.shrink(headBytes);
  }

  /** Index of the closing quote of the open string; -1: it is not in this piece. */
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
}
