import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import type { LlmCall, TapRecord } from "../../src/types.ts";
import {
  createDestination,
  type Destination,
  flush,
  ids,
  listFiles,
  listOwned,
  orphan,
  until,
  useWorkspace,
  write,
} from "./helpers.ts";

const workspace = useWorkspace();

/** As a process that dies leaves it, with the destination down. @returns where the logs lie */
async function leaveBehind(records: readonly TapRecord[], destination: Destination = createDestination()) {
  destination.answer = "retry";
  const sink = workspace.open(destination);
  await write(sink, records);
  await until(() => destination.writes.length > 0);
  const [dead] = orphan(sink.directory);
  return { folder: sink.directory, dead: dead as string };
}

function logOf(directory: string): string {
  return join(directory, fs.readdirSync(directory).find((file) => file.endsWith(".log")) as string);
}

const DAY_MS = 24 * 3_600_000;

describe("what a dead process has left", () => {
  it("is delivered by the next one, in order and before its own", async () => {
    const [left, own] = [sampleRecords(30), sampleRecords(5)];
    await leaveBehind(left);
    const destination = createDestination();
    const sink = workspace.open(destination);
    destination.answer = "retry";
    await write(sink, own);
    await until(() => sink.report().pending === 35);
    destination.answer = "delivered";
    await flush(sink);
    expect(ids(destination.arrived)).toEqual(ids([...left, ...own]));
    expect(sink.report()).toEqual({ delivered: 35, pending: 0, dropped: 0, unknown: 0 });
    await sink.close?.();
    expect(listFiles(workspace.dir)).toEqual([]);
    expect(fs.readdirSync(sink.directory)).toEqual([]);
  });

  it("is delivered though the next process writes nothing, once a tap has taken the sink on", async () => {
    const left = sampleRecords(3);
    await leaveBehind(left);
    const destination = createDestination();
    const sink = workspace.open(destination);
    sink.start?.({ runInBackground: (run) => run(), fetch });
    await until(() => destination.arrived.length === 3);
  });

  it("is not sent again as far as it was delivered", async () => {
    const destination = createDestination();
    const records = Array.from({ length: 1_200 }, (_, index) => sampleCall({ context: { userId: `user-${index}` } }));
    const confirmed = new Set<string>();
    // Of each write all but the odd ones, and only twice.
    destination.answer = (given) => ({
      results: given.map(({ id }, index) => {
        if (destination.writes.length > 2 || index % 2 === 1) return "retry";
        confirmed.add(id);
        return "delivered";
      }),
      retryAfterMs: 60_000,
    });
    const sink = workspace.open(destination);
    await write(sink, records);
    await until(() => sink.report().delivered >= 400);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    orphan(sink.directory);
    const next = createDestination();
    const second = workspace.open(next);
    await flush(second);
    expect(ids(next.arrived)).toEqual(ids(records.filter(({ id }) => !confirmed.has(id))));
    expect(second.report()).toMatchObject({ delivered: 1_200 - confirmed.size, pending: 0 });
  });

  it("is taken by one of many, each record once", async () => {
    const batches = Array.from({ length: 6 }, () => sampleRecords(20));
    for (const batch of batches) await leaveBehind(batch, createDestination());
    const destination = createDestination();
    const sinks = Array.from({ length: 5 }, () => workspace.open(destination));
    await Promise.all(sinks.map((sink) => flush(sink)));
    expect(ids(destination.arrived).sort()).toEqual(ids(batches.flat()).sort());
    expect(sinks.reduce((sum, sink) => sum + sink.report().delivered, 0)).toBe(120);
  });

  it("is left alone while its process lives", async () => {
    const mine = createDestination();
    mine.answer = "retry";
    await write(workspace.open(mine), sampleRecords(3));
    const other = createDestination();
    const sink = workspace.open(other);
    await flush(sink);
    expect(other.arrived).toEqual([]);
    expect(sink.report()).toEqual({ delivered: 0, pending: 0, dropped: 0, unknown: 0 });
  });

  it.runIf(process.platform === "linux")("is recognised though the pid lives again", async () => {
    const { folder, dead } = await leaveBehind(sampleRecords(2));
    const [, , space] = dead.slice(folder.length + 1).split("-");
    // This process's parent lives, but started at another time.
    fs.renameSync(dead, join(folder, `${process.ppid}-1-${space}-0123456789ab`));
    const destination = createDestination();
    await flush(workspace.open(destination));
    expect(destination.arrived).toHaveLength(2);
  });

  it("in another container is taken over once it was not touched for two minutes", async () => {
    const { folder, dead } = await leaveBehind(sampleRecords(2));
    const foreign = join(folder, "1-5-ffffffff-0123456789ab");
    fs.renameSync(dead, foreign);
    const touch = (secondsAgo: number): void => {
      const at = new Date(Date.now() - secondsAgo * 1_000);
      fs.utimesSync(foreign, at, at);
    };
    touch(100);
    const destination = createDestination();
    const sink = workspace.open(destination);
    await flush(sink);
    expect(destination.arrived).toEqual([]);
    touch(130);
    await flush(sink);
    expect(destination.arrived).toHaveLength(2);
  });

  it("for another destination is left alone", async () => {
    const first = createDestination({ destination: "project-1" });
    const { folder } = await leaveBehind(sampleRecords(2), first);
    for (const other of [createDestination({ destination: "project-2" }), createDestination({ name: "other" })]) {
      const sink = workspace.open(other);
      await flush(sink);
      expect(other.arrived).toEqual([]);
      expect(sink.directory).not.toBe(folder);
    }
    const same = createDestination({ destination: "project-1" });
    await flush(workspace.open(same));
    expect(same.arrived).toHaveLength(2);
  });

  it("older than seven days is flagged, because the destination has forgotten it", async () => {
    const { dead } = await leaveBehind([sampleCall()]);
    ageLog(logOf(dead), 8 * DAY_MS);
    const destination = createDestination();
    await flush(workspace.open(destination));
    expect((destination.arrived[0] as LlmCall).capture.notes).toEqual(["outbox_older_than_7_days"]);
  });

  it("older than thirty days is set aside by default, and never with Infinity", async () => {
    const { dead } = await leaveBehind([sampleCall()]);
    ageLog(logOf(dead), 31 * DAY_MS);
    const destination = createDestination();
    const sink = workspace.open(destination);
    await flush(sink);
    expect(destination.arrived).toEqual([]);
    expect(sink.stats()).toMatchObject({ expired: 1, pending: 0 });
    await sink.close?.();

    const again = await leaveBehind([sampleCall()]);
    ageLog(logOf(again.dead), 31 * DAY_MS);
    await flush(workspace.open(destination, { maxAgeMs: Number.POSITIVE_INFINITY }));
    expect(destination.arrived).toHaveLength(1);
  });

  it("is not old because a clock was wrong when it was stored", async () => {
    const { dead } = await leaveBehind([sampleCall()]);
    // A machine without a battery starts in 1970.
    ageLog(logOf(dead), Date.now() - 5_000);
    const destination = createDestination();
    await flush(workspace.open(destination));
    expect(destination.arrived).toHaveLength(1);
  });
});

