import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TapError } from "../../src/errors.ts";
import { jsonlSink, type JsonlSinkOptions } from "../../src/sinks/jsonl.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import { testSink } from "../../src/testing/sink-contract.ts";
import type { TapRecord } from "../../src/types.ts";

const options = { signal: new AbortController().signal };
const MOVED = /^calls-\d{8}T\d{9}Z-[0-9a-f]{4}\.jsonl(?:\.gz)?$/;
const isRoot = process.getuid?.() === 0;

let directory = "";
let path = "";

function makeDirectory(): void {
  directory = fs.mkdtempSync(join(tmpdir(), "llm-tap-rotation-"));
  path = join(directory, "calls.jsonl");
}
const removeDirectory = (): void => fs.rmSync(directory, { recursive: true, force: true });

/** All files, the oldest first and the one that is written to last. */
function listFiles(): string[] {
  const names = fs.readdirSync(directory);
  // For a moment after it was compressed, a file is there twice.
  const isOnce = (name: string): boolean => !names.includes(`${name}.gz`);
  return [
    ...names.filter((name) => MOVED.test(name) && isOnce(name)).sort(),
    ...names.filter((name) => name === "calls.jsonl"),
  ];
}

function readIds(name: string): string[] {
  const bytes = fs.readFileSync(join(directory, name));
  const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as TapRecord).id);
}

const readAll = (): string[] => listFiles().flatMap(readIds);
const ids = (records: readonly TapRecord[]): string[] => records.map(({ id }) => id);

for (const gzip of [false, true]) {
  testSink(
    {
      name: `jsonl with rotation${gzip ? " and gzip" : ""}`,
      create() {
        makeDirectory();
        return jsonlSink({ path, maxBytes: 200_000, maxFiles: Number.POSITIVE_INFINITY, gzip });
      },
      received: readAll,
      destroy: removeDirectory,
    },
    { describe, it, expect },
  );
}

