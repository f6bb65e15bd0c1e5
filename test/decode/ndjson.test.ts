import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createNdjsonSplitter } from "../../src/decode/ndjson.ts";
import { collect, cutAt, cuts, everyByte, growsLinearly } from "./rechunk.ts";

const split = (pieces: readonly string[], maxLength?: number) =>
  collect((sink) => createNdjsonSplitter(sink, maxLength), pieces);

describe("newline-delimited JSON", () => {
  const cases: [name: string, input: string, texts: string[]][] = [
    ["a value a line", '{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']],
    ["CRLF", '{"a":1}\r\n{"b":2}\r\n', ['{"a":1}', '{"b":2}']],
    ["blank lines", '\n\n{"a":1}\n\n\n{"b":2}', ['{"a":1}', '{"b":2}']],
    ["record separators", '\u001e{"a":1}\n\u001e{"b":2}\n', ['{"a":1}', '{"b":2}']],
    ["no last line end", '{"a":1}\n{"b":', ['{"a":1}', '{"b":']],
    ["nothing", "", []],
  ];
  it.each(cases)("reads %s", (_, input, texts) => {
    const expected = { events: texts.map((text) => ({ text })), notes: [] };
    expect(split([input])).toEqual(expected);
    expect(split(everyByte(input))).toEqual(expected);
  });

  it("gives the same lines for every chunking", () => {
    const text = fc.array(fc.string({ unit: "grapheme" }), { maxLength: 10 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(text, cuts, (input, shares) => {
        expect(split(cutAt(input, shares))).toEqual(split([input]));
      }),
    );
  });

  it("skips a line that is too long and reads what follows", () => {
    const text = `{"a":1}\n${"x".repeat(2000)}\n{"b":2}\n`;
    const expected = { events: [{ text: '{"a":1}' }, { text: '{"b":2}' }], notes: ["ndjson_line_too_long"] };
    expect(split([text], 1000)).toEqual(expected);
    expect(split(everyByte(text), 1000)).toEqual(expected);
  });

  it("takes time in proportion to a line in many pieces", () => {
    expect(growsLinearly((size) => split(Array.from({ length: size }, () => "xxxx")), 5000)).toBe(true);
  });
});
