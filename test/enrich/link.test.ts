import { describe, expect, it } from "vitest";
import { createLinker, linkAlone, type LinkHints } from "../../src/enrich/link.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";
import { hash, hints } from "./link-helpers.ts";

const randomHex = (digits: number) => "f".repeat(digits);
const traceId = "0af7651916cd43dd8448eb211c80319c";
const otherId = "1af7651916cd43dd8448eb211c80319c";
const parentSpanId = "b7ad6b7169203331";
const spanId = "f".repeat(16);
const newTrace = { traceId: "f".repeat(32), spanId };
const activeSpan = { traceId, spanId: "00f067aa0ba902b7" };

describe("the trace that a call was given", () => {
  it.each<[string, Partial<LinkHints>, object]>([
    ["none: a new one", {}, newTrace],
    ["of the context", { traceId: "my-trace" }, { traceId: "my-trace", spanId, linkedBy: "context" }],
    [
      "and span of the context",
      { traceId, parentSpanId: "p" },
      { traceId, spanId, parentSpanId: "p", linkedBy: "context" },
    ],
    [
      "of the header",
      { traceparent: `00-${traceId}-${parentSpanId}-01` },
      { traceId, spanId, parentSpanId, linkedBy: "otel" },
    ],
    ["of OpenTelemetry", { activeSpan }, { traceId, spanId, parentSpanId: activeSpan.spanId, linkedBy: "otel" }],
    [
      "of OpenTelemetry, before that of the header",
      { activeSpan, traceparent: `00-${otherId}-${parentSpanId}-01` },
      { traceId, spanId, parentSpanId: activeSpan.spanId, linkedBy: "otel" },
    ],
    [
      "of the context, the span of OpenTelemetry's same trace",
      { traceId, activeSpan },
      { traceId, spanId, parentSpanId: activeSpan.spanId, linkedBy: "context" },
    ],
    ["of the context alone", { traceId: "mine", activeSpan }, { traceId: "mine", spanId, linkedBy: "context" }],
    [
      "of the context, the span of the header's same trace",
      { traceId, traceparent: `00-${traceId}-${parentSpanId}-01` },
      { traceId, spanId, parentSpanId, linkedBy: "context" },
    ],
    [
      "of a header of a later version",
      { traceparent: `01-${traceId}-${parentSpanId}-01-more` },
      { traceId, spanId, parentSpanId, linkedBy: "otel" },
    ],
    ["none: a header of zeros", { traceparent: `00-${"0".repeat(32)}-${parentSpanId}-01` }, newTrace],
    ["none: a header of nonsense", { traceparent: "00-xyz" }, newTrace],
  ])("%s", (_name, given, expected) => {
    const call = sampleCall();
    createLinker({ randomHex, hash }).link(call, hints(given));
    expect(call.trace).toEqual({ ...expected, turn: 1, newMessagesFrom: 0, newUserMessages: 1 });
    expect(linkAlone(sampleCall(), hints(given), randomHex).trace).toEqual(expected);
  });

  it("says nothing of turns where there is no conversation", () => {
    const call = sampleCall({ operation: "embeddings" });
    createLinker({ randomHex, hash }).link(call, hints());
    expect(call.trace).toEqual(newTrace);
  });
});
