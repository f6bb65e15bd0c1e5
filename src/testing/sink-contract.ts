/** The contract suite: what every sink must do, whatever is behind it. */
import type { DeliveryResult, LlmCall, Sink, TapRecord, WriteResult } from "../types.ts";
import { sampleCall, sampleMetadataCall, sampleRecords, sampleSpan } from "./sample-records.ts";

/** A sink and how a test can look at its destination. */
export interface SinkSubject {
  /** Names the suite. */
  name: string;
  /** A new sink with an empty destination, for each test. */
  create(): Sink | Promise<Sink>;
  /** Ids of the records that have arrived since `create`, in order, repeated if they came twice. Without it arrivals are not checked. */
  received?(): readonly string[] | Promise<readonly string[]>;
  /** Makes the destination stop answering until `destroy`. Without it only a signal that is aborted beforehand is tried. */
  hang?(): void | Promise<void>;
  /** Called after each test, after `close`. */
  destroy?(): void | Promise<void>;
  /** Milliseconds for one test, passed to `it`. Default 20,000. */
  timeoutMs?: number;
}

/** The functions of a test runner, as vitest and jest have them; `node:test` needs only an `expect` over `node:assert`. */
export interface TestFunctions {
  describe: (name: string, define: () => void) => unknown;
  it: (name: string, run: () => Promise<void>, timeoutMs?: number) => unknown;
  expect: (actual: unknown) => { toBe(expected: unknown): unknown; toEqual(expected: unknown): unknown };
}

const RESULTS: ReadonlySet<string> = new Set<DeliveryResult>(["delivered", "retry", "rejected", "unknown", "stored"]);

/** How long an aborted write may take: generous, it only has to be no matter of a time-out. */
const PROMPT_MS = 5_000;

/**
 * Defines the suite. A sink passes it as it passes for its users: results are one per record and in order, what is
 * `delivered` has arrived once, whatever a context holds is survived, nothing is changed, and every promise settles.
 * A sink with `report` may answer `stored` instead; then all must have arrived after its `flush`.
 *
 * @example
 * import { describe, expect, it } from "vitest";
 * import { testSink } from "llm-tap/testing";
 *
 * testSink({ name: "mine", create: () => mySink(), received: () => store.ids() }, { describe, it, expect });
 */
export function testSink(subject: SinkSubject, { describe, it, expect }: TestFunctions): void {
  const { timeoutMs = 20_000 } = subject;

  /** Runs one test around a sink, and cleans up whatever comes of it. */
  function test(name: string, run: (sink: Sink) => Promise<void>): void {
    it(
      name,
      async () => {
        const sink = await subject.create();
        try {
          await run(sink);
        } finally {
          await sink.close?.();
          await subject.destroy?.();
        }
      },
      timeoutMs,
    );
  }

  /** Every record of a write that worked is delivered and has arrived, once and in order. */
  async function expectDelivered(sink: Sink, records: readonly TapRecord[], { results }: WriteResult): Promise<void> {
    expect(results).toEqual(records.map(() => successOf(sink)));
    await settleStored(sink);
    if (subject.received) expect(await subject.received()).toEqual(records.map((record) => record.id));
  }

  describe(`sink contract: ${subject.name}`, () => {
    test("has a name", async (sink) => {
      expect(typeof sink.name).toBe("string");
      expect(sink.name.length > 0).toBe(true);
      expect([undefined, "full", "metadata"].includes(sink.content)).toBe(true);
    });

    test("delivers calls and spans, one result per record, in order", async (sink) => {
      const records = sampleRecords(10);
      await expectDelivered(sink, records, await write(sink, records));
    });

    test("answers an empty batch with no results", async (sink) => {
      expect((await write(sink, [])).results).toEqual([]);
      if (subject.received) expect(await subject.received()).toEqual([]);
    });

    test("delivers calls without content", async (sink) => {
      const records = [sampleMetadataCall(), sampleMetadataCall({ context: {} })];
      await expectDelivered(sink, records, await write(sink, records));
    });

    test("delivers records whose context is empty or odd", async (sink) => {
      const records = [
        sampleCall({ context: {} }),
        sampleSpan({ context: {} }),
        sampleCall({ context: { userId: "anonymous", deviceId: "null", sessionId: "" } }),
        sampleCall({ context: { userId: "张三", deviceId: "x", sessionId: "1780000000000" } }),
        sampleCall({
          context: { userId: "u".repeat(5_000), properties: { "": "", "a.b": null, nested: { a: [1, "2"] } } },
        }),
      ];
      await expectDelivered(sink, records, await write(sink, records));
    });

    test("survives what JSON can't say: BigInt, cycles, functions, throwing getters, broken text", async (sink) => {
      const records = hostileProperties().map((properties) => sampleCall({ context: { properties } }));
      const good = sampleCall();
      await expectDelivered(sink, [...records, good], await write(sink, [...records, good]));
    });

    test("delivers megabytes of content", async (sink) => {
      const text = "lorem ipsum ".repeat(100_000);
      const records = [withText(text), sampleCall()];
      await expectDelivered(sink, records, await write(sink, records));
    });

    test("does not change the records", async (sink) => {
      const records = sampleRecords(5);
      const before = structuredClone(records);
      records.forEach(deepFreeze);
      await expectDelivered(sink, records, await write(sink, records));
      expect(records).toEqual(before);
    });

    test("takes writes at the same time, each with its own results", async (sink) => {
      const batches = Array.from({ length: 8 }, (_, index) => sampleRecords(index + 1));
      const answers = await Promise.all(batches.map((batch) => write(sink, batch)));
      expect(answers.map(({ results }) => results)).toEqual(batches.map((batch) => batch.map(() => successOf(sink))));
      await settleStored(sink);
      if (subject.received) {
        const expected = batches.flat().map((record) => record.id);
        expect([...(await subject.received())].sort()).toEqual(expected.sort());
      }
    });

    test("delivers 5,000 records, each once", async (sink) => {
      const records = sampleRecords(5_000);
      await expectDelivered(sink, records, await write(sink, records));
    });

    test("answers at once when the signal is already aborted", async (sink) => {
      const records = sampleRecords(3);
      const { results } = await promptly(write(sink, records, AbortSignal.abort()), "a write with an aborted signal");
      expectResults(records, results);
      await settleStored(sink);
      if (subject.received) await expectArrived(records, results);
    });

    if (subject.hang) {
      test("answers promptly when the signal aborts while the destination hangs", async (sink) => {
        await subject.hang?.();
        const records = sampleRecords(3);
        const controller = new AbortController();
        const written = write(sink, records, controller.signal);
        await sleep(50);
        controller.abort();
        const { results } = await promptly(written, "an aborted write");
        expectResults(records, results);
        expect(results.filter((result) => result === "delivered" || result === "rejected")).toEqual([]);
      });
    }

    test("closes any number of times", async (sink) => {
      await write(sink, sampleRecords(2));
      await Promise.all([sink.close?.(), sink.close?.()]);
      await sink.close?.();
    });

    test("closes without having written", async (sink) => {
      await sink.close?.();
    });

    test("does not claim to deliver after close", async (sink) => {
      if (sink.close === undefined) return;
      await sink.close();
      const records = sampleRecords(2);
      // Rejecting is an answer too.
      const answer = await promptly(
        write(sink, records).catch(() => undefined),
        "a write after close",
      );
      if (answer !== undefined) {
        expectResults(records, answer.results);
        expect(answer.results.includes("delivered") || answer.results.includes("stored")).toBe(false);
      }
      if (subject.received) expect(await subject.received()).toEqual([]);
    });

    test("writes before the process exits, where it can", async (sink) => {
      if (sink.writeSync === undefined) return;
      const records = [...sampleRecords(3), sampleCall({ context: { properties: { count: 1n } } })];
      sink.writeSync(records);
      sink.writeSync([]);
      await settleStored(sink);
      if (subject.received) expect(await subject.received()).toEqual(records.map((record) => record.id));
    });

    test("flushes, where it can", async (sink) => {
      await write(sink, sampleRecords(2));
      await sink.flush?.({ signal: new AbortController().signal });
    });
  });

  /** What was stored is delivered once a flush has ended, and the sink's own counts say so. */
  async function settleStored(sink: Sink): Promise<void> {
    if (sink.report === undefined) return;
    await sink.flush?.({ signal: new AbortController().signal });
    expect(sink.report().pending).toBe(0);
  }

  /** What counts as there is there, and what is to be given again is not. */
  async function expectArrived(records: readonly TapRecord[], results: readonly DeliveryResult[]): Promise<void> {
    const arrived = new Set(await subject.received?.());
    for (const [index, { id }] of records.entries()) {
      const result = results[index] as DeliveryResult;
      if (result === "delivered" || result === "stored") expect(arrived.has(id)).toBe(true);
      if (result === "rejected") expect(arrived.has(id)).toBe(false);
    }
  }

  function expectResults(records: readonly TapRecord[], results: readonly string[]): void {
    expect(results.length).toBe(records.length);
    expect(results.filter((result) => !RESULTS.has(result))).toEqual([]);
  }
}

