/** One exchange in the pipeline: takes what the interceptor has noted, decodes it, and feeds the assembly. */
import { type ContentDecoder, createContentDecoder, decodeContentSync } from "../decode/content-encoding.ts";
import { concat } from "../decode/bytes.ts";
import { LEAST_ABRIDGED } from "../abridged-text.ts";
import { type AbridgeOptions, JsonAbridger } from "../decode/abridge-json.ts";
import type { ParsedBody } from "../decode/request-body.ts";
import { TAIL_LENGTH } from "../decode/framing.ts";
import { isBigBlock } from "../interceptor/big-blocks.ts";
import type { Exchange } from "../types.ts";
import { type AssembledExchange, type Assembly, createAssembly } from "./assemble.ts";
import {
  abridgePiece,
  type BodyAbridger,
  createBodyAbridger,
  createRequestAbridger,
  hasLines,
  isAbridgeable,
  putBody,
  type RequestAbridger,
  startsLikeJson,
} from "./abridge-body.ts";
import { dropMiddle, findOnlyBlock, forgetBlocks, isEncoded, looksWhole, SMALL_ENDS } from "./held-body.ts";
import { createInbox, type Inbox, type Piece } from "./inbox.ts";
import { readBlob, readRequestBody } from "./read-request.ts";

export interface JobOptions {
  /** Characters of content that an answer may keep, and bytes of a body that is one JSON value. */
  exchangeBytes: number;
  /** Whether the body of a request to an unknown host is that of a call. */
  hasCallShape: (exchange: Exchange, body: unknown) => boolean;
  /** How long strings of a big body are shortened, before it is parsed. `undefined`: all of it is needed. */
  abridge?: ((exchange: Exchange) => AbridgeOptions | undefined) | undefined;
  /** Reads big exchanges elsewhere. Default: all are read here. */
  reader?: RemoteReader | undefined;
}

/** Somewhere else than on the app's thread. */
export interface RemoteReader {
  /** Takes the exchange over, once it has ended. Never rejects. */
  read(exchange: Exchange): Promise<RemoteAnswer>;
  /** Gives back what is left of an exchange that was taken over and not answered. */
  giveBack(exchange: Exchange): void;
  /** No more exchanges can be read. */
  readonly isClosed: boolean;
}

/** `failed`: what is left of the exchange is to be read here. */
export type RemoteAnswer =
  | { type: "assembled"; assembled: AssembledExchange }
  | { type: "no_call" }
  | { type: "failed"; note: string };

export interface Job {
  readonly exchange: Exchange;
  /** Something asynchronous is under way: the promise settles when the job can go on. Never rejects. */
  busy: Promise<void> | undefined;
  /** Works until `isTimeUp`. @returns whether there is more to do now */
  work(isTimeUp: () => boolean): boolean;
  /** Reads all that was noted without waiting for anything; only `finish` may follow. */
  workNow(): void;
  /** Everything that was noted has been read. */
  isDrained(): boolean;
  /** Bytes that are kept for this exchange, about. */
  countHeld(): number;
  /** Keeps of what has come, and will come, but the ends. */
  shrink(): boolean;
  /** `undefined`: it was no call after all. */
  finish(): AssembledExchange | undefined;
}

/**
 * Bytes of a body, without what was left out of its long strings, from which it is read elsewhere. Measured: 128 KiB of
 * text take half a millisecond, of numbers two; to hand them over takes a twentieth of one.
 */
export const REMOTE_BYTES: number = 128 * 1024;
/** The same for bytes that are packed. */
const REMOTE_ENCODED_BYTES = 32 * 1024;
/** Bytes of a packed body that is unpacked at once, which takes a third of what it takes to wait for it. */
const SMALL_ENCODED_BYTES = 8 * 1024;
/** What may come out of one: it is more than a record keeps, and takes no time to speak of. */
const SMALL_OUTPUT = 128 * 1024;
/** Encoded bytes decoded at once. */
const DECODE_SLICE = 16 * 1024;
/** Encoded bytes of an exchange that are kept for `workNow`; a stream that has had more ends with what was decoded. */
const KEPT_ENCODED = 16 * 1024;

