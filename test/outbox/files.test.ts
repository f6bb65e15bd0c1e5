import fs from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, describe, expect, it, vi } from "vitest";
import { durable } from "../../src/outbox/index.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import { createDestination, flush, ids, listFiles, listOwned, orphan, until, useWorkspace, write } from "./helpers.ts";

const workspace = useWorkspace();
const isRoot = process.getuid?.() === 0;
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const permissions = (path: string): string => (fs.lstatSync(path).mode & 0o777).toString(8);

/** A destination that is down, so that everything stays on disk. */
function down(fields = {}) {
  const destination = createDestination(fields);
  destination.answer = "retry";
  return destination;
}

describe("permissions", () => {
  it.each([0o000, 0o022, 0o277, 0o777])("files are 0600 and directories 0700 under umask %o", async (umask) => {
    const before = process.umask(umask);
    try {
      const destination = createDestination();
      const records = sampleRecords(20);
      const refused = new Set(ids(records.slice(0, 2)));
      destination.answer = (given) => ({
        results: given.map(({ id }, index) => (refused.has(id) ? "rejected" : index === 2 ? "delivered" : "retry")),
      });
      const dir = join(workspace.dir, "a", "b");
      const sink = workspace.open(destination, { dir });
      await write(sink, records);
      await until(() => listFiles(dir).length === 3);
      const [owned] = listOwned(sink.directory);
      const directories = [join(workspace.dir, "a"), dir, sink.directory, owned as string];
      expect(directories.map(permissions)).toEqual(["700", "700", "700", "700"]);
      expect(listFiles(dir).map((file) => permissions(join(dir, file)))).toEqual(["600", "600", "600"]);
    } finally {
      process.umask(before);
    }
  });

  it("a directory for logs that others could read is closed, one of the user's own around it is left as it is", async () => {
    const destination = down();
    fs.chmodSync(workspace.dir, 0o755);
    const { directory } = durable(destination, { dir: workspace.dir });
    fs.mkdirSync(directory);
    fs.chmodSync(directory, 0o777);
    await write(workspace.open(destination), sampleRecords(1));
    expect([permissions(workspace.dir), permissions(directory)]).toEqual(["755", "700"]);
  });
});

