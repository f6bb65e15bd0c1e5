import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { createDelivery, type DeliveryOptions } from "../../src/pipeline/delivery.ts";
import { estimateSize } from "../../src/pipeline/record-size.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";
import type { LlmCall, Sink, TapRecord } from "../../src/types.ts";

function makeRecord(id: string, text = "hello"): LlmCall {
  const call = sampleCall();
  return {
    ...call,
    id,
    request: { ...call.request, messages: [{ role: "user", parts: [{ type: "text", content: text }] }] },
  };
}

function start(sink: Partial<Sink>, options: Partial<DeliveryOptions> = {}) {
  const errors: string[] = [];
  const delivery = createDelivery({
    sink: { name: "test", write: async (records) => ({ results: records.map(() => "delivered") }), ...sink },
    maxRecords: 100,
    background: { run: (run) => run(), runBriefly: (run) => run(), fetch, close() {} },
    onError: (_error, code) => errors.push(code),
    ...options,
  });
  return { delivery, errors };
}

const soon = (): number => performance.now() + 5_000;

describe("delivery", () => {
  it("counts what the sink says of each record", async () => {
    const { delivery, errors } = start({
      write: async (records) => ({
        results: records.map(({ id }) => (id === "a" ? "delivered" : id === "b" ? "rejected" : "unknown")),
      }),
    });
    for (const id of ["a", "b", "c"]) delivery.push(makeRecord(id));
    await delivery.flush(soon());
    expect(delivery.report()).toMatchObject({ delivered: 1, dropped: 1, unknown: 1, pending: 0 });
    expect(errors).toEqual(["sink_rejected"]);
  });

  it("gives again what the sink could not take, in order", async () => {
    const seen: string[] = [];
    let writes = 0;
    const { delivery } = start({
      async write(records) {
        writes += 1;
        seen.push(...records.map(({ id }) => id));
        return { results: records.map(() => (writes === 1 ? "retry" : "delivered")) };
      },
    });
    delivery.push(makeRecord("a"));
    await delivery.flush(soon());
    expect(seen).toEqual(["a", "a"]);
    expect(delivery.report()).toMatchObject({ delivered: 1, pending: 0 });
  });

  it("lets others pass where the destination asks only some to wait", async () => {
    const arrived: string[] = [];
    let isThrottled = true;
    const { delivery } = start({
      async write(records) {
        const results = records.map(({ id }) => (isThrottled && id.startsWith("busy") ? "retry" : "delivered"));
        arrived.push(...records.map(({ id }) => id).filter((_, index) => results[index] === "delivered"));
        return { results, ...(results.includes("retry") && { othersMayPass: true, retryAfterMs: 300 }) };
      },
    });
    // Nothing of the first write gets through, and that stops nobody else.
    for (const id of ["busy 1", "a", "busy 2", "b"]) delivery.push(makeRecord(id));
    await vi.waitFor(() => expect(arrived).toEqual(["a", "b"]));
    delivery.push(makeRecord("c"));
    await vi.waitFor(() => expect(delivery.report()).toMatchObject({ delivered: 3, pending: 2 }));
    expect(arrived).toEqual(["a", "b", "c"]);
    expect(delivery.countUnsafe()).toBe(2);
    isThrottled = false;
    await delivery.flush(soon());
    expect(arrived.slice(3)).toEqual(["busy 1", "busy 2"]);
    expect(delivery.report()).toMatchObject({ delivered: 5, pending: 0 });
  });

  it("a flush waits for what was there when it began, not for what keeps coming", async () => {
    const { delivery } = start({
      async write(records) {
        await delay(5);
        // Each write brings the next record: there is never nothing to do.
        delivery.push(makeRecord("later"));
        return { results: records.map(() => "delivered") };
      },
    });
    delivery.push(makeRecord("first"));
    await delivery.flush(performance.now() + 60_000);
    expect(delivery.report().delivered).toBeGreaterThan(0);
    expect(delivery.countUnsafe()).toBeGreaterThan(0);
    delivery.hold();
  });

  it("what is left at the close stays pending: a closed sink is given nothing", async () => {
    let isClosed = false;
    let lateWrites = 0;
    const { delivery, errors } = start({
      async write(records) {
        if (isClosed) lateWrites += 1;
        return { results: records.map(() => "retry"), othersMayPass: true, retryAfterMs: 20 };
      },
      async close() {
        isClosed = true;
      },
    });
    delivery.push(makeRecord("a"));
    await delivery.flush(performance.now() + 50);
    delivery.end();
    await delivery.close(soon());
    await delay(300);
    expect({ lateWrites, errors, pending: delivery.report().pending }).toEqual({
      lateWrites: 0,
      errors: [],
      pending: 1,
    });
  });

  it("what is left at the close goes to a sink that takes it synchronously, and counts once", async () => {
    const taken: string[] = [];
    const { delivery } = start({
      // Told to stop, it says so later.
      write: (records, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => setImmediate(() => resolve({ results: records.map(() => "retry") })));
        }),
      writeSync: (records) => void taken.push(...records.map(({ id }) => id)),
    });
    for (const id of ["a", "b"]) delivery.push(makeRecord(id));
    await delivery.flush(performance.now() + 20);
    delivery.end();
    await delivery.close(soon());
    await delay(50);
    expect(taken).toEqual(["a", "b"]);
    expect(delivery.report()).toEqual({ delivered: 2, dropped: 0, unknown: 0, pending: 0 });
  });

  it("what was parked goes to a sink that takes it synchronously", async () => {
    const taken: string[] = [];
    const { delivery } = start({
      write: async (records) => ({
        results: records.map(() => "retry"),
        othersMayPass: true,
        retryAfterMs: 60_000,
      }),
      writeSync: (records) => void taken.push(...records.map(({ id }) => id)),
    });
    delivery.push(makeRecord("a"));
    await vi.waitFor(() => expect(delivery.report().pending).toBe(1));
    await delay(20);
    delivery.writeSync();
    expect(taken).toEqual(["a"]);
    expect(delivery.report()).toMatchObject({ delivered: 1, pending: 0 });
  });

  it("drops what comes beyond the number that may wait", () => {
    const { delivery } = start({ write: () => new Promise(() => {}) }, { maxRecords: 3 });
    for (const id of ["a", "b", "c", "d", "e"]) delivery.push(makeRecord(id));
    expect(delivery.report()).toMatchObject({ dropped: 2, pending: 3 });
  });

  it("takes the content off what comes beyond the bytes that may wait", async () => {
    const taken: TapRecord[] = [];
    const gate = { isOpen: false };
    let stripped = 0;
    const { delivery } = start(
      {
        async write(records) {
          while (!gate.isOpen) await delay(5);
          taken.push(...records);
          return { results: records.map(() => "delivered") };
        },
      },
      {
        maxBytes: 250_000,
        strip: (record) => makeRecord(record.id, ""),
        onContentDropped: () => (stripped += 1),
      },
    );
    for (let count = 0; count < 10; count += 1) delivery.push(makeRecord(String(count), "x".repeat(100_000)));
    gate.isOpen = true;
    await delivery.flush(soon());
    expect(taken.map(({ id }) => id)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    expect(stripped).toBe(8);
    // Room again.
    delivery.push(makeRecord("later", "x".repeat(100_000)));
    await delivery.flush(soon());
    expect(stripped).toBe(8);
  });

  it("survives a sink that throws, and one that answers nonsense", async () => {
    let writes = 0;
    const { delivery, errors } = start({
      write() {
        writes += 1;
        if (writes === 1) throw new Error("at once");
        return Promise.resolve(undefined as never);
      },
    });
    delivery.push(makeRecord("a"));
    await delivery.flush(soon());
    expect(errors).toEqual(["sink_failed", "sink_failed"]);
    expect(delivery.report()).toMatchObject({ unknown: 1, pending: 0 });
  });

  it("hands over what is pending when there is no more time", () => {
    const taken: string[] = [];
    const { delivery } = start({
      write: () => new Promise(() => {}),
      writeSync: (records) => void taken.push(...records.map(({ id }) => id)),
    });
    for (const id of ["a", "b"]) delivery.push(makeRecord(id));
    delivery.writeSync();
    expect(taken).toEqual(["a", "b"]);
    expect(delivery.report()).toMatchObject({ delivered: 2, pending: 0 });
  });
});

describe("the size of a record", () => {
  it("grows with its texts and values", () => {
    const small = estimateSize(makeRecord("a", ""));
    expect(estimateSize(makeRecord("a", "x".repeat(50_000)))).toBe(small + 50_000);
  });
});
