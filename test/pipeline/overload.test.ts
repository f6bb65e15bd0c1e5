/** More calls than a sink takes: the app gets all of its answers, memory has its bounds, and nothing vanishes uncounted. */
import { describe, expect, it } from "vitest";
import { createTap } from "../../src/tap.ts";
import type { Sink } from "../../src/types.ts";
import { makeAnswer } from "./exchanges.ts";

const CALLS = 1_500;
const QUEUE = 200;
const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** Takes its time for each batch, and keeps nothing. */
function createSlowSink(): Sink & { written: number } {
  const sink = {
    name: "memory",
    written: 0,
    async write(records: readonly unknown[]) {
      await new Promise((resolve) => {
        setTimeout(resolve, 1_000);
      });
      sink.written += records.length;
      return { results: records.map(() => "delivered" as const) };
    },
  };
  return sink;
}

describe("overload", () => {
  it("loses no answer of the app's, stays within its bounds, and counts what was dropped by cause", async () => {
    const sink = createSlowSink();
    const limits = { queueExchanges: QUEUE, queueBytes: 2 * 1024 * 1024 };
    const tap = createTap({ sinks: [sink], costTracking: false, limits });
    const answer = makeAnswer("word ".repeat(400));
    const fetch = tap.wrapFetch(async () => new Response(answer, { headers: { "content-type": "application/json" } }));
    let answered = 0;
    let mostBytes = 0;
    let mostOpen = 0;
    async function call(): Promise<void> {
      const response = await fetch("https://api.openai.com/v1/chat/completions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "m-1", messages: [{ role: "user", content: "hi" }] }),
      });
      if ((await response.text()) === answer) answered += 1;
    }
    // In bursts that are larger than the queue.
    for (let count = 0; count < CALLS; count += 300) {
      await Promise.all(Array.from({ length: 300 }, call));
      const { queuedBytes, inFlight } = tap.stats();
      mostBytes = Math.max(mostBytes, queuedBytes);
      mostOpen = Math.max(mostOpen, inFlight);
    }
    expect(answered).toBe(CALLS);
    expect(mostBytes).toBeLessThanOrEqual(2 * limits.queueBytes);
    expect(mostOpen).toBeLessThanOrEqual(QUEUE);

    const flushed = await tap.flush({ timeoutMs: 60_000 });
    const stats = tap.stats();
    expect(stats.seen).toBe(CALLS);
    expect(stats.recorded + sum(stats.dropped) + stats.inFlight).toBe(CALLS);
    expect(stats.inFlight).toBe(0);
    // What found no room while the answers came, and what no sink had room for.
    expect(Object.keys(stats.dropped)).toEqual(["queue_full"]);
    expect(flushed.delivered + flushed.pending + flushed.dropped + flushed.unknown).toBe(stats.recorded);
    expect(sum(stats.sinkDropped)).toBe(flushed.dropped);
    expect(flushed.delivered).toBe(sink.written);
    expect(flushed.delivered).toBeGreaterThan(0);
    await tap.close();
  }, 120_000);

  it("counts records that a sink refuses, and those that find no room before it, apart", async () => {
    const refusing: Sink = {
      name: "refusing",
      write: (records) => Promise.resolve({ results: records.map(() => "rejected" as const) }),
    };
    const stuck: Sink = { name: "stuck", write: () => new Promise(() => {}) };
    const tap = createTap({ sinks: [refusing, stuck], costTracking: false, limits: { queueExchanges: 5 } });
    const fetch = tap.wrapFetch(
      async () => new Response(makeAnswer("hi"), { headers: { "content-type": "application/json" } }),
    );
    for (let count = 0; count < 12; count += 1) {
      const response = await fetch("https://api.openai.com/v1/chat/completions", { method: "POST", body: "{}" });
      await response.text();
      await tap.flush({ timeoutMs: 20 });
    }
    const flushed = await tap.flush({ timeoutMs: 20 });
    const { recorded, sinkDropped } = tap.stats();
    expect(recorded).toBe(12);
    expect(sinkDropped).toEqual({ rejected: 12, queue_full: 7 });
    expect(flushed.bySink["stuck"]).toMatchObject({ pending: 5, dropped: 7 });
    await tap.close({ timeoutMs: 20 });
  }, 60_000);
});
