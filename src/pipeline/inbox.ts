/** What came of a response and was not read yet, handed out in pieces: chunk by chunk, or in batches. */
import { isBigBlock, returnBigBlocks } from "../interceptor/big-blocks.ts";
import type { Exchange } from "../types.ts";
import { forgetBlocks, listBlocks } from "./held-body.ts";

/** A piece of the body and when it came, in ms since the start. */
export interface Piece {
  bytes: Uint8Array;
  atMs: number;
}

export interface Inbox {
  /** Takes over what the exchange holds. */
  take(exchange: Exchange): void;
  /**
   * The next piece; one object, reused, and its bytes stand until the next call. `"gap"`: something is missing here. `undefined`: there is no more.
   * @param byChunk Whether the time of each chunk matters.
   */
  next(byChunk: boolean): Piece | "gap" | undefined;
  isEmpty(): boolean;
  clear(): void;
}

/** Bytes handed out at once: about a quarter of a millisecond of work, when they are events of a stream. */
const BATCH = 16 * 1024;

export function createInbox(startTime: number): Inbox {
  return new BlockInbox(startTime);
}

const NO_BYTES = new Uint8Array(0);

class BlockInbox implements Inbox {
  private readonly startTime: number;
  private blocks: Uint8Array[] = [];
  private used = 0;
  private marks: number[] = [];
  /** Index of the mark that is next, and how much of its chunk is left. */
  private mark = 0;
  private rest = 0;
  private bytes = 0;
  private gapAt: number | undefined = undefined;
  /** Big blocks that were handed out to their end. */
  private spent: Uint8Array[] | undefined = undefined;
  private readonly piece: Piece = { bytes: NO_BYTES, atMs: 0 };

  constructor(startTime: number) {
    this.startTime = startTime;
  }

  take(exchange: Exchange): void {
    if (exchange.gapAt !== undefined) this.gapAt = this.bytes + exchange.gapAt;
    const { blocks, marks, mark } = this;
    this.blocks = blocks.length === 0 ? listBlocks(exchange) : [...blocks, ...listBlocks(exchange)];
    this.marks = mark >= marks.length ? exchange.marks : [...marks.slice(mark), ...exchange.marks];
    this.mark = 0;
    this.bytes += exchange.pendingBytes;
    forgetBlocks(exchange);
  }

  next(byChunk: boolean): Piece | "gap" | undefined {
    this.takeBack();
    const { piece, marks } = this;
    if (this.gapAt === 0) {
      this.gapAt = undefined;
      return "gap";
    }
    const block = this.blocks[0];
    if (block === undefined) {
      // It would keep a block alive that others have a share in.
      piece.bytes = NO_BYTES;
      return undefined;
    }
    let size = Math.min(block.byteLength - this.used, BATCH, this.gapAt ?? BATCH);
    if (byChunk) size = Math.min(size, this.openMark());
    piece.bytes = block.subarray(this.used, this.used + size);
    const cameAt = marks[Math.min(this.mark, marks.length - 2) + 1] ?? this.startTime;
    piece.atMs = Math.max(0, cameAt - this.startTime);
    this.advance(size);
    return piece;
  }

  isEmpty(): boolean {
    return this.bytes === 0 && this.gapAt === undefined;
  }

  clear(): void {
    for (const block of this.blocks) this.noteSpent(block);
    this.blocks = [];
    this.marks = [];
    this.used = this.mark = this.rest = this.bytes = 0;
    this.gapAt = undefined;
  }

  private noteSpent(block: Uint8Array): void {
    if (!isBigBlock(block)) return;
    if (this.spent === undefined) this.spent = [block];
    else this.spent.push(block);
  }

  private takeBack(): void {
    if (this.spent === undefined) return;
    returnBigBlocks(this.spent);
    this.spent = undefined;
  }

  /** Bytes left of the chunk that is next. */
  private openMark(): number {
    const { marks } = this;
    while (this.rest === 0 && this.mark < marks.length) {
      this.rest = marks[this.mark] ?? 0;
      if (this.rest === 0) this.mark += 2;
    }
    return this.rest === 0 ? BATCH : this.rest;
  }

  private advance(size: number): void {
    const { blocks, marks } = this;
    this.used += size;
    this.bytes -= size;
    if (this.gapAt !== undefined) this.gapAt -= size;
    if (this.used >= (blocks[0]?.byteLength ?? 0)) {
      const block = blocks.shift();
      if (block !== undefined) this.noteSpent(block);
      this.used = 0;
    }
    for (let left = size; left > 0 && this.mark < marks.length;) {
      if (this.rest === 0) this.rest = marks[this.mark] ?? 0;
      const part = Math.min(left, this.rest);
      this.rest -= part;
      left -= part;
      if (this.rest === 0) this.mark += 2;
    }
    if (this.bytes === 0 && this.gapAt === undefined) this.clear();
  }
}
