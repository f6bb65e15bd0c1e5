/** The contract suite is worth something only if a wrong sink fails it. */
import { expect, it } from "vitest";
import { estimateSize } from "../../src/pipeline/record-size.ts";
import { testSink } from "../../src/testing/index.ts";
import type { DeliveryResult, Sink, TapRecord, WriteResult } from "../../src/types.ts";

/** What a sink under test has, and what a mutation may change of it. */
interface World {
  arrived: string[];
  isClosed: boolean;
  isHanging: boolean;
}

function createWorld(): World {
  return { arrived: [], isClosed: false, isHanging: false };
}

const all = (records: readonly TapRecord[], result: DeliveryResult): WriteResult => ({
  results: records.map(() => result),
});

/** A right one. */
function createSink(world: World): Sink {
  return {
    name: "right",
    async write(records, { signal }) {
      if (world.isClosed) return all(records, "rejected");
      if (signal.aborted) return all(records, "retry");
      if (world.isHanging) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        return all(records, "retry");
      }
      await new Promise((resolve) => setImmediate(resolve));
      world.arrived.push(...records.map(({ id }) => id));
      return all(records, "delivered");
    },
    writeSync(records) {
      world.arrived.push(...records.map(({ id }) => id));
    },
    async close() {
      world.isClosed = true;
    },
  };
}

/** @returns the names of the tests that fail. */
async function runSuite(create: (world: World) => Sink): Promise<string[]> {
  let world = createWorld();
  const tests: [name: string, run: () => Promise<void>][] = [];
  testSink(
    {
      name: "mutant",
      create: () => create((world = createWorld())),
      received: () => world.arrived,
      hang: () => void (world.isHanging = true),
    },
    { describe: (_name, define) => define(), it: (name, run) => tests.push([name, run]), expect },
  );
  const failed: string[] = [];
  for (const [name, run] of tests) {
    try {
      await run();
    } catch {
      failed.push(name);
    }
  }
  return failed;
}

it("a right sink passes", async () => {
  expect(await runSuite(createSink)).toEqual([]);
});

type Mutate = (sink: Sink, world: World) => Partial<Sink>;

