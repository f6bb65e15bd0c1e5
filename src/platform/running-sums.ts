/** What is found out about a text while it goes by in pieces. */
import type { Hash } from "node:crypto";
import { builtIn } from "./built-in.ts";
import { deriveLongKey, GcmSum } from "./keyed-hash.ts";
import type { MediaDigest, RunningDigest, RunningSums } from "./platform.ts";

/** Characters of base64 that are decoded at once, into memory that is used again. */
const PIECE = 16 * 1024;
let decoded: Buffer | undefined;

/** @param key One of `createHashKey`. */
export function createRunningSums(key: Uint8Array): RunningSums | undefined {
  const longKey = deriveLongKey(key);
  const { isAscii } = builtIn("node:buffer");
  return {
    readLatin1: (bytes) => toBuffer(bytes).toString("latin1"),
    isPlain: (bytes) => isAscii(bytes) && !hasQuoteOrBackslash(toBuffer(bytes)),
    startHash: () => new GcmSum(longKey),
    startDigest: () => new Base64Digest(),
  };
}

function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function hasQuoteOrBackslash(bytes: Buffer): boolean {
  return bytes.indexOf(0x22) !== -1 || bytes.indexOf(0x5c) !== -1;
}

/** Whole groups of four characters are decoded. */
class Base64Digest implements RunningDigest {
  readonly #hash: Hash = builtIn("node:crypto").createHash("sha256");
  #rest = "";
  #bytes = 0;
  #isOver = false;
  #isValid = true;

  add(text: string): void {
    const joined = this.#rest + (text.includes("\n") ? text.replaceAll(/[\r\n]/g, "") : text);
    const whole = joined.length - (joined.length % 4);
    for (let at = 0; at < whole; at += PIECE) this.#take(joined.slice(at, Math.min(whole, at + PIECE)));
    this.#rest = joined.slice(whole);
  }

  end(): MediaDigest | undefined {
    if (this.#rest !== "") this.#take(this.#rest);
    return this.#isValid ? { bytes: this.#bytes, sha256: this.#hash.digest("hex") } : undefined;
  }

  #take(base64: string): void {
    // Nothing comes behind padding.
    if (this.#isOver) this.#isValid = false;
    if (!this.#isValid) return;
    decoded ??= Buffer.alloc(PIECE);
    const written = decoded.write(base64, "base64");
    const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
    this.#isOver = padding > 0;
    this.#isValid = written === Math.floor(((base64.length - padding) * 3) / 4);
    this.#bytes += written;
    this.#hash.update(decoded.subarray(0, written));
  }
}
