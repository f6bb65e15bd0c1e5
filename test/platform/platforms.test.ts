import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import * as node from "../../src/platform/node.ts";
import * as web from "../../src/platform/web.ts";

const text = "a text that is long enough to be worth a compression ".repeat(50);

async function decode(decompressor: node.Decompressor, bytes: Uint8Array, size: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += size) {
    pieces.push(...(await decompressor.write(bytes.subarray(at, at + size))));
  }
  pieces.push(...(await decompressor.end()));
  return Buffer.concat(pieces).toString();
}

describe.each([
  ["node", node],
  ["web", web],
] as const)("the platform %s", (name, platform) => {
  it("offers what the other one does", () => {
    expect(Object.keys(platform).toSorted()).toEqual(Object.keys(node).toSorted());
  });

  it.each([
    ["gzip", gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["deflate-raw", deflateRawSync(text)],
    ...(name === "node" ? ([["br", brotliCompressSync(text)]] as const) : []),
  ] as const)("undoes %s in pieces of any size", async (encoding, bytes) => {
    for (const size of [1, 7, 1000]) {
      const decompressor = platform.createDecompressor(encoding);
      expect(decompressor).toBeDefined();
      expect(await decode(decompressor as node.Decompressor, bytes, size)).toBe(text);
    }
  });

  it("rejects what is corrupt, and knows what it cannot undo", async () => {
    const decompressor = platform.createDecompressor("gzip") as node.Decompressor;
    await expect(decode(decompressor, new TextEncoder().encode("this is no gzip at all"), 100)).rejects.toThrow();
    expect(platform.createDecompressor("rot13")).toBeUndefined();
    expect(platform.createDecompressor("constructor")).toBeUndefined();
  });

  it("gives the value of a flow back to what runs in it", () => {
    const store = platform.createFlowStore<string>();
    expect(store.get()).toBeUndefined();
    expect(store.run("outer", () => [store.run("inner", () => store.get()), store.get()])).toEqual(["inner", "outer"]);
    expect(() =>
      store.run("failing", () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(store.get()).toBeUndefined();
  });

  it("calls back later, and not when cancelled", async () => {
    const order: string[] = [];
    platform.defer(() => order.push("deferred"));
    platform.setTimer(() => order.push("never"), 1).cancel();
    order.push("first");
    await new Promise<void>((resolve) => {
      platform.setTimer(resolve, 20);
      setTimeout(resolve, 200);
    });
    expect(order).toEqual(["first", "deferred"]);
  });

  it("tells the size of media", () => {
    expect(platform.digestMedia(Buffer.from("four").toString("base64")).bytes).toBe(4);
    expect(platform.digestMedia(Buffer.from("seven!!").toString("base64")).bytes).toBe(7);
  });
});
