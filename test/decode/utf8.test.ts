import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createUtf8Decoder } from "../../src/decode/utf8.ts";
import { cutAt, cuts, everyByte } from "./rechunk.ts";

function decode(pieces: readonly Uint8Array[]): { text: string; invalid: boolean } {
  const decoder = createUtf8Decoder();
  const text = pieces.map((piece) => decoder.push(piece)).join("") + decoder.end();
  return { text, invalid: decoder.invalid };
}

describe("UTF-8 in pieces", () => {
  it("gives the same text for every chunking", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), cuts, (text, shares) => {
        const bytes = new TextEncoder().encode(text);
        // A byte order mark at the start is none of the text.
        const expected = { text: new TextDecoder().decode(bytes), invalid: false };
        expect(decode(cutAt(bytes, shares))).toEqual(expected);
        expect(decode(everyByte(bytes))).toEqual(expected);
      }),
    );
  });

  it("replaces what is no UTF-8 as a decoder of the whole would, and says so", () => {
    const bytes = fc.array(
      fc.constantFrom(0x41, 0x80, 0xbf, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x91, 0x8b, 0xff, 0xed, 0xa0),
    );
    fc.assert(
      fc.property(bytes, cuts, (array, shares) => {
        const input = Uint8Array.from(array);
        const expected = new TextDecoder().decode(input);
        const whole = decode([input]);
        expect(whole.text).toBe(expected);
        expect(whole.invalid).toBe(expected.includes("\ufffd"));
        expect(decode(cutAt(input, shares))).toEqual(whole);
      }),
      { numRuns: 1000 },
    );
  });

  it("does not call a replacement character that was sent an error", () => {
    expect(decode([new TextEncoder().encode("a\ufffdb")])).toEqual({ text: "a\ufffdb", invalid: false });
  });

  it("drops a byte order mark at the start only", () => {
    const bytes = new TextEncoder().encode("\ufeffa\ufeffb");
    expect(decode([bytes]).text).toBe("a\ufeffb");
    expect(decode(everyByte(bytes)).text).toBe("a\ufeffb");
  });

  it("ends with a replacement for a character that never became whole", () => {
    expect(decode([Uint8Array.of(0x61, 0xe2, 0x82)])).toEqual({ text: "a\ufffd", invalid: true });
  });
});
