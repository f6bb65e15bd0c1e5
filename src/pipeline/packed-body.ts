/** A response body that came packed (`content-encoding`): what has come of it is unpacked, by threads of zlib or at once. */
import { concat } from "../decode/bytes.ts";
import { type ContentDecoder, createContentDecoder, decodeContentSync } from "../decode/content-encoding.ts";
import { isBigBlock } from "../interceptor/big-blocks.ts";
import type { Exchange } from "../types.ts";
import { looksWhole } from "./held-body.ts";
import type { Inbox, Piece } from "./inbox.ts";

/** Bytes of a packed body that is unpacked at once, which takes a third of what it takes to wait for it. */
export const SMALL_PACKED_BYTES: number = 8 * 1024;
/** What may come out of one: it is more than a record keeps, and takes no time to speak of. */
const SMALL_OUTPUT = 128 * 1024;
/** Packed bytes that are unpacked at once. */
const SLICE = 16 * 1024;
/** Packed bytes that are kept for `unpackNow`; a stream that has had more ends with what was unpacked. */
const KEPT_BYTES = 16 * 1024;

/** `undefined`: it is not small, not whole, or no JSON. */
export function unpackSmall(exchange: Exchange, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.byteLength > SMALL_PACKED_BYTES || exchange.hasError || !looksWhole(exchange)) return undefined;
  const encoding = exchange.responseHeaders["content-encoding"];
  return decodeContentSync(encoding, bytes, { isWhole: true, maxOutput: SMALL_OUTPUT });
}

/** `undefined`: the body is not packed. @param inbox - what comes of it */
export function openPackedBody(exchange: Exchange, inbox: Inbox): PackedBody | undefined {
  if (exchange.decoded) return undefined;
  const decoder = createContentDecoder(exchange.responseHeaders["content-encoding"]);
  return decoder === undefined ? undefined : new PackedBody(exchange, inbox, decoder);
}

export class PackedBody {
  /** All of it was given to the decoder. */
  isEnded = false;
  private readonly exchange: Exchange;
  private readonly inbox: Inbox;
  private readonly decoder: ContentDecoder;
  /** What the decoder was given, while it is little: its own work can't be hurried. */
  private given: Piece[] | undefined = undefined;
  private givenBytes = 0;

  constructor(exchange: Exchange, inbox: Inbox, decoder: ContentDecoder) {
    this.exchange = exchange;
    this.inbox = inbox;
    this.decoder = decoder;
  }

  /** What was odd, as {@link ContentDecoder.notes}. */
  get notes(): readonly string[] {
    return this.decoder.notes;
  }

  /** Unpacks what has come. Never rejects. @param take - is given each piece, and when what it was in has come */
  async unpack(take: (bytes: Uint8Array, atMs: number) => void): Promise<void> {
    const { exchange, decoder } = this;
    const taken = this.takePieces();
    this.givenBytes += taken.reduce((size, { bytes }) => size + bytes.byteLength, 0);
    if (this.givenBytes > KEPT_BYTES) this.given = undefined;
    else this.given = this.given === undefined ? taken : [...this.given, ...taken];
    for (const { bytes, atMs } of taken) {
      // Little by little: what is packed may unpack to a thousand times as much.
      for (let at = 0; at < bytes.byteLength; at += SLICE) {
        for (const unpacked of await decoder.write(bytes.subarray(at, at + SLICE))) take(unpacked, atMs);
      }
    }
    if (exchange.isEnded && exchange.pendingBytes === 0 && !this.isEnded) {
      this.isEnded = true;
      const atMs = exchange.endTime - exchange.startTime;
      for (const unpacked of await decoder.end()) take(unpacked, atMs);
    }
  }

  /**
   * All over again without waiting, because the decoder may be in the middle of something. `undefined`: nothing comes of
   * it, or not all is there.
   */
  unpackNow(): Piece | undefined {
    if (this.givenBytes > KEPT_BYTES) {
      // What has come since can't be unpacked by itself.
      this.inbox.clear();
      return undefined;
    }
    const all = [...(this.given ?? []), ...this.takePieces()];
    const packed = concat(all.map(({ bytes }) => bytes));
    const bytes = decodeContentSync(this.exchange.responseHeaders["content-encoding"], packed);
    if (bytes === undefined || bytes.byteLength === 0) return undefined;
    return { bytes, atMs: all.at(-1)?.atMs ?? 0 };
  }

  /** What is packed has no use for a gap: what comes behind it can't be unpacked. */
  private takePieces(): Piece[] {
    const { inbox } = this;
    const pieces: Piece[] = [];
    for (let piece = inbox.next(true); piece !== undefined && piece !== "gap"; piece = inbox.next(true)) {
      const { bytes, atMs } = piece;
      // What is decoded in threads of its own must not be written to meanwhile.
      pieces.push({ bytes: isBigBlock(bytes) ? bytes.slice() : bytes, atMs });
    }
    inbox.clear();
    return pieces;
  }
}
