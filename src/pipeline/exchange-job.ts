/** One exchange in the pipeline: takes what the interceptor has noted, decodes it, and feeds the assembly. */
import type { ParsedBody } from "../decode/request-body.ts";
import { TAIL_LENGTH } from "../decode/framing.ts";
import type { Exchange } from "../types.ts";
import { ExchangeAbridger, type FindAbridgeOptions } from "./abridge-exchange.ts";
import { type AssembledExchange, type Assembly, createAssembly } from "./assemble.ts";
import { dropMiddle, findOnlyBlock, forgetBlocks, isEncoded, looksWhole, SMALL_ENDS } from "./held-body.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import { openPackedBody, type PackedBody, SMALL_PACKED_BYTES, unpackSmall } from "./packed-body.ts";
import { mayRemember, readBlob, readRequestBody } from "./read-request.ts";
import type { RequestMemory } from "./request-memory.ts";
import type { RemoteAnswer, RemoteReader } from "./remote-reader.ts";

export interface JobOptions {
  /** Characters of content that an answer may keep, and bytes of a body that is one JSON value. */
  exchangeBytes: number;
  /** Whether the body of a request to an unknown host is that of a call. */
  hasCallShape: (exchange: Exchange, body: unknown) => boolean;
  /** How long strings of a big body are shortened, before it is parsed. Default: all of it is needed. */
  abridge?: FindAbridgeOptions | undefined;
  /** Reads big exchanges elsewhere. Default: all are read here. */
  reader?: RemoteReader | undefined;
  /** Of what earlier requests began with. Default: each is read as a whole. */
  memory?: RequestMemory | undefined;
}

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

export function createJob(exchange: Exchange, options: JobOptions): Job {
  return new ExchangeJob(exchange, options);
}

class ExchangeJob implements Job {
  readonly exchange: Exchange;
  busy: Promise<void> | undefined = undefined;
  private readonly options: JobOptions;
  private readonly inbox: Inbox;
  private readonly abridger: ExchangeAbridger;
  private assembly: Assembly | undefined = undefined;
  /** The response, while it has to be unpacked. */
  private packed: PackedBody | undefined = undefined;
  /** Of a packed body in whose place stands what was unpacked. */
  private packedNotes: readonly string[] = [];
  /** Set when all was unpacked in one go, which tells no more when each piece came. */
  private knownFirstToken: { ms: number | undefined } | undefined = undefined;
  private isNoCall = false;
  private parsedBody: ParsedBody | undefined = undefined;
  /** The long request mostly is; `undefined`: nobody has looked yet. */
  private isKnown: boolean | undefined = undefined;
  /** Set while the exchange is somewhere else. */
  private isAway = false;
  private answer: RemoteAnswer | undefined = undefined;
  /** Only the ends of what comes are kept. */
  private isShrunk = false;

  constructor(exchange: Exchange, options: JobOptions) {
    this.exchange = exchange;
    this.options = options;
    this.inbox = createInbox(exchange.startTime);
    this.abridger = new ExchangeAbridger(exchange, options.abridge);
  }

