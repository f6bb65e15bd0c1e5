import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TapError } from "../../src/errors.ts";
import { durable } from "../../src/outbox/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import type { DeliveryResult, Sink, TapRecord } from "../../src/types.ts";
import { createDestination, flush, ids, listFiles, readDeadLetters, until, useWorkspace, write } from "./helpers.ts";

const workspace = useWorkspace();
const ofUser = (userId: string): TapRecord => sampleCall({ context: { userId } });

/** One result for some records, `delivered` for the rest. */
function answerFor(chosen: readonly TapRecord[], result: DeliveryResult, more: object = {}) {
  const wanted = new Set(ids(chosen));
  return (records: readonly TapRecord[]) => ({
    results: records.map(({ id }): DeliveryResult => (wanted.has(id) ? result : "delivered")),
    ...more,
  });
}

describe("what is stored", () => {
  it("is on disk when write answers, pending while the destination is down, and delivered once when it is back", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination);
    const records = sampleRecords(7);
    expect(await write(sink, records)).toEqual(records.map(() => "stored"));
    const log = listFiles(sink.directory).find((file) => file.endsWith(".log"));
    const lines = fs
      .readFileSync(join(sink.directory, log as string), "utf8")
      .trimEnd()
      .split("\n");
    expect(lines.map((line) => JSON.parse(line.slice(line.indexOf("{"))) as TapRecord)).toEqual(records);
    expect(sink.report()).toEqual({ delivered: 0, pending: 7, dropped: 0, unknown: 0 });

    destination.answer = "delivered";
    await flush(sink);
    expect(destination.arrived).toEqual(records);
    expect(sink.report()).toEqual({ delivered: 7, pending: 0, dropped: 0, unknown: 0 });
  });

  it("is a snapshot: what the app changes afterwards changes nothing", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination);
    const record = sampleCall({ context: { properties: { plan: "free" } } });
    await write(sink, [record]);
    (record.context.properties as Record<string, unknown>)["plan"] = "changed";
    destination.answer = "delivered";
    await flush(sink);
    expect(destination.arrived[0]?.context.properties).toEqual({ plan: "free" });
  });

  it("leaves no content on disk once it is delivered", async () => {
    const sink = workspace.open(createDestination());
    await write(sink, sampleRecords(20));
    await until(() => listFiles(workspace.dir).length === 0);
    expect(sink.stats()).toMatchObject({ stored: 20, delivered: 20, pending: 0, bytes: 0 });
    await write(sink, sampleRecords(2));
    await flush(sink);
    expect(sink.report().delivered).toBe(22);
  });

  it("leaves nothing on disk after close when all is delivered, else what is pending", async () => {
    const destination = createDestination();
    const sink = workspace.open(destination);
    await write(sink, sampleRecords(3));
    await flush(sink);
    await sink.close?.();
    expect(listFiles(workspace.dir)).toEqual([]);

    destination.answer = "retry";
    const second = workspace.open(destination);
    await write(second, sampleRecords(3));
    await second.close?.();
    expect(listFiles(workspace.dir).filter((file) => file.endsWith(".log"))).toHaveLength(1);
    expect(second.report().pending).toBe(0);
  });

  it("keeps what is under way when close does not wait for it", async () => {
    const destination = createDestination();
    destination.answer = "hang";
    const records = sampleRecords(3);
    const first = workspace.open(destination);
    await write(first, records);
    await until(() => destination.writes.length > 0);
    await first.close?.();
    destination.answer = "delivered";
    const second = workspace.open(destination);
    await flush(second);
    expect(ids(destination.arrived)).toEqual(ids(records));
  });
});

