/** From the settings of the environment to sinks. */
import { amplitudeSink } from "../sinks/amplitude.ts";
import { consoleSink } from "../sinks/console.ts";
import { jsonlSink } from "../sinks/jsonl.ts";
import type { Sink } from "../types.ts";
import type { SinkSettings } from "./settings.ts";

/** @throws TapError for what only the sink itself can tell to be wrong */
export function createSink(settings: SinkSettings): Sink {
  if (settings.kind === "console") return consoleSink();
  if (settings.kind === "jsonl") return jsonlSink(settings.path);
  const { kind: _kind, ...options } = settings;
  return amplitudeSink(options);
}
