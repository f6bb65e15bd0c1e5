/** OpenTelemetry's own SDK and exporters against a receiver of ours, in both encodings. */
import { OTLPLogExporter as JsonLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtoLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter as ProtoMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter as JsonTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type Sampler,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { opentelemetrySink, type OpentelemetrySinkOptions } from "../../../src/sinks/opentelemetry.ts";
import type { Sink } from "../../../src/types.ts";
import { type OtlpServer, startOtlpServer } from "./otlp-server.ts";

export type Encoding = "json" | "protobuf";

export interface Stack {
  server: OtlpServer;
  tracerProvider: BasicTracerProvider;
  meterProvider: MeterProvider;
  loggerProvider: LoggerProvider;
  createSink(options?: OpentelemetrySinkOptions): Sink;
  close(): Promise<void>;
}

export interface StackOptions {
  encoding?: Encoding;
  sampler?: Sampler;
  spanProcessors?: SpanProcessor[];
}

export async function startStack({
  encoding = "protobuf",
  sampler,
  spanProcessors = [],
}: StackOptions = {}): Promise<Stack> {
  const server = await startOtlpServer();
  const [TraceExporter, LogExporter] =
    encoding === "json" ? [JsonTraceExporter, JsonLogExporter] : [ProtoTraceExporter, ProtoLogExporter];
  const timeoutMillis = 1_000;
  const tracerProvider = new BasicTracerProvider({
    ...(sampler && { sampler }),
    spanProcessors: [
      ...spanProcessors,
      new BatchSpanProcessor(new TraceExporter({ url: `${server.origin}/v1/traces`, timeoutMillis }), {
        scheduledDelayMillis: 60_000,
      }),
    ],
  });
  const loggerProvider = new LoggerProvider({
    processors: [
      new BatchLogRecordProcessor({
        exporter: new LogExporter({ url: `${server.origin}/v1/logs`, timeoutMillis }),
        scheduledDelayMillis: 60_000,
      }),
    ],
  });
  const meterProvider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new ProtoMetricExporter({ url: `${server.origin}/v1/metrics`, timeoutMillis }),
        exportIntervalMillis: 600_000,
        exportTimeoutMillis: 2_000,
      }),
    ],
  });
  return {
    server,
    tracerProvider,
    meterProvider,
    loggerProvider,
    createSink: (options) => opentelemetrySink({ tracerProvider, meterProvider, loggerProvider, ...options }),
    async close() {
      server.fault = undefined;
      const ignore = (): void => undefined;
      await Promise.all([
        tracerProvider.shutdown().catch(ignore),
        loggerProvider.shutdown().catch(ignore),
        meterProvider.shutdown().catch(ignore),
      ]);
      await server.close();
    },
  };
}
