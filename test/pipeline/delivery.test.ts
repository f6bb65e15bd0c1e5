import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
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
    runInBackground: (run) => run(),
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
