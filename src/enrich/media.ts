/** Inline media in texts and JSON values: a descriptor instead of the base64. */

import { changeAbridged, countBase64Bytes, readAbridged } from "../abridged-text.ts";

/** What the platform makes of base64 text. */
export type Digest = (base64: string) => { bytes: number; sha256: string };

export interface MediaFacts {
  bytes: number;
  /** Hex; absent when the platform failed. */
  sha256?: string;
}

export function digestMedia(base64: string, digest: Digest): MediaFacts {
  const abridged = readAbridged(base64);
  if (abridged !== undefined) return abridged.media ?? { bytes: countBase64Bytes(base64) };
  try {
    const { bytes, sha256 } = digest(base64);
    return { bytes, sha256 };
  } catch {
    return { bytes: countBase64Bytes(base64) };
  }
}

/** Both ends are anchored on literals or on classes that the match consumes, so this is linear. */
const DATA_URL =
  /data:([\w.+-]{1,64}\/[\w.+-]{1,64})?((?:;[\w.+-]{1,64}=[\w.+-]{1,64}){0,4});base64,([A-Za-z0-9+/_-]{64,}={0,2})/gi;

/** Replaces each `data:…;base64,…` in a text by `[image/png, 123 bytes, sha256 …]`. */
export function describeDataUrls(text: string, digest: Digest): string {
  if (!text.includes(";base64,")) return text;
  return changeAbridged(text, (piece, mark) => describeInPiece(piece, mark, digest));
}

function describeInPiece(piece: string, mark: string, digest: Digest): string {
  /** Of media that go on behind the piece. */
  const whole = mark === "" ? undefined : readAbridged(piece + mark);
  let isWhole = mark === "";
  const described = piece.replace(
    DATA_URL,
    (url: string, mimeType: string | undefined, _parameters: string, base64: string, at: number) => {
      const isLast = whole !== undefined && at + url.length === piece.length;
      // Without a digest something else stood behind the media: such a text keeps its mark, and is cut.
      isWhole ||= isLast && whole.media !== undefined;
      return describe(mimeType ?? "media", digestMedia(isLast ? base64 + mark : base64, digest));
    },
  );
  return isWhole ? described : described + mark;
}

/** Fields in which APIs put base64 without a `data:` in front. */
const base64Fields: ReadonlySet<string> = new Set([
  "data",
  "b64_json",
  "bytes",
  "base64",
  "blob",
  "content",
  "audio",
  "image",
  "file_data",
  "fileData",
  "image_data",
  "audio_data",
  "bytesBase64Encoded",
  "imageBytes",
  "videoBytes",
  "encrypted_content",
]);

const MIN_BASE64_LENGTH = 512;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** A descriptor for a long base64 value in a field that holds such; `undefined` for everything else. */
export function describeBase64Field(text: string, field: string | undefined, digest: Digest): string | undefined {
  if (text.length < MIN_BASE64_LENGTH || field === undefined || !base64Fields.has(field)) return undefined;
  const start = text.slice(0, MIN_BASE64_LENGTH);
  // Long words, hex and repeated letters are text; base64 of media has all three kinds within its first characters.
  if (!/[A-Z]/.test(start) || !/[a-z]/.test(start) || !/\d/.test(start) || !isBase64(text)) return undefined;
  return describe("base64", digestMedia(text, digest));
}

function isBase64(text: string): boolean {
  const abridged = readAbridged(text);
  return BASE64.test(abridged?.head ?? text) && (abridged === undefined || abridged.media !== undefined);
}

function describe(kind: string, { bytes, sha256 }: MediaFacts): string {
  return sha256 === undefined ? `[${kind}, ${bytes} bytes]` : `[${kind}, ${bytes} bytes, sha256 ${sha256}]`;
}
