/** Joins the parts of delivery: by key, or by the app's client. */
import type { DeliveryResult, WriteResult } from "../../../types.ts";
import { type AmplitudeSinkClientOptions, type AmplitudeSinkKeyOptions, endpointUrl } from "../options.ts";
import { reduceToFacts } from "../prepare-event.ts";
import type { PreparedEvent } from "../types.ts";
import { createSinkFetch, type SinkFetch } from "../../shared/sink-fetch.ts";
import { createClientDelivery } from "./client.ts";
import { createPluginRunner, loadAmplitudeSdk, type PluginRunner } from "./plugins.ts";
import { createSender } from "./sender.ts";
import { createTransport } from "./transport.ts";

const MAX_REQUEST_BYTES = 900_000;
const MAX_REQUEST_EVENTS = 1_000;
const MAX_PREPARED_BYTES = 4_000_000;

/** How prepared events leave the process. */
export interface Delivery {
  /** Serialised bytes that one `deliver` gets at most: only so much of a large batch is in memory twice. */
  maxPreparedBytes: number;
  /** Resolves with one result per event, in order. */
  deliver(events: readonly PreparedEvent[], signal: AbortSignal): Promise<WriteResult>;
  close(): Promise<void>;
  /** What the sink says of its requests. */
  members: SinkFetch["members"];
}

/** The app's own client sends. */
export function createAppClientDelivery(options: AmplitudeSinkClientOptions): Delivery {
  const { client, confirmTimeoutMs = 30_000, flushClient = false } = options;
  return {
    // In parts, each would wait for the client's flush timer.
    maxPreparedBytes: Number.POSITIVE_INFINITY,
    deliver: createClientDelivery({ client, confirmTimeoutMs, flushClient }),
    close: () => Promise.resolve(),
    members: {},
  };
}

/** The sink sends by itself, after the plugins, if there are any. */
export function createKeyDelivery(options: AmplitudeSinkKeyOptions, warn: (message: string) => void): Delivery {
  const apiKey = options.apiKey as string;
  const { requestTimeoutMs = 30_000, plugins = [] } = options;
  const { fetch, members } = createSinkFetch(options.fetch);
  const send = createTransport({
    apiKey,
    url: endpointUrl(options),
    fetch,
    requestTimeoutMs,
  });
  const sender = createSender({
    send,
    reduce: reduceToFacts,
    maxRequestBytes: Math.min(options.maxRequestBytes ?? MAX_REQUEST_BYTES, MAX_REQUEST_BYTES),
    maxRequestEvents: MAX_REQUEST_EVENTS,
    warn,
  });
  if (plugins.length === 0) {
    return { maxPreparedBytes: MAX_PREPARED_BYTES, deliver: sender, close: () => Promise.resolve(), members };
  }

  const runner = createPluginRunner({ apiKey, plugins, loadSdk: loadAmplitudeSdk, timeoutMs: requestTimeoutMs, warn });
  return {
    maxPreparedBytes: MAX_PREPARED_BYTES,
    deliver: (events, signal) => deliverThroughPlugins(runner, sender, events, signal),
    close: () => runner.close(),
    // Plugins may do anything.
    members: {},
  };
}

async function deliverThroughPlugins(
  runner: PluginRunner,
  sender: Delivery["deliver"],
  events: readonly PreparedEvent[],
  signal: AbortSignal,
): Promise<WriteResult> {
  const outcomes = await runner.run(events, signal);
  const passed = outcomes.filter((outcome) => typeof outcome !== "string");
  const sent = await sender(passed, signal);
  let next = 0;
  const reasons: (string | undefined)[] = [];
  const results = outcomes.map((outcome, index): DeliveryResult => {
    if (outcome === "late") return "retry";
    if (outcome === "dropped") {
      reasons[index] = "dropped by a plugin";
      return "rejected";
    }
    const position = next++;
    if (sent.reasons?.[position] !== undefined) reasons[index] = sent.reasons[position];
    return sent.results[position] ?? "retry";
  });
  return {
    results,
    ...(reasons.length > 0 && { reasons }),
    ...(sent.retryAfterMs !== undefined && { retryAfterMs: sent.retryAfterMs }),
    ...(sent.othersMayPass === true && { othersMayPass: true }),
  };
}
