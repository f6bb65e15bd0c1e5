/** The trace that a call was given: by the app, by OpenTelemetry, or by a header of the request itself. */
import type { Trace } from "../types.ts";

/** What was known at dispatch. */
export interface TraceHints {
  /** From `tap.run`, a span around the call, or an override header. */
  traceId?: string | undefined;
  parentSpanId?: string | undefined;
  /** OpenTelemetry's active span. */
  activeSpan?: OpenSpan | undefined;
  /** The request's own W3C header: whoever set it has an open span. */
  traceparent?: string | undefined;
}

interface OpenSpan {
  traceId: string;
  spanId: string;
}

export type GivenTrace = Pick<Trace, "traceId" | "parentSpanId" | "linkedBy">;

/** What the app says comes first, then the span that is open around the call, then the header that goes out with it. */
export function findGivenTrace({ traceId, parentSpanId, activeSpan, traceparent }: TraceHints): GivenTrace | undefined {
  const header = traceparent === undefined ? undefined : readTraceparent(traceparent);
  if (traceId !== undefined) {
    // A span of another trace says nothing about who called in this one.
    const parent = parentSpanId ?? spanIn(activeSpan, traceId) ?? spanIn(header, traceId);
    return { traceId, ...(parent !== undefined && { parentSpanId: parent }), linkedBy: "context" };
  }
  const span = activeSpan ?? header;
  return span && { traceId: span.traceId, parentSpanId: span.spanId, linkedBy: "otel" };
}

function spanIn(span: OpenSpan | undefined, traceId: string): string | undefined {
  return span?.traceId === traceId ? span.spanId : undefined;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; a version that is not known yet is read like version 00. */
function readTraceparent(header: string): OpenSpan | undefined {
  const match = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/.exec(header.trim());
  const [, traceId, spanId] = match ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId };
}
