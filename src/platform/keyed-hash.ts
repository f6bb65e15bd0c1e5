/** HMAC with SHA-256, at half of what Node's `Hmac` objects cost, and without leaving them to the garbage collector. */
import { builtIn } from "./built-in.ts";

const BLOCK = 64;
const DIGEST = 32;

type Crypto = typeof import("node:crypto") & {
  /** Node 20.12 and later, but not 21.0 to 21.6. */
  hash?: (algorithm: string, data: string | Uint8Array, encoding: string) => string;
};

/** A key whose bytes are all ASCII can be put before a text as text: see `createKeyedHash`. */
export function createHashKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(2 * DIGEST)).map((byte) => byte & 0x7f);
}

/**
 * HMAC is two hashes, each with the key in front, and one-shot hashes are cheap; but they take text as UTF-8 only, in
 * which the key's block has to be what it is. With any other key it is Node's own.
 * @param key Best one of `createHashKey`.
 * @see https://www.rfc-editor.org/rfc/rfc2104
 */
export function createKeyedHash(key: Uint8Array): (text: string) => string {
  const { createHmac, hash } = builtIn("node:crypto") as Crypto;
  if (hash === undefined || key.byteLength > BLOCK || key.some((byte) => byte > 0x7f)) {
    return (text) => createHmac("sha256", key).update(text).digest("base64url");
  }
  const inner = String.fromCharCode(...padKey(key, 0x36));
  const outer = Buffer.concat([padKey(key, 0x5c), new Uint8Array(DIGEST)]);
  return (text) => {
    outer.write(hash("sha256", inner + text, "latin1"), BLOCK, "latin1");
    return hash("sha256", outer, "base64url");
  };
}

function padKey(key: Uint8Array, pad: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  block.set(key);
  return block.map((byte) => byte ^ pad);
}
