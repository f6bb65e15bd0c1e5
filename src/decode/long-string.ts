/** The content of one long JSON string, piece by piece: its length, its hash and, where it is base64, its digest. */
import type { RunningDigest, RunningHash, RunningSums } from "#platform";
import type { AbridgedFacts } from "../abridged-text.ts";
import { concat } from "./bytes.ts";
import { countOpenBytes, decodeUtf8, decodeUtf8Lossy } from "./utf8.ts";

/** Longer than any MIME type with its parameters. */
const DATA_URL = /^data:[^,]{0,500};base64,/i;
/** What tells base64 from text: it has no spaces. Where it begins with silence or black, it is all the same letter. */
const SNIFFED = 2048;
const BASE64 = /^[A-Za-z0-9+/_-]+$/;
const HIGH_SURROGATE = /^\\u[dD][89abAB]/;

export class LongString {
  /** UTF-16 units so far. */
  length = 0;
  /** UTF-16 units of what is kept of it. */
  keptLength = 0;
  /** Bytes that were given and not read yet: half a character, or half an escape. */
  openBytes = 0;
  hasInvalidUtf8 = false;
  /** Of `data:…;base64,` in front of it. */
  prefixLength = 0;
  readonly #sums: RunningSums;
  readonly #hash: RunningHash;
  #media: RunningDigest | undefined;
  #open: Uint8Array | undefined;
  /** It holds what JSON does not allow. */
  #isBroken = false;

  constructor(sums: RunningSums) {
    this.#sums = sums;
    this.#hash = sums.startHash();
  }

  /** Takes the raw bytes between the quotes. Keeps no reference to them. */
  add(bytes: Uint8Array): void {
    const input = this.#takeOpen(bytes);
    const raw = this.#sums.readLatin1(input);
    const end = findWholeEnd(input, raw);
    if (end < input.byteLength) this.#open = input.slice(end);
    this.openBytes = input.byteLength - end;
    this.#read(input.subarray(0, end), raw.indexOf("\\") !== -1);
  }

  /** The same, of ASCII without escapes. */
  addPlain(bytes: Uint8Array): void {
    if (this.#open !== undefined || this.#media !== undefined) {
      this.add(bytes);
      return;
    }
    this.length += bytes.byteLength;
    this.#hash.addBytes(bytes);
  }

  end(): AbridgedFacts {
    if (this.#open !== undefined) this.#read(this.#takeOpen(new Uint8Array(0)), true);
    const media = this.#media?.end();
    return {
      length: this.length,
      ...(!this.#isBroken && { hash: this.#hash.end() }),
      ...(media !== undefined && !this.#isBroken && { media }),
    };
  }

  #takeOpen(bytes: Uint8Array): Uint8Array {
    const open = this.#open;
    if (open === undefined) return bytes;
    this.#open = undefined;
    return concat([open, bytes]);
  }

  #read(bytes: Uint8Array, mayBeEscaped: boolean): void {
    const text = this.#decode(bytes, mayBeEscaped);
    const content = this.length === 0 ? this.#begin(text) : text;
    this.length += text.length;
    this.#hash.add(content);
    this.#media?.add(content);
  }

  #decode(bytes: Uint8Array, mayBeEscaped: boolean): string {
    let text = decodeUtf8(bytes);
    if (text === undefined) {
      this.hasInvalidUtf8 = true;
      text = decodeUtf8Lossy(bytes);
    }
    if (!mayBeEscaped) return text;
    try {
      return JSON.parse(`"${text}"`) as string;
    } catch {
      this.#isBroken = true;
      return text;
    }
  }

  /** @returns what counts of the first piece */
  #begin(text: string): string {
    const prefix = DATA_URL.exec(text.slice(0, 600))?.[0] ?? "";
    this.prefixLength = prefix.length;
    const content = text.slice(prefix.length);
    const start = content.slice(0, SNIFFED);
    if (prefix !== "" || BASE64.test(start)) this.#media = this.#sums.startDigest();
    return content;
  }
}

/** Where the last character ends that is whole, escapes and surrogate pairs too. */
function findWholeEnd(bytes: Uint8Array, raw: string): number {
  let end = bytes.byteLength - countOpenBytes(bytes);
  let last = -1;
  for (let at = raw.indexOf("\\"); at !== -1;) {
    const next = at + (raw.charCodeAt(at + 1) === 0x75 ? 6 : 2);
    if (next > end) {
      end = at;
      break;
    }
    last = at;
    at = raw.indexOf("\\", next);
  }
  // Its other half may follow.
  return last !== -1 && last + 6 === end && HIGH_SURROGATE.test(raw.slice(last, end)) ? last : end;
}
