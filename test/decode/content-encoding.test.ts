import * as zlib from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createContentDecoder, decodeContentSync } from "../../src/decode/content-encoding.ts";
import { cutAt, cuts, everyByte } from "./rechunk.ts";

/** The quickest there is: packed zeros are small at any quality. */
const BOMB_OPTIONS = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } };
const TEXT = `{"text":"${"Grüße 👋 ".repeat(50)}"}`;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const zstd = (zlib as unknown as { zstdCompressSync?: (input: Uint8Array) => Uint8Array }).zstdCompressSync;

const ENCODERS: Record<string, (input: Uint8Array) => Uint8Array> = {
  gzip: (input) => zlib.gzipSync(input),
  "x-gzip": (input) => zlib.gzipSync(input),
  deflate: (input) => zlib.deflateSync(input),
  br: (input) => zlib.brotliCompressSync(input),
  ...(zstd === undefined ? {} : { zstd }),
};

async function decode(
  header: string,
  pieces: readonly Uint8Array[],
  maxOutputBytes?: number,
): Promise<{ text: string; bytes: number; notes: readonly string[] }> {
  const decoder = createContentDecoder(header, maxOutputBytes === undefined ? {} : { maxOutputBytes });
  if (decoder === undefined) throw new Error(`nothing to decode for ${header}`);
  const output: Uint8Array[] = [];
  for (const piece of pieces) output.push(...(await decoder.write(piece)));
  output.push(...(await decoder.end()));
  const joined = Buffer.concat(output);
  return { text: joined.toString(), bytes: joined.byteLength, notes: decoder.notes };
}

describe("content encodings", () => {
  it.each(Object.keys(ENCODERS))("undoes %s, in any pieces", async (name) => {
    const encoded = ENCODERS[name]?.(bytesOf(TEXT)) ?? new Uint8Array();
    expect(await decode(name, [encoded])).toMatchObject({ text: TEXT, notes: [] });
    expect(await decode(name.toUpperCase(), everyByte(encoded))).toMatchObject({ text: TEXT, notes: [] });
  });

  it("undoes deflate without zlib's header", async () => {
    const encoded = zlib.deflateRawSync(TEXT);
    expect(await decode("deflate", [encoded])).toMatchObject({ text: TEXT, notes: [] });
    expect(await decode("deflate", everyByte(encoded))).toMatchObject({ text: TEXT, notes: [] });
  });

  it("undoes several encodings, the last first", async () => {
    const encoded = zlib.brotliCompressSync(zlib.gzipSync(TEXT));
    expect(await decode("gzip, identity, br", [encoded])).toMatchObject({ text: TEXT, notes: [] });
  });

  it("gives the same for every chunking", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.constantFrom("gzip", "br", "deflate"), cuts, async (text, name, shares) => {
        const encoded = ENCODERS[name]?.(bytesOf(text)) ?? new Uint8Array();
        expect(await decode(name, cutAt(encoded, shares))).toMatchObject({
          bytes: bytesOf(text).byteLength,
          notes: [],
        });
      }),
      { numRuns: 30 },
    );
  });

  it.each(["", "identity", " , identity", undefined])("has nothing to do for %j", (header) => {
    expect(createContentDecoder(header)).toBeUndefined();
  });

  it("gives what a server flushed before the body is complete", async () => {
    const stream = zlib.createGzip();
    const decoder = createContentDecoder("gzip");
    const flushed: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => flushed.push(chunk));
    stream.write("data: 1\n\n");
    await new Promise<void>((resolve) => stream.flush(() => resolve()));
    const output = await decoder?.write(Buffer.concat(flushed));
    expect(Buffer.concat(output ?? []).toString()).toBe("data: 1\n\n");
    stream.destroy();
  });

  it("notes an encoding that it does not know, and gives nothing", async () => {
    expect(await decode("compress", [bytesOf("x")])).toEqual({
      text: "",
      bytes: 0,
      notes: ["unknown_content_encoding"],
    });
    expect(await decode("constructor", [bytesOf("x")])).toMatchObject({ notes: ["unknown_content_encoding"] });
    expect(await decode(Array.from({ length: 50 }, () => "gzip").join(","), [bytesOf("x")])).toMatchObject({
      notes: ["unknown_content_encoding"],
    });
  });

  it.each(Object.keys(ENCODERS))("notes %s that is corrupt, and does not throw", async (name) => {
    const { notes } = await decode(name, [bytesOf("this is not compressed at all"), bytesOf("nor this")]);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^(?:corrupt|truncated)_content_encoding$/);
  });

  it("keeps what came before the corruption", async () => {
    const encoded = zlib.gzipSync(TEXT);
    const { text, notes } = await decode("gzip", [encoded.subarray(0, 60), bytesOf("this is no deflate block at all")]);
    expect(text.length).toBeGreaterThan(0);
    expect(TEXT.startsWith(text.slice(0, 5))).toBe(true);
    expect(notes).toEqual(["corrupt_content_encoding"]);
  });

  it("notes a body that was cut off, and gives what was there", async () => {
    const encoded = zlib.gzipSync(TEXT);
    const { text, notes } = await decode("gzip", [encoded.subarray(0, -4)]);
    expect(text).toBe(TEXT);
    expect(notes).toEqual(["truncated_content_encoding"]);
  });

  it("says nothing about an empty body", async () => {
    expect(await decode("deflate", [])).toEqual({ text: "", bytes: 0, notes: [] });
  });

  it("stops at a bomb before it is in memory", async () => {
    const bomb = zlib.gzipSync(zlib.gzipSync(Buffer.alloc(300 * 1024 * 1024)));
    expect(bomb.byteLength).toBeLessThan(5000);
    const before = process.memoryUsage().rss;
    const { bytes, notes } = await decode("gzip, gzip", [bomb], 10 * 1024 * 1024);
    expect(bytes).toBeLessThanOrEqual(10 * 1024 * 1024);
    expect(notes).toEqual(["decompressed_body_too_large"]);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
  });

  it("gives what fits of a bomb that bursts in one write", async () => {
    const bomb = zlib.brotliCompressSync(Buffer.alloc(300 * 1024 * 1024), BOMB_OPTIONS);
    expect(bomb.byteLength).toBeLessThan(5000);
    const { bytes, notes } = await decode("br", [bomb]);
    expect(bytes).toBeGreaterThan(1024 * 1024);
    expect(bytes).toBeLessThan(33 * 1024 * 1024);
    expect(notes).toEqual(["decompressed_body_too_large"]);
  });
});