describe("links and other users", () => {
  it("a directory that is a symbolic link is not followed: records stay in memory, with one warning", async () => {
    const target = join(workspace.dir, "target");
    fs.mkdirSync(target);
    fs.symlinkSync(target, join(workspace.dir, "link"));
    const destination = createDestination();
    const sink = workspace.open(destination, { dir: join(workspace.dir, "link") });
    expect(await write(sink, sampleRecords(2))).toEqual(["delivered", "delivered"]);
    expect(await write(sink, sampleRecords(1))).toEqual(["delivered"]);
    expect(workspace.warnings).toHaveLength(1);
    expect(workspace.warnings[0]).toMatch(/kept in memory only: .*symbolic link/);
  });

  it("nor is one in the place of the logs", async () => {
    const target = join(workspace.dir, "target");
    fs.mkdirSync(target);
    const destination = createDestination();
    const dir = join(workspace.dir, "outbox");
    fs.mkdirSync(dir);
    fs.symlinkSync(target, durable(destination, { dir }).directory);
    const sink = workspace.open(destination, { dir });
    expect(await write(sink, sampleRecords(1))).toEqual(["delivered"]);
    await flush(sink);
    expect(listFiles(target)).toEqual([]);
  });

  it("a link in the place of a dead process's logs, or of one of its files, is left alone", async () => {
    const elsewhere = workspace.open(down({ name: "elsewhere" }));
    await write(elsewhere, sampleRecords(3));
    const [stolen] = orphan(elsewhere.directory) as [string];
    const destination = createDestination();
    const sink = workspace.open(destination);
    fs.mkdirSync(sink.directory, { mode: 0o700 });
    fs.symlinkSync(stolen, join(sink.directory, "41943040-1-00000000-0123456789ab"));
    const real = join(sink.directory, "free-0123456789ab");
    fs.mkdirSync(real, { mode: 0o700 });
    fs.symlinkSync(join(stolen, "000000001.log"), join(real, "000000001.log"));
    await flush(sink);
    expect(destination.arrived).toEqual([]);
    // Its own sink may have taken it back meanwhile; what counts is that it is still there.
    expect(listFiles(elsewhere.directory).filter((file) => file.endsWith(".log"))).toHaveLength(1);
  });

  it.runIf(isRoot)("nothing is taken over from another user", async () => {
    const first = workspace.open(down());
    await write(first, sampleRecords(3));
    const [dead] = orphan(first.directory) as [string];
    const log = join(dead, "000000001.log");
    const destination = createDestination();
    const sink = workspace.open(destination);
    fs.chownSync(dead, 12_345, 12_345);
    await flush(sink);
    expect(destination.arrived).toEqual([]);
    // The directory may be ours and a file in it not.
    fs.chownSync(dead, 0, 0);
    fs.chownSync(log, 12_345, 12_345);
    await flush(sink);
    expect(destination.arrived).toEqual([]);
    const [taken] = listOwned(sink.directory) as [string];
    fs.chownSync(join(taken, "000000001.log"), 0, 0);
    orphan(sink.directory);
    await flush(workspace.open(destination));
    expect(destination.arrived).toHaveLength(3);
  });

  it.runIf(isRoot)("a directory of another user is not used", async () => {
    fs.chownSync(workspace.dir, 12_345, 12_345);
    const destination = createDestination();
    expect(await write(workspace.open(destination), sampleRecords(1))).toEqual(["delivered"]);
    expect(workspace.warnings[0]).toMatch(/belongs to user 12345/);
  });
});

describe("the default directory", () => {
  it("is one of this program among the user's own, never a shared temporary one", () => {
    vi.stubEnv("XDG_STATE_HOME", "");
    const { directory } = durable(createDestination());
    expect(directory.startsWith(homedir())).toBe(true);
    expect(directory.startsWith(tmpdir())).toBe(homedir().startsWith(tmpdir()));
    const [script] = process.argv.splice(1, 1, "/another/program.js");
    expect(durable(createDestination()).directory).not.toBe(directory);
    process.argv.splice(1, 1, script as string);
  });

  it.runIf(process.platform === "linux")("follows XDG_STATE_HOME, when that is absolute", () => {
    vi.stubEnv("XDG_STATE_HOME", "/home/ada/state");
    expect(durable(createDestination()).directory).toMatch(
      /^\/home\/ada\/state\/llm-tap\/outbox\/\w{12}\/destination-/,
    );
    vi.stubEnv("XDG_STATE_HOME", "state");
    expect(durable(createDestination()).directory.startsWith(homedir())).toBe(true);
  });

  it("names no path with what a sink is called", () => {
    const { directory } = durable(createDestination({ name: "../../etc/passwd" }), { dir: "/srv/outbox" });
    expect(directory).toMatch(/^\/srv\/outbox\/-etc-passwd-\w{12}$/);
  });
});

