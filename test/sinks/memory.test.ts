import { describe, expect, it } from "vitest";
import { memorySink } from "../../src/sinks/memory.ts";
import { sampleCall, sampleSpan } from "../../src/testing/sample-records.ts";
import { testSink } from "../../src/testing/sink-contract.ts";

const options = { signal: new AbortController().signal };

let current = memorySink();
testSink(
  {
    name: "memory",
    create: () => (current = memorySink()),
    received: () => current.records.map((record) => record.id),
  },
  { describe, it, expect },
);

describe("memorySink", () => {
  it("sorts records into calls and spans, and keeps the same objects", async () => {
    const sink = memorySink();
    const [call, span] = [sampleCall(), sampleSpan()];
    await sink.write([span, call], options);
    expect(sink.calls[0]).toBe(call);
    expect(sink.spans[0]).toBe(span);
    expect(sink.records).toEqual([span, call]);
  });

  it("forgets on clear, in the same arrays", async () => {
    const sink = memorySink();
    const { calls, spans, records } = sink;
    await sink.write([sampleCall(), sampleSpan()], options);
    sink.clear();
    expect([calls, spans, records]).toEqual([[], [], []]);
    await sink.write([sampleCall()], options);
    expect(calls).toHaveLength(1);
  });

  it("says what content it may get", () => {
    expect(memorySink().content).toBe("full");
    expect(memorySink({ content: "metadata", name: "facts" })).toMatchObject({ content: "metadata", name: "facts" });
  });
});
