import { describe, expect, it } from "vitest";
import { createLinker } from "../../src/enrich/link.ts";
import type { LinkHints } from "../../src/enrich/link.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";

const linker = createLinker({ randomHex: (digits) => "f".repeat(digits) });
const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentSpanId = "b7ad6b7169203331";
const newTrace = { traceId: "f".repeat(32), spanId: "f".repeat(16) };

describe("link", () => {
  it.each<[string, LinkHints, object]>([
    ["nothing is known", {}, newTrace],
    [
      "the context has a trace",
      { traceId: "my-trace" },
      { traceId: "my-trace", spanId: newTrace.spanId, linkedBy: "context" },
    ],
    [
      "the context has a span",
      { traceId, parentSpanId: "p" },
      { traceId, spanId: newTrace.spanId, parentSpanId: "p", linkedBy: "context" },
    ],
    [
      "the header has one",
      { traceparent: `00-${traceId}-${parentSpanId}-01` },
      { traceId, spanId: newTrace.spanId, parentSpanId, linkedBy: "otel" },
    ],
    [
      "both, of one trace",
      { traceId, traceparent: `00-${traceId}-${parentSpanId}-01` },
      { traceId, spanId: newTrace.spanId, parentSpanId, linkedBy: "context" },
    ],
    [
      "both, of two traces",
      { traceId: "mine", traceparent: `00-${traceId}-${parentSpanId}-01` },
      { traceId: "mine", spanId: newTrace.spanId, linkedBy: "context" },
    ],
    [
      "a header of a later version",
      { traceparent: `01-${traceId}-${parentSpanId}-01-more` },
      { traceId, spanId: newTrace.spanId, parentSpanId, linkedBy: "otel" },
    ],
    ["a header of zeros", { traceparent: `00-${"0".repeat(32)}-${parentSpanId}-01` }, newTrace],
    ["a header of nonsense", { traceparent: "00-xyz" }, newTrace],
  ])("when %s", (_name, hints, expected) => {
    expect(linker.link(sampleCall(), hints).trace).toEqual(expected);
  });

  it.each([
    ["0", 1],
    ["2", 3],
    ["-1", undefined],
    ["many", undefined],
    [undefined, undefined],
  ])("retry count %s is attempt %s", (retryCount, attempt) => {
    const call = sampleCall();
    delete call.request.attempt;
    expect(linker.link(call, retryCount === undefined ? {} : { retryCount }).request.attempt).toBe(attempt);
  });
});
