/** Sends calls and spans to Amplitude as events. */
import { createHash } from "node:crypto";
import process from "node:process";
import type { DeliveryResult, Sink, TapRecord, WriteResult } from "../types.ts";
import { createAppClientDelivery, createKeyDelivery } from "./amplitude/delivery/create-delivery.ts";
import { defaultDeviceId } from "./amplitude/device-id.ts";
import {
  type AmplitudeSinkKeyOptions,
  type AmplitudeSinkOptions,
  checkOptions,
  endpointUrl,
} from "./amplitude/options.ts";
import { needsServiceDevice } from "./amplitude/envelope.ts";
import { createEventPreparer } from "./amplitude/prepare-event.ts";
import { chooseSchema } from "./amplitude/choose-schema.ts";
import { mergeReasons, mergeResults } from "./amplitude/merge-results.ts";
import type { PreparedEvent } from "./amplitude/types.ts";
import { allResults } from "./shared/results.ts";
import { createTimeSlice } from "./shared/time-slice.ts";

export type { AmplitudeClient } from "./amplitude/delivery/client.ts";
export type { AmplitudePlugin } from "./amplitude/delivery/plugins.ts";
export type {
  AmplitudeSinkClientOptions,
  AmplitudeSinkCommonOptions,
  AmplitudeSinkKeyOptions,
  AmplitudeSinkOptions,
} from "./amplitude/options.ts";
export type { AmplitudeEvent, AmplitudeSchemaEvent, AmplitudeSchemaFunction } from "./amplitude/types.ts";

const MAX_EVENT_BYTES = 800_000;

/**
 * A sink that turns each call and span into Amplitude events: one with the schema `ai`, several with others. A record
 * counts as delivered when all of its events are; given again, its events keep their `insert_id`.
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
 * `ai_user_id` and `ai_device_id`. Calls without a user share one device per service (`deviceId`); a call with a user
 * and no device of its own is sent without one, because a shared device would merge anonymous calls into that user.
 *
 * @throws TapError `invalid_option`
 * @example
 * createTap({ sinks: [amplitudeSink({ apiKey: process.env.AMPLITUDE_API_KEY })] });
 */
export function amplitudeSink(options: AmplitudeSinkOptions): Sink {
  checkOptions(options);
  const { onWarning = printWarning } = options;
  const warn = (message: string): void => {
    try {
      onWarning(message);
    } catch {
      // The app's own function; what it does with a warning must not stop delivery.
    }
  };
  const schema = chooseSchema(options.schema ?? "ai", warn);
  const delivery = options.client === undefined ? createKeyDelivery(options, warn) : createAppClientDelivery(options);
  let prepare: ((record: TapRecord) => PreparedEvent[]) | undefined;
  let serviceDevice = options.deviceId;
  const readServiceDevice = (): string => (serviceDevice ??= defaultDeviceId());
  let closed = false;
  const underWay = new Set<Promise<unknown>>();

  async function write(records: readonly TapRecord[], signal: AbortSignal): Promise<WriteResult> {
    prepare ??= createEventPreparer({
      schema,
      deviceId: readServiceDevice(),
      maxEventBytes: Math.min(options.maxEventBytes ?? MAX_EVENT_BYTES, MAX_EVENT_BYTES),
    });
    const pauseWhenDue = createTimeSlice();
    const results: DeliveryResult[] = [];
    const reasons: (string | undefined)[] = [];
    let retryAfterMs: number | undefined;
    let othersMayPass = false as boolean;
    let events: PreparedEvent[] = [];
    /** How many events each record that is prepared has made. */
    let counts: number[] = [];
    let bytes = 0;

    /** @returns whether it makes sense to go on. */
    async function deliverPrepared(): Promise<boolean> {
      const answer: WriteResult = events.length === 0 ? { results: [] } : await delivery.deliver(events, signal);
      const merged = mergeResults(answer.results, counts);
      results.push(...merged);
      reasons.push(...mergeReasons(answer.reasons ?? [], counts));
      if (answer.retryAfterMs !== undefined) retryAfterMs = Math.max(retryAfterMs ?? 0, answer.retryAfterMs);
      events = [];
      counts = [];
      bytes = 0;
      othersMayPass = answer.othersMayPass === true;
      return othersMayPass || merged.some((result) => result !== "retry");
    }

    for (const record of records) {
      if (signal.aborted) break;
      const made = prepare(record);
      events.push(...made);
      counts.push(made.length);
      for (const event of made) bytes += event.bytes;
      if (bytes >= delivery.maxPreparedBytes && !(await deliverPrepared())) break;
      await pauseWhenDue();
    }
    if (counts.length > 0) await deliverPrepared();
    while (results.length < records.length) results.push("retry");
    return {
      results,
      ...(reasons.some((reason) => reason !== undefined) && { reasons }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(othersMayPass && { othersMayPass }),
    };
  }

  return {
    name: options.name ?? "amplitude",
    content: options.content ?? "full",
    ...(options.client === undefined && { destination: nameDestination(options) }),
    // By `insert_id`, for seven days.
    idempotent: true,
    ...delivery.members,
    // Amplitude knows an event by its `insert_id` and its device; the next process may be of another host or name.
    prepare: (record) =>
      needsServiceDevice(record.context)
        ? { ...record, context: { ...record.context, deviceId: readServiceDevice() } }
        : record,
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
      await delivery.close();
    },
  };
}

/** What is stored for one project never goes to another; the key itself is in no path. */
function nameDestination(options: AmplitudeSinkKeyOptions): string {
  return createHash("sha256")
    .update(`${endpointUrl(options)}\n${options.apiKey}`)
    .digest("hex");
}

function printWarning(message: string): void {
  process.stderr.write(`[llm-tap] amplitude: ${message}\n`);
}