export function createJob(exchange: Exchange, options: JobOptions): Job {
  return new ExchangeJob(exchange, options);
}

class ExchangeJob implements Job {
  readonly exchange: Exchange;
  busy: Promise<void> | undefined = undefined;
  private readonly options: JobOptions;
  private readonly inbox: Inbox;
  private assembly: Assembly | undefined = undefined;
  private decoder: ContentDecoder | undefined = undefined;
  private isDecoderEnded = false;
  /** What the decoder was given, while it is little: its own work can't be hurried. */
  private encoded: Piece[] | undefined = undefined;
  private encodedBytes = 0;
  /** Set when all was decoded in one go, which tells no more when each piece came. */
  private knownFirstToken: { ms: number | undefined } | undefined = undefined;
  private isNoCall = false;
  private parsedBody: ParsedBody | undefined = undefined;
  /** Set while the exchange is somewhere else. */
  private isAway = false;
  private answer: RemoteAnswer | undefined = undefined;
  /** Only the ends of what comes are kept. */
  private isShrunk = false;
  /** `undefined`: nobody has looked at the request yet. */
  private requestAbridger: RequestAbridger | "done" | undefined = undefined;
  private abridger: BodyAbridger | undefined = undefined;
  private isAbridged = false;
  /** Takes what is unpacked, where that is shortened; `undefined` until its first bytes are there. */
  private unpacked: JsonAbridger | "as it is" | undefined = undefined;
  private decoderNotes: readonly string[] = [];

  constructor(exchange: Exchange, options: JobOptions) {
    this.exchange = exchange;
    this.options = options;
    this.inbox = createInbox(exchange.startTime);
  }

  work(isTimeUp: () => boolean): boolean {
    if (this.busy !== undefined) return false;
    const { exchange, inbox } = this;
    const { reader, exchangeBytes } = this.options;
    if (this.hasBlob()) {
      this.busy = readBlob(exchange, exchangeBytes).then(() => {
        this.busy = undefined;
      });
      return false;
    }
    if (this.requestAbridger !== "done" && this.abridgeRequest(isTimeUp)) return true;
    if (this.isHeld()) {
      if (this.abridgeResponse(isTimeUp)) return true;
      this.keepEnds();
      if (!exchange.isEnded) return false;
      if (reader !== undefined && this.isForReader()) {
        this.busy = this.readElsewhere(reader);
        return false;
      }
    }
    if (this.answer?.type === "assembled") return false;
    if (this.isShrunk && !exchange.isEnded) {
      dropMiddle(exchange, SMALL_ENDS);
      return false;
    }
    if (this.readWhole()) return false;
    inbox.take(exchange);
    const hasCome = !inbox.isEmpty() || exchange.isEnded;
    if (exchange.sniffed && !this.isNoCall && this.assembly === undefined && hasCome)
      this.isNoCall = !this.looksLikeCall();
    if (this.isNoCall) {
      inbox.clear();
      return false;
    }
    if (this.assembly === undefined && hasCome) this.assembly = this.start();
    if (this.decoder !== undefined) {
      if (!inbox.isEmpty() || (exchange.isEnded && !this.isDecoderEnded)) this.busy = this.decode(this.decoder);
      return false;
    }
    return this.feed(isTimeUp);
  }

  workNow(): void {
    const { exchange, inbox } = this;
    const isReadingBlob = this.busy !== undefined && this.assembly === undefined && !this.isAway;
    if (isReadingBlob || this.hasBlob()) {
      exchange.requestSource = undefined;
      exchange.notes.push("request_body_not_captured");
    }
    if (this.isAway) this.options.reader?.giveBack(exchange);
    if (this.answer !== undefined && this.answer.type !== "failed") return;
    this.requestAbridger = "done";
    // What it was interrupted with, and then what has come since.
    while (this.abridger !== undefined && this.abridgeResponse(() => false));
    inbox.take(exchange);
    if (exchange.sniffed && this.assembly === undefined) this.isNoCall ||= !this.looksLikeCall();
    if (this.isNoCall) return;
    this.assembly ??= this.start();
    if (this.decoder !== undefined && (!this.isDecoderEnded || this.busy !== undefined)) this.decodeNow();
    if (exchange.pendingBytes > 0) {
      // What was unpacked so far.
      inbox.take(exchange);
      this.assembly ??= this.start();
    }
    if (this.decoder === undefined) this.feed(() => false);
  }