describe("again", () => {
  it("backs off, and honours what the destination asks for", async () => {
    const destination = createDestination();
    const times: number[] = [];
    destination.answer = (records) => {
      times.push(performance.now());
      const isFirst = times.length === 1;
      return { results: records.map(() => (isFirst ? "retry" : "delivered")), ...(isFirst && { retryAfterMs: 700 }) };
    };
    const sink = workspace.open(destination);
    await write(sink, sampleRecords(1));
    // A flush doesn't go over it either.
    await flush(sink, 300);
    expect(times).toHaveLength(1);
    await flush(sink);
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(700);
  });

  it("tries less and less often while the destination is down", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination);
    await write(sink, sampleRecords(1));
    await new Promise((resolve) => {
      setTimeout(resolve, 1_000);
    });
    expect(destination.writes.length).toBeGreaterThanOrEqual(2);
    expect(destination.writes.length).toBeLessThanOrEqual(5);
  });

  it("a flush tries at once, whatever the back-off was", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination);
    await write(sink, sampleRecords(1));
    await flush(sink, 2_000);
    expect(sink.report().pending).toBe(1);
    destination.answer = "delivered";
    const before = performance.now();
    await flush(sink);
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(sink.report()).toMatchObject({ delivered: 1, pending: 0 });
  });

  it("a sink that throws is asked again", async () => {
    const destination = createDestination();
    destination.answer = new Error("connect ECONNREFUSED");
    const sink = workspace.open(destination);
    const records = sampleRecords(40);
    await write(sink, records);
    await until(() => destination.writes.length >= 4);
    destination.answer = "delivered";
    await flush(sink);
    expect(ids(destination.arrived)).toEqual(ids(records));
    expect(readDeadLetters(sink.directory)).toEqual([]);
  });

  it("what the sink can't tell counts as unknown, unless sending again does no harm", async () => {
    const plain = createDestination({ name: "plain" });
    plain.answer = "unknown";
    const first = workspace.open(plain);
    await write(first, sampleRecords(3));
    await flush(first);
    expect(first.report()).toEqual({ delivered: 0, pending: 0, dropped: 0, unknown: 3 });

    const idempotent = createDestination({ name: "idempotent", idempotent: true });
    idempotent.answer = "unknown";
    const second = workspace.open(idempotent);
    await write(second, sampleRecords(3));
    await flush(second, 200);
    expect(second.report()).toEqual({ delivered: 0, pending: 3, dropped: 0, unknown: 0 });
    idempotent.answer = "delivered";
    await flush(second);
    expect(second.report()).toEqual({ delivered: 3, pending: 0, dropped: 0, unknown: 0 });
  });
});

describe("order", () => {
  it("one user's pause holds that user's records, in order, and nobody else's", async () => {
    const destination = createDestination();
    const [a1, b1, a2, c1] = [ofUser("a"), ofUser("b"), ofUser("a"), ofUser("c")];
    destination.answer = answerFor([a1, a2], "retry", { retryAfterMs: 400 });
    const sink = workspace.open(destination);
    await write(sink, [a1, b1, a2]);
    await until(() => destination.arrived.length === 1);
    const [a3, b2] = [ofUser("a"), ofUser("b")];
    await write(sink, [a3, b2, c1]);
    await until(() => destination.arrived.length === 3);
    expect(ids(destination.arrived)).toEqual(ids([b1, b2, c1]));
    destination.answer = "delivered";
    await flush(sink);
    expect(ids(destination.arrived.filter(({ context }) => context.userId === "a"))).toEqual(ids([a1, a2, a3]));
  });

  it("is kept over hundreds of random refusals", async () => {
    const destination = createDestination();
    let seed = 7;
    const random = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
    destination.answer = (records) => {
      const stopped = new Set<string>();
      return {
        results: records.map(({ context }): DeliveryResult => {
          const user = context.userId as string;
          if (stopped.has(user) || random() < 0.05) {
            stopped.add(user);
            return "retry";
          }
          return "delivered";
        }),
        retryAfterMs: 1,
      };
    };
    const sink = workspace.open(destination);
    const records = Array.from({ length: 1_000 }, (_, index) => ofUser(`user-${index % 23}`));
    for (let start = 0; start < records.length; start += 100) await write(sink, records.slice(start, start + 100));
    await until(() => destination.arrived.length > 300);
    destination.answer = "delivered";
    await flush(sink);
    expect(destination.arrived).toHaveLength(1_000);
    for (let user = 0; user < 23; user += 1) {
      const mine = (record: TapRecord): boolean => record.context.userId === `user-${user}`;
      expect(ids(destination.arrived.filter(mine))).toEqual(ids(records.filter(mine)));
    }
  });
});