describe("damage", () => {
  it("a line that was cut off is skipped and counted; it was never promised", async () => {
    const left = sampleRecords(10);
    const { dead } = await leaveBehind(left);
    const log = logOf(dead);
    fs.truncateSync(log, fs.statSync(log).size - 20);
    const destination = createDestination();
    const sink = workspace.open(destination);
    await flush(sink);
    expect(ids(destination.arrived)).toEqual(ids(left.slice(0, 9)));
    expect(sink.stats()).toMatchObject({ delivered: 9, pending: 0, torn: 1, corrupt: 0 });
    await sink.close?.();
    expect(listFiles(workspace.dir)).toEqual([]);
  });

  it.each([
    ["a changed byte", (bytes: Buffer, at: number) => bytes.writeUInt8((bytes[at] as number) ^ 1, at)],
    ["zeros", (bytes: Buffer, at: number) => bytes.fill(0, at, at + 50)],
  ])("%s costs the record that it hits, and no other", async (_name, damage) => {
    const left = sampleRecords(10);
    const { dead } = await leaveBehind(left);
    const log = logOf(dead);
    const bytes = fs.readFileSync(log);
    damage(bytes, bytes.indexOf(left[4]?.id as string));
    fs.writeFileSync(log, bytes);
    const destination = createDestination();
    const sink = workspace.open(destination);
    await flush(sink);
    expect(ids(destination.arrived)).toEqual(ids(left.filter((_, index) => index !== 4)));
    expect(sink.stats()).toMatchObject({ delivered: 9, pending: 0, corrupt: 1 });
    expect(sink.report().dropped).toBe(1);
    expect(workspace.warnings.join()).toMatch(/damaged/);
  });

  it("a file that is nothing but noise harms nobody", async () => {
    const { dead } = await leaveBehind(sampleRecords(2));
    let seed = 1;
    const noise = Buffer.from(Array.from({ length: 300_000 }, () => (seed = (seed * 48_271) % 2_147_483_647) & 255));
    fs.writeFileSync(join(dead, "000000002.log"), noise);
    fs.writeFileSync(join(dead, "000000003.log"), "");
    fs.writeFileSync(join(dead, "000000001.done"), noise);
    const destination = createDestination();
    const sink = workspace.open(destination);
    await flush(sink);
    expect(destination.arrived).toHaveLength(2);
    expect(sink.report().pending).toBe(0);
  });

  it("a note of what was delivered that was cut off never names more than was delivered", async () => {
    const left = sampleRecords(50);
    const { dead } = await leaveBehind(left);
    // `1-40` torn after the `1`, and the next process's `5-9` behind it, must not read `15-9` or `1-45`.
    fs.writeFileSync(logOf(dead).replace(".log", ".done"), "\n1-3\n1");
    const destination = createDestination();
    const first = workspace.open(destination);
    await flush(first);
    expect(ids(destination.arrived)).toEqual(ids(left.slice(3)));
  });
});

