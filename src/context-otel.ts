/**
 * The active span and baggage of OpenTelemetry, where the app has loaded its API: read from the registry that the API
 * keeps on `globalThis`, so that nothing is imported.
 *
 * @see https://github.com/open-telemetry/opentelemetry-js/blob/main/api/src/internal/global-utils.ts
 */

import { isModelCallSpan } from "./gen-ai-span.ts";

/** A span that is open around a call. */
export interface ActiveSpan {
  traceId: string;
  spanId: string;
  /** Another instrumentation has made it for this very call. */
  isModelCall?: true;
}

interface OtelSpan {
  spanContext?(): unknown;
  /** Of a span that is recorded by the SDK. */
  attributes?: Record<string, unknown>;
}

interface OtelContext {
  getValue(key: symbol): unknown;
}

const API = Symbol.for("opentelemetry.js.api.1");
const SPAN = Symbol.for("OpenTelemetry Context Key SPAN");
const BAGGAGE = Symbol.for("OpenTelemetry Baggage Key");

function readContext(): OtelContext | undefined {
  const api = (globalThis as { [API]?: { context?: { active(): OtelContext } } })[API];
  return api?.context?.active();
}

/** @returns the span that is active now. Never throws. */
export function readActiveSpan(): ActiveSpan | undefined {
  try {
    const span = readContext()?.getValue(SPAN) as OtelSpan | undefined;
    const { traceId, spanId } = (span?.spanContext?.() ?? {}) as Partial<ActiveSpan>;
    if (!isTraceId(traceId) || !isSpanId(spanId)) return undefined;
    return isModelCallSpan(span?.attributes ?? {}) ? { traceId, spanId, isModelCall: true } : { traceId, spanId };
  } catch {
    return undefined;
  }
}

/** @returns the baggage that is active now, by key. Never throws. */
export function readActiveBaggage(keys: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  try {
    const baggage = readContext()?.getValue(BAGGAGE) as { getEntry?(key: string): { value?: unknown } | undefined };
    for (const key of keys) {
      const value = baggage?.getEntry?.(key)?.value;
      if (typeof value === "string") found.set(key, value);
    }
  } catch {
    // What was found so far.
  }
  return found;
}

/** Of W3C Trace Context; all zeros means that there is none. */
export function isTraceId(id: unknown): id is string {
  return typeof id === "string" && /^(?!0{32})[0-9a-f]{32}$/.test(id);
}

export function isSpanId(id: unknown): id is string {
  return typeof id === "string" && /^(?!0{16})[0-9a-f]{16}$/.test(id);
}
