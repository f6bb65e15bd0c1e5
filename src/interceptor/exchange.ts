/**
 * Notes what passes by, on the hot path: bytes and times, nothing else. Each function takes the exchange as data, so
 * that a call costs one object and a chunk none.
 */
import type { CallSettings, Exchange, RouteInfo } from "../types.ts";
import { BIG_BLOCK, takeBigBlock } from "./big-blocks.ts";

export interface ExchangeStart {
  id: string;
  via: "fetch" | "dispatcher";
  route: RouteInfo;
  sniffed: boolean;
  method: string;
  url: string;
  host: string;
  path: string;
  pollOf?: string | undefined;
  settings: CallSettings;
}

/**
 * Size of the first block that response bytes are copied into: a slow stream begins one for each chunk. Later blocks are
 * bigger, up to big blocks.
 */
const FIRST_BLOCK = 512;
/** What waits is a big body, or comes faster than it is read. */
const MANY_BYTES = 64 * 1024;
/** First blocks are cut from a bigger piece of memory: to get memory takes longer than to fill it. No size of a block. */
const SLAB_BYTES = 40 * 1024;
const BIGGEST_PIECE = 4 * 1024;
let slab = new Uint8Array(0);
let slabUsed = 0;

export function createExchange(start: ExchangeStart): Exchange {
  return {
    id: start.id,
    via: start.via,
    route: start.route,
    sniffed: start.sniffed,
    method: start.method,
    url: start.url,
    host: start.host,
    path: start.path,
    pollOf: start.pollOf,
    settings: start.settings,
    startedAt: Date.now(),
    startTime: performance.now(),
    requestHeaders: {},
    requestBody: undefined,
    requestChunks: undefined,
    requestSource: undefined,
    requestBytes: 0,
    requestKept: 0,
    requestTruncated: false,
    requestTail: undefined,
    abridgedRequest: undefined,
    addedUsage: undefined,
    status: 0,
    responseHeaders: {},
    decoded: false,
    headersTime: 0,
    firstByteTime: 0,
    lastByteTime: 0,
    responseBytes: 0,
    chunkCount: 0,
    blocks: [],
    block: undefined,
    blockUsed: 0,
    pendingBytes: 0,
    marks: [],
    gapAt: undefined,
    body: undefined,
    isHop: false,
    isDirty: false,
    isEnded: false,
    endTime: 0,
    isCancelled: false,
    hasError: false,
    error: undefined,
    notes: [],
  };
}

export function addNote(exchange: Exchange, note: string): void {
  if (!exchange.notes.includes(note)) exchange.notes.push(note);
}

/** A chunk of a request body on its way out. */
export function noteRequestChunk(exchange: Exchange, chunk: Uint8Array, limit: number): void {
  exchange.requestBytes += chunk.byteLength;
  const room = limit - exchange.requestKept;
  if (chunk.byteLength > room) keepTail(exchange, chunk);
  if (room <= 0) return;
  exchange.requestChunks ??= [];
  // A copy: the app may overwrite or transfer its buffer as soon as it was sent.
  exchange.requestChunks.push(new Uint8Array(chunk.byteLength > room ? chunk.subarray(0, room) : chunk));
  exchange.requestKept += Math.min(chunk.byteLength, room);
}

/** Bytes kept of the end of a request body that is too large: facts stand there too. */
export const REQUEST_TAIL: number = 64 * 1024;

function keepTail(exchange: Exchange, chunk: Uint8Array): void {
  exchange.requestTruncated = true;
  const before = exchange.requestTail;
  const end = chunk.subarray(-REQUEST_TAIL);
  const kept = before === undefined ? 0 : Math.min(before.byteLength, REQUEST_TAIL - end.byteLength);
  const tail = new Uint8Array(kept + end.byteLength);
  if (before !== undefined && kept > 0) tail.set(before.subarray(-kept));
  tail.set(end, kept);
  exchange.requestTail = tail;
}

/** A chunk of a response body. Copies it; keeps no reference to it. */
export function noteResponseChunk(exchange: Exchange, chunk: Uint8Array): void {
  const now = performance.now();
  const size = chunk.byteLength;
  if (exchange.chunkCount === 0) exchange.firstByteTime = now;
  exchange.lastByteTime = now;
  exchange.chunkCount += 1;
  exchange.responseBytes += size;
  exchange.pendingBytes += size;
  exchange.marks.push(size, now);
  let { block } = exchange;
  if (block === undefined || exchange.blockUsed + size > block.byteLength) {
    if (exchange.pendingBytes > MANY_BYTES) {
      fillBlocks(exchange, chunk);
      return;
    }
    block = startBlock(exchange, size);
  }
  block.set(chunk, exchange.blockUsed);
  exchange.blockUsed += size;
}

function startBlock(exchange: Exchange, size: number): Uint8Array {
  const before = closeBlock(exchange);
  const next = Math.max(size, before === 0 ? FIRST_BLOCK : before * 2);
  const block = before === 0 && size <= BIGGEST_PIECE ? cutFromSlab(next) : new Uint8Array(next);
  exchange.block = block;
  return block;
}

/** @returns the size of the block that was open */
function closeBlock(exchange: Exchange): number {
  const { block, blockUsed } = exchange;
  if (block === undefined) return 0;
  if (blockUsed > 0) exchange.blocks.push(blockUsed === block.byteLength ? block : block.subarray(0, blockUsed));
  exchange.block = undefined;
  exchange.blockUsed = 0;
  return block.byteLength;
}

/** Fills the block that is open, and big ones behind it. */
function fillBlocks(exchange: Exchange, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.byteLength;) {
    let { block } = exchange;
    if (block === undefined || exchange.blockUsed === block.byteLength) {
      closeBlock(exchange);
      block = exchange.block = takeBigBlock() ?? new Uint8Array(BIG_BLOCK);
    }
    const part = chunk.subarray(at, at + block.byteLength - exchange.blockUsed);
    block.set(part, exchange.blockUsed);
    exchange.blockUsed += part.byteLength;
    at += part.byteLength;
  }
}

/** Memory that is another exchange's too: such a block must not be transferred. */
export function isOfSlab(block: Uint8Array): boolean {
  return block.buffer.byteLength === SLAB_BYTES;
}

function cutFromSlab(size: number): Uint8Array {
  if (slabUsed + size > slab.byteLength) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const block = slab.subarray(slabUsed, slabUsed + size);
  slabUsed += size;
  return block;
}

/** @param error What the app got; `undefined` with `hasError` for a cancel without a reason. */
export function noteEnd(exchange: Exchange, hasError: boolean, error?: unknown): void {
  if (exchange.isEnded) return;
  exchange.isEnded = true;
  exchange.endTime = performance.now();
  exchange.hasError = hasError;
  exchange.error = error;
  exchange.body = undefined;
}

/** A redirect was followed: what was noted of the hop is forgotten, the call goes on. */
export function forgetResponse(exchange: Exchange): void {
  exchange.status = 0;
  exchange.responseHeaders = {};
}