  work(isTimeUp: () => boolean): boolean {
    if (this.busy !== undefined) return false;
    const { exchange, inbox, abridger } = this;
    const { reader, exchangeBytes } = this.options;
    if (this.hasBlob()) {
      this.busy = readBlob(exchange, exchangeBytes).then(() => {
        this.busy = undefined;
      });
      return false;
    }
    if (abridger.workOnRequest(isTimeUp)) return true;
    if (this.isHeld()) {
      if (abridger.workOnResponse(isTimeUp)) return true;
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
    const { packed } = this;
    if (packed !== undefined) {
      if (!inbox.isEmpty() || (exchange.isEnded && !packed.isEnded)) this.busy = this.unpack(packed);
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
    this.abridger.finishNow();
    inbox.take(exchange);
    if (exchange.sniffed && this.assembly === undefined) this.isNoCall ||= !this.looksLikeCall();
    if (this.isNoCall) return;
    this.assembly ??= this.start();
    const { packed } = this;
    if (packed !== undefined && (!packed.isEnded || this.busy !== undefined)) this.unpackNow(packed);
    if (exchange.pendingBytes > 0) {
      // What was unpacked so far.
      inbox.take(exchange);
      this.assembly ??= this.start();
    }
    if (this.packed === undefined) this.feed(() => false);
  }

  isDrained(): boolean {
    return (
      this.busy === undefined &&
      this.exchange.pendingBytes === 0 &&
      this.inbox.isEmpty() &&
      (this.packed === undefined || this.packed.isEnded || this.isNoCall)
    );
  }

  countHeld(): number {
    const { exchange, abridger, assembly, options } = this;
    const inAssembly = assembly === undefined ? 0 : Math.min(assembly.heldLength, 2 * options.exchangeBytes);
    const inRequest = exchange.requestKept + (exchange.abridgedRequest?.byteLength ?? 0);
    return inRequest + exchange.pendingBytes + inAssembly + abridger.heldBytes;
  }

  shrink(): boolean {
    if (this.isAway || this.isShrunk) return false;
    this.isShrunk = true;
    if (!this.abridger.isOpen) dropMiddle(this.exchange, SMALL_ENDS);
    this.abridger.shrink(SMALL_ENDS.headBytes);
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
    for (const note of this.packed?.notes ?? this.packedNotes) {
      if (!(exchange.hasError && note === "truncated_content_encoding")) assembled.notes.push(note);
      if (note === "decompressed_body_too_large") assembled.responseTruncated = true;
    }
    return assembled;
  }

  private readBody(): ParsedBody {
    return (this.parsedBody ??= readRequestBody(this.exchange, this.options.memory));
  }

  private looksLikeCall(): boolean {
    return this.options.hasCallShape(this.exchange, this.readBody().value);
  }

  private start(): Assembly {
    this.packed = openPackedBody(this.exchange, this.inbox);
    return this.createAssembly();
  }

  private createAssembly(): Assembly {
    const { exchange } = this;
    const { exchangeBytes } = this.options;
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
    const bytes = isEncoded(exchange) ? unpackSmall(exchange, block) : block;
    if (bytes === undefined) return false;
    this.assembly = this.createAssembly();
    if (!this.assembly.takeJson(bytes)) {
      // It has to be read in the usual way.
      this.packed = openPackedBody(exchange, this.inbox);
      return false;
    }
    forgetBlocks(exchange);
    return true;
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
    const isBig = reader !== undefined && !reader.isClosed && this.countRequest() >= REMOTE_BYTES;
    if (isBig || this.abridger.isOpen) return true;
    return exchange.pendingBytes > 0 && looksWhole(exchange) && !this.isUnpackedHere();
  }

  /** Bytes of the request that are to be read. */
  private countRequest(): number {
    const { exchange, parsedBody } = this;
    if (parsedBody !== undefined) return 0;
    const { abridgedRequest, requestKept } = exchange;
    if (abridgedRequest !== undefined) return abridgedRequest.byteLength;
    if (requestKept < REMOTE_BYTES || !this.isMostlyKnown()) return requestKept;
    // At once: it may be forgotten soon.
    this.readBody();
    return 0;
  }

  /** A long request, of which so much is known that it is read here. */
  private isMostlyKnown(): boolean {
    const { requestBody, requestTruncated, route } = this.exchange;
    const { memory } = this.options;
    if (memory === undefined || typeof requestBody !== "string" || requestTruncated) return false;
    if (!mayRemember(this.exchange)) return false;
    if (this.isKnown === undefined) {
      this.isKnown = memory.countUnknown(route.api, requestBody) < REMOTE_BYTES;
      // Then it is read elsewhere, so note is taken of it here.
      if (!this.isKnown) memory.note(route.api, requestBody);
    }
    return this.isKnown;
  }

  private isForReader(): boolean {
    const { exchange } = this;
    const { reader } = this.options;
    if (reader === undefined || reader.isClosed) return false;
    const { pendingBytes } = exchange;
    return (
      this.countRequest() >= REMOTE_BYTES || pendingBytes >= (isEncoded(exchange) ? REMOTE_ENCODED_BYTES : REMOTE_BYTES)
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

  private keepEnds(): void {
    const { exchange, isShrunk } = this;
    const { exchangeBytes } = this.options;
    // A little over the bound, so that a body that goes on and on is not looked through for each of its chunks.
    if (!isShrunk && exchange.pendingBytes <= 1.25 * exchangeBytes) return;
    dropMiddle(exchange, isShrunk ? SMALL_ENDS : { headBytes: exchangeBytes, tailBytes: TAIL_LENGTH });
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

  /** Packed JSON is unpacked while it comes, by threads of zlib, and shortened here: nobody else is needed for it. */
  private isUnpackedHere(): boolean {
    const { exchange, abridger } = this;
    return exchange.pendingBytes > SMALL_PACKED_BYTES && isEncoded(exchange) && abridger.isAllowed();
  }

  private async unpack(packed: PackedBody): Promise<void> {
    await packed.unpack((bytes, atMs) => {
      if (!this.abridger.takeUnpacked(bytes)) this.assembly?.push(bytes, atMs);
    });
    if (packed.isEnded) this.putUnpacked(packed);
    this.busy = undefined;
  }

  private unpackNow(packed: PackedBody): void {
    const unpacked = packed.unpackNow();
    if (unpacked === undefined) {
      this.putUnpacked(packed);
      return;
    }
    this.abridger.forgetUnpacked();
    this.knownFirstToken = { ms: this.assembly?.firstTokenMs };
    this.packed = undefined;
    this.assembly = this.createAssembly();
    this.assembly.push(unpacked.bytes, unpacked.atMs);
  }

  /** What was unpacked and shortened is read from its beginning. */
  private putUnpacked({ notes }: PackedBody): void {
    if (!this.abridger.putUnpacked()) return;
    this.packedNotes = notes;
    this.packed = this.assembly = undefined;
  }
}
