import { describe, expect, it } from "vitest";
import { listHeaders, withHeaders, withoutOverrides } from "../../src/interceptor/headers.ts";

const fields = { Accept: "text/plain", "X-LLM-Tap-User-Id": "u-1", "X-Own": "1" };
const pairs = Object.entries(fields);
const forms: [name: string, headers: unknown][] = [
  ["an object", fields],
  ["pairs", pairs],
  ["a flat array", pairs.flat()],
  ["a flat array of bytes", pairs.flat().map((text) => Buffer.from(text))],
  ["Headers", new Headers(fields)],
  ["a Map", new Map(pairs)],
];

const read = (headers: unknown): Record<string, unknown> =>
  Object.fromEntries([...listHeaders(headers)].map(([name, value]) => [name.toLowerCase(), String(value)]));

describe.each(forms)("%s", (name, headers) => {
  const before = JSON.stringify([...listHeaders(headers)]);

  it("loses the fields that are ours", () => {
    if (name.endsWith("bytes")) return;
    expect(read(withoutOverrides(headers))).toEqual({ accept: "text/plain", "x-own": "1" });
    expect(JSON.stringify([...listHeaders(headers)])).toBe(before);
  });

  it("gets other values for some fields, and new ones", () => {
    const changed = withHeaders(headers, { accept: "*/*", "x-new": "2" });
    expect(read(changed)).toEqual({ accept: "*/*", "x-llm-tap-user-id": "u-1", "x-own": "1", "x-new": "2" });
    expect(JSON.stringify([...listHeaders(headers)])).toBe(before);
  });

  it("stays in a form that the same API takes", () => {
    for (const result of [withoutOverrides(headers), withHeaders(headers, { accept: "*/*" })]) {
      // An array of pairs is for fetch, a flat one for undici's dispatchers, which take any other list of pairs too.
      expect(Array.isArray(result)).toBe(Array.isArray(headers));
      if (Array.isArray(headers)) expect(Array.isArray((result as unknown[])[0])).toBe(Array.isArray(headers[0]));
    }
  });
});

it("makes headers where there were none", () => {
  expect(withHeaders(undefined, { accept: "*/*" })).toEqual({ accept: "*/*" });
});
