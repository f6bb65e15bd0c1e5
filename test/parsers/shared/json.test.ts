import { describe, expect, it } from "vitest";
import {
  asCount,
  asIndex,
  asLabel,
  asScalarString,
  compact,
  omitKeys,
  readArguments,
} from "../../../src/parsers/shared/json.ts";

describe("readers", () => {
  it.each<[string, (value: unknown) => unknown, [unknown, unknown][]]>([
    [
      "asCount",
      asCount,
      [
        [0, 0],
        [1.5, 1.5],
        [-1, undefined],
        [Number.NaN, undefined],
        [1e300, undefined],
        ["1", 1],
        ["1.5", undefined],
        ["1e3", undefined],
        ["", undefined],
        [null, undefined],
      ],
    ],
    [
      "asIndex",
      asIndex,
      [
        [0, 0],
        [-0, 0],
        ["7", 7],
        ["007", 7],
        [-1, undefined],
        [1.5, undefined],
        ["x", undefined],
        ["", undefined],
        [2 ** 60, undefined],
        [null, undefined],
      ],
    ],
    [
      "asLabel",
      asLabel,
      [
        ["a", "a"],
        ["", undefined],
        [1, undefined],
        ["x".repeat(5000), "x".repeat(4096)],
      ],
    ],
    [
      "asScalarString",
      asScalarString,
      [
        ["a", "a"],
        [400, "400"],
        ["", undefined],
        [Number.NaN, undefined],
        [{}, undefined],
      ],
    ],
  ])("%s", (_name, reader, cases) => {
    for (const [value, expected] of cases) expect(reader(value)).toBe(expected);
  });
});

describe("readArguments", () => {
  it.each<[unknown, unknown]>([
    ["", {}],
    ["  ", {}],
    ['{"a":1}', { a: 1 }],
    ["[1]", [1]],
    ['{"a":', '{"a":'],
    ["null", "null"],
    ["text", "text"],
    [undefined, {}],
    [null, {}],
    [{ a: 1 }, { a: 1 }],
    [0, 0],
  ])("%j is %j", (value, expected) => {
    expect(readArguments(value)).toEqual(expected);
  });
});

it("readArguments leaves text that is nested without end as text", () => {
  const text = "[".repeat(50_000) + "]".repeat(50_000);
  expect(readArguments(text)).toBe(text);
});

describe("omitKeys", () => {
  it("copies what is left and has a value, and no prototype", () => {
    const source = JSON.parse('{"model":"m","a":1,"b":null,"c":false,"__proto__":{"polluted":true}}') as Record<
      string,
      unknown
    >;
    const rest = omitKeys(source, new Set(["model"]));
    expect(rest).toEqual({ a: 1, c: false });
    expect(Object.getPrototypeOf(rest)).toBe(Object.prototype);
  });
});

it("compact leaves out what has no value", () => {
  expect(Object.keys(compact<{ a?: number; b?: number }>({ a: 0, b: undefined }))).toEqual(["a"]);
});
