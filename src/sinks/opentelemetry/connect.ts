/** Brings the sink and the app's OpenTelemetry together. */
import type { Attributes, MeterProvider } from "@opentelemetry/api";
import type { TapRecord } from "../../types.ts";
import { LIBRARY_VERSION } from "../shared/library.ts";
import { createSpanEmitter, type EmittedSpan } from "./emit-span.ts";
import { createEvents, type EmitEvents } from "./events.ts";
import { findFlush, findLoggerProvider, loadApi } from "./load-api.ts";
import { createMetrics, type RecordMetrics } from "./metrics.ts";
import type { Semconv } from "./names.ts";
import type { OpentelemetrySinkOptions, OtelContent } from "./options.ts";
import { SCOPE_NAME } from "./watch-spans.ts";

export interface Connection {
  emitSpan(record: TapRecord): EmittedSpan;
  recordMetrics: RecordMetrics;
  emitEvents: EmitEvents;
  /** Resolves when the exporter has the spans. `undefined`: nobody can tell. */
  flushSpans: (() => Promise<void>) | undefined;
  flushEvents: (() => Promise<void>) | undefined;
}

export interface ConnectOptions extends OpentelemetrySinkOptions {
  content: OtelContent;
  semconv: Semconv;
  attributes: (record: TapRecord) => Attributes | undefined;
}

/** @throws TapError `missing_dependency` */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { semconv, content, attributes } = options;
  const api = await loadApi();
  const tracerProvider =
    options.tracerProvider ?? (options.tracer === undefined ? api.trace.getTracerProvider() : undefined);
  const tracer =
    options.tracer ?? (tracerProvider ?? api.trace.getTracerProvider()).getTracer(SCOPE_NAME, LIBRARY_VERSION);
  const loggerProvider =
    options.loggerProvider === false ? undefined : (options.loggerProvider ?? (await findLoggerProvider(api)));
  const logger = loggerProvider?.getLogger(SCOPE_NAME, LIBRARY_VERSION);
  let meterProvider: MeterProvider | undefined;
  let metrics: RecordMetrics | undefined;
  /** Traces and logs have proxies that find an SDK which is registered later; metrics have none. */
  const recordMetrics: RecordMetrics = (call, context) => {
    const provider = options.meterProvider || api.metrics.getMeterProvider();
    if (provider !== meterProvider) metrics = createMetrics(provider.getMeter(SCOPE_NAME, LIBRARY_VERSION), semconv);
    meterProvider = provider;
    metrics?.(call, context);
  };

  return {
    emitSpan: createSpanEmitter({ api, tracer, semconv, content: content.startsWith("span"), attributes }),
    recordMetrics: options.meterProvider === false ? () => undefined : recordMetrics,
    emitEvents:
      logger === undefined ? () => undefined : createEvents({ logger, semconv, content: content.endsWith("event") }),
    // Asked each time: an SDK may be registered after the first record.
    get flushSpans() {
      return tracerProvider === undefined ? undefined : findFlush(tracerProvider);
    },
    get flushEvents() {
      return loggerProvider === undefined ? undefined : findFlush(loggerProvider);
    },
  };
}
