import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findRootValue, joinOverGap, recoverLargeJson, repairTruncatedJson } from "../../src/decode/repair-json.ts";
import { growsLinearly } from "./rechunk.ts";

describe("JSON that was cut off", () => {
  const cases: [text: string, value: unknown][] = [
    ['{"a":1,"b":{"c":[1,2,{"d":"text', { a: 1, b: { c: [1, 2, { d: "text" }] } }],
    ['{"a":1,"b', { a: 1 }],
    ['{"a":1,"b"', { a: 1 }],
    ['{"a":1,"b":', { a: 1 }],
    ['{"a":1,"b":12', { a: 1 }],
    ['{"a":1,"b":tru', { a: 1 }],
    ['{"a":1,"b":12,', { a: 1, b: 12 }],
    ['{"a":"x\\', { a: "x" }],
    ['{"a":"x\\\\', { a: "x\\" }],
    ['{"a":"x\\u00', { a: "x" }],
    ['{"a":"x\\\\u00', { a: "x\\u00" }],
    ['{"a":"x\\u00e9', { a: "xé" }],
    ["[1,2", [1]],
    ["[", []],
    ["{", {}],
    ['{"a":[[],{},', { a: [[], {}] }],
    ['{"a":1} trailing', { a: 1 }],
  ];
  it.each(cases)("reads %s", (text, value) => {
    expect(repairTruncatedJson(text)).toEqual({ value });
  });

  it.each(["", "nonsense", "]", "[1}", '{"a":1]'])("gives up on %j", (text) => {
    expect(repairTruncatedJson(text)).toBeUndefined();
  });

  it("reads something from every prefix of an object, and nothing that is not there", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), fc.nat(), (object, at) => {
        const text = JSON.stringify(object);
        const whole = JSON.parse(text) as Record<string, unknown>;
        const prefix = text.slice(0, 1 + (at % text.length));
        const repaired = repairTruncatedJson(prefix)?.value as Record<string, unknown>;
        const keys = Object.keys(repaired);
        expect(Object.keys(whole)).toEqual(expect.arrayContaining(keys));
        const wholeOrder = Object.keys(whole);
        // Everything but the last value is complete.
        for (const key of wholeOrder.filter((key) => keys.includes(key)).slice(0, -1)) {
          if (key !== keys.at(-1)) expect(repaired[key]).toEqual(whole[key]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("takes time in proportion to its input", () => {
    for (const unit of ['{"a":', "[", '["\\\\', '"']) {
      expect(growsLinearly((size) => repairTruncatedJson(unit.repeat(size)), 20_000)).toBe(true);
    }
  });
});

describe("JSON whose middle is missing", () => {
  it("joins inside of a string", () => {
    const text = JSON.stringify({ choices: [{ message: { content: "x".repeat(1000) } }], usage: { total_tokens: 3 } });
    expect(joinOverGap(text.slice(0, 300), text.slice(-300))?.value).toMatchObject({ usage: { total_tokens: 3 } });
  });

  it("joins inside of a list of numbers", () => {
    const vector = Array.from({ length: 500 }, (_, at) => at / 7);
    const text = JSON.stringify({ data: [{ embedding: vector }, { embedding: vector }], usage: { total_tokens: 3 } });
    expect(joinOverGap(text.slice(0, 301), text.slice(-302))?.value).toMatchObject({ usage: { total_tokens: 3 } });
  });

  it("joins where the cut went through an escape", () => {
    const text = JSON.stringify({ content: '"\n\\'.repeat(200), usage: 1 });
    for (let shift = 0; shift < 12; shift++) {
      const value = joinOverGap(text.slice(0, 100 + shift), text.slice(-100 - shift))?.value;
      if (value !== undefined) expect(value).toMatchObject({ usage: 1 });
    }
  });

  it("finds the facts behind the content where the parts do not fit", () => {
    const head = '{"id":"a","model":"m","output":[{"type":"message","content":[{"text":"aaa';
    const tail =
      ',"x":"\\"usage\\":{\\"fake\\":1}"}]}],"usage":{"total_tokens":9,"details":{"n":[1]}},"status":"completed"}';
    expect(recoverLargeJson(head, tail)).toMatchObject({
      id: "a",
      model: "m",
      usage: { total_tokens: 9, details: { n: [1] } },
      status: "completed",
    });
  });

  it("does not take a key out of the text of an answer", () => {
    expect(findRootValue('"content":"say \\"usage\\": 5","other":1}', "usage")).toBeUndefined();
  });

  it("does not take a key out of something nested", () => {
    const tail = '"input":{"model":"inner"}}],"model":"outer","tools":[{"model":"other"}]}';
    expect(findRootValue(tail, "model")).toBe("outer");
    expect(findRootValue('"input":{"model":"inner"}}],"tools":[]}', "model")).toBeUndefined();
    expect(findRootValue('"model":"cut', "model")).toBeUndefined();
  });

  it("does not search for ever", () => {
    expect(growsLinearly((size) => findRootValue('"usage":{'.repeat(size), "usage"), 2000)).toBe(true);
  });
});
