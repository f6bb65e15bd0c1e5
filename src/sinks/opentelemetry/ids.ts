/** Trace and span ids as W3C Trace Context has them. */
import { createHash } from "node:crypto";
import type { Span, SpanContext } from "@opentelemetry/api";

const SAMPLED = 1;

/** @returns the id itself, a UUID without its dashes, else 32 hex digits of a hash: the same for the same id. */
export function toTraceId(id: string): string {
  return toHexId(id, 32);
}

/** @returns the id itself, else 16 hex digits of a hash. */
export function toSpanId(id: string): string {
  return toHexId(id, 16);
}

function toHexId(id: string, digits: number): string {
  const hex = id.replaceAll("-", "").toLowerCase();
  const isId = hex.length === digits && /^[0-9a-f]+$/.test(hex) && !/^0+$/.test(hex);
  return isId ? hex : createHash("sha256").update(id).digest("hex").slice(0, digits);
}

/** A parent that is somewhere else. Its sampling is not known: what was recorded counts as sampled. */
export function parentContext(traceId: string, parentSpanId: string): SpanContext {
  return { traceId: toTraceId(traceId), spanId: toSpanId(parentSpanId), traceFlags: SAMPLED, isRemote: true };
}

/**
 * Gives a span the ids that its record has, so that spans which come in any order find their parents. The API has no
 * way to start a span with an id, and generators of ids are the app's; but the SDK's spans hand out the one object that
 * they keep and export. Where a span hands out a copy, it keeps its own ids.
 *
 * @returns whether it worked.
 */
export function adoptIds(span: Span, traceId: string, spanId: string): boolean {
  try {
    const own = span.spanContext();
    own.traceId = toTraceId(traceId);
    own.spanId = toSpanId(spanId);
  } catch {
    // Frozen.
  }
  const now = span.spanContext();
  return now.spanId === toSpanId(spanId) && now.traceId === toTraceId(traceId);
}

/**
 * Seconds and nanoseconds. The SDK takes a plain number for one of `performance.now()` when it is smaller than that.
 * @param milliseconds since the epoch
 */
export function toHrTime(milliseconds: number): [seconds: number, nanoseconds: number] {
  const seconds = Math.floor(milliseconds / 1000);
  return [seconds, Math.min(999_999_999, Math.round((milliseconds - seconds * 1000) * 1e6))];
}