function successOf(sink: Sink): DeliveryResult {
  return sink.report === undefined ? "delivered" : "stored";
}

function write(sink: Sink, records: readonly TapRecord[], signal?: AbortSignal): Promise<WriteResult> {
  return sink.write(records, { signal: signal ?? new AbortController().signal });
}

function withText(text: string): LlmCall {
  const call = sampleCall();
  return {
    ...call,
    request: { ...call.request, messages: [{ role: "user", parts: [{ type: "text", content: text }] }] },
  };
}

/** What apps put into properties without meaning any harm, and what a hostile one might. */
function hostileProperties(): Record<string, unknown>[] {
  const cycle: Record<string, unknown> = { name: "cycle" };
  cycle["self"] = cycle;
  let deep: Record<string, unknown> = {};
  for (let level = 0; level < 20_000; level++) deep = { deep };
  return [
    { count: 9_007_199_254_740_993n },
    { cycle, list: [cycle, cycle] },
    { run: () => 1, mark: Symbol("mark"), missing: undefined, none: null },
    { when: new Date("2026-01-01T00:00:00Z"), never: new Date(Number.NaN), at: new URL("https://example.com/") },
    { notANumber: Number.NaN, endless: Number.POSITIVE_INFINITY },
    { lone: "\uD800 and \uDFFF", nul: "\u0000", escape: "\u001B[31mred", separators: "\u2028\u2029" },
    JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": 1}, "toString": "text"}') as Record<
      string,
      unknown
    >,
    { deep },
    Object.defineProperty({}, "thrower", { enumerable: true, get: () => fail() }) as Record<string, unknown>,
    { toJSON: () => fail() },
    { bytes: new Uint8Array(1_000), map: new Map([["a", 1]]), error: new Error("in a property") },
  ];
}

function fail(): never {
  throw new Error("thrown by the app's own object");
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  Object.freeze(value);
  Object.values(value).forEach(deepFreeze);
}

async function promptly<T>(promise: Promise<T>, what: string): Promise<T> {
  const controller = new AbortController();
  try {
    return await Promise.race([
      promise,
      sleep(PROMPT_MS, controller.signal).then(() => {
        throw new Error(`${what} was not settled within ${PROMPT_MS} ms`);
      }),
    ]);
  } finally {
    controller.abort();
  }
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    // Left pending on purpose: nobody waits for it any more.
    signal?.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });
}
