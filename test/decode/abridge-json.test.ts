import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AbridgeOptions, ABRIDGED_PIECE, type AbridgedJson, JsonAbridger } from "../../src/decode/abridge-json.ts";
import { hashText, readAbridged } from "../../src/abridged-text.ts";
import { measureVectors } from "../../src/parsers/shared/vectors.ts";
import { createKeyedHash, createRunningSums, type RunningSums } from "../../src/platform/node.ts";
import { cutAt, cuts, growsLinearly } from "./rechunk.ts";

const key = new Uint8Array(32).fill(3);
const hash = createKeyedHash(key);
const sums = createRunningSums(key) as RunningSums;
const KEEP = 20_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function abridge(
  body: Uint8Array,
  shares: readonly number[] = [],
  options: Partial<AbridgeOptions> = {},
): AbridgedJson {
  const abridger = new JsonAbridger({ keepLength: KEEP, maxBytes: 1 << 23, isVectors: false, sums, ...options });
  for (const chunk of cutAt(body, shares)) {
    for (let at = 0; at < chunk.length; at += ABRIDGED_PIECE) {
      const piece = chunk.slice(at, at + ABRIDGED_PIECE);
      abridger.push(piece);
      // The caller's memory is the caller's.
      piece.fill(0);
    }
  }
  return abridger.end();
}

function abridgeText(json: string, shares?: readonly number[], options?: Partial<AbridgeOptions>): string {
  return decoder.decode(abridge(encoder.encode(json), shares, options).bytes);
}

/** What stands for the string in what is kept. */
function throughJson(text: string, shares?: readonly number[]): string {
  const value = JSON.parse(abridgeText(JSON.stringify({ before: [1, "a"], text, after: { b: null } }), shares)) as {
    text: string;
  };
  expect({ ...value, text: 0 }).toEqual({ before: [1, "a"], text: 0, after: { b: null } });
  return value.text;
}

/** Long texts of all kinds of characters. */
const pieces = fc.array(
  fc.tuple(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 30 }),
      fc.constantFrom('"', "\\", '\\"', "\n", "é", "漢字", "🚀", "\ud800", "\udc00", "\0", "plain words "),
    ),
    fc.integer({ min: 1, max: 4000 }),
  ),
  { minLength: 1, maxLength: 20 },
);
const texts = pieces.map((list) => list.map(([text, times]) => text.repeat(times)).join(""));