describe("rotation", () => {
  beforeEach(makeDirectory);
  afterEach(() => {
    vi.restoreAllMocks();
    removeDirectory();
  });

  async function writeAll(records: readonly TapRecord[], more: Partial<JsonlSinkOptions>): Promise<void> {
    const sink = jsonlSink({ path, maxBytes: 10_000, ...more });
    for (let start = 0; start < records.length; start += 7) await sink.write(records.slice(start, start + 7), options);
    await sink.close?.();
  }

  it("no file is over maxBytes, none is lost, order is kept", async () => {
    const records = sampleRecords(60);
    await writeAll(records, { maxFiles: 100 });
    expect(listFiles().length).toBeGreaterThan(5);
    for (const name of listFiles()) expect(fs.statSync(join(directory, name)).size).toBeLessThanOrEqual(10_000);
    expect(readAll()).toEqual(ids(records));
  });

  it("a line is never split: one that is larger has a file of its own", async () => {
    const large = sampleCall({ context: { properties: { text: "x".repeat(30_000) } } });
    const records = [...sampleRecords(2), large, ...sampleRecords(2)];
    await writeAll(records, {});
    expect(readAll()).toEqual(ids(records));
    expect(listFiles().map(readIds)).toContainEqual([large.id]);
  });

  it("keeps maxFiles besides the one that is written to, the newest", async () => {
    const records = sampleRecords(60);
    await writeAll(records, { maxFiles: 2 });
    expect(listFiles()).toHaveLength(3);
    const kept = readAll();
    expect(kept).toEqual(ids(records).slice(-kept.length));
    removeDirectory();
    makeDirectory();
    await writeAll(records, { maxFiles: 0 });
    expect(listFiles()).toEqual(["calls.jsonl"]);
  });

  it("leaves other people's files alone, whatever they are called", async () => {
    const others = [
      "calls-1.jsonl",
      "calls-20260101T000000000Z-1a2b.jsonl.bak",
      "other-20260101T000000000Z-1a2b.jsonl",
    ];
    for (const name of others) fs.writeFileSync(join(directory, name), "mine");
    await writeAll(sampleRecords(30), { maxFiles: 1, gzip: true });
    for (const name of others) expect(fs.readFileSync(join(directory, name), "utf8")).toBe("mine");
  });

  it("compresses what was moved away, 0600 under any umask, and leaves nothing half-done", async () => {
    const before = process.umask(0);
    try {
      const records = sampleRecords(60);
      await writeAll(records, { maxFiles: 100, gzip: true });
      const names = fs.readdirSync(directory);
      expect(names.filter((name) => name !== "calls.jsonl").every((name) => name.endsWith(".jsonl.gz"))).toBe(true);
      expect(names.map((name) => (fs.statSync(join(directory, name)).mode & 0o777).toString(8))).toEqual(
        names.map(() => "600"),
      );
      expect(readAll()).toEqual(ids(records));
    } finally {
      process.umask(before);
    }
  });

  it("compresses what a process that died had only moved, and takes over what it had half compressed", async () => {
    const old = sampleRecords(3);
    const name = "calls-20260101T000000000Z-1a2b.jsonl";
    fs.writeFileSync(join(directory, name), old.map((record) => `${JSON.stringify(record)}\n`).join(""), {
      mode: 0o600,
    });
    fs.writeFileSync(join(directory, `${name}.gz.tmp`), "half");
    const longAgo = new Date(Date.now() - 3_600_000);
    fs.utimesSync(join(directory, `${name}.gz.tmp`), longAgo, longAgo);
    const records = sampleRecords(20);
    await writeAll(records, { maxFiles: 100, gzip: true });
    expect(readAll()).toEqual(ids([...old, ...records]));
    expect(fs.readdirSync(directory).filter((file) => !file.endsWith(".gz"))).toEqual(["calls.jsonl"]);
  });

  it.runIf(isRoot)("does not touch what belongs to another user", async () => {
    const name = "calls-20260101T000000000Z-1a2b.jsonl";
    fs.writeFileSync(join(directory, name), "theirs");
    fs.chownSync(join(directory, name), 12_345, 12_345);
    await writeAll(sampleRecords(30), { maxFiles: 0, gzip: true });
    expect(fs.readFileSync(join(directory, name), "utf8")).toBe("theirs");
  });

  it.each([false, true])("many writers on one file lose nothing and repeat nothing (gzip %s)", async (gzip) => {
    const sinks = Array.from({ length: 6 }, () =>
      jsonlSink({ path, maxBytes: 5_000, maxFiles: Number.POSITIVE_INFINITY, gzip }),
    );
    const written: TapRecord[] = [];
    await Promise.all(
      sinks.map(async (sink) => {
        for (let round = 0; round < 25; round += 1) {
          const records = sampleRecords(3);
          written.push(...records);
          expect((await sink.write(records, options)).results).toEqual(records.map(() => "delivered"));
        }
      }),
    );
    await Promise.all(sinks.map(async (sink) => sink.close?.()));
    expect(readAll().sort()).toEqual(ids(written).sort());
    expect(listFiles().length).toBeGreaterThan(20);
  });

  it("a line that went into a file which another process then removed is written again", async () => {
    const sink = jsonlSink({ path, maxBytes: 1_000_000 });
    await sink.write([sampleCall()], options);
    const real = fs.write.bind(fs) as (...given: unknown[]) => void;
    vi.spyOn(fs, "write").mockImplementationOnce((...given: unknown[]) => {
      fs.rmSync(path);
      real(...given);
    });
    const record = sampleCall();
    expect((await sink.write([record], options)).results).toEqual(["delivered"]);
    expect(readAll()).toEqual([record.id]);
  });

  it("a file that can't be moved away goes on growing", async () => {
    vi.spyOn(fs, "renameSync").mockImplementation(() => {
      throw new Error("EPERM");
    });
    const records = sampleRecords(30);
    await writeAll(records, {});
    expect(listFiles()).toEqual(["calls.jsonl"]);
    expect(readAll()).toEqual(ids(records));
  });

  it.each([{ maxBytes: 0 }, { maxBytes: "1" as never }, { maxFiles: -1 }])("says what is wrong with %j", (wrong) => {
    expect(() => jsonlSink({ path, ...wrong })).toThrow(TapError);
    expect(() => jsonlSink({ path, ...wrong })).toThrow(/must be a number of at least/);
  });
});
