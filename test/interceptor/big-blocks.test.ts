import { describe, expect, it } from "vitest";
import { BIG_BLOCK, isBigBlock, returnBigBlocks, takeBigBlock } from "../../src/interceptor/big-blocks.ts";
import { noteResponseChunk } from "../../src/interceptor/exchange.ts";
import { createInbox } from "../../src/pipeline/inbox.ts";
import { dropMiddle, listBlocks, takeEnds } from "../../src/pipeline/held-body.ts";
import type { Exchange } from "../../src/types.ts";
import { startExchange } from "../pipeline/exchanges.ts";

/** No two places of it look the same. */
function makeBytes(size: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

function note(exchange: Exchange, bytes: Uint8Array, sizes: readonly number[]): void {
  for (let at = 0, turn = 0; at < bytes.byteLength; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    const chunk = bytes.slice(at, at + size);
    noteResponseChunk(exchange, chunk);
    // The app may do so as soon as it has it.
    chunk.fill(0);
    at += size;
  }
}

const join = (blocks: readonly Uint8Array[]): Buffer => Buffer.concat(blocks);

describe("blocks of big bodies", () => {
  it.each([[[65_536]], [[65_300, 65_536, 1]], [[17, 100_000]], [[500_000]], [[16_384, 3]]])(
    "hold what came, in chunks of %j",
    (sizes) => {
      const bytes = makeBytes(1_000_000);
      const exchange = startExchange();
      note(exchange, bytes, sizes);
      const blocks = listBlocks(exchange);
      expect(join(blocks).equals(bytes)).toBe(true);
      expect(exchange.pendingBytes).toBe(bytes.byteLength);
      expect(blocks.some(isBigBlock)).toBe(true);
      returnBigBlocks(blocks);
    },
  );

  it("are used again, and belong to one at a time", () => {
    const first = takeBigBlock();
    const second = takeBigBlock();
    if (first === undefined || second === undefined) throw new Error("no shared memory here");
    returnBigBlocks([first.subarray(0, 10), first.subarray(20), second]);
    returnBigBlocks([first, second]);
    const taken = Array.from({ length: 6 }, takeBigBlock).map((block) => block?.buffer);
    expect(new Set(taken).size).toBe(6);
    expect(taken).toContain(first.buffer);
    expect(taken).toContain(second.buffer);
    returnBigBlocks(taken.map((buffer) => new Uint8Array(buffer as SharedArrayBuffer)));
  });

  it("are bounded: what is beyond is ordinary memory", () => {
    const blocks = Array.from({ length: 600 }, takeBigBlock).filter((block) => block !== undefined);
    expect(blocks.length).toBeLessThanOrEqual(512);
    const bytes = makeBytes(BIG_BLOCK * 3);
    const exchange = startExchange();
    note(exchange, bytes, [65_536]);
    expect(join(listBlocks(exchange)).equals(bytes)).toBe(true);
    expect(listBlocks(exchange).some(isBigBlock)).toBe(false);
    returnBigBlocks(blocks);
  });

  it("are handed out by the inbox, piece by piece, before another body gets them", () => {
    const bytes = makeBytes(700_000);
    const exchange = startExchange();
    note(exchange, bytes, [65_536]);
    const inbox = createInbox(exchange.startTime);
    inbox.take(exchange);
    const pieces: Uint8Array[] = [];
    for (let piece = inbox.next(false); piece !== undefined; piece = inbox.next(false)) {
      if (piece === "gap") throw new Error("nothing was dropped");
      // Whoever has memory that was given back writes to it.
      const other = takeBigBlock();
      other?.fill(7);
      pieces.push(piece.bytes.slice());
      if (other !== undefined) returnBigBlocks([other]);
    }
    expect(join(pieces).equals(bytes)).toBe(true);
  });

  it("come back from the middle that is dropped, and those of the ends stay", () => {
    const bytes = makeBytes(2_000_000);
    const exchange = startExchange();
    note(exchange, bytes, [65_536]);
    expect(dropMiddle(exchange, { headBytes: 300_000, tailBytes: 200_000 })).toBe(true);
    const others = Array.from({ length: 20 }, takeBigBlock).filter((block) => block !== undefined);
    for (const other of others) other.fill(7);
    const kept = join(listBlocks(exchange));
    expect(kept.length).toBe(exchange.pendingBytes);
    const head = exchange.gapAt ?? 0;
    expect(kept.subarray(0, head).equals(bytes.subarray(0, head))).toBe(true);
    expect(kept.subarray(head).equals(bytes.subarray(bytes.length - (kept.length - head)))).toBe(true);
    returnBigBlocks(others);
  });

  it("short ends are copies: the blocks may be read elsewhere and used again", () => {
    const exchange = startExchange();
    const bytes = makeBytes(400_000);
    note(exchange, bytes, [65_536]);
    const ends = takeEnds(exchange, { headBytes: 16 * 1024, tailBytes: 48 * 1024 });
    const all = listBlocks(exchange);
    for (const block of all) block.fill(7);
    expect(ends.pendingBytes).toBe(join(ends.blocks).length);
    const head = ends.gapAt ?? 0;
    expect(join(ends.blocks).subarray(0, head).equals(bytes.subarray(0, head))).toBe(true);
    returnBigBlocks(all);
  });
});
