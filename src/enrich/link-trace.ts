/** The trace that a call was given: by the app, by OpenTelemetry, or by a header of the request itself. */
import type { Trace } from "../types.ts";

/** What was known at dispatch. */
export interface TraceHints {
  /** From `tap.run`, a span around the call, or an override header. */
  traceId?: string;
  parentSpanId?: string;
  /** OpenTelemetry's active span. */
  activeSpan?: { traceId: string; spanId: string };
  /** The request's own W3C header: whoever set it has an open span. */
  traceparent?: string;
}

export type GivenTrace = Pick<Trace, "traceId" | "parentSpanId" | "linkedBy">;

/** What the app says comes first, then the span that is open around the call, then the header that goes out with it. */
export function findGivenTrace(hints: TraceHints): GivenTrace | undefined {
  const { traceId, parentSpanId, activeSpan } = hints;
  const header = readTraceparent(hints.traceparent);
  const spans = [activeSpan, header].filter((span) => span !== undefined);
  if (traceId !== undefined) {
    // A span of another trace says nothing about who called in this one.
    const parent = parentSpanId ?? spans.find((span) => span.traceId === traceId)?.spanId;
    return { traceId, ...(parent !== undefined && { parentSpanId: parent }), linkedBy: "context" };
  }
  const [span] = spans;
  return span && { traceId: span.traceId, parentSpanId: span.spanId, linkedBy: "otel" };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; a version that is not known yet is read like version 00. */
function readTraceparent(header: string | undefined): { traceId: string; spanId: string } | undefined {
  const match = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/.exec(header?.trim() ?? "");
  const [, traceId, spanId] = match ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId };
}
