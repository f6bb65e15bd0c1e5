/** Bytes that are kept: the beginning up to a bound, and of what is beyond it the end. */
import { concat } from "./bytes.ts";
import { TAIL_LENGTH } from "./framing.ts";
import { endOfCharacter, startOfCharacter } from "./utf8.ts";

const FIRST_SIZE = 32 * 1024;

export class KeptBytes {
  #limit: number;
  #head = new Uint8Array(FIRST_SIZE);
  #used = 0;
  #tail: Uint8Array | undefined = undefined;
  #tailUsed = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#used + this.#tailUsed;
  }

  /** Nothing is beyond the bound. */
  get isWhole(): boolean {
    return this.#tail === undefined;
  }

  add(bytes: Uint8Array): void {
    const room = this.#tail === undefined ? this.#limit - this.#used : 0;
    if (bytes.byteLength <= room) {
      this.#fill(bytes);
      return;
    }
    if (room > 0) this.#fill(bytes.subarray(0, room));
    this.#fillTail(bytes.subarray(room));
  }

  /** All from there on, while nothing is beyond the bound. It stands until the next call. */
  view(from: number): Uint8Array {
    return this.#head.subarray(from, this.#used);
  }

  cutTo(length: number): void {
    if (this.isWhole) this.#used = Math.min(this.#used, length);
  }

  removeLast(count: number): void {
    if (count > 0) this.cutTo(this.#used - count);
  }

  /** From now on only so much of the beginning is kept. */
  shrink(limit: number): void {
    this.#limit = Math.min(this.#limit, limit);
    if (this.#used <= this.#limit) return;
    const rest = this.#head.subarray(this.#limit, this.#used);
    const tail = this.#tail?.subarray(0, this.#tailUsed);
    this.#head = this.#head.slice(0, this.#limit);
    this.#used = this.#limit;
    this.#tail = undefined;
    this.#tailUsed = 0;
    this.#fillTail(rest);
    if (tail !== undefined) this.#fillTail(tail);
  }

  take(): { bytes: Uint8Array; gapAt: number | undefined } {
    if (this.#tail === undefined) return { bytes: this.#head.slice(0, this.#used), gapAt: undefined };
    const from = Math.max(0, this.#tailUsed - TAIL_LENGTH);
    // Each is decoded for itself: neither ends or begins in the middle of a character.
    const head = this.#head.subarray(0, endOfCharacter(this.#head, this.#used));
    const tail = this.#tail.subarray(startOfCharacter(this.#tail, from), this.#tailUsed);
    return { bytes: concat([head, tail]), gapAt: head.byteLength };
  }

  #fill(bytes: Uint8Array): void {
    const needed = this.#used + bytes.byteLength;
    if (needed > this.#head.byteLength) {
      const grown = new Uint8Array(
        Math.min(Math.max(2 * this.#head.byteLength, needed), Math.max(this.#limit, needed)),
      );
      grown.set(this.#head.subarray(0, this.#used));
      this.#head = grown;
    }
    this.#head.set(bytes, this.#used);
    this.#used = needed;
  }

  /** Twice what is needed, so that it is not moved with each piece. */
  #fillTail(given: Uint8Array): void {
    const bytes = given.subarray(-TAIL_LENGTH);
    const tail = (this.#tail ??= new Uint8Array(2 * TAIL_LENGTH));
    if (this.#tailUsed + bytes.byteLength > tail.byteLength) {
      const kept = TAIL_LENGTH;
      tail.copyWithin(0, this.#tailUsed - kept, this.#tailUsed);
      this.#tailUsed = kept;
    }
    tail.set(bytes, this.#tailUsed);
    this.#tailUsed += bytes.byteLength;
  }
}
