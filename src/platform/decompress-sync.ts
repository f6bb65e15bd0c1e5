/** Decompression in one go: of what is small, and when the process ends and nothing can be waited for. */
import { builtIn } from "./built-in.ts";
import { type DecompressSyncOptions, MAX_WRITE_OUTPUT } from "./platform.ts";

type DecompressNow = (bytes: Uint8Array, options: { finishFlush?: number; maxOutputLength: number }) => Buffer;

type Zlib = typeof import("node:zlib") & { zstdDecompressSync?: DecompressNow };
type Format = (zlib: Zlib) => readonly [DecompressNow | undefined, finishFlush: number];

/** With the flush that takes a body which ends early for what it is. */
const SYNC_FORMATS: Readonly<Record<string, Format>> = {
  gzip: (zlib) => [zlib.gunzipSync, zlib.constants.Z_SYNC_FLUSH],
  deflate: (zlib) => [zlib.inflateSync, zlib.constants.Z_SYNC_FLUSH],
  "deflate-raw": (zlib) => [zlib.inflateRawSync, zlib.constants.Z_SYNC_FLUSH],
  br: (zlib) => [zlib.brotliDecompressSync, zlib.constants.BROTLI_OPERATION_FLUSH],
  zstd: (zlib) => [zlib.zstdDecompressSync, (zlib.constants as { ZSTD_e_flush?: number }).ZSTD_e_flush ?? 0],
};

/** @returns all that comes out of `bytes`, which may end early; `undefined` where nothing sensible does */
export function decompressSync(
  encoding: string,
  bytes: Uint8Array,
  { isWhole = false, maxOutput = MAX_WRITE_OUTPUT }: DecompressSyncOptions = {},
): Uint8Array | undefined {
  const format = Object.hasOwn(SYNC_FORMATS, encoding) ? SYNC_FORMATS[encoding] : undefined;
  const [decompress, finishFlush = 0] = format?.(builtIn("node:zlib")) ?? [];
  try {
    return decompress?.(bytes, { ...(!isWhole && { finishFlush }), maxOutputLength: maxOutput });
  } catch {
    return undefined;
  }
}