describe("set aside", () => {
  it("what the destination refuses, with its reason", async () => {
    const destination = createDestination();
    const records = sampleRecords(5);
    const refused = [records[1], records[3]] as TapRecord[];
    destination.answer = (given) => ({
      results: given.map((record) => (ids(refused).includes(record.id) ? "rejected" : "delivered")),
      reasons: given.map((record) => (record.id === refused[0]?.id ? "HTTP 400: no such plan" : undefined)),
    });
    const sink = workspace.open(destination);
    await write(sink, records);
    await flush(sink);
    expect(sink.report()).toEqual({ delivered: 3, pending: 0, dropped: 2, unknown: 0 });
    expect(readDeadLetters(sink.directory)).toMatchObject([
      { reason: "HTTP 400: no such plan", record: refused[0] },
      { reason: "refused by the destination", record: refused[1] },
    ]);
    expect(workspace.warnings).toHaveLength(1);
    expect(workspace.warnings[0]).toMatch(/set aside in .*dead-letters\.jsonl: HTTP 400: no such plan/);
  });

  it("a record over which the sink throws, once others go through", async () => {
    const destination = createDestination();
    const records = Array.from({ length: 30 }, (_, index) => ofUser(`user-${index}`));
    const poison = records[11] as TapRecord;
    destination.answer = (given) => {
      if (given.some(({ id }) => id === poison.id)) throw new RangeError("Maximum call stack size exceeded");
      return { results: given.map(() => "delivered") };
    };
    const sink = workspace.open(destination);
    await write(sink, records);
    const late = ofUser("late");
    await until(() => destination.arrived.length === 29);
    await write(sink, [late]);
    await flush(sink);
    expect(ids(destination.arrived).sort()).toEqual(
      ids([...records, late].filter(({ id }) => id !== poison.id)).sort(),
    );
    expect(sink.report()).toEqual({ delivered: 30, pending: 0, dropped: 1, unknown: 0 });
    const [letter] = readDeadLetters(sink.directory);
    expect(letter).toMatchObject({ record: poison });
    expect(letter?.reason).toMatch(/failed 3 times over this record alone: RangeError: Maximum call stack/);
  });

  it("nothing when the clock is moved: what this process has stored is no older than it", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination);
    const { now } = Date;
    try {
      for (const years of [0, 10, -10]) {
        Date.now = () => now() + years * 365 * 24 * 3_600_000;
        await write(sink, [sampleCall()]);
        destination.answer = "delivered";
        await flush(sink);
        destination.answer = "retry";
      }
      expect(sink.report()).toEqual({ delivered: 3, pending: 0, dropped: 0, unknown: 0 });
    } finally {
      Date.now = now;
    }
  });

  it("what is older than maxAgeMs", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination, { maxAgeMs: 150 });
    await write(sink, sampleRecords(2));
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    destination.answer = "delivered";
    const young = sampleCall();
    await write(sink, [young]);
    await flush(sink);
    expect(ids(destination.arrived)).toEqual([young.id]);
    expect(sink.stats()).toMatchObject({ delivered: 1, expired: 2, pending: 0 });
    expect(readDeadLetters(sink.directory).map(({ reason }) => reason)).toEqual(
      Array.from({ length: 2 }, () => "older than maxAgeMs (150 ms)"),
    );
  });
});