describe("a big JSON body that is shortened", () => {
  it("keeps the beginning of each long text, and knows its length and hash", () => {
    fc.assert(
      fc.property(texts, cuts, (text, shares) => {
        const kept = throughJson(text, shares);
        const abridged = readAbridged(kept);
        if (abridged === undefined) {
          expect(kept).toBe(text);
          return;
        }
        expect(text.startsWith(abridged.head)).toBe(true);
        expect(abridged.head.length).toBeGreaterThanOrEqual(KEEP);
        expect(abridged.head.length).toBeLessThan(Math.max(KEEP, ABRIDGED_PIECE) + 5_000);
        expect(abridged.length).toBe(text.length);
        expect(hashText(kept, hash)).toBe(hash(text));
      }),
      { numRuns: 300 },
    );
  });

  it("is the same for any text that escapes all it can", () => {
    const text = '漢🚀\n"'.repeat(20_000);
    const escaped = text.replaceAll(
      /[^ -~]|["\\]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    expect(JSON.parse(`"${escaped}"`)).toBe(text);
    const value = JSON.parse(abridgeText(`{"text":"${escaped}"}`, [0.1, 0.100_01, 0.5, 0.500_02])) as { text: string };
    expect(readAbridged(value.text)?.length).toBe(text.length);
    expect(hashText(value.text, hash)).toBe(hash(text));
  });

  it("leaves everything else as it is, byte by byte", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), cuts, (json, shares) => {
        expect(abridgeText(json, shares)).toBe(json);
      }),
    );
  });

  it("leaves bytes alone that are no JSON at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), cuts, (bytes, shares) => {
        expect([...abridge(bytes, shares).bytes]).toEqual([...bytes]);
      }),
    );
  });

  it("digests media", () => {
    let found = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 62_000, max: 120_000 }),
        fc.constantFrom("", "data:image/png;base64,", "data:audio/wav;rate=16000;base64,"),
        fc.constantFrom("base64", "base64url", "lines", "slashes"),
        cuts,
        (size, prefix, form, shares) => {
          const bytes = Buffer.alloc(size);
          for (let at = 0; at < size; at += 1) bytes[at] = (at * 7 + (at >> 3)) & 0xff;
          let base64 = bytes.toString(form === "base64url" ? "base64url" : "base64");
          if (form === "lines") base64 = base64.replaceAll(/.{76}/g, "$&\r\n");
          let json = JSON.stringify({ data: [{ b64_json: prefix + base64 }] });
          if (form === "slashes") json = json.replaceAll("/", "\\/");
          const value = JSON.parse(abridgeText(json, shares)) as { data: [{ b64_json: string }] };
          const abridged = readAbridged(value.data[0].b64_json);
          if (abridged === undefined) {
            // Nothing was left to leave out.
            expect(value.data[0].b64_json).toBe(prefix + base64);
            return;
          }
          found += 1;
          expect(abridged.media).toEqual(
            // Whoever breaks lines without a type in front sends what only looks like text.
            form === "lines" && prefix === ""
              ? undefined
              : { bytes: size, sha256: createHash("sha256").update(bytes).digest("hex") },
          );
          expect(hashText(value.data[0].b64_json.slice(prefix.length), hash)).toBe(hash(base64));
        },
      ),
      { numRuns: 60 },
    );
    expect(found).toBeGreaterThan(30);
  });

  it("says nothing of media that turn out to be none", () => {
    const base64 = Buffer.alloc(60_000, "media!").toString("base64");
    for (const text of [
      `${base64} and words`,
      `${base64.slice(0, 50_000)}==${base64}`,
      `data:image/png;base64,${"é".repeat(50_000)}`,
    ])
      expect(readAbridged(throughJson(text))?.media, text.slice(-20)).toBeUndefined();
  });

  it("leaves a text whole in which media begin, wherever it is cut", () => {
    const text = `Look: data:image/png;base64,${Buffer.alloc(150_000, "media!").toString("base64")} and say.`;
    fc.assert(
      fc.property(cuts, (shares) => {
        expect(throughJson(text, shares)).toBe(text);
      }),
      { numRuns: 30 },
    );
  });

  it("says of a name only that it was cut, wherever its colon comes", () => {
    const long = "n".repeat(150_000);
    const body = { a: 1, [long]: { [`${long}!`]: long }, list: [long, { [long]: [] }], last: long };
    fc.assert(
      fc.property(cuts, fc.constantFrom("", " ", " \n".repeat(50_000)), (shares, space) => {
        const spaced = JSON.stringify(body).replaceAll(/"(?=[:,}\]])/g, `"${space}`);
        expect(JSON.parse(spaced)).toEqual(body);
        const kept = abridgeText(spaced, shares);
        const names: string[] = [];
        const value = JSON.parse(kept, (name, item: unknown) => {
          names.push(name);
          return item;
        }) as typeof body;
        for (const name of names) expect(readAbridged(name)).toBeUndefined();
        expect(names.filter((name) => name.length > KEEP).map((name) => name.slice(-40))).toEqual([
          expect.stringMatching(/n… \[cut, 150001 characters\]$/),
          expect.stringMatching(/n… \[cut, 150000 characters\]$/),
          expect.stringMatching(/n… \[cut, 150000 characters\]$/),
        ]);
        expect(readAbridged(value.last)?.length).toBe(150_000);
        expect(readAbridged((value.list as string[])[0] as string)?.length).toBe(150_000);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps JSON in a string whole: half of it could not be parsed", () => {
    for (const space of [" ", "\n", "\r\n\t "]) {
      const inner = `${space}${JSON.stringify({ query: "x".repeat(100_000) })}`;
      expect(throughJson(inner)).toBe(inner);
    }
  });

  it("keeps the ends of what is too much even so", () => {
    const rows = Array.from({ length: 3_000 }, (_, index) => ({ index, text: "y".repeat(300) }));
    const body = encoder.encode(JSON.stringify({ model: "m-1", rows, usage: { total: 3 } }));
    const { bytes, gapAt } = abridge(body, [0.5], { maxBytes: 100_000 });
    expect(gapAt).toBe(100_000);
    expect(decoder.decode(bytes.subarray(0, gapAt))).toBe(decoder.decode(body.subarray(0, gapAt)));
    expect(bytes.byteLength).toBe(100_000 + 64 * 1024);
    expect(decoder.decode(bytes.subarray(gapAt))).toBe(decoder.decode(body.subarray(-64 * 1024)));
  });

  it("gives up all but the ends when it must, at any time", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1_000, max: 30_000 }), (before, size) => {
        const body = encoder.encode(
          JSON.stringify({ list: Array.from({ length: 40 }, (_, index) => `${index}`.repeat(size)) }),
        );
        const abridger = new JsonAbridger({ keepLength: KEEP, maxBytes: 1 << 23, isVectors: false, sums });
        const step = Math.ceil(body.length / 40);
        for (let turn = 0; turn < 40; turn += 1) {
          if (turn === before) abridger.shrink(8_192);
          for (let at = turn * step; at < Math.min(body.length, (turn + 1) * step); at += ABRIDGED_PIECE)
            abridger.push(body.subarray(at, Math.min(at + ABRIDGED_PIECE, (turn + 1) * step)));
        }
        if (before < 40) expect(abridger.heldBytes).toBeLessThanOrEqual(8_192 + 128 * 1024);
        const { bytes } = abridger.end();
        expect(decoder.decode(bytes.subarray(0, 1_000))).toBe(decoder.decode(body.subarray(0, 1_000)));
        expect(decoder.decode(bytes.subarray(-3))).toBe('"]}');
      }),
      { numRuns: 30 },
    );
  });

  it("takes time that grows with the body, whatever is in it", () => {
    for (const unit of ['"', "\\", '\\"', '"a",', "[", "[1,", "]", "é", '{"a":"'])
      expect(
        growsLinearly((size) => abridge(encoder.encode(unit.repeat(size)), [], { isVectors: true }), 60_000),
        unit,
      ).toBe(true);
  });
});

const floats = (count: number, salt: number) => Array.from({ length: count }, (_, at) => Math.sin(at * salt) / 3);
const base64Vector = (count: number, salt: number) =>
  Buffer.from(new Float32Array(floats(count, salt)).buffer).toString("base64");

describe("an answer with embeddings", () => {
  const vectors = [1, 2, 3, 4].map((salt) => floats(300, salt));
  it.each([
    [
      "OpenAI's objects",
      {
        object: "list",
        data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
        model: "m",
      },
      "data",
    ],
    [
      "OpenAI's base64",
      {
        data: [1, 2, 3].map((salt, index) => ({ index, embedding: base64Vector(400, salt) })),
        usage: { total_tokens: 3 },
      },
      "data",
    ],
    ["Gemini's values", { embeddings: vectors.map((values) => ({ values })) }, "embeddings"],
    ["Ollama's lists", { model: "m", embeddings: vectors, total_duration: 12 }, "embeddings"],
    ["vectors of tokens", { embeddings: [vectors, vectors] }, "embeddings"],
    ["one vector", { embeddings: [floats(3_000, 1)] }, "embeddings"],
    [
      "short vectors",
      {
        embeddings: [
          [1, 2],
          [3, 4],
        ],
      },
      "embeddings",
    ],
    ["bytes", { embeddings: vectors.map((vector) => vector.map((value) => Math.round(value * 100))) }, "embeddings"],
  ])("keeps the shape: %s", (_name, body, field) => {
    const measure = (value: unknown) => measureVectors((value as Record<string, unknown>)[field]);
    fc.assert(
      fc.property(cuts, fc.constantFrom(0, 2), (shares, indent) => {
        const json = JSON.stringify(body, undefined, indent);
        const kept = abridgeText(json, shares, { isVectors: true });
        const value: unknown = JSON.parse(kept);
        expect(measure(value)).toEqual(measure(body));
        expect({ ...(value as object), [field]: 0 }).toEqual({ ...body, [field]: 0 });
      }),
      { numRuns: 60 },
    );
  });

  it("keeps the first vector of each type, and none but the first of any", () => {
    const body = {
      texts: ["a", "b"],
      embeddings: {
        float: vectors,
        int8: vectors.map(() => floats(200, 1)),
        base64: [base64Vector(900, 1), base64Vector(900, 2)],
      },
    };
    const kept = abridgeText(JSON.stringify(body), [0.3], { isVectors: true });
    const value = JSON.parse(kept) as typeof body;
    expect(value.texts).toEqual(body.texts);
    expect(value.embeddings.float.map(({ length }) => length)).toEqual([300, 0, 0, 0]);
    expect(value.embeddings.int8.map(({ length }) => length)).toEqual([200, 0, 0, 0]);
    expect(value.embeddings.base64.map(({ length }) => length)).toEqual([4800, 0]);
  });
});
