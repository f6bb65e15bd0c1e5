/** Sends calls and spans to OpenTelemetry: spans, metrics and events of the GenAI conventions. */
import process from "node:process";
import type { Attributes, Context } from "@opentelemetry/api";
import { NOTE_GEN_AI_SPAN } from "../gen-ai-span.ts";
import type { DeliveryResult, LlmCall, Sink, TapRecord, WriteResult } from "../types.ts";
import { type Connection, connect } from "./opentelemetry/connect.ts";
import type { EmittedSpan } from "./opentelemetry/emit-span.ts";
import { toHrTime } from "./opentelemetry/ids.ts";
import {
  checkProviders,
  type OpentelemetrySinkOptions,
  readContentOption,
  readSemconvOption,
} from "./opentelemetry/options.ts";
import { settleOrAbort } from "./shared/abort.ts";
import { allResults } from "./shared/results.ts";

export type { Semconv } from "./opentelemetry/names.ts";
export type { OpentelemetrySinkOptions, OtelContent, OtelLoggerProvider } from "./opentelemetry/options.ts";
export { type GenAiSpanWatcher, type WatchedSpan, watchGenAiSpans } from "./opentelemetry/watch-spans.ts";

/** Fewer than a batch processor exports on its own: then the export that we wait for is the one that has our spans. */
const RECORDS_PER_FLUSH = 100;

/** A span that was emitted, or why there is none. */
type Emitted = EmittedSpan | keyof typeof settled;

/** What becomes of records without a span. */
const settled = { skipped: "delivered", failed: "rejected" } as const satisfies Record<string, DeliveryResult>;

/** Statuses of OTLP that another try can't change. */
const REFUSED: ReadonlySet<unknown> = new Set([400, 413, 422]);

/**
 * A sink that turns each call and span into a span of OpenTelemetry with its real start and end, its ids and its parent,
 * and each call into `gen_ai.client.*` metrics and operation-details events. What exports is the app's SDK: what it has
 * registered, or the providers given as options. `@opentelemetry/api` is an optional peer dependency and loaded with the
 * first record.
 *
 * `delivered` means that the SDK's `forceFlush` says that the exporter has the spans, or that they were not sampled. When
 * it fails, the records are `retry`, with the same ids; metrics are recorded once, after the spans. Without an SDK they
 * are `unknown`. Content is off unless asked for (`content`, or OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT).
 *
 * @throws TapError `invalid_option`; a write rejects with `missing_dependency`
 * @example
 * new NodeSDK().start();
 * createTap({ sinks: [opentelemetrySink()] }).install();
 */