describe("decodeContentSync", () => {
  const wire = bytesOf(Array.from({ length: 500 }, (_, index) => `{"index":${index * 7919}}`).join("\n"));
  const bodies: [string, Uint8Array][] = [
    ...Object.entries(ENCODERS).map(([coding, encode]): [string, Uint8Array] => [coding, encode(wire)]),
    ["deflate", zlib.deflateRawSync(wire)],
  ];

  it.each(bodies)("undoes %s", (coding, bytes) => {
    expect(decodeContentSync(coding, bytes)).toEqual(Buffer.from(wire));
  });

  it("undoes stacked codings, and none", () => {
    expect(decodeContentSync("gzip, br", zlib.brotliCompressSync(zlib.gzipSync(wire)))).toEqual(Buffer.from(wire));
    expect(decodeContentSync("identity", wire)).toBe(wire);
  });

  it.each(bodies)("gives what there is of a %s body that ends early", (coding, bytes) => {
    const decoded = Buffer.from(decodeContentSync(coding, bytes.subarray(0, -20)) ?? []);
    // One block of zstd comes out whole or not at all.
    if (coding !== "zstd") expect(decoded.length).toBeGreaterThan(0);
    expect(decoded).toEqual(Buffer.from(wire.subarray(0, decoded.length)));
  });

  it.each([
    ["an encoding that nobody knows", "snappy", zlib.gzipSync(wire)],
    ["corrupt bytes", "gzip", bytesOf("not gzip at all")],
    ["a bomb", "gzip", zlib.gzipSync(Buffer.alloc(40 * 1024 * 1024), { level: 1 })],
    ["too many codings", "gzip, gzip, gzip, gzip, gzip", zlib.gzipSync(wire)],
  ])("gives up on %s", (_name, coding, bytes) => {
    expect(decodeContentSync(coding, bytes)).toBeUndefined();
  });
});
