/** Sends calls and spans to Amplitude as events. */
import process from "node:process";
import type { Sink, TapRecord, WriteResult } from "../types.ts";
import { type AmplitudeClient, createClientDelivery } from "./amplitude/delivery/client.ts";
import {
  type AmplitudePlugin,
  createPluginRunner,
  loadAmplitudeSdk,
  type PluginRunner,
} from "./amplitude/delivery/plugins.ts";
import { createSender } from "./amplitude/delivery/sender.ts";
import { createTransport } from "./amplitude/delivery/transport.ts";
import { defaultDeviceId } from "./amplitude/device-id.ts";
import {
  type AmplitudeSinkClientOptions,
  type AmplitudeSinkKeyOptions,
  type AmplitudeSinkOptions,
  checkOptions,
  endpointUrl,
} from "./amplitude/options.ts";
import { createEventPreparer, reduceToFacts } from "./amplitude/prepare-event.ts";
import { aiSchema } from "./amplitude/schema-ai.ts";
import type { PreparedEvent, Schema } from "./amplitude/types.ts";
import { allResults } from "./shared/results.ts";
import { createTimeSlice } from "./shared/time-slice.ts";

export type { AmplitudeClient, AmplitudePlugin };
export type {
  AmplitudeSinkClientOptions,
  AmplitudeSinkCommonOptions,
  AmplitudeSinkKeyOptions,
  AmplitudeSinkOptions,
} from "./amplitude/options.ts";
export type { AmplitudeEvent } from "./amplitude/types.ts";

const MAX_REQUEST_BYTES = 900_000;
const MAX_REQUEST_EVENTS = 1_000;
const MAX_EVENT_BYTES = 800_000;
const SCHEMAS: Record<"ai", Schema> = { ai: aiSchema };

/**
 * A sink that turns each call and span into one Amplitude event.
 *
 * **With `apiKey`** the sink sends by itself and loses nothing that it was given: `delivered` means that Amplitude has
 * said so (HTTP 200 with JSON `code` 200), `rejected` that it never will take this event, everything else is `retry`. An
 * event keeps its `insert_id` over retries, so Amplitude drops what it had already written (within 7 days).
 *
 * **With `client`** each event goes through the app's client, with its plugins and its queue. That path can lose events:
 * the SDK gives up after about a minute, drops on refused connections and on `process.exit`, and takes a 200 of any
 * page for a success; what it leaves open counts as `unknown`.
 *
 * Amplitude cuts string values at 1,024 characters. Longer content (`ai_input`, `ai_output`, `ai_output_choices`,
 * `ai_system`, `ai_tools`, `ai_model_parameters`, `ai_error`) is sent as a list of pieces that join with nothing between
 * them; all other strings are cut, with a marker that names their length. An event over `maxEventBytes` keeps its facts
 * and loses content, and says so in `ai_truncated`. Ids that Amplitude refuses (`anonymous`, `null`, …) become
 * `ai_user_id` and `ai_device_id`.
 *
 * @throws TapError `invalid_option`
 * @example
 * createTap({ sinks: [amplitudeSink({ apiKey: process.env.AMPLITUDE_API_KEY })] });
 */
export function amplitudeSink(options: AmplitudeSinkOptions): Sink {
  checkOptions(options);
  const schema = SCHEMAS[options.schema ?? "ai"];
  const warn =
    options.onWarning ?? ((message: string) => void process.stderr.write(`[llm-tap] amplitude: ${message}\n`));
  const deliver =
    options.client === undefined ? createKeyDelivery(options, schema, warn) : createOwnClientDelivery(options);
  let prepare: ((record: TapRecord) => PreparedEvent) | undefined;
  let closed = false;
  const underWay = new Set<Promise<unknown>>();

  async function write(records: readonly TapRecord[], signal: AbortSignal): Promise<WriteResult> {
    prepare ??= createEventPreparer({
      schema,
      deviceId: options.deviceId ?? defaultDeviceId(),
      maxEventBytes: Math.min(options.maxEventBytes ?? MAX_EVENT_BYTES, MAX_EVENT_BYTES),
    });
    const pauseWhenDue = createTimeSlice();
    const events: PreparedEvent[] = [];
    for (const record of records) {
      if (signal.aborted) return allResults(records.length, "retry");
      events.push(prepare(record));
      await pauseWhenDue();
    }
    return deliver.deliver(events, signal);
  }

  return {
    name: options.name ?? "amplitude",
    content: options.content ?? "full",
    write(records, { signal }) {
      if (closed) return Promise.resolve(allResults(records.length, "rejected"));
      const written = write(records, signal);
      underWay.add(written);
      const forget = (): void => void underWay.delete(written);
      written.then(forget, forget);
      return written;
    },
    async close() {
      closed = true;
      await Promise.allSettled(underWay);
      await deliver.close();
    },
  };
}

interface Delivery {
  deliver(events: readonly PreparedEvent[], signal: AbortSignal): Promise<WriteResult>;
  close(): Promise<void>;
}

function createOwnClientDelivery(options: AmplitudeSinkClientOptions): Delivery {
  const { client, confirmTimeoutMs = 30_000, flushClient = false } = options;
  return { deliver: createClientDelivery({ client, confirmTimeoutMs, flushClient }), close: () => Promise.resolve() };
}

function createKeyDelivery(
  options: AmplitudeSinkKeyOptions,
  schema: Schema,
  warn: (message: string) => void,
): Delivery {
  const apiKey = options.apiKey as string;
  const { requestTimeoutMs = 30_000, plugins = [] } = options;
  const send = createTransport({
    apiKey,
    url: endpointUrl(options),
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    requestTimeoutMs,
  });
  const sender = createSender({
    send,
    reduce: (prepared) => reduceToFacts(prepared, schema),
    maxRequestBytes: Math.min(options.maxRequestBytes ?? MAX_REQUEST_BYTES, MAX_REQUEST_BYTES),
    maxRequestEvents: MAX_REQUEST_EVENTS,
    warn,
  });
  if (plugins.length === 0) return { deliver: sender, close: () => Promise.resolve() };

  const runner = createPluginRunner({ apiKey, plugins, loadSdk: loadAmplitudeSdk, timeoutMs: requestTimeoutMs, warn });
  return {
    deliver: (events, signal) => deliverThroughPlugins(runner, sender, events, signal),
    close: () => runner.close(),
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
  const answers = sent.results.values();
  const results = outcomes.map((outcome) =>
    outcome === "dropped" ? "rejected" : outcome === "late" ? "retry" : (answers.next().value ?? "retry"),
  );
  return { ...sent, results };
}
