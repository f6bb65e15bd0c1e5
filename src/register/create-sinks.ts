/** From the settings of the environment to sinks. */
import { amplitudeSink } from "../sinks/amplitude.ts";
import { consoleSink } from "../sinks/console.ts";
import { jsonlSink } from "../sinks/jsonl.ts";
import { opentelemetrySink } from "../sinks/opentelemetry.ts";
import type { Sink } from "../types.ts";
import type { SinkSettings } from "./settings.ts";

/** @throws TapError for what only the sink itself can tell to be wrong */
export function createSink(settings: SinkSettings): Sink {
  if (settings.kind === "console") return consoleSink();
  if (settings.kind === "jsonl") return jsonlSink(settings.path);
  // Providers, content and generation: what the app registers, and OpenTelemetry's own variables.
  if (settings.kind === "otel") return opentelemetrySink();
  const { kind: _kind, ...options } = settings;
  return amplitudeSink(options);
}
