/** Tells the spans that other instrumentations make for LLM calls, so that no call has two. */

import { isModelCallSpan } from "../../gen-ai-span.ts";

/** A span processor: give it to your tracer provider, and to the sink as `skipUnder`. */
export interface GenAiSpanWatcher {
  onStart(span: WatchedSpan, context?: unknown): void;
  onEnd(span: WatchedSpan): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
  /** Whether this is the span of one call to a model. */
  has(spanId: string): boolean;
}

/** What is read of a span. */
export interface WatchedSpan {
  spanContext(): { spanId: string };
  readonly attributes?: Record<string, unknown>;
  readonly instrumentationScope?: { name: string };
}

/** The scope of our own spans. */
export const SCOPE_NAME = "llm-tap";

const MAX_SPANS = 10_000;

/**
 * Remembers the last 10,000 spans with `gen_ai.*` attributes that stand for one call: those of OpenTelemetry's and
 * OpenLLMetry's instrumentations, of the Vercel AI SDK and the like. A span of an agent or a tool is none of them.
 *
 * @example
 * const watcher = watchGenAiSpans();
 * new NodeTracerProvider({ spanProcessors: [watcher, new BatchSpanProcessor(exporter)] }).register();
 * createTap({ sinks: [opentelemetrySink({ skipUnder: watcher })] });
 */
export function watchGenAiSpans(): GenAiSpanWatcher {
  const seen = new Set<string>();

  function look(span: WatchedSpan): void {
    if (span.instrumentationScope?.name === SCOPE_NAME || !isModelCallSpan(span.attributes ?? {})) return;
    const { spanId } = span.spanContext();
    seen.delete(spanId);
    seen.add(spanId);
    if (seen.size <= MAX_SPANS) return;
    const [oldest] = seen;
    if (oldest !== undefined) seen.delete(oldest);
  }

  return {
    onStart: look,
    // Some set their attributes only with the answer.
    onEnd: look,
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
    has: (spanId) => seen.has(spanId),
  };
}
