/** Bytes to text, push by push, with a note when they were no UTF-8. */

import { concat } from "./bytes.ts";

export interface Utf8Decoder {
  push(bytes: Uint8Array): string;
  /** What was held back of a character that never became whole. */
  end(): string;
  /** Bytes that are no UTF-8 were replaced by U+FFFD. */
  readonly invalid: boolean;
}

// Shared, for they are expensive to make; they keep no state. Not `stream: true`: decoding whole sequences takes the fast
// path of the runtime, and a `fatal` decoder that throws in the middle of a stream has lost its state.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

/** A byte order mark at the start is dropped. */
export function createUtf8Decoder(): Utf8Decoder {
  return new Decoder();
}

/** All in one go. `undefined`: it is no UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The same, with U+FFFD for what is no UTF-8. */
export function decodeUtf8Lossy(bytes: Uint8Array): string {
  return lossy.decode(bytes);
}

/** A class, as all that there is one of for each exchange: to make a dozen closures takes longer than to use them. */
class Decoder implements Utf8Decoder {
  invalid = false;
  private held: Uint8Array | undefined = undefined;
  private atStart = true;

  push(bytes: Uint8Array): string {
    let input = bytes;
    if (this.held !== undefined) {
      input = concat([this.held, bytes]);
      this.held = undefined;
    }
    const end = input.byteLength - countOpenBytes(input);
    if (end < input.byteLength) this.held = input.slice(end);
    return end === 0 ? "" : this.decode(end < input.byteLength ? input.subarray(0, end) : input);
  }

  end(): string {
    const rest = this.held;
    this.held = undefined;
    return rest === undefined ? "" : this.decode(rest);
  }

  private decode(bytes: Uint8Array): string {
    let text: string;
    try {
      text = strict.decode(bytes);
    } catch {
      this.invalid = true;
      text = lossy.decode(bytes);
    }
    if (!this.atStart || text === "") return text;
    this.atStart = false;
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

/** How many bytes at the end begin a character that is not yet whole: 0 to 3. */
export function countOpenBytes(bytes: Uint8Array): number {
  const limit = Math.min(3, bytes.byteLength);
  for (let back = 1; back <= limit; back++) {
    const byte = bytes[bytes.byteLength - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > back ? back : 0;
    }
  }
  return 0;
}

/** Not in the middle of a character of UTF-8: at most three bytes back. */
export function endOfCharacter(bytes: Uint8Array, end: number): number {
  for (let back = 1; back <= Math.min(3, end); back += 1) {
    const byte = bytes[end - back];
    if (!isContinuation(byte)) return (byte ?? 0) >= 0xc0 ? end - back : end;
  }
  return end;
}

export function startOfCharacter(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < start + 3 && isContinuation(bytes[at])) at += 1;
  return at;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
