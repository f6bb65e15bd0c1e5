/** Undoes `content-encoding`, chunk by chunk, off the path of the user's call. */
import { createDecompressor, decompressSync, type DecompressSyncOptions, type Decompressor } from "#platform";

export interface ContentDecoder {
  /** Decoded bytes, as far as they go. Never rejects: what is corrupt ends the body with a note. */
  write(bytes: Uint8Array): Promise<Uint8Array[]>;
  end(): Promise<Uint8Array[]>;
  /**
   * What was odd: `unknown_content_encoding`, `corrupt_content_encoding`, `truncated_content_encoding`,
   * `decompressed_body_too_large`.
   */
  readonly notes: readonly string[];
}

export interface ContentDecoderOptions {
  /** Decoded bytes after which the rest of the body is dropped. Default 256 MiB. */
  maxOutputBytes?: number;
}

const MAX_OUTPUT = 256 * 1024 * 1024;
/** Codings that may be stacked; more is an attack (RFC 9110 sets no limit, real responses have one). */
const MAX_CODINGS = 4;
/** Bytes given to a decompressor at once: its whole output comes back in one go, up to a thousand times as much. */
const SLICE = 16 * 1024;

/**
 * A decoder for a `content-encoding` header; `undefined` when there is nothing to decode.
 * An encoding that is not known makes the body unreadable: nothing comes out, with a note.
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-content-encoding
 */
export function createContentDecoder(
  header: string | undefined,
  options: ContentDecoderOptions = {},
): ContentDecoder | undefined {
  const codings = readCodings(header);
  if (codings.length === 0) return undefined;
  const maxOutput = options.maxOutputBytes ?? MAX_OUTPUT;
  const notes: string[] = [];
  const stages = codings.length > MAX_CODINGS ? undefined : createStages(codings);
  /** Nothing is decoded any more once the body turned out to be unreadable, corrupt or too large. */
  const state = { isOver: false, outputBytes: 0 };
  if (stages === undefined) stop("unknown_content_encoding");

  function stop(note: string): void {
    state.isOver = true;
    notes.push(note);
  }

  /** Runs bytes through the stages from `index` on. */
  async function run(index: number, bytes: Uint8Array, result: Uint8Array[]): Promise<void> {
    const stage = stages?.[index];
    if (stage === undefined) {
      state.outputBytes += bytes.byteLength;
      if (state.outputBytes > maxOutput) stop("decompressed_body_too_large");
      else result.push(bytes);
      return;
    }
    for (let at = 0; at < bytes.byteLength && !state.isOver; at += SLICE) {
      for (const piece of await stage.write(bytes.subarray(at, at + SLICE))) {
        if (!state.isOver) await run(index + 1, piece, result);
      }
      if (stage.overflowed && !state.isOver) stop("decompressed_body_too_large");
    }
  }

  async function guarded(ending: boolean, work: (result: Uint8Array[]) => Promise<void>): Promise<Uint8Array[]> {
    const result: Uint8Array[] = [];
    if (state.isOver) return result;
    try {
      await work(result);
    } catch {
      stop(ending ? "truncated_content_encoding" : "corrupt_content_encoding");
    }
    return result;
  }

  return {
    write: (bytes) => guarded(false, (result) => run(0, bytes, result)),
    end: () =>
      guarded(true, async (result) => {
        for (const [index, stage] of (stages ?? []).entries()) {
          for (const piece of await stage.end()) if (!state.isOver) await run(index + 1, piece, result);
          if (stage.overflowed && !state.isOver) stop("decompressed_body_too_large");
        }
      }),
    notes,
  };
}

/**
 * The same at once, as far as the bytes go, for when there is no time to wait. `undefined` where that can't be done:
 * an encoding that is not known, corrupt bytes, too much output.
 */
export function decodeContentSync(
  header: string | undefined,
  bytes: Uint8Array,
  options?: DecompressSyncOptions,
): Uint8Array | undefined {
  const codings = readCodings(header);
  if (codings.length > MAX_CODINGS) return undefined;
  let decoded: Uint8Array | undefined = bytes;
  for (const coding of codings) {
    if (decoded === undefined || decoded.byteLength === 0) return decoded;
    decoded = decompressSync(nameFormat(coding, decoded), decoded, options);
  }
  return decoded;
}

/** The codings in the order in which they have to be undone. */
function readCodings(header: string | undefined): string[] {
  if (header === undefined) return [];
  return header
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")
    .toReversed();
}

function createStages(codings: readonly string[]): Decompressor[] | undefined {
  const stages: Decompressor[] = [];
  for (const coding of codings) {
    const stage = coding === "deflate" ? createInflate() : createDecompressor(coding === "x-gzip" ? "gzip" : coding);
    if (stage === undefined) return undefined;
    stages.push(stage);
  }
  return stages;
}

function nameFormat(coding: string, bytes: Uint8Array): string {
  if (coding === "deflate") return isRawDeflate(bytes) ? "deflate-raw" : "deflate";
  return coding === "x-gzip" ? "gzip" : coding;
}

/** `deflate` means zlib's format; some servers send it without zlib's header. The first byte tells. */
function isRawDeflate(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 8) & 0x0f) !== 8;
}

function createInflate(): Decompressor {
  let chosen: Decompressor | undefined;
  return {
    write(bytes) {
      if (bytes.byteLength === 0) return Promise.resolve([]);
      chosen ??= (isRawDeflate(bytes) ? createDecompressor("deflate-raw") : undefined) ?? createDecompressor("deflate");
      return chosen?.write(bytes) ?? Promise.reject(new Error("deflate is not supported here"));
    },
    end: () => chosen?.end() ?? Promise.resolve([]),
    get overflowed() {
      return chosen?.overflowed ?? false;
    },
  };
}
