/** Shortens the bodies of an exchange, slice by slice, before they are read. */
import { ABRIDGED_PIECE, type AbridgedJson, type AbridgeOptions, JsonAbridger } from "../decode/abridge-json.ts";
import { mayHoldLongString } from "../decode/json-string.ts";
import { mediaTypeOf } from "../decode/media-type.ts";
import { CLOSE_BRACE } from "../decode/json-units.ts";
import { returnBigBlocks } from "../interceptor/big-blocks.ts";
import { addNote } from "../interceptor/exchange.ts";
import type { Exchange } from "../types.ts";
import { forgetBlocks, isEncoded, listBlocks } from "./held-body.ts";

export interface BodyAbridger {
  /** Takes over what has come of the response. @returns whether there is more to do now */
  work(exchange: Exchange, isTimeUp: () => boolean): boolean;
  /** Gives the exchange what was kept, as if nothing else had come. */
  end(exchange: Exchange): void;
  /** Keeps no more than the ends. */
  shrink(headBytes: number): void;
  /** Bytes that are held beside those of the exchange. */
  readonly heldBytes: number;
}

/** What waits of the response can be read by its characters, from its beginning. */
export function isAbridgeable(exchange: Exchange): boolean {
  return exchange.gapAt === undefined && !isEncoded(exchange) && !hasLines(listBlocks(exchange));
}

const LINE_FEED = 0x0a;

/** A line that is longer is no piece of a stream; to look for its end would take longer than all else that is done with it. */
const LONGEST_LINE = 64 * 1024;

/** An object on the first line and more behind it: a stream that says it is JSON, of which each piece has its time. */
export function hasLines(blocks: readonly Uint8Array[]): boolean {
  let last = 0;
  let isBehind = false;
  let room = LONGEST_LINE;
  for (const block of blocks) {
    if (isBehind) {
      if (findVisible(block, false) !== undefined) return true;
      continue;
    }
    const head = block.subarray(0, room);
    room -= head.byteLength;
    const lineEnd = head.indexOf(LINE_FEED);
    last = findVisible(lineEnd === -1 ? head : head.subarray(0, lineEnd), true) ?? last;
    if (lineEnd === -1 && room === 0) return false;
    if (lineEnd === -1) continue;
    if (last !== CLOSE_BRACE) return false;
    isBehind = true;
    if (findVisible(block.subarray(lineEnd + 1), false) !== undefined) return true;
  }
  return false;
}

/** The first byte that is no white space, or the last. */
function findVisible(bytes: Uint8Array, isFromEnd: boolean): number | undefined {
  return isFromEnd ? bytes.findLast((byte) => byte > 0x20) : bytes.find((byte) => byte > 0x20);
}

export function createBodyAbridger(options: AbridgeOptions): BodyAbridger {
  const abridger = new JsonAbridger(options);
  let blocks: Uint8Array[] = [];
  /** Bytes of the first block that were taken. */
  let used = 0;

  /** @returns whether there is more to do now */
  function takeBlocks(isTimeUp: () => boolean): boolean {
    while (blocks.length > 0) {
      const block = blocks[0] as Uint8Array;
      abridger.push(block.subarray(used, used + ABRIDGED_PIECE));
      used += ABRIDGED_PIECE;
      if (used >= block.byteLength) {
        blocks.shift();
        used = 0;
        returnBigBlocks([block]);
      }
      if (blocks.length > 0 && isTimeUp()) return true;
    }
    return false;
  }

  return {
    work(exchange, isTimeUp) {
      if (blocks.length === 0) {
        blocks = listBlocks(exchange);
        forgetBlocks(exchange);
      }
      return takeBlocks(isTimeUp) || exchange.pendingBytes > 0;
    },
    end(exchange) {
      putBody(exchange, abridger.end());
    },
    shrink(headBytes) {
      abridger.shrink(headBytes);
      // There is no room for what waits either.
      takeBlocks(() => false);
    },
    get heldBytes() {
      return abridger.heldBytes + blocks.reduce((size, block) => size + block.byteLength, 0) - used;
    },
  };
}

/** As if nothing else had come. */
export function putBody(exchange: Exchange, { bytes, gapAt, notes }: AbridgedJson): void {
  exchange.blocks = [];
  exchange.block = bytes;
  exchange.blockUsed = exchange.pendingBytes = bytes.byteLength;
  exchange.marks = [bytes.byteLength, exchange.lastByteTime];
  exchange.gapAt = gapAt;
  for (const note of notes) addNote(exchange, note);
}

/** A piece of any size. */
export function abridgePiece(abridger: JsonAbridger, bytes: Uint8Array): void {
  for (const piece of listPieces(bytes)) abridger.push(piece);
}

/** An object or a list; what else comes as JSON has no long strings in it, or is none. */
export function startsLikeJson(bytes: Uint8Array): boolean {
  const first = findVisible(bytes, false);
  return first === 0x7b || first === 0x5b;
}

export interface RequestAbridger {
  /** @returns whether there is more to do now; at the end the exchange has what was kept beside its body */
  work(isTimeUp: () => boolean): boolean;
}

/** `undefined`: the body is no JSON, or not all there. */
export function createRequestAbridger(exchange: Exchange, options: AbridgeOptions): RequestAbridger | undefined {
  const { requestBody, requestHeaders, requestTruncated } = exchange;
  const type = mediaTypeOf(requestHeaders["content-type"]);
  if (requestBody === undefined || requestTruncated || !(type === "" || type.includes("json"))) return undefined;
  if (!mayHoldLongString(requestBody, options.keepLength)) return undefined;
  const abridger = new JsonAbridger({ ...options, isVectors: false });
  const pieces = listPieces(requestBody);
  return {
    work(isTimeUp) {
      for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
        abridger.push(next.value);
        if (isTimeUp()) return true;
      }
      const { bytes, gapAt } = abridger.end();
      if (gapAt === undefined && bytes.byteLength < requestBody.length) exchange.abridgedRequest = bytes;
      return false;
    },
  };
}

const encoder = new TextEncoder();

/** Each stands until the next is asked for. */
function* listPieces(body: string | Uint8Array): Generator<Uint8Array> {
  if (typeof body !== "string") {
    for (let at = 0; at < body.byteLength; at += ABRIDGED_PIECE) yield body.subarray(at, at + ABRIDGED_PIECE);
    return;
  }
  const scratch = new Uint8Array(ABRIDGED_PIECE);
  for (let at = 0; at < body.length;) {
    // One more than there is room for: no pair of units is split.
    const { read, written } = encoder.encodeInto(body.slice(at, at + ABRIDGED_PIECE + 1), scratch);
    yield scratch.subarray(0, written);
    at += read;
  }
}
