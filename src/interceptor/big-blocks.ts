/**
 * Memory for the bytes of big bodies, which is used again. V8 counts what ordinary buffers hold: with fresh ones for each
 * body of 10 MB it collects all garbage of the app for nearly each of them. Shared memory is not counted, and the worker
 * thread reads it where it is; that it stays bounded is seen to here.
 */
import { setTimer, type Timer } from "#platform";

export const BIG_BLOCK: number = 128 * 1024;
/** All that may exist at once; what is beyond is ordinary memory. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_BLOCKS = MAX_BYTES / BIG_BLOCK;
/** Unused for so long, memory is let go of. */
const IDLE_MS = 5_000;

let free: SharedArrayBuffer[] = [];
/** Only what was given out may come back, and only once: else two bodies would be written to the same memory. */
const lent = new WeakSet<SharedArrayBuffer>();
/** What exists. Blocks of exchanges that are forgotten do not come back. */
let all: WeakRef<SharedArrayBuffer>[] = [];
let wasUsed = false;
let timer: Timer | undefined;

/** `undefined` where there is no more, or no shared memory. */
export function takeBigBlock(): Uint8Array | undefined {
  wasUsed = true;
  const buffer = free.pop() ?? make();
  if (buffer === undefined) return undefined;
  lent.add(buffer);
  return new Uint8Array(buffer);
}

/** Nobody reads these any more. What is no big block is passed by; one block may be there in several pieces. */
export function returnBigBlocks(blocks: Iterable<Uint8Array>): void {
  for (const { buffer } of blocks) {
    if (isShared(buffer) && lent.delete(buffer)) free.push(buffer);
  }
  if (free.length > 0) timer ??= setTimer(letGo, IDLE_MS);
}

export function isBigBlock({ buffer }: Uint8Array): boolean {
  return isShared(buffer);
}

function make(): SharedArrayBuffer | undefined {
  if (!isUsable()) return undefined;
  if (all.length >= MAX_BLOCKS) {
    all = all.filter((block) => block.deref() !== undefined);
    if (all.length >= MAX_BLOCKS) return undefined;
  }
  const buffer = new SharedArrayBuffer(BIG_BLOCK);
  all.push(new WeakRef(buffer));
  return buffer;
}

function letGo(): void {
  timer = undefined;
  if (!wasUsed) free = [];
  wasUsed = false;
  if (free.length > 0) timer = setTimer(letGo, IDLE_MS);
}

function isShared(buffer: ArrayBufferLike): buffer is SharedArrayBuffer {
  return typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
}

let usable: boolean | undefined;

/** Not every runtime has it, nor reads text from it. */
function isUsable(): boolean {
  if (usable !== undefined) return usable;
  usable = false;
  try {
    usable = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(new SharedArrayBuffer(1))) === "\0";
  } catch {
    // As it is.
  }
  return usable;
}
