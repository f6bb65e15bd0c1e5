/**
 * SHA-256 with a secret key in front of the text, in one call: no `Hash` object is left to the garbage collector. Long
 * texts are summed up by the authentication of AES-GCM, at a third of the cost.
 */
import type { CipherGCM } from "node:crypto";
import { builtIn } from "./built-in.ts";
import type { RunningHash } from "./platform.ts";

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

/** Of the sum of long texts. */
export function deriveLongKey(key: Uint8Array): Uint8Array {
  const start = Buffer.from(key).toString("hex");
  return builtIn("node:crypto").createHash("sha256").update(start).update("long").digest().subarray(0, 16);
}

function sumUp(text: string, key: Uint8Array): string {
  const sum = new GcmSum(key);
  sum.add(text);
  return sum.end();
}

/** The hash of a long text that comes in pieces. */
export class GcmSum implements RunningHash {
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