  isDrained(): boolean {
    return (
      this.busy === undefined &&
      this.exchange.pendingBytes === 0 &&
      this.inbox.isEmpty() &&
      (this.decoder === undefined || this.isDecoderEnded || this.isNoCall)
    );
  }

  countHeld(): number {
    const { exchange, assembly, options } = this;
    const inAssembly = assembly === undefined ? 0 : Math.min(assembly.heldLength, 2 * options.exchangeBytes);
    const inRequest = exchange.requestKept + (exchange.abridgedRequest?.byteLength ?? 0);
    return inRequest + exchange.pendingBytes + inAssembly + this.countAbridged();
  }

  private countAbridged(): number {
    const { abridger, unpacked } = this;
    return (abridger?.heldBytes ?? 0) + (typeof unpacked === "object" ? unpacked.heldBytes : 0);
  }

  shrink(): boolean {
    if (this.isAway || this.isShrunk) return false;
    this.isShrunk = true;
    if (this.abridger === undefined) dropMiddle(this.exchange, SMALL_ENDS);
    else this.abridger.shrink(SMALL_ENDS.headBytes);
    if (typeof this.unpacked === "object") this.unpacked.shrink(SMALL_ENDS.headBytes);
    return true;
  }

  finish(): AssembledExchange | undefined {
    const { exchange } = this;
    if (this.answer?.type === "assembled") return this.answer.assembled;
    if (this.isNoCall || (exchange.sniffed && this.assembly === undefined && !this.looksLikeCall())) return undefined;
    this.assembly ??= this.start();
    const assembled = this.assembly.finish({ interrupted: exchange.hasError });
    if (this.knownFirstToken !== undefined) {
      delete assembled.firstTokenMs;
      if (this.knownFirstToken.ms !== undefined) assembled.firstTokenMs = this.knownFirstToken.ms;
    }
    // A broken wire breaks the content encoding too: one note says it.
    for (const note of this.decoder?.notes ?? this.decoderNotes) {
      if (!(exchange.hasError && note === "truncated_content_encoding")) assembled.notes.push(note);
      if (note === "decompressed_body_too_large") assembled.responseTruncated = true;
    }
    return assembled;
  }

  private readBody(): ParsedBody {
    return (this.parsedBody ??= readRequestBody(this.exchange));
  }

  private looksLikeCall(): boolean {
    return this.options.hasCallShape(this.exchange, this.readBody().value);
  }

  private start(isDecoded = false): Assembly {
    const { exchange } = this;
    const { exchangeBytes } = this.options;
    if (!isDecoded) this.decoder = this.makeDecoder();
    return createAssembly({
      route: exchange.route,
      path: exchange.path,
      method: exchange.method,
      status: exchange.status,
      requestHeaders: exchange.requestHeaders,
      responseHeaders: exchange.responseHeaders,
      requestBody: () => this.readBody(),
      contentLimit: exchangeBytes,
      maxBodyBytes: exchangeBytes,
    });
  }

  /** The usual answer, one JSON object in one piece: nothing stands between it and its parser. */
  private readWhole(): boolean {
    const { exchange } = this;
    if (!exchange.isEnded || exchange.sniffed || this.assembly !== undefined) return false;
    const block = findOnlyBlock(exchange);
    if (block === undefined || !this.inbox.isEmpty()) return false;
    const bytes = isEncoded(exchange) ? decodeSmall(exchange, block) : block;
    if (bytes === undefined) return false;
    this.assembly = this.start(true);
    if (!this.assembly.takeJson(bytes)) {
      // It has to be read in the usual way.
      this.decoder = this.makeDecoder();
      return false;
    }
    forgetBlocks(exchange);
    return true;
  }

