import { createHash, createHmac as createNodeHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createHashKey, createKeyedHash } from "../../src/platform/node.ts";
import { createHmac } from "../../src/platform/web-hmac.ts";
import { createKeyedHash as createWebHash } from "../../src/platform/web.ts";

describe("the web platform's HMAC", () => {
  it("is that of Node at every length around the block size", () => {
    const key = crypto.getRandomValues(new Uint8Array(32));
    const hash = createHmac(key);
    for (let length = 0; length < 300; length += 1) {
      const text = "aé🚀".repeat(length).slice(0, length);
      expect(hash(text), `${length}`).toBe(createNodeHmac("sha256", key).update(text).digest("hex"));
    }
    const long = "x".repeat(100_000);
    expect(hash(long)).toBe(createNodeHmac("sha256", key).update(long).digest("hex"));
  });
});

describe("Node's keyed hash", () => {
  it("is SHA-256 of the key, as hex, and the text, unless that is long", () => {
    const key = createHashKey();
    const hash = createKeyedHash(key);
    for (const text of ["", "a", "é🚀\ud800", "x".repeat(8_000)]) {
      const expected = createHash("sha256").update(Buffer.from(key).toString("hex")).update(text).digest("binary");
      expect(hash(text)).toBe(expected);
    }
  });
});

describe.each([
  ["Node", createKeyedHash],
  ["the web", createWebHash],
])("a keyed hash of %s", (_name, create) => {
  it("is the same for the same text, and another for another text or key", () => {
    const [key, other] = [1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array];
    const hash = create(key);
    expect(hash("a")).toBe(create(key)("a"));
    expect(hash("a")).not.toBe(hash("b"));
    expect(hash("a")).not.toBe(create(other)("a"));
  });

  it("tells long texts apart by any character and by their length", () => {
    const [key, other] = [1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array];
    const hash = create(key);
    const text = "aé🚀 ".repeat(10_000);
    expect(hash(`${text.slice(0, 20_000)}${text.slice(20_000)}`)).toBe(create(key)(text));
    const others = [0, 16_383, 16_384, 30_001, text.length - 1].map(
      (at) => `${text.slice(0, at)}#${text.slice(at + 1)}`,
    );
    const all = [text, ...others, `${text} `, text.slice(0, -1), `\0${text}`, `${text}\0`];
    expect(new Set(all.map(hash)).size).toBe(all.length);
    expect(hash(text)).not.toBe(create(other)(text));
  });
});
