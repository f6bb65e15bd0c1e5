/**
 * The last chance of a sink that can only deliver asynchronously: the process is about to be gone, so a worker thread
 * sends while this one waits.
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import { toJsonText } from "../sinks/shared/copy-json.ts";
import type { Sink, TapRecord } from "../types.ts";
import { createSink } from "./create-sinks.ts";
import { OWN_WORKER } from "./own-worker.ts";
import type { SinkSettings } from "./settings.ts";

/** What the worker is told. */
export interface LastDelivery {
  [OWN_WORKER]: true;
  settings: SinkSettings;
  /** JSON of the records. */
  records: string;
  /** Milliseconds for all of it. */
  timeoutMs: number;
  /** Holds one of `LastDeliveryState`. */
  state: Int32Array<SharedArrayBuffer>;
}

export const PENDING = 0;
export const DELIVERED = 1;
export const FAILED = 2;

/** The process is held up no longer than this. */
const TIMEOUT_MS = 2_000;

/**
 * Gives a sink without a `writeSync` one that waits for its delivery.
 * @param isWorthwhile Asked first: where an asynchronous attempt has just failed, this one would too.
 */
export function withLastDelivery(settings: SinkSettings, isWorthwhile: () => boolean): Sink {
  const sink = createSink(settings);
  // OpenTelemetry's exporters are the app's; another thread has none.
  if (sink.writeSync !== undefined || settings.kind === "otel") return sink;
  return {
    ...sink,
    writeSync(records) {
      if (!isWorthwhile() || !deliverNow(settings, records)) throw new Error(`${sink.name}: not delivered in time`);
    },
  };
}

/** @returns whether all were delivered */
function deliverNow(settings: SinkSettings, records: readonly TapRecord[]): boolean {
  const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const workerData: LastDelivery = {
    [OWN_WORKER]: true,
    settings,
    records: toJsonText(records),
    timeoutMs: TIMEOUT_MS,
    state,
  };
  // Without NODE_OPTIONS and arguments: nothing of the app's preloads runs in it.
  const { NODE_OPTIONS: _preloads, ...env } = process.env;
  const worker = new Worker(new URL("last-delivery-worker.js", import.meta.url), { workerData, env, execArgv: [] });
  worker.unref();
  Atomics.wait(state, 0, PENDING, TIMEOUT_MS);
  return Atomics.load(state, 0) === DELIVERED;
}
