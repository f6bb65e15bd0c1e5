import { describe, expect, it } from "vitest";
import { createContentBudget, cutText, measureJson } from "../../../src/parsers/shared/content-budget.ts";

function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

describe("createContentBudget", () => {
  it("keeps text until the limit, cuts the text that passes it, and keeps nothing after that", () => {
    const budget = createContentBudget(5);
    expect(budget.takeText("abc")).toBe("abc");
    expect(budget.truncated).toBe(false);
    expect(budget.takeText("def")).toBe("de");
    expect(budget.truncated).toBe(true);
    expect(budget.takeText("g")).toBe("");
    expect(budget.takeJson("g")).toBeUndefined();
  });

  it("is not truncated by a text that fits exactly, nor by empty ones after it", () => {
    const budget = createContentBudget(3);
    expect(budget.takeText("abc")).toBe("abc");
    expect(budget.takeText("")).toBe("");
    expect(budget.truncated).toBe(false);
  });

  it("takes a value whole or not at all", () => {
    const budget = createContentBudget(40);
    const small = { city: "Paris" };
    expect(budget.takeJson(small)).toBe(small);
    expect(budget.takeJson({ text: "x".repeat(40) })).toBeUndefined();
    expect(budget.truncated).toBe(true);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("has no limit with %s", (limit) => {
    expect(createContentBudget(limit).takeText("abc")).toBe("abc");
  });
});

describe("cutText", () => {
  it("never splits a surrogate pair", () => {
    expect(cutText("ab😀", 3)).toBe("ab");
    expect(cutText("ab😀", 4)).toBe("ab😀");
    expect(cutText("😀", 0)).toBe("");
  });
});

describe("measureJson", () => {
  it.each([
    ["abc", 3],
    [1, 8],
    [[], 2],
    [{ a: [true, "xy"] }, 24],
  ])("%j is about %d characters", (value, size) => {
    expect(measureJson(value, 1000)).toBe(size);
  });

  it("gives up on what is too large or too deep, without a stack", () => {
    expect(measureJson(["x".repeat(100)], 99)).toBeUndefined();
    expect(measureJson(nest(100), 10_000)).toBeTypeOf("number");
    expect(measureJson(nest(1000), 1_000_000)).toBeUndefined();
    expect(measureJson(nest(200_000), 10_000_000)).toBeUndefined();
    expect(
      measureJson(
        Array.from({ length: 100_000 }, () => []),
        1000,
      ),
    ).toBeUndefined();
  });
});
