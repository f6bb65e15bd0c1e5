/**
 * A response body that is one value is not read while it comes: nothing of it can be told before its end. It waits as
 * the blocks of its exchange, and beyond a bound its middle is dropped: facts stand at the beginning and at the end.
 */
import { concat } from "../decode/bytes.ts";
import { endOfCharacter, startOfCharacter } from "../decode/utf8.ts";
import { OPEN_BRACE, OPEN_BRACKET } from "../decode/json-units.ts";
import { isBigBlock, returnBigBlocks } from "../interceptor/big-blocks.ts";
import type { Exchange } from "../types.ts";

/** What stays of a body whose middle is dropped. */
export interface KeptEnds {
  headBytes: number;
  tailBytes: number;
}

/** Enough for the ids at the beginning, and for usage and finish reason at the end, of any API. */
export const SMALL_ENDS: KeptEnds = { headBytes: 8 * 1024, tailBytes: 32 * 1024 };

const STREAM_TYPE = /ndjson|jsonl|json-lines|stream|json-seq|event/;

/** Whether the body is one JSON value, as far as its type and its first byte tell. */
export function looksWhole(exchange: Exchange): boolean {
  const type = exchange.responseHeaders["content-type"]?.toLowerCase() ?? "json";
  if (!type.includes("json") || STREAM_TYPE.test(type)) return false;
  if (isEncoded(exchange)) return !exchange.path.includes(":streamGenerateContent");
  const first = findFirstByte(exchange);
  return first === OPEN_BRACE || (first === OPEN_BRACKET && !exchange.path.includes(":streamGenerateContent"));
}

export function isEncoded({ decoded, responseHeaders }: Exchange): boolean {
  const encoding = responseHeaders["content-encoding"];
  return !decoded && encoding !== undefined && encoding !== "" && encoding !== "identity";
}

/** Of JSON: white space comes before it. */
function findFirstByte({ blocks, block, blockUsed }: Exchange): number | undefined {
  const first = blocks[0] ?? block;
  if (first === undefined) return undefined;
  const end = first === block ? blockUsed : first.byteLength;
  for (let at = 0; at < end; at += 1) if ((first[at] as number) > 0x20) return first[at];
  return undefined;
}

/**
 * Drops the middle of what waits, so that `headBytes` of its beginning and `tailBytes` of its end stay.
 * @returns whether there was anything to drop
 */
export function dropMiddle(exchange: Exchange, ends: KeptEnds): boolean {
  if (exchange.pendingBytes <= ends.headBytes + ends.tailBytes) return false;
  const all = listBlocks(exchange);
  const kept = takeEnds(exchange, ends);
  Object.assign(exchange, kept, { block: undefined, blockUsed: 0 });
  const used = new Set(kept.blocks.map(({ buffer }) => buffer));
  returnBigBlocks(all.filter(({ buffer }) => !used.has(buffer)));
  return true;
}

export type HeldBody = Pick<Exchange, "blocks" | "marks" | "pendingBytes" | "gapAt">;

/** The ends of what waits, or all of it where it is not more than they. Short ones are copies. */
export function takeEnds(exchange: Exchange, { headBytes, tailBytes }: KeptEnds): HeldBody {
  const { marks, pendingBytes, gapAt } = exchange;
  const all = listBlocks(exchange);
  const isShort = headBytes + tailBytes <= COPIED_BYTES;
  if (pendingBytes <= headBytes + tailBytes) {
    return { blocks: isShort ? [concat(all)] : all, marks, pendingBytes, gapAt };
  }
  let head = takeHead(all, Math.min(headBytes, gapAt ?? headBytes));
  let tail = takeTail(all, tailBytes);
  // A short piece of a long block would keep all of it.
  if (isShort) [head, tail] = [[concat(head)], [concat(tail)]];
  const [headSize, tailSize] = [sizeOf(head), sizeOf(tail)];
  return {
    blocks: [...head, ...tail].filter((block) => block.byteLength > 0),
    marks: [headSize, marks[1] ?? 0, tailSize, marks.at(-1) ?? 0],
    pendingBytes: headSize + tailSize,
    gapAt: headSize,
  };
}

const COPIED_BYTES = 64 * 1024;

/** All that waits, in order. */
export function listBlocks({ blocks, block, blockUsed }: Exchange): Uint8Array[] {
  return block === undefined || blockUsed === 0 ? [...blocks] : [...blocks, block.subarray(0, blockUsed)];
}

/** All that waits, where it is one piece of ordinary memory. */
export function findOnlyBlock({ blocks, block, blockUsed, gapAt }: Exchange): Uint8Array | undefined {
  const isOnly = block !== undefined && blockUsed > 0 && blocks.length === 0 && gapAt === undefined;
  return isOnly && !isBigBlock(block) ? block.subarray(0, blockUsed) : undefined;
}

/** What waits is somebody else's now. */
export function forgetBlocks(exchange: Exchange): void {
  exchange.blocks = [];
  exchange.block = undefined;
  exchange.blockUsed = 0;
  exchange.marks = [];
  exchange.pendingBytes = 0;
  exchange.gapAt = undefined;
}

function sizeOf(blocks: readonly Uint8Array[]): number {
  return blocks.reduce((size, block) => size + block.byteLength, 0);
}

function takeHead(blocks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const head: Uint8Array[] = [];
  let left = bytes;
  for (const block of blocks) {
    if (block.byteLength >= left) {
      head.push(block.subarray(0, endOfCharacter(block, left)));
      break;
    }
    head.push(block);
    left -= block.byteLength;
  }
  return head;
}

function takeTail(blocks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const tail: Uint8Array[] = [];
  let left = bytes;
  for (const block of blocks.toReversed()) {
    if (block.byteLength >= left) {
      tail.push(block.subarray(startOfCharacter(block, block.byteLength - left)));
      break;
    }
    tail.push(block);
    left -= block.byteLength;
  }
  return tail.toReversed();
}