describe("bounds", () => {
  it("over maxBytes the oldest go, and are counted", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination, { maxBytes: 200_000 });
    const records = sampleRecords(1_000);
    for (let start = 0; start < 1_000; start += 50) await write(sink, records.slice(start, start + 50));
    const { pending, dropped } = sink.report();
    expect(sink.stats().bytes).toBeLessThanOrEqual(200_000);
    expect(pending + dropped).toBe(1_000);
    expect(pending).toBeGreaterThan(50);
    destination.answer = "delivered";
    await flush(sink);
    const { delivered, ...after } = sink.report();
    expect(delivered + after.dropped).toBe(1_000);
    expect(ids(destination.arrived)).toEqual(ids(records.slice(1_000 - delivered)));
    expect(workspace.warnings.filter((line) => /maxBytes/.test(line))).toHaveLength(1);
  });

  it("a record that is larger than maxBytes goes straight to the sink", async () => {
    const destination = createDestination();
    const sink = workspace.open(destination, { maxBytes: 10_000 });
    const large = sampleCall({ context: { properties: { text: "x".repeat(20_000) } } });
    expect(await write(sink, [sampleCall(), large])).toEqual(["stored", "delivered"]);
    await flush(sink);
    expect(destination.arrived).toHaveLength(2);
  });

  it("reads no more than it can hold while one user must wait", async () => {
    const destination = createDestination();
    const sink = workspace.open(destination);
    destination.answer = (records) => ({
      results: records.map(({ context }) => (context.userId === "slow" ? "retry" : "delivered")),
      retryAfterMs: 60_000,
    });
    const records = Array.from({ length: 5_000 }, (_, index) => ofUser(index % 2 === 0 ? "slow" : "fast"));
    for (let start = 0; start < 5_000; start += 200) await write(sink, records.slice(start, start + 200));
    await flush(sink, 500);
    expect(destination.arrived.length).toBeGreaterThan(1_000);
    expect(sink.report().pending + sink.report().delivered).toBe(5_000);
    await sink.close?.();
    destination.answer = "delivered";
    const next = workspace.open(destination);
    await flush(next);
    expect(destination.arrived).toHaveLength(5_000);
    expect(new Set(ids(destination.arrived)).size).toBe(5_000);
  });
});

describe("the exit", () => {
  it("stores what only memory had, beside a write that is under way, each once", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const sink = workspace.open(destination);
    const [first, second] = [sampleRecords(300), sampleRecords(5)];
    const writing = write(sink, first);
    // As a tap does it: what was not answered yet is given again.
    sink.writeSync?.([...first, ...second]);
    expect(await writing).toEqual(first.map(() => "stored"));
    const later = sampleRecords(3);
    await write(sink, later);
    destination.answer = "delivered";
    await flush(sink);
    expect(ids(destination.arrived).sort()).toEqual(ids([...first, ...second, ...later]).sort());
    expect(sink.report()).toEqual({ delivered: 308, pending: 0, dropped: 0, unknown: 0 });
  });

  it("loses nothing that is being written when other records come synchronously", async () => {
    const destination = createDestination();
    const sink = workspace.open(destination);
    const [first, second] = [sampleRecords(700), sampleRecords(5)];
    const writing = write(sink, first);
    await Promise.resolve();
    sink.writeSync?.(second);
    sink.writeSync?.([]);
    await writing;
    await flush(sink);
    expect(ids(destination.arrived).sort()).toEqual(ids([...first, ...second]).sort());
  });

  it("removes its directory when nothing is pending", async () => {
    const sink = workspace.open(createDestination());
    await write(sink, sampleRecords(3));
    await flush(sink);
    sink.writeSync?.([]);
    expect(fs.readdirSync(sink.directory)).toEqual([]);
  });
});

describe("options", () => {
  const sink: Sink = memorySink();
  it.each([
    ["no sink", () => durable(undefined as never), /first argument must be a sink/],
    ["an outbox", () => durable(durable(sink, { dir: workspace.dir })), /stores by itself/],
    ["dir", () => durable(sink, { dir: "" }), /"dir" must be the path of a directory, got ""/],
    ["maxBytes", () => durable(sink, { maxBytes: 0 }), /"maxBytes" must be a number above 0, got 0/],
    ["maxAgeMs", () => durable(sink, { maxAgeMs: Number.NaN }), /"maxAgeMs" must be a number above 0/],
    ["fsync", () => durable(sink, { fsync: "yes" as never }), /"fsync" must be true or false, got "yes"/],
  ])("%s", (_name, create, message) => {
    expect(create).toThrow(TapError);
    expect(create).toThrow(message);
  });

  it("takes name and content from the sink, and touches nothing until it is used", async () => {
    const dir = join(workspace.dir, "later");
    const made = durable({ ...sink, name: "mine", content: "metadata" }, { dir });
    expect([made.name, made.content, fs.existsSync(dir)]).toEqual(["mine", "metadata", false]);
    await flush(made);
    await made.close?.();
    expect(fs.existsSync(dir)).toBe(false);
  });
});