export function opentelemetrySink(options: OpentelemetrySinkOptions = {}): Sink {
  checkProviders(options);
  const content = readContentOption(options.content);
  const semconv = readSemconvOption(options.semconv);
  const {
    name = "opentelemetry",
    skipUnder,
    skipInstrumented = true,
    confirm = true,
    onWarning = printWarning,
  } = options;
  const warned = new Set<string>();
  let connection: Promise<Connection> | undefined;
  let closed = false;

  function warnOnce(message: string): void {
    if (warned.has(message)) return;
    warned.add(message);
    try {
      onWarning(message);
    } catch {
      // The app's own function; what it does with a warning must not stop delivery.
    }
  }

  function readOwnAttributes(record: TapRecord): Attributes | undefined {
    try {
      return options.attributes?.(record);
    } catch (error) {
      warnOnce(`the function given as \`attributes\` threw; its attributes are left out: ${String(error)}`);
      return undefined;
    }
  }

  function getConnection(): Promise<Connection> {
    connection ??= connect({ ...options, content, semconv, attributes: readOwnAttributes });
    // A failed one is tried again with the next write.
    connection.catch(() => (connection = undefined));
    return connection;
  }

  /** Another instrumentation has a span, and metrics, for this very call. */
  function isInstrumented(record: TapRecord): boolean {
    if (record.type !== "call") return false;
    const { parentSpanId } = record.trace;
    if (skipInstrumented && record.capture.notes.includes(NOTE_GEN_AI_SPAN)) return true;
    return parentSpanId !== undefined && skipUnder?.has(parentSpanId) === true;
  }

  /** A span processor of the app's own that throws costs this record, not those behind it. */
  function tryEmit(otel: Connection, record: TapRecord): Emitted {
    if (isInstrumented(record)) return "skipped";
    try {
      return otel.emitSpan(record);
    } catch (error) {
      warnOnce(`the SDK threw over a span: ${String(error)}`);
      return "failed";
    }
  }

  async function writeSome(
    otel: Connection,
    records: readonly TapRecord[],
    signal: AbortSignal,
  ): Promise<DeliveryResult[]> {
    const emitted = records.map((record) => tryEmit(otel, record));
    const outcome = await confirmSpans(otel, emitted, signal);
    if (outcome === "retry") return emitted.map((span) => (typeof span === "string" ? settled[span] : "retry"));
    // Once the spans are settled: metrics and events of a record that comes again would count twice.
    const calls = records.flatMap((call, index) => {
      const span = emitted[index];
      return call.type === "call" && typeof span === "object" ? [{ call, context: span.context }] : [];
    });
    const areEventsThere = await addMetricsAndEvents(otel, calls, signal);
    return emitted.map((span, index) => {
      if (typeof span === "string") return settled[span];
      if (outcome !== "delivered") return outcome;
      return areEventsThere || records[index]?.type === "span" ? "delivered" : "unknown";
    });
  }

  /** @returns whether the events have arrived. */
  async function addMetricsAndEvents(
    otel: Connection,
    calls: readonly { call: LlmCall; context: Context }[],
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      for (const { call, context } of calls) {
        otel.recordMetrics(call, context);
        otel.emitEvents(call, context, endOf(call));
      }
      const { flushEvents } = otel;
      if (calls.length === 0 || flushEvents === undefined || !confirm) return true;
      return await settleOrAbort(
        flushEvents().then(() => true),
        signal,
        () => false,
      );
    } catch (error) {
      warnOnce(`the SDK could not take metrics or export events: ${String(error)}`);
      return false;
    }
  }

  async function confirmSpans(
    otel: Connection,
    emitted: readonly Emitted[],
    signal: AbortSignal,
  ): Promise<DeliveryResult> {
    const spans = emitted.filter((span) => typeof span === "object");
    if (spans.length === 0) return "delivered";
    const { flushSpans } = otel;
    if (flushSpans === undefined && !spans.some((span) => span.isRecording)) {
      warnOnce(
        "no OpenTelemetry SDK is registered, so spans go nowhere. Start it before the first call, or pass `tracerProvider`.",
      );
    }
    if (flushSpans === undefined || !confirm) return "unknown";
    try {
      return await settleOrAbort<DeliveryResult>(
        flushSpans().then(() => "delivered"),
        signal,
        () => "unknown",
      );
    } catch (error) {
      warnOnce(`the SDK could not export spans: ${String(error)}`);
      return isRefusal(error) ? "rejected" : "retry";
    }
  }

  async function write(records: readonly TapRecord[], signal: AbortSignal): Promise<WriteResult> {
    const otel = await getConnection();
    const results: DeliveryResult[] = [];
    while (results.length < records.length && !signal.aborted) {
      const some = await writeSome(otel, records.slice(results.length, results.length + RECORDS_PER_FLUSH), signal);
      results.push(...some);
      if (some.includes("retry")) break;
    }
    while (results.length < records.length) results.push("retry");
    return { results };
  }

  return {
    name,
    content: content === "none" ? "metadata" : "full",
    write(records, { signal }) {
      if (closed) return Promise.resolve(allResults(records.length, "rejected"));
      return write(records, signal);
    },
    // The providers are the app's: it shuts them down.
    async close() {
      closed = true;
    },
  };
}

/** A provider gives the errors of all of its processors as a list. */
function isRefusal(error: unknown): boolean {
  const errors = (Array.isArray(error) ? error : [error]) as ({ code?: unknown } | undefined)[];
  return errors.length > 0 && errors.every((each) => REFUSED.has(each?.code));
}

function endOf({ timing }: LlmCall): [number, number] {
  return toHrTime(timing.startedAt + Math.max(0, timing.durationMs));
}

function printWarning(message: string): void {
  process.stderr.write(`[llm-tap] opentelemetry: ${message}\n`);
}
