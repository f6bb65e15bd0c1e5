/**
 * SHA-256 with a secret key in front of the text, in one call: no `Hash` object is left to the garbage collector. Long
 * texts are summed up by the authentication of AES-GCM, at a third of the cost.
 */
import type { CipherGCM, Hash } from "node:crypto";
import { builtIn } from "./built-in.ts";
import type { MediaDigest, RunningDigest, RunningHash, RunningSums } from "./platform.ts";

type Crypto = typeof import("node:crypto") & {
  /** Node 20.12 and later, but not 21.0 to 21.6. */
  hash?: (algorithm: string, data: string, encoding: string) => string;
};

/** As hex digits it fills the first block of SHA-256. */
const KEY_BYTES = 32;

export function createHashKey(): Uint8Array {
  return builtIn("node:crypto").randomBytes(KEY_BYTES);
}

/** Characters from which the other way is the cheaper one. */
const LONG = 8 * 1024;
/** Characters that are encoded at once, into memory that is used again. */
const PIECE = 16 * 1024;
const NO_NONCE = new Uint8Array(12);

let scratch: Uint8Array | undefined;
let decoded: Buffer | undefined;
const encoder = new TextEncoder();

/**
 * What HMAC has beyond a key in front of the text keeps who sees a hash from extending the text that it is of. Nobody
 * sees these: they are compared in this process and never leave it. So the second hash, half of the cost, is saved. That
 * is also why the same nonce may serve all long texts: without their tags nobody learns the key of the sum.
 *
 * @param key One of `createHashKey`.
 * @returns 32 bytes, of a long text 16, as a text with a character for each: it is as short as such a key can be
 */
export function createKeyedHash(key: Uint8Array): (text: string) => string {
  const { createHash, hash } = builtIn("node:crypto") as Crypto;
  const start = Buffer.from(key).toString("hex");
  const hashShort = (text: string): string =>
    hash === undefined
      ? createHash("sha256").update(start).update(text).digest("binary")
      : hash("sha256", start + text, "binary");
  const longKey = deriveLongKey(key);
  return (text) => (text.length < LONG ? hashShort(text) : sumUp(text, longKey));
}

function deriveLongKey(key: Uint8Array): Uint8Array {
  const start = Buffer.from(key).toString("hex");
  return builtIn("node:crypto").createHash("sha256").update(start).update("long").digest().subarray(0, 16);
}

function sumUp(text: string, key: Uint8Array): string {
  const sum = new GcmSum(key);
  sum.add(text);
  return sum.end();
}

/** The hash of a long text that comes in pieces. */
class GcmSum implements RunningHash {
  readonly #cipher: CipherGCM;

  constructor(key: Uint8Array) {
    this.#cipher = builtIn("node:crypto").createCipheriv("aes-128-gcm", key, NO_NONCE);
  }

  add(text: string): void {
    scratch ??= new Uint8Array(3 * PIECE);
    for (let at = 0; at < text.length;) {
      const end = isHighSurrogate(text.charCodeAt(at + PIECE - 1)) ? at + PIECE - 1 : at + PIECE;
      const { written } = encoder.encodeInto(text.slice(at, end), scratch);
      this.#cipher.setAAD(scratch.subarray(0, written));
      at = end;
    }
  }

  addBytes(bytes: Uint8Array): void {
    this.#cipher.setAAD(bytes);
  }

  end(): string {
    this.#cipher.final();
    return this.#cipher.getAuthTag().toString("binary");
  }
}

/** Half of a character is another text. */
function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

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

/** Whole groups of four characters are decoded, into memory that is used again. */
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