const mutants: [what: string, failing: string, mutate: Mutate][] = [
  ["has no name", "has a name", () => ({ name: "" })],
  ["takes a content that there is not", "has a name", () => ({ content: "some" as "full" })],
  [
    "loses the last record of a batch and says that it has it",
    "delivers calls and spans, one result per record, in order",
    ({ write }) => ({
      async write(records, options) {
        await write(records.slice(0, -1), options);
        return all(records, "delivered");
      },
    }),
  ],
  [
    "writes a record twice",
    "delivers calls and spans, one result per record, in order",
    ({ write }, world) => ({
      async write(records, options) {
        const result = await write(records, options);
        if (result.results[0] === "delivered") world.arrived.push((records[0] as TapRecord).id);
        return result;
      },
    }),
  ],
  [
    "turns the order around",
    "delivers calls and spans, one result per record, in order",
    ({ write }) => ({ write: (records, options) => write(records.toReversed(), options) }),
  ],
  [
    "takes calls only",
    "delivers calls and spans, one result per record, in order",
    ({ write }) => ({
      async write(records, options) {
        await write(
          records.filter(({ type }) => type === "call"),
          options,
        );
        return all(records, "delivered");
      },
    }),
  ],
  [
    "gives one result for all",
    "delivers calls and spans, one result per record, in order",
    ({ write }) => ({
      async write(records, options) {
        return { results: (await write(records, options)).results.slice(0, 1) };
      },
    }),
  ],
  [
    "never knows",
    "delivers calls and spans, one result per record, in order",
    ({ write }) => ({
      async write(records, options) {
        await write(records, options);
        return all(records, "unknown");
      },
    }),
  ],
  [
    "says stored and has no report",
    "delivers calls and spans, one result per record, in order",
    ({ write }) => ({
      async write(records, options) {
        await write(records, options);
        return all(records, "stored");
      },
    }),
  ],
  [
    "sends something though there is nothing",
    "answers an empty batch with no results",
    ({ write }, world) => ({
      write(records, options) {
        if (records.length === 0) world.arrived.push("nothing");
        return write(records, options);
      },
    }),
  ],
  [
    "needs content",
    "delivers calls without content",
    ({ write }) => ({
      write(records, options) {
        for (const record of records) if (record.type === "call") void record.request.messages!.length;
        return write(records, options);
      },
    }),
  ],
  [
    "needs a user",
    "delivers records whose context is empty or odd",
    ({ write }) => ({
      write(records, options) {
        for (const { context } of records) void context.userId!.length;
        return write(records, options);
      },
    }),
  ],
  [
    "says everything with JSON",
    "survives what JSON can't say: BigInt, cycles, functions, throwing getters, broken text",
    ({ write }) => ({
      async write(records, options) {
        JSON.stringify(records);
        return write(records, options);
      },
    }),
  ],
  [
    "clones what it gets",
    "survives what JSON can't say: BigInt, cycles, functions, throwing getters, broken text",
    ({ write }) => ({
      async write(records, options) {
        structuredClone(records);
        return write(records, options);
      },
    }),
  ],
  [
    "refuses what is large",
    "delivers megabytes of content",
    ({ write }) => ({
      write: (records, options) =>
        records.some((record) => record.type === "call" && estimateSize(record) > 1e6)
          ? Promise.resolve(all(records, "rejected"))
          : write(records, options),
    }),
  ],
  [
    "adds to the records",
    "does not change the records",
    ({ write }) => ({
      async write(records, options) {
        for (const record of records) record.context.env = "changed";
        return write(records, options);
      },
    }),
  ],
  [
    "refuses a second write at the same time",
    "takes writes at the same time, each with its own results",
    ({ write }) => {
      let isBusy = false;
      return {
        async write(records, options) {
          if (isBusy) return all(records, "retry");
          isBusy = true;
          try {
            return await write(records, options);
          } finally {
            isBusy = false;
          }
        },
      };
    },
  ],
  [
    "takes a thousand at most",
    "delivers 5,000 records, each once",
    ({ write }) => ({
      async write(records, options) {
        await write(records.slice(0, 1_000), options);
        return all(records, "delivered");
      },
    }),
  ],
  [
    "says delivered under an aborted signal",
    "answers at once when the signal is already aborted",
    ({ write }) => ({
      write: (records, options) =>
        options.signal.aborted ? Promise.resolve(all(records, "delivered")) : write(records, options),
    }),
  ],
  [
    "waits for ever under an aborted signal",
    "answers at once when the signal is already aborted",
    ({ write }) => ({
      write: (records, options) => (options.signal.aborted ? new Promise(() => {}) : write(records, options)),
    }),
  ],
  [
    "does not look at the signal",
    "answers promptly when the signal aborts while the destination hangs",
    ({ write }, world) => ({
      write: (records, options) => (world.isHanging ? new Promise(() => {}) : write(records, options)),
    }),
  ],
  [
    "gives records up when it is told to stop",
    "answers promptly when the signal aborts while the destination hangs",
    ({ write }, world) => ({
      async write(records, options) {
        const result = await write(records, options);
        return world.isHanging ? all(records, "rejected") : result;
      },
    }),
  ],
  [
    "can be closed once",
    "closes any number of times",
    ({ close }, world) => ({
      async close() {
        if (world.isClosed) throw new Error("closed already");
        await close?.();
      },
    }),
  ],
  [
    "goes on after close",
    "does not claim to deliver after close",
    (_sink, world) => ({
      async close() {
        world.isClosed = false;
      },
    }),
  ],
  [
    "says delivered after close",
    "does not claim to deliver after close",
    ({ write }, world) => ({
      write: (records, options) =>
        world.isClosed ? Promise.resolve(all(records, "delivered")) : write(records, options),
    }),
  ],
  [
    "loses what it is given at the exit",
    "writes before the process exits, where it can",
    () => ({ writeSync: () => undefined }),
  ],
  [
    "throws at the exit over what JSON can't say",
    "writes before the process exits, where it can",
    ({ writeSync }) => ({
      writeSync(records) {
        JSON.stringify(records);
        writeSync?.(records);
      },
    }),
  ],
  ["can't flush", "flushes, where it can", () => ({ flush: () => Promise.reject(new Error("no")) })],
];

it.concurrent.each(mutants)("one that %s fails", { timeout: 60_000 }, async (_what, failing, mutate) => {
  const failed = await runSuite((world) => {
    const sink = createSink(world);
    return { ...sink, ...mutate(sink, world) };
  });
  expect(failed).toContain(failing);
});