  private makeDecoder(): ContentDecoder | undefined {
    const { exchange } = this;
    const encoding = exchange.responseHeaders["content-encoding"];
    return exchange.decoded || encoding === undefined ? undefined : createContentDecoder(encoding);
  }

  private hasBlob(): boolean {
    const { requestSource } = this.exchange;
    return requestSource !== undefined && !Array.isArray(requestSource);
  }

  /** What cannot be read before its end stays where it is; so does what may have to be read elsewhere. */
  private isHeld(): boolean {
    if (this.assembly !== undefined || this.answer !== undefined || this.isNoCall) return false;
    const { exchange } = this;
    const { reader } = this.options;
    if (this.isShrunk && !exchange.isEnded) return true;
    const isBig = reader !== undefined && !reader.isClosed && countRequest(exchange) >= REMOTE_BYTES;
    if (isBig || this.abridger !== undefined) return true;
    return exchange.pendingBytes > 0 && looksWhole(exchange) && !this.isUnpackedHere();
  }

  private isForReader(): boolean {
    const { exchange } = this;
    const { reader } = this.options;
    if (reader === undefined || reader.isClosed) return false;
    const { pendingBytes } = exchange;
    return (
      countRequest(exchange) >= REMOTE_BYTES ||
      pendingBytes >= (isEncoded(exchange) ? REMOTE_ENCODED_BYTES : REMOTE_BYTES)
    );
  }

  private async readElsewhere(through: RemoteReader): Promise<void> {
    const { exchange } = this;
    this.isAway = true;
    const answer = await through.read(exchange);
    this.answer = answer;
    this.isAway = false;
    this.busy = undefined;
    if (answer.type === "no_call") this.isNoCall = true;
    if (answer.type === "failed") exchange.notes.push(answer.note);
  }

  /** Before anything is read: a request that is small then needs nobody else. @returns whether there is more to do now */
  private abridgeRequest(isTimeUp: () => boolean): boolean {
    const { exchange } = this;
    if (this.requestAbridger === undefined) {
      const options = this.toAbridge(exchange.requestKept);
      this.requestAbridger = (options && createRequestAbridger(exchange, options)) ?? "done";
    }
    if (this.requestAbridger === "done") return false;
    if (this.requestAbridger.work(isTimeUp)) return true;
    this.requestAbridger = "done";
    return false;
  }

  /** @returns whether there is more to do now */
  private abridgeResponse(isTimeUp: () => boolean): boolean {
    const { exchange } = this;
    if (this.abridger === undefined) {
      if (this.isAbridged || this.isShrunk) return false;
      const options = this.toAbridge(exchange.pendingBytes);
      if (options === undefined || !isAbridgeable(exchange)) return false;
      this.abridger = createBodyAbridger(options);
    }
    if (this.abridger.work(exchange, isTimeUp)) return true;
    if (!exchange.isEnded) return false;
    this.abridger.end(exchange);
    this.abridger = undefined;
    this.isAbridged = true;
    return false;
  }

  /** `undefined`: nothing is left out of so many bytes. */
  private toAbridge(bytes: number): AbridgeOptions | undefined {
    if (bytes < LEAST_ABRIDGED) return undefined;
    const options = this.options.abridge?.(this.exchange);
    return options !== undefined && (options.isVectors || bytes > options.keepLength) ? options : undefined;
  }

  private keepEnds(): void {
    const { exchange, isShrunk } = this;
    const { exchangeBytes } = this.options;
    // A little over the bound, so that a body that goes on and on is not looked through for each of its chunks.
    if (!isShrunk && exchange.pendingBytes <= 1.25 * exchangeBytes) return;
    dropMiddle(exchange, isShrunk ? SMALL_ENDS : { headBytes: exchangeBytes, tailBytes: TAIL_LENGTH });
  }

  /** All over again, because the decoder may be in the middle of something. */
  private decodeNow(): void {
    const isAllThere = this.encodedBytes <= KEPT_ENCODED;
    const all = isAllThere ? [...(this.encoded ?? []), ...this.takePieces()] : [];
    const bytes = concat(all.map((piece) => piece.bytes));
    const decoded = decodeContentSync(this.exchange.responseHeaders["content-encoding"], bytes);
    if (decoded === undefined || decoded.byteLength === 0) {
      this.putUnpacked();
      return;
    }
    this.unpacked = undefined;
    this.knownFirstToken = { ms: this.assembly?.firstTokenMs };
    this.assembly = this.start();
    this.decoder = undefined;
    this.assembly.push(decoded, all.at(-1)?.atMs ?? 0);
  }

