/** From the settings of the environment to sinks, of which only those that are asked for are loaded. */
import { loadSync } from "../platform/node.ts";
import type { Sink } from "../types.ts";
import type { SinkSettings } from "./settings.ts";

interface SinkModules {
  amplitude: typeof import("../sinks/amplitude.ts");
  console: typeof import("../sinks/console.ts");
  jsonl: typeof import("../sinks/jsonl.ts");
  opentelemetry: typeof import("../sinks/opentelemetry.ts");
}

const loadOutbox = (): typeof import("../outbox/index.ts") =>
  loadSync(new URL("../outbox/index.js", import.meta.url)) as typeof import("../outbox/index.ts");

/** At once: a preload that waits could not be loaded by `require`. */
function load<Name extends keyof SinkModules>(name: Name): SinkModules[Name] {
  return loadSync(new URL(`../sinks/${name}.js`, import.meta.url)) as SinkModules[Name];
}

/** @throws TapError for what only the sink itself can tell to be wrong */
export function createSink(settings: SinkSettings): Sink {
  if (settings.kind === "console") return load("console").consoleSink();
  if (settings.kind === "jsonl") return load("jsonl").jsonlSink(settings.path);
  // Providers, content and generation: what the app registers, and OpenTelemetry's own variables.
  if (settings.kind === "otel") return load("opentelemetry").opentelemetrySink();
  const { kind: _kind, outbox, ...options } = settings;
  const sink = load("amplitude").amplitudeSink(options);
  return outbox === undefined ? sink : loadOutbox().durable(sink, outbox);
}
