/** One exchange in the pipeline: takes what the interceptor has noted, decodes it, and feeds the assembly. */
import { type ContentDecoder, createContentDecoder, decodeContentSync } from "../decode/content-encoding.ts";
import { decodeRequestBody, type ParsedBody } from "../decode/request-body.ts";
import type { Exchange } from "../types.ts";
import { type AssembledExchange, type Assembly, createAssembly } from "./assemble.ts";

export interface JobOptions {
  /** Characters of content that an answer may keep, and bytes of a body that is one JSON value. */
  exchangeBytes: number;
  /** Whether the body of a request to an unknown host is that of a call. */
  hasCallShape: (exchange: Exchange, body: unknown) => boolean;
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
  /** `undefined`: it was no call after all. */
  finish(): AssembledExchange | undefined;
}

/** Bytes fed at once when the time of each chunk no longer matters: about a tenth of a millisecond of work. */
const BATCH = 32 * 1024;
/** Encoded bytes decoded at once. */
const DECODE_SLICE = 16 * 1024;
/** Encoded bytes of an exchange that are kept for `workNow`; a stream that has had more ends with what was decoded. */
const KEPT_ENCODED = 16 * 1024;

interface Piece {
  bytes: Uint8Array;
  atMs: number;
}

export function createJob(exchange: Exchange, { exchangeBytes, hasCallShape }: JobOptions): Job {
  let pieces: Piece[] = [];
  let cursor = 0;
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

  const job: Job = { exchange, busy: undefined, work, workNow, isDrained, finish };

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

  /** Takes the blocks over; a chunk never spans two of them. */
  function take(): void {
    if (exchange.pendingBytes === 0) return;
    const { blocks, block, blockUsed, marks, startTime } = exchange;
    if (block !== undefined && blockUsed > 0) blocks.push(block.subarray(0, blockUsed));
    exchange.blocks = [];
    exchange.block = undefined;
    exchange.blockUsed = 0;
    exchange.marks = [];
    exchange.pendingBytes = 0;
    let index = 0;
    let used = 0;
    for (let mark = 0; mark + 1 < marks.length; mark += 2) {
      const size = marks[mark] ?? 0;
      const atMs = (marks[mark + 1] ?? 0) - startTime;
      if (size === 0) continue;
      let from = blocks[index];
      if (from !== undefined && used >= from.byteLength) {
        index += 1;
        used = 0;
        from = blocks[index];
      }
      if (from === undefined) break;
      pieces.push({ bytes: from.subarray(used, used + size), atMs });
      used += size;
    }
  }

  function work(isTimeUp: () => boolean): boolean {
    if (job.busy !== undefined) return false;
    if (exchange.requestSource !== undefined && !Array.isArray(exchange.requestSource)) {
      job.busy = readBlob(exchange, exchangeBytes).then(() => {
        job.busy = undefined;
      });
      return false;
    }
    take();
    if (exchange.sniffed && !isNoCall && assembly === undefined && (pieces.length > 0 || exchange.isEnded)) {
      isNoCall = !hasCallShape(exchange, readBody().value);
    }
    if (isNoCall) {
      pieces = [];
      cursor = 0;
      return false;
    }
    if (assembly === undefined && (pieces.length > 0 || exchange.isEnded)) assembly = start();
    if (decoder !== undefined) {
      if (cursor < pieces.length || (exchange.isEnded && !isDecoderEnded)) job.busy = decode(decoder);
      return false;
    }
    return feed(isTimeUp);
  }

  function workNow(): void {
    const isReadingBlob = job.busy !== undefined && assembly === undefined;
    if (isReadingBlob || (exchange.requestSource !== undefined && !Array.isArray(exchange.requestSource))) {
      exchange.requestSource = undefined;
      exchange.notes.push("request_body_not_captured");
    }
    take();
    if (exchange.sniffed && assembly === undefined) isNoCall ||= !hasCallShape(exchange, readBody().value);
    if (isNoCall) return;
    assembly ??= start();
    if (decoder === undefined) feed(() => false);
    else if (!isDecoderEnded || job.busy !== undefined) decodeNow();
  }

  /** All over again, because the decoder may be in the middle of something. */
  function decodeNow(): void {
    const all = encoded === undefined ? [] : [...encoded, ...pieces.slice(cursor)];
    const bytes = joinChunks(all.map((piece) => piece.bytes));
    const decoded = decodeContentSync(exchange.responseHeaders["content-encoding"], bytes);
    if (decoded === undefined || decoded.byteLength === 0) return;
    knownFirstToken = { ms: assembly?.firstTokenMs };
    assembly = start();
    decoder = undefined;
    assembly.push(decoded, all.at(-1)?.atMs ?? 0);
  }

  /** @returns whether there is more */
  function feed(isTimeUp: () => boolean): boolean {
    while (cursor < pieces.length) {
      const piece = pieces[cursor];
      if (piece === undefined) break;
      cursor += 1;
      if (assembly?.firstTokenMs !== undefined) mergeFollowing(piece);
      assembly?.push(piece.bytes, piece.atMs);
      if (isTimeUp()) break;
    }
    if (cursor < pieces.length) return true;
    pieces = [];
    cursor = 0;
    return false;
  }

  /** Neighbours in one block are fed together once the first token's time is known. */
  function mergeFollowing(piece: Piece): void {
    for (;;) {
      const next = pieces[cursor];
      if (
        next === undefined ||
        next.bytes.buffer !== piece.bytes.buffer ||
        next.bytes.byteOffset !== piece.bytes.byteOffset + piece.bytes.byteLength ||
        piece.bytes.byteLength >= BATCH
      ) {
        return;
      }
      piece.bytes = new Uint8Array(
        piece.bytes.buffer,
        piece.bytes.byteOffset,
        piece.bytes.byteLength + next.bytes.byteLength,
      );
      piece.atMs = next.atMs;
      cursor += 1;
    }
  }

  async function decode(through: ContentDecoder): Promise<void> {
    const taken = pieces.slice(cursor);
    pieces = [];
    cursor = 0;
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
      cursor >= pieces.length &&
      (decoder === undefined || isDecoderEnded || isNoCall)
    );
  }

  function finish(): AssembledExchange | undefined {
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
  const body = exchange.requestBody ?? (requestChunks === undefined ? undefined : joinChunks(requestChunks));
  return decodeRequestBody(body, contentType, { truncated: exchange.requestTruncated });
}

function joinChunks(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const joined = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
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
