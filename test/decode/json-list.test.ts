import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countCommon } from "../../src/decode/common-beginning.ts";
import { findItemEnds, findList, findListEnd } from "../../src/decode/json-list.ts";

const indents = fc.constantFrom(0, 1, "\t", "  ");

describe("a list in a JSON text", () => {
  it("is found, with the end of each of its items", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue({ maxDepth: 4 })),
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        indents,
        (items, before, behind, indent) => {
          delete before["list"];
          delete behind["list"];
          const text = JSON.stringify({ ...before, list: items, ...behind }, undefined, indent);
          const start = findList(text, "list") as number;
          const ends = findItemEnds(text, start);
          const starts = [start, ...ends.slice(0, -1).map((end) => text.indexOf(",", end) + 1)];
          const read = ends.map((end, index): unknown => JSON.parse(text.slice(starts[index], end)));
          expect(read).toEqual(JSON.parse(JSON.stringify(items)));
          for (const from of [start, ...ends]) {
            const end = findListEnd(text, from) as number;
            expect(JSON.parse(text.slice(start - 1, end + 1))).toEqual(JSON.parse(JSON.stringify(items)));
          }
          expect(ends.flatMap((end) => findItemEnds(text, end)[0] ?? [])).toEqual(ends.slice(1));
          for (const [index, end] of ends.entries()) {
            expect(findItemEnds(text, start, end)).toEqual(ends.slice(0, index + 1));
            expect(findItemEnds(text, start, end - 1)).toEqual(ends.slice(0, index));
            expect(findItemEnds(text, start, Infinity, index)).toEqual(ends.slice(0, index));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['{"a":{"list":[1]},"b":["list"],"c":"list"}'],
    ['{"list":{"list":[]}}'],
    ['{"list":"[1]"}'],
    ['["list",[1]]'],
    ['"list"'],
    ["{}"],
    [""],
    ['{"\\u006cist":[1]}'],
    ['{"list'],
    ['{"a":"'],
    ["{{{{"],
  ])("is not found in %s", (text) => {
    expect(findList(text, "list")).toBeUndefined();
  });

  it("comes to an end in texts that are no JSON", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("{", "}", "[", "]", '"', "\\", ",", ":", " ", "a") }), (text) => {
        findList(text, "a");
        findItemEnds(text, 0);
        findListEnd(text, 1);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("what two texts begin with", () => {
  it("is counted to the character", () => {
    fc.assert(
      fc.property(fc.nat(5_000), fc.nat(3_000), fc.nat(3_000), fc.nat(4_000), (common, one, other, atLeast) => {
        const text = "abcd".repeat(common);
        const counted = countCommon(`${text}x${"y".repeat(one)}`, `${text}z${"y".repeat(other)}`, atLeast);
        expect(counted).toBe(text.length >= atLeast + 512 ? text.length : atLeast);
      }),
    );
    expect(countCommon("a".repeat(10_000), "a".repeat(9_000), 0)).toBe(9_000);
  });
});
