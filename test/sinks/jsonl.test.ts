import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TapError } from "../../src/errors.ts";
import { jsonlSink } from "../../src/sinks/jsonl.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import { testSink } from "../../src/testing/sink-contract.ts";
import type { TapRecord } from "../../src/types.ts";

const options = { signal: new AbortController().signal };
const isRoot = process.getuid?.() === 0;

let directory = "";
let path = "";

function makeDirectory(): void {
  directory = fs.mkdtempSync(join(tmpdir(), "llm-tap-jsonl-"));
  path = join(directory, "calls.jsonl");
}

function removeDirectory(): void {
  fs.rmSync(directory, { recursive: true, force: true });
}

function readRecords(file: string = path): TapRecord[] {
  if (!fs.existsSync(file)) return [];
  return fs
    .readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as TapRecord);
}

const ids = (records: readonly TapRecord[]): string[] => records.map((record) => record.id);
const permissions = (file: string): string => (fs.statSync(file).mode & 0o777).toString(8);

testSink(
  {
    name: "jsonl",
    create() {
      makeDirectory();
      return jsonlSink({ path });
    },
    received: () => ids(readRecords()),
    destroy: removeDirectory,
  },
  { describe, it, expect },
);

describe("jsonlSink", () => {
  beforeEach(makeDirectory);
  afterEach(() => {
    vi.restoreAllMocks();
    removeDirectory();
  });

  it("writes the record itself, one line each, and appends to what is there", async () => {
    const records = [sampleCall({ context: { userId: "line\nbreak \u2028 张三" } }), sampleCall()];
    await jsonlSink(path).write(records.slice(0, 1), options);
    await jsonlSink({ path }).write(records.slice(1), options);
    expect(readRecords()).toEqual(records);
    expect(fs.readFileSync(path, "utf8").split("\n")).toHaveLength(3);
  });

  it.each([0o000, 0o022, 0o277, 0o777])("makes the file 0600 and directories 0700 under umask %o", async (umask) => {
    const before = process.umask(umask);
    try {
      const file = join(directory, "a", "b", "calls.jsonl");
      expect((await jsonlSink(file).write([sampleCall()], options)).results).toEqual(["delivered"]);
      expect([permissions(file), permissions(join(directory, "a")), permissions(join(directory, "a", "b"))]).toEqual([
        "600",
        "700",
        "700",
      ]);
    } finally {
      process.umask(before);
    }
  });

  it("closes a file that others could read, and leaves existing directories alone", async () => {
    fs.writeFileSync(path, "", { mode: 0o644 });
    fs.chmodSync(path, 0o644);
    fs.chmodSync(directory, 0o755);
    await jsonlSink(path).write([sampleCall()], options);
    expect([permissions(path), permissions(directory)]).toEqual(["600", "755"]);
  });

  it("takes a mode of the user's own", async () => {
    await jsonlSink({ path, mode: 0o640 }).write([sampleCall()], options);
    expect(permissions(path)).toBe("640");
  });

  it("refuses a symbolic link, and does not touch what it leads to", async () => {
    const target = join(directory, "target");
    fs.writeFileSync(target, "mine");
    fs.symlinkSync(target, path);
    const refused = jsonlSink(path).write([sampleCall()], options);
    await expect(refused).rejects.toThrow(TapError);
    await expect(refused).rejects.toMatchObject({
      code: "sink_failed",
      message: expect.stringMatching(/symbolic link/) as string,
    });
    expect(fs.readFileSync(target, "utf8")).toBe("mine");
  });

  it("refuses a link to nowhere too", async () => {
    fs.symlinkSync(join(directory, "missing"), path);
    await expect(jsonlSink(path).write([sampleCall()], options)).rejects.toThrow(/symbolic link/);
    expect(fs.existsSync(join(directory, "missing"))).toBe(false);
  });

  it.runIf(isRoot)("refuses a file of another user", async () => {
    fs.writeFileSync(path, "");
    fs.chownSync(path, 12_345, 12_345);
    await expect(jsonlSink(path).write([sampleCall()], options)).rejects.toThrow(/belongs to user 12345/);
    expect(fs.statSync(path).size).toBe(0);
  });

  it("refuses what is no regular file", async () => {
    fs.mkdirSync(path);
    await expect(jsonlSink(path).write([sampleCall()], options)).rejects.toMatchObject({ code: "sink_failed" });
  });

  it("rejects on a disk error, and the next write works", async () => {
    const sink = jsonlSink(path);
    const records = sampleRecords(3);
    failWrites(1, 0);
    await expect(sink.write(records, options)).rejects.toMatchObject({
      code: "sink_failed",
      cause: { code: "ENOSPC" },
    });
    expect((await sink.write(records, options)).results).toEqual(["delivered", "delivered", "delivered"]);
    expect(readRecords()).toEqual(records);
  });

  it("when the disk fills up inside a line: whole lines count, the torn one is given again on a line of its own", async () => {
    const sink = jsonlSink(path);
    const records = sampleRecords(3);
    const first = Buffer.byteLength(`${JSON.stringify(records[0])}\n`);
    failWrites(2, first + 10);
    const { results } = await sink.write(records, options);
    expect(results).toEqual(["delivered", "retry", "retry"]);
    expect((await sink.write(records.slice(1), options)).results).toEqual(["delivered", "delivered"]);
    const lines = fs.readFileSync(path, "utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    expect([0, 2, 3].map((index) => JSON.parse(lines[index] as string) as TapRecord)).toEqual(records);
  });

  it("starts a new line after one that another process left unfinished", async () => {
    fs.writeFileSync(path, '{"type":"call","id":"torn');
    const record = sampleCall();
    await jsonlSink(path).write([record], options);
    expect(JSON.parse(fs.readFileSync(path, "utf8").split("\n")[1] as string)).toEqual(record);
  });

  it("makes a new file after a rotation", async () => {
    const sink = jsonlSink(path);
    const [first, second, third] = [sampleCall(), sampleCall(), sampleCall()];
    await sink.write([first], options);
    fs.renameSync(path, `${path}.1`);
    await sink.write([second], options);
    fs.rmSync(path);
    await sink.write([third], options);
    expect([ids(readRecords(`${path}.1`)), ids(readRecords())]).toEqual([[first.id], [third.id]]);
  });

  it("keeps the order of writes that were not awaited, also with one before exit", async () => {
    const sink = jsonlSink(path);
    const batches = Array.from({ length: 20 }, () => sampleRecords(3));
    await Promise.all(batches.map((batch) => sink.write(batch, options)));
    const last = sampleCall();
    sink.writeSync?.([last]);
    expect(ids(readRecords())).toEqual([...ids(batches.flat()), last.id]);
  });

  it("gives back what waited behind a disk that hangs", async () => {
    const sink = jsonlSink(path);
    let release = (): void => undefined;
    vi.spyOn(fs.promises, "lstat").mockImplementation(
      () => new Promise((resolve) => (release = () => resolve(undefined as never))),
    );
    await sink.write([sampleCall()], options);
    const controller = new AbortController();
    const begun = sink.write([sampleCall()], { signal: controller.signal });
    const queued = sink.write([sampleCall(), sampleCall()], { signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort();
    expect([await begun, await queued]).toEqual([{ results: ["unknown"] }, { results: ["retry", "retry"] }]);
    release();
    vi.restoreAllMocks();
    await sink.close?.();
    expect(readRecords()).toHaveLength(2);
  });

  it("does not write again at once what the system already is writing", async () => {
    const sink = jsonlSink({ path });
    const [first, second] = [sampleCall(), sampleCall()];
    const real = fs.write.bind(fs);
    // Node lets the system finish such a write when the process exits.
    const begun = new Promise<() => void>((resolve) => {
      vi.spyOn(fs, "write").mockImplementation((...given: Parameters<typeof real>) => resolve(() => real(...given)));
    });
    const written = sink.write([first], options);
    const finish = await begun;
    sink.writeSync?.([first, second]);
    finish();
    await written;
    await sink.close?.();
    expect(ids(readRecords()).toSorted()).toEqual(ids([first, second]).toSorted());
  });

  it.each([{ path: "" }, { path: undefined as unknown as string }])("says what is wrong with %j", (wrong) => {
    expect(() => jsonlSink(wrong)).toThrow(/"path" must be the path of a file/);
  });
});

/** Lets the disk be full: the `call`-th write fails, and the one before it takes only `accepted` bytes (0: all). */
function failWrites(call: number, accepted: number): void {
  const real = fs.write.bind(fs);
  let calls = 0;
  const fake = (
    fd: number,
    data: Buffer,
    offset: number,
    length: number,
    position: null,
    done: (error: Error | null, written?: number) => void,
  ): void => {
    calls += 1;
    if (calls === call) done(Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" }));
    else real(fd, data, offset, accepted > 0 ? Math.min(accepted, length) : length, position, done);
  };
  vi.spyOn(fs, "write").mockImplementation(fake as never);
}
