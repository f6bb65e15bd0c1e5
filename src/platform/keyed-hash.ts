/** SHA-256 with a secret key in front of the text, in one call: no `Hash` object is left to the garbage collector. */
import { builtIn } from "./built-in.ts";

type Crypto = typeof import("node:crypto") & {
  /** Node 20.12 and later, but not 21.0 to 21.6. */
  hash?: (algorithm: string, data: string, encoding: string) => string;
};

/** As hex digits it fills the first block of SHA-256. */
const KEY_BYTES = 32;

export function createHashKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES));
}

/**
 * What HMAC has beyond a key in front of the text keeps who sees a hash from extending the text that it is of. Nobody
 * sees these: they are compared in this process and never leave it. So the second hash, half of the cost, is saved.
 *
 * @param key One of `createHashKey`.
 * @returns 32 bytes, as a text with a character for each: it is as short as such a key can be
 */
export function createKeyedHash(key: Uint8Array): (text: string) => string {
  const { createHash, hash } = builtIn("node:crypto") as Crypto;
  const start = Buffer.from(key).toString("hex");
  if (hash === undefined) return (text) => createHash("sha256").update(start).update(text).digest("binary");
  return (text) => hash("sha256", start + text, "binary");
}