describe("a disk that does not take records", () => {
  it("full: memory, one warning; nothing is torn, and the disk is used again when there is room", async () => {
    const destination = createDestination();
    const sink = workspace.open(destination);
    destination.answer = "retry";
    const [stored, inMemory, later] = [sampleRecords(3), sampleRecords(4), sampleRecords(2)];
    await write(sink, stored);
    const real = fs.write.bind(fs);
    let isFull = true;
    vi.spyOn(fs, "write").mockImplementation(((
      descriptor: number,
      bytes: Buffer,
      start: number,
      length: number,
      position: null,
      done: (error: Error | null, written?: number) => void,
    ) => {
      // Half a line still fits.
      if (isFull && length > 1_000) real(descriptor, bytes, start, 1_000, position, done);
      else if (isFull) done(Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" }));
      else real(descriptor, bytes, start, length, position, done);
    }) as never);
    // Behind what is stored, and with the destination's own answer.
    expect(await write(sink, inMemory)).toEqual(inMemory.map(() => "retry"));
    expect(sink.report().pending).toBe(3);
    destination.answer = "delivered";
    expect(await write(sink, inMemory)).toEqual(inMemory.map(() => "delivered"));
    expect(ids(destination.arrived)).toEqual(ids([...stored, ...inMemory]));
    expect(workspace.warnings).toHaveLength(1);
    expect(workspace.warnings[0]).toMatch(/kept in memory only: .*ENOSPC/);

    isFull = false;
    // The disk is asked again after five seconds.
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 6_000);
    expect(await write(sink, later)).toEqual(later.map(() => "stored"));
    await flush(sink);
    expect(destination.arrived).toHaveLength(9);
    expect(sink.stats()).toMatchObject({ corrupt: 0, torn: 0, pending: 0 });
  });

  it("full in the middle of a block: what is taken back was not sent, and what comes later is", async () => {
    const destination = createDestination();
    const sink = workspace.open(destination);
    // More than one batch: the rest is not read as long as the first is under way.
    const [stored, inMemory, later] = [sampleRecords(600), sampleRecords(4), sampleRecords(3)];
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    destination.answer = async (records) => {
      await gate;
      return { results: records.map(() => "delivered") };
    };
    await write(sink, stored);
    await until(() => destination.writes.length > 0);
    const real = fs.write.bind(fs);
    let calls = 0;
    let fail: () => void = () => undefined;
    const spy = vi.spyOn(fs, "write").mockImplementation(((
      descriptor: number,
      bytes: Buffer,
      start: number,
      length: number,
      position: null,
      done: (error: Error | null, written?: number) => void,
    ) => {
      calls += 1;
      // Two whole lines and a bit of the third; then it is full, but not before the reader has had its turn.
      const two = bytes.indexOf(10, bytes.indexOf(10) + 1) + 10;
      if (calls === 1) return real(descriptor, bytes, start, Math.min(length, two), position, done);
      if (calls > 2) return real(descriptor, bytes, start, length, position, done);
      const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
      fail = () => done(full);
    }) as never);
    const writing = write(sink, inMemory);
    await until(() => calls === 2);
    open();
    // The log is read on.
    await until(() => destination.arrived.length >= stored.length);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    expect(ids(destination.arrived)).toEqual(ids(stored));
    fail();
    expect(await writing).toEqual(inMemory.map(() => "delivered"));
    spy.mockRestore();
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 6_000);
    expect(await write(sink, later)).toEqual(later.map(() => "stored"));
    await flush(sink);
    expect(ids(destination.arrived)).toEqual(ids([...stored, ...inMemory, ...later]));
    expect(sink.report()).toMatchObject({ pending: 0, dropped: 0, unknown: 0 });
  });

  it("at the exit, what the disk does not take goes to the sink, if that can", () => {
    fs.writeFileSync(join(workspace.dir, "file"), "");
    const written: string[] = [];
    const destination = createDestination({ writeSync: (records) => void written.push(...ids(records)) });
    const record = sampleCall();
    workspace.open(destination, { dir: join(workspace.dir, "file") }).writeSync?.([record]);
    expect(written).toEqual([record.id]);
    const plain = workspace.open(createDestination({ name: "plain" }), { dir: join(workspace.dir, "file") });
    expect(() => plain.writeSync?.([record])).toThrow(/can't|not a|no directory|ENOTDIR/i);
  });

  it("answers at once when told to stop, whatever the disk does", async () => {
    const sink = workspace.open(createDestination());
    vi.spyOn(fs, "write").mockImplementation(() => undefined);
    const controller = new AbortController();
    const writing = sink.write(sampleRecords(2), { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    expect((await writing).results).toEqual(["retry", "retry"]);
  });
});
