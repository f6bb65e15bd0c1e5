import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createJsonArraySplitter } from "../../src/decode/json-array.ts";
import { collect, cutAt, cuts, everyByte, growsLinearly } from "./rechunk.ts";

const split = (pieces: readonly string[], maxLength?: number) =>
  collect((sink) => createJsonArraySplitter(sink, maxLength), pieces);
const values = (pieces: readonly string[]): unknown[] =>
  split(pieces).events.map(({ text }) => JSON.parse(text) as unknown);

describe("a JSON array in pieces", () => {
  const cases: [name: string, input: string, texts: string[]][] = [
    ["elements over several lines", '[{\n  "a": 1\n},\n{\n  "a": 2\n}\n]', ['{\n  "a": 1\n}', '{\n  "a": 2\n}']],
    [
      "brackets and quotes inside of strings",
      '[{"a":"]},[{\\"\\\\"},{"b":"\\""}]',
      ['{"a":"]},[{\\"\\\\"}', '{"b":"\\""}'],
    ],
    ["nested arrays", "[[1,[2]],[3]]", ["[1,[2]]", "[3]"]],
    ["scalars", '[1, "a,b", null]', ["1", '"a,b"', "null"]],
    ["an empty array", "[ ]", []],
    ["white space around", ' \n [ {"a":1} ] \n', ['{"a":1}']],
    ["something behind the array", '[{"a":1}]{"b":2}]', ['{"a":1}']],
    ["an end inside of an element", '[{"a":1},{"b":', ['{"a":1}', '{"b":']],
    ["closing brackets only", "]]}}", []],
    ["nothing", "", []],
  ];
  it.each(cases)("reads %s", (_, input, texts) => {
    const expected = { events: texts.map((text) => ({ text })), notes: [] };
    expect(split([input])).toEqual(expected);
    expect(split(everyByte(input))).toEqual(expected);
  });

  it("finds the elements of any array at any chunking", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), fc.constantFrom(0, 2), cuts, (array, indent, shares) => {
        const text = JSON.stringify(array, undefined, indent);
        expect(values(cutAt(text, shares))).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it("neither throws nor finds more than there is in hostile text", () => {
    const hostile = fc.string({ unit: fc.constantFrom("[", "]", "{", "}", '"', "\\", ",", "a", "\n") });
    fc.assert(
      fc.property(hostile, cuts, (text, shares) => {
        const whole = split([text]);
        expect(split(cutAt(text, shares))).toEqual(whole);
        expect(whole.events.reduce((sum, event) => sum + event.text.length, 0)).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 500 },
    );
  });

  it("skips an element that is too long and reads the next", () => {
    const text = `[{"a":1},{"a":"${"x".repeat(2000)}"},{"a":3}]`;
    const expected = { events: [{ text: '{"a":1}' }, { text: '{"a":3}' }], notes: ["json_element_too_long"] };
    expect(split([text], 1000)).toEqual(expected);
    expect(split(everyByte(text), 1000)).toEqual(expected);
  });

  it.each([
    ["deep nesting", (size: number) => ["[".repeat(size)]],
    ["one element in many pieces", (size: number) => ["[", ...Array.from({ length: size }, () => '"x')]],
    ["backslashes", (size: number) => [`["${"\\".repeat(size)}`]],
  ])("takes time in proportion to its input: %s", (_, create) => {
    expect(growsLinearly((size) => split(create(size)), 20_000)).toBe(true);
  });
});
