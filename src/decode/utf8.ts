/** Bytes to text, push by push, with a note when they were no UTF-8. */

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
  let held: Uint8Array | undefined;
  let atStart = true;

  function decode(bytes: Uint8Array): string {
    let text: string;
    try {
      text = strict.decode(bytes);
    } catch {
      utf8.invalid = true;
      text = lossy.decode(bytes);
    }
    if (!atStart || text === "") return text;
    atStart = false;
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  // A property, not a getter: an object with getters is slow to make.
  const utf8: { -readonly [Key in keyof Utf8Decoder]: Utf8Decoder[Key] } = {
    invalid: false,
    push(bytes) {
      let input = bytes;
      if (held !== undefined) {
        input = new Uint8Array(held.byteLength + bytes.byteLength);
        input.set(held);
        input.set(bytes, held.byteLength);
        held = undefined;
      }
      const end = input.byteLength - countOpenBytes(input);
      if (end < input.byteLength) held = input.slice(end);
      return end === 0 ? "" : decode(end < input.byteLength ? input.subarray(0, end) : input);
    },
    end() {
      const rest = held;
      held = undefined;
      return rest === undefined ? "" : decode(rest);
    },
  };
  return utf8;
}

/** How many bytes at the end begin a character that is not yet whole: 0 to 3. */
function countOpenBytes(bytes: Uint8Array): number {
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
