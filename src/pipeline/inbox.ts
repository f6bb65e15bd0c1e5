/** What came of a response and was not read yet, handed out in pieces: chunk by chunk, or in batches. */
import { isBigBlock, returnBigBlocks } from "../interceptor/big-blocks.ts";
import type { Exchange } from "../types.ts";
import { listBlocks } from "./held-body.ts";

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
  let blocks: Uint8Array[] = [];
  let used = 0;
  let marks: number[] = [];
  /** Index of the mark that is next, and how much of its chunk is left. */
  let mark = 0;
  let rest = 0;
  let bytes = 0;
  let gapAt: number | undefined;
  /** Big blocks that were handed out to their end. */
  let spent: Uint8Array[] = [];
  const piece: Piece = { bytes: new Uint8Array(0), atMs: 0 };

  function clear(): void {
    for (const block of blocks) if (isBigBlock(block)) spent.push(block);
    blocks = [];
    marks = [];
    used = mark = rest = bytes = 0;
    gapAt = undefined;
  }

  function takeBack(): void {
    if (spent.length === 0) return;
    returnBigBlocks(spent);
    spent = [];
  }

  function take(exchange: Exchange): void {
    if (exchange.gapAt !== undefined) gapAt = bytes + exchange.gapAt;
    blocks = blocks.length === 0 ? listBlocks(exchange) : [...blocks, ...listBlocks(exchange)];
    marks = mark >= marks.length ? exchange.marks : [...marks.slice(mark), ...exchange.marks];
    mark = 0;
    bytes += exchange.pendingBytes;
    exchange.blocks = [];
    exchange.block = undefined;
    exchange.blockUsed = 0;
    exchange.marks = [];
    exchange.pendingBytes = 0;
    exchange.gapAt = undefined;
  }

  function next(byChunk: boolean): Piece | "gap" | undefined {
    takeBack();
    if (gapAt === 0) {
      gapAt = undefined;
      return "gap";
    }
    const block = blocks[0];
    if (block === undefined) return undefined;
    let size = Math.min(block.byteLength - used, BATCH, gapAt ?? BATCH);
    if (byChunk) size = Math.min(size, openMark());
    piece.bytes = block.subarray(used, used + size);
    piece.atMs = Math.max(0, (marks[Math.min(mark, marks.length - 2) + 1] ?? startTime) - startTime);
    advance(size);
    return piece;
  }

  /** Bytes left of the chunk that is next. */
  function openMark(): number {
    while (rest === 0 && mark < marks.length) {
      rest = marks[mark] ?? 0;
      if (rest === 0) mark += 2;
    }
    return rest === 0 ? BATCH : rest;
  }

  function advance(size: number): void {
    used += size;
    bytes -= size;
    if (gapAt !== undefined) gapAt -= size;
    if (used >= (blocks[0]?.byteLength ?? 0)) {
      const block = blocks.shift();
      if (block !== undefined && isBigBlock(block)) spent.push(block);
      used = 0;
    }
    for (let left = size; left > 0 && mark < marks.length;) {
      if (rest === 0) rest = marks[mark] ?? 0;
      const part = Math.min(left, rest);
      rest -= part;
      left -= part;
      if (rest === 0) mark += 2;
    }
    if (bytes === 0 && gapAt === undefined) clear();
  }

  return { take, next, isEmpty: () => bytes === 0 && gapAt === undefined, clear };
}
