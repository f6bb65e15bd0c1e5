/** Decompression in one go, for when the process ends and nothing can be waited for. */
import * as zlib from "node:zlib";
import { MAX_WRITE_OUTPUT } from "./platform.ts";

type DecompressNow = (bytes: Uint8Array, options: { finishFlush: number; maxOutputLength: number }) => Buffer;

const { constants } = zlib;
const { zstdDecompressSync } = zlib as unknown as { zstdDecompressSync?: DecompressNow };
const { ZSTD_e_flush: ZSTD_FLUSH = 0 } = constants as { ZSTD_e_flush?: number };

/** With the flush that takes a body which ends early for what it is. */
const SYNC_FORMATS: Readonly<Record<string, readonly [DecompressNow | undefined, finishFlush: number]>> = {
  gzip: [zlib.gunzipSync, constants.Z_SYNC_FLUSH],
  deflate: [zlib.inflateSync, constants.Z_SYNC_FLUSH],
  "deflate-raw": [zlib.inflateRawSync, constants.Z_SYNC_FLUSH],
  br: [zlib.brotliDecompressSync, constants.BROTLI_OPERATION_FLUSH],
  zstd: [zstdDecompressSync, ZSTD_FLUSH],
};

/** @returns all that comes out of `bytes`, which may end early; `undefined` where nothing sensible does */
export function decompressSync(encoding: string, bytes: Uint8Array): Uint8Array | undefined {
  const [decompress, finishFlush = 0] =
    (Object.hasOwn(SYNC_FORMATS, encoding) ? SYNC_FORMATS[encoding] : undefined) ?? [];
  try {
    return decompress?.(bytes, { finishFlush, maxOutputLength: MAX_WRITE_OUTPUT });
  } catch {
    return undefined;
  }
}
