/** One exchange in the pipeline: takes what the interceptor has noted, decodes it, and feeds the assembly. */
import { type ContentDecoder, createContentDecoder, decodeContentSync } from "../decode/content-encoding.ts";
import { decodeRequestBody, type ParsedBody } from "../decode/request-body.ts";
import { TAIL_LENGTH } from "../decode/framing.ts";
import { isBigBlock } from "../interceptor/big-blocks.ts";
import type { Exchange } from "../types.ts";
import { type AssembledExchange, type Assembly, createAssembly } from "./assemble.ts";
import { concat, dropMiddle, isEncoded, looksWhole, SMALL_ENDS } from "./held-body.ts";
import { createInbox, type Piece } from "./inbox.ts";

export interface JobOptions {
  /** Characters of content that an answer may keep, and bytes of a body that is one JSON value. */
  exchangeBytes: number;
  /** Whether the body of a request to an unknown host is that of a call. */
  hasCallShape: (exchange: Exchange, body: unknown) => boolean;
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
 * Bytes of a body from which it is read elsewhere. Measured: 128 KiB of text take half a millisecond, of numbers two; to
 * hand them over takes a twentieth of one.
 */
export const REMOTE_BYTES: number = 128 * 1024;
/** The same for bytes that are packed. */
const REMOTE_ENCODED_BYTES = 32 * 1024;
/** Encoded bytes decoded at once. */
const DECODE_SLICE = 16 * 1024;
/** Encoded bytes of an exchange that are kept for `workNow`; a stream that has had more ends with what was decoded. */
const KEPT_ENCODED = 16 * 1024;

export function createJob(exchange: Exchange, { exchangeBytes, hasCallShape, reader }: JobOptions): Job {
  const inbox = createInbox(exchange.startTime);
  let assembly: Assembly | undefined;
  let decoder: ContentDecoder | undefined;
  let isDecoderEnded = false;
  /** What the decoder was given, while it is little: its own work can't be hurried. */
  let encoded: Piece[] | undefined = [];
  let encodedBytes = 0;
  /** Set when all was decoded in one go, which tells no more when each piece came. */
  let knownFirstToken: { ms: number | undefined } | undefined;
  let isNoCall = false;
  let parsedBody: ParsedBody | undefined;
  /** Set while the exchange is somewhere else. */
  let isAway = false;
  let answer: RemoteAnswer | undefined;
  /** Only the ends of what comes are kept. */
  let isShrunk = false;

  const job: Job = { exchange, busy: undefined, work, workNow, isDrained, countHeld, shrink, finish };

  function readBody(): ParsedBody {
    parsedBody ??= readRequestBody(exchange);
    return parsedBody;
  }

  function start(): Assembly {
    decoder = exchange.decoded ? undefined : createContentDecoder(exchange.responseHeaders["content-encoding"]);
    return createAssembly({
      route: exchange.route,
      path: exchange.path,
      method: exchange.method,
      status: exchange.status,
      requestHeaders: exchange.requestHeaders,
      responseHeaders: exchange.responseHeaders,
      requestBody: readBody,
      contentLimit: exchangeBytes,
      maxBodyBytes: exchangeBytes,
    });
  }

  function hasBlob(): boolean {
    return exchange.requestSource !== undefined && !Array.isArray(exchange.requestSource);
  }

  /** What cannot be read before its end stays where it is; so does what may have to be read elsewhere. */
  function isHeld(): boolean {
    if (assembly !== undefined || answer !== undefined || isNoCall) return false;
    if (isShrunk && !exchange.isEnded) return true;
    const isBig = reader !== undefined && !reader.isClosed && exchange.requestKept >= REMOTE_BYTES;
    return isBig || (exchange.pendingBytes > 0 && looksWhole(exchange));
  }

  function isForReader(): boolean {
    if (reader === undefined || reader.isClosed) return false;
    const { requestKept, pendingBytes } = exchange;
    return requestKept >= REMOTE_BYTES || pendingBytes >= (isEncoded(exchange) ? REMOTE_ENCODED_BYTES : REMOTE_BYTES);
  }

  async function readElsewhere(through: RemoteReader): Promise<void> {
    isAway = true;
    answer = await through.read(exchange);
    isAway = false;
    job.busy = undefined;
    if (answer.type === "no_call") isNoCall = true;
    if (answer.type === "failed") exchange.notes.push(answer.note);
  }

  function work(isTimeUp: () => boolean): boolean {
    if (job.busy !== undefined) return false;
    if (hasBlob()) {
      job.busy = readBlob(exchange, exchangeBytes).then(() => {
        job.busy = undefined;
      });
      return false;
    }
    if (isHeld()) {
      keepEnds();
      if (!exchange.isEnded) return false;
      if (reader !== undefined && isForReader()) {
        job.busy = readElsewhere(reader);
        return false;
      }
    }
    if (answer?.type === "assembled") return false;
    if (isShrunk && !exchange.isEnded) {
      dropMiddle(exchange, SMALL_ENDS);
      return false;
    }
    inbox.take(exchange);
    if (exchange.sniffed && !isNoCall && assembly === undefined && (!inbox.isEmpty() || exchange.isEnded)) {
      isNoCall = !hasCallShape(exchange, readBody().value);
    }
    if (isNoCall) {
      inbox.clear();
      return false;
    }
    if (assembly === undefined && (!inbox.isEmpty() || exchange.isEnded)) assembly = start();
    if (decoder !== undefined) {
      if (!inbox.isEmpty() || (exchange.isEnded && !isDecoderEnded)) job.busy = decode(decoder);
      return false;
    }
    return feed(isTimeUp);
  }

  function keepEnds(): void {
    const ends = isShrunk ? SMALL_ENDS : { headBytes: exchangeBytes, tailBytes: TAIL_LENGTH };
    // A little over the bound, so that a body that goes on and on is not looked through for each of its chunks.
    if (isShrunk || exchange.pendingBytes > 1.25 * exchangeBytes) dropMiddle(exchange, ends);
  }

  function shrink(): boolean {
    if (isAway || isShrunk) return false;
    isShrunk = true;
    dropMiddle(exchange, SMALL_ENDS);
    return true;
  }

  function countHeld(): number {
    return exchange.requestKept + exchange.pendingBytes + Math.min(assembly?.heldLength ?? 0, 2 * exchangeBytes);
  }

  function workNow(): void {
    const isReadingBlob = job.busy !== undefined && assembly === undefined && !isAway;
    if (isReadingBlob || hasBlob()) {
      exchange.requestSource = undefined;
      exchange.notes.push("request_body_not_captured");
    }
    if (isAway) reader?.giveBack(exchange);
    if (answer !== undefined && answer.type !== "failed") return;
    inbox.take(exchange);
    if (exchange.sniffed && assembly === undefined) isNoCall ||= !hasCallShape(exchange, readBody().value);
    if (isNoCall) return;
    assembly ??= start();
    if (decoder === undefined) feed(() => false);
    else if (!isDecoderEnded || job.busy !== undefined) decodeNow();
  }

  /** All over again, because the decoder may be in the middle of something. */
  function decodeNow(): void {
    const all = encoded === undefined ? [] : [...encoded, ...takePieces()];
    const bytes = concat(all.map((piece) => piece.bytes));
    const decoded = decodeContentSync(exchange.responseHeaders["content-encoding"], bytes);
    if (decoded === undefined || decoded.byteLength === 0) return;
    knownFirstToken = { ms: assembly?.firstTokenMs };
    assembly = start();
    decoder = undefined;
    assembly.push(decoded, all.at(-1)?.atMs ?? 0);
  }

  /** @returns whether there is more */
  function feed(isTimeUp: () => boolean): boolean {
    if (assembly === undefined) return false;
    for (;;) {
      const piece = inbox.next(assembly.firstTokenMs === undefined);
      if (piece === undefined) return false;
      if (piece === "gap") assembly.skip();
      else assembly.push(piece.bytes, piece.atMs);
      if (isTimeUp()) return !inbox.isEmpty();
    }
  }

  /** What is encoded has no use for a gap: what comes behind it can't be decoded. */
  function takePieces(): Piece[] {
    const pieces: Piece[] = [];
    for (let piece = inbox.next(true); piece !== undefined && piece !== "gap"; piece = inbox.next(true)) {
      const { bytes, atMs } = piece;
      // What is decoded in threads of its own must not be written to meanwhile.
      pieces.push({ bytes: isBigBlock(bytes) ? bytes.slice() : bytes, atMs });
    }
    inbox.clear();
    return pieces;
  }

  async function decode(through: ContentDecoder): Promise<void> {
    const taken = takePieces();
    encodedBytes += taken.reduce((size, { bytes }) => size + bytes.byteLength, 0);
    if (encodedBytes > KEPT_ENCODED) encoded = undefined;
    else encoded?.push(...taken);
    for (const { bytes, atMs } of taken) {
      // Little by little: what is packed may unpack to a thousand times as much.
      for (let at = 0; at < bytes.byteLength; at += DECODE_SLICE) {
        for (const decoded of await through.write(bytes.subarray(at, at + DECODE_SLICE))) assembly?.push(decoded, atMs);
      }
    }
    if (exchange.isEnded && exchange.pendingBytes === 0 && !isDecoderEnded) {
      isDecoderEnded = true;
      const atMs = exchange.endTime - exchange.startTime;
      for (const bytes of await through.end()) assembly?.push(bytes, atMs);
    }
    job.busy = undefined;
  }

  function isDrained(): boolean {
    return (
      job.busy === undefined &&
      exchange.pendingBytes === 0 &&
      inbox.isEmpty() &&
      (decoder === undefined || isDecoderEnded || isNoCall)
    );
  }

  function finish(): AssembledExchange | undefined {
    if (answer?.type === "assembled") return answer.assembled;
    if (isNoCall || (exchange.sniffed && assembly === undefined && !hasCallShape(exchange, readBody().value))) {
      return undefined;
    }
    assembly ??= start();
    const assembled = assembly.finish({ interrupted: exchange.hasError });
    if (knownFirstToken !== undefined) {
      delete assembled.firstTokenMs;
      if (knownFirstToken.ms !== undefined) assembled.firstTokenMs = knownFirstToken.ms;
    }
    // A broken wire breaks the content encoding too: one note says it.
    for (const note of decoder?.notes ?? []) {
      if (!(exchange.hasError && note === "truncated_content_encoding")) assembled.notes.push(note);
      if (note === "decompressed_body_too_large") assembled.responseTruncated = true;
    }
    return assembled;
  }

  return job;
}

function readRequestBody(exchange: Exchange): ParsedBody {
  const contentType = exchange.requestHeaders["content-type"];
  const { requestSource, requestChunks } = exchange;
  if (Array.isArray(requestSource)) return { value: readForm(requestSource), notes: [] };
  const body = exchange.requestBody ?? (requestChunks === undefined ? undefined : joinRequest(requestChunks));
  const { requestTruncated: truncated, requestTail: tail } = exchange;
  return decodeRequestBody(body, contentType, tail === undefined ? { truncated } : { truncated, tail });
}

function joinRequest(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : concat(chunks);
}

/** The text fields, and of files what describes them. */
function readForm(entries: readonly (readonly [string, string | Blob])[]): Record<string, unknown> {
  const fields: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of entries) {
    fields[name] =
      typeof value === "string"
        ? value
        : { filename: (value as File).name, mimeType: value.type === "" ? undefined : value.type, bytes: value.size };
  }
  return { ...fields };
}

async function readBlob(exchange: Exchange, limit: number): Promise<void> {
  const blob = exchange.requestSource as Blob;
  exchange.requestSource = undefined;
  try {
    exchange.requestBody = new Uint8Array(await blob.slice(0, limit).arrayBuffer());
    exchange.requestTruncated = blob.size > limit;
  } catch {
    exchange.notes.push("request_body_not_captured");
  }
}
