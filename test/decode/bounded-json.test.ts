import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_JSON_DEPTH, parseBoundedJson, TOO_DEEP } from "../../src/decode/bounded-json.ts";

const nest = (levels: number, open = "[", close = "]"): string => open.repeat(levels) + close.repeat(levels);

function depthOf(value: unknown): number {
  let depth = 0;
  for (let item = value; typeof item === "object" && item !== null; depth += 1) item = Object.values(item)[0];
  return depth;
}

describe("parseBoundedJson", () => {
  it("leaves JSON of any usual depth as it is", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 20 }), (value) => {
        expect(parseBoundedJson(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(depthOf(parseBoundedJson(nest(MAX_JSON_DEPTH)))).toBe(MAX_JSON_DEPTH);
  });

  it.each([
    ["arrays", nest(100_000)],
    ["objects", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`],
    ["keys that reach for a prototype", `${'{"__proto__":'.repeat(100_000)}1${"}".repeat(100_000)}`],
  ])("cuts %s of 100,000 levels", (_name, text) => {
    let cuts = 0;
    const value = parseBoundedJson(text, () => (cuts += 1));
    expect(cuts).toBe(1);
    expect(depthOf(value)).toBe(MAX_JSON_DEPTH);
    expect(JSON.stringify(value)).toContain(TOO_DEEP);
    expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
  });

  it("keeps what stands beside it", () => {
    const value = parseBoundedJson(`{"usage":{"a":1},"deep":${nest(1000)},"text":"${"[".repeat(1000)}"}`);
    expect(value).toMatchObject({ usage: { a: 1 }, text: "[".repeat(1000) });
  });

  it("throws as JSON.parse does", () => {
    expect(() => parseBoundedJson("{")).toThrow(SyntaxError);
  });
});
