import * as zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import * as node from "../../src/platform/node.ts";
import { MAX_WRITE_OUTPUT } from "../../src/platform/platform.ts";
import * as web from "../../src/platform/web.ts";

describe.each([
  ["node", node.createDecompressor],
  ["web", web.createDecompressor],
])("a decompressor of %s", (_name, createDecompressor) => {
  it("gives what was packed", async () => {
    const decompressor = createDecompressor("gzip");
    const packed = zlib.gzipSync("hello ".repeat(1000));
    const output = [...((await decompressor?.write(packed)) ?? []), ...((await decompressor?.end()) ?? [])];
    expect(Buffer.concat(output).toString()).toBe("hello ".repeat(1000));
    expect(decompressor?.overflowed).toBe(false);
  });

  it("cuts a write that bursts", async () => {
    const decompressor = createDecompressor("gzip");
    const output = await decompressor?.write(zlib.gzipSync(Buffer.alloc(3 * MAX_WRITE_OUTPUT)));
    const bytes = (output ?? []).reduce((sum, chunk) => sum + chunk.byteLength, 0);
    expect(bytes).toBeGreaterThanOrEqual(MAX_WRITE_OUTPUT);
    expect(bytes).toBeLessThan(MAX_WRITE_OUTPUT + 1024 * 1024);
    expect(decompressor?.overflowed).toBe(true);
  });

  it("rejects what is corrupt", async () => {
    const decompressor = createDecompressor("gzip");
    const failed = Promise.resolve(decompressor?.write(Buffer.from("no gzip at all, not at all"))).then(() =>
      decompressor?.end(),
    );
    await expect(failed).rejects.toThrow();
  });
});