describe("a process that was taken for dead", () => {
  it("notices, and what it writes then is not lost", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination);
    const [before, after] = [sampleRecords(4), sampleRecords(4)];
    await write(sink, before);
    await until(() => destination.writes.length > 0);
    orphan(sink.directory);
    expect(await write(sink, after)).toEqual(after.map(() => "stored"));
    expect(listOwned(sink.directory)).toHaveLength(2);
    destination.answer = "delivered";
    await flush(sink);
    expect(new Set(ids(destination.arrived))).toEqual(new Set(ids([...before, ...after])));
    // The first four were another process's for a while, which it could not know of; the others were in both logs.
    expect(sink.report()).toEqual({ delivered: 12, pending: 0, dropped: 0, unknown: 4 });
  });

  it("goes on when somebody has removed its directory", async () => {
    const destination = createDestination();
    const sink = workspace.open(destination);
    await write(sink, sampleRecords(1));
    fs.rmSync(sink.directory, { recursive: true });
    const record = sampleCall();
    expect(await write(sink, [record])).toEqual(["stored"]);
    await flush(sink);
    expect(ids(destination.arrived)).toContain(record.id);
  });
});

/** Makes all entries of a log that much older. */
function ageLog(log: string, milliseconds: number): void {
  const lines = fs.readFileSync(log, "utf8").trimEnd().split("\n");
  const aged = lines.map((line) => {
    const [, number, time, ...json] = line.split(" ");
    const rest = `${number} ${(Number.parseInt(time as string, 36) - milliseconds).toString(36)} ${json.join(" ")}`;
    return `${crc32(rest).toString(16).padStart(8, "0")} ${rest}\n`;
  });
  fs.writeFileSync(log, aged.join(""));
}