  /** @returns whether there is more */
  private feed(isTimeUp: () => boolean): boolean {
    const { assembly, inbox } = this;
    if (assembly === undefined) return false;
    for (;;) {
      const piece = inbox.next(assembly.firstTokenMs === undefined);
      if (piece === undefined) return false;
      if (piece === "gap") assembly.skip();
      else assembly.push(piece.bytes, piece.atMs);
      if (isTimeUp() && !inbox.isEmpty()) return true;
    }
  }

  /** What is encoded has no use for a gap: what comes behind it can't be decoded. */
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

  private takeDecoded(bytes: Uint8Array, atMs: number): void {
    this.unpacked ??= this.openUnpacked(bytes);
    if (this.unpacked === "as it is") this.assembly?.push(bytes, atMs);
    else abridgePiece(this.unpacked, bytes);
  }

  private openUnpacked(bytes: Uint8Array): JsonAbridger | "as it is" {
    const { exchange, options } = this;
    const isJson = !this.isShrunk && looksWhole(exchange) && startsLikeJson(bytes) && !hasLines([bytes]);
    const given = isJson ? options.abridge?.(exchange) : undefined;
    return given === undefined ? "as it is" : new JsonAbridger(given);
  }

  /** What was unpacked stands where the packed body was: it is read as if it had come so. */
  private putUnpacked(): void {
    const { exchange, unpacked, decoder } = this;
    if (unpacked === undefined || unpacked === "as it is") return;
    putBody(exchange, unpacked.end());
    exchange.decoded = true;
    this.decoderNotes = decoder?.notes ?? [];
    this.decoder = this.assembly = this.unpacked = undefined;
    this.isAbridged = true;
  }

  /** Packed JSON is unpacked while it comes, by threads of zlib, and shortened here: nobody else is needed for it. */
  private isUnpackedHere(): boolean {
    const { exchange, options } = this;
    return (
      exchange.pendingBytes > SMALL_ENCODED_BYTES && isEncoded(exchange) && options.abridge?.(exchange) !== undefined
    );
  }

  private async decode(through: ContentDecoder): Promise<void> {
    const { exchange } = this;
    const taken = this.takePieces();
    this.encodedBytes += taken.reduce((size, { bytes }) => size + bytes.byteLength, 0);
    if (this.encodedBytes > KEPT_ENCODED) this.encoded = undefined;
    else this.encoded = this.encoded === undefined ? taken : [...this.encoded, ...taken];
    for (const { bytes, atMs } of taken) {
      // Little by little: what is packed may unpack to a thousand times as much.
      for (let at = 0; at < bytes.byteLength; at += DECODE_SLICE) {
        const pieces = await through.write(bytes.subarray(at, at + DECODE_SLICE));
        for (const decoded of pieces) this.takeDecoded(decoded, atMs);
      }
    }
    if (exchange.isEnded && exchange.pendingBytes === 0 && !this.isDecoderEnded) {
      this.isDecoderEnded = true;
      const atMs = exchange.endTime - exchange.startTime;
      for (const bytes of await through.end()) this.takeDecoded(bytes, atMs);
      this.putUnpacked();
    }
    this.busy = undefined;
  }
}

/** `undefined`: it is not small, not whole, or no JSON. */
function decodeSmall(exchange: Exchange, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.byteLength > SMALL_ENCODED_BYTES || exchange.hasError || !looksWhole(exchange)) return undefined;
  const encoding = exchange.responseHeaders["content-encoding"];
  return decodeContentSync(encoding, bytes, { isWhole: true, maxOutput: SMALL_OUTPUT });
}

/** Bytes of a request that are to be read. */
function countRequest({ abridgedRequest, requestKept }: Exchange): number {
  return abridgedRequest?.byteLength ?? requestKept;
}
