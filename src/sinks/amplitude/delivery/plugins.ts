/**
 * Runs the plugins of Amplitude's SDK over events that are then sent by our own sender: an SDK instance whose one
 * destination hands the finished event back. Its timeline is drained with `flush()`, which here sends nothing: one
 * timer tick an event would take seconds for thousands.
 */
import { TapError } from "../../../errors.ts";
import { settleOrAbort } from "../../shared/abort.ts";
import { copyJson } from "../../shared/copy-json.ts";
import { createTimeSlice } from "../../shared/time-slice.ts";
import { serialise } from "../prepare-event.ts";
import type { AmplitudeEvent, PreparedEvent } from "../types.ts";

/** A plugin as `@amplitude/analytics-node` takes it with `add()`; destinations run beside our delivery. */
export interface AmplitudePlugin {
  name?: string;
  type?: "before" | "enrichment" | "destination";
  // The SDK's own types name its client, its configuration and its events here; any plugin written for it fits.
  // oxlint-disable-next-line typescript/no-explicit-any
  setup?(config: any, client: any): Promise<void>;
  // oxlint-disable-next-line typescript/no-explicit-any
  execute?(event: any): Promise<any>;
  flush?(): Promise<void>;
  teardown?(): Promise<void>;
}

/** What this file uses of the SDK. */
export interface AmplitudeSdk {
  createInstance(): SdkClient;
}

interface SdkClient {
  init(apiKey: string, options: Record<string, unknown>): { promise: Promise<unknown> };
  add(plugin: AmplitudePlugin): { promise: Promise<unknown> };
  remove(name: string): { promise: Promise<unknown> };
  track(event: AmplitudeEvent): { promise: Promise<{ event: AmplitudeEvent; code: number }> };
  flush(): { promise: Promise<unknown> };
}

export interface PluginRunnerOptions {
  apiKey: string;
  plugins: readonly AmplitudePlugin[];
  loadSdk: () => Promise<AmplitudeSdk>;
  /** Milliseconds that the plugins may take for one write. */
  timeoutMs: number;
  warn: (message: string) => void;
}

export interface PluginRunner {
  /** What the plugins made of each event: the event, `dropped` when one filtered it or threw, `late` when one hangs. */
  run(events: readonly PreparedEvent[], signal: AbortSignal): Promise<(PreparedEvent | "dropped" | "late")[]>;
  close(): Promise<void>;
}

/** The destination of the SDK that sends by itself. */
const SDK_DESTINATION = "amplitude";
const LOG_NOTHING = 0;
/** How many events go through the plugins before the event loop may have its turn. */
const EVENTS_PER_DRAIN = 10;
const FILTERED = 0;
const PASSED = 200;

export function createPluginRunner(options: PluginRunnerOptions): PluginRunner {
  const { apiKey, plugins, loadSdk, timeoutMs, warn } = options;
  let started: Promise<SdkClient> | undefined;

  async function start(): Promise<SdkClient> {
    const client = (await loadSdk()).createInstance();
    // Its logger would print a line for each event that a plugin filters out.
    await client.init(apiKey, { logLevel: LOG_NOTHING }).promise;
    await client.remove(SDK_DESTINATION).promise;
    // First, because the result of the first destination is the result of `track`.
    await client.add(handBack).promise;
    for (const plugin of plugins) await client.add(guardPlugin(plugin, warn)).promise;
    return client;
  }

  function client(): Promise<SdkClient> {
    started ??= start();
    // A failed start is tried again with the next write.
    started.catch(() => (started = undefined));
    return started;
  }

  return {
    async run(events, signal) {
      const sdk = await client();
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const done: (PreparedEvent | "dropped" | "late")[] = events.map(() => "late");
      const track = async (prepared: PreparedEvent, index: number): Promise<void> => {
        const { event, code } = await sdk.track(prepared.event).promise;
        done[index] = code === PASSED ? complete(event, prepared) : "dropped";
      };
      const tracked: Promise<void>[] = [];
      const pauseWhenDue = createTimeSlice();
      for (const [index, prepared] of events.entries()) {
        if (limit.aborted) break;
        tracked.push(track(prepared, index));
        // A plugin that hangs holds its event only, so nothing waits for what was tracked before the end.
        if (tracked.length % EVENTS_PER_DRAIN !== 0) continue;
        void sdk.flush().promise.catch(() => undefined);
        await pauseWhenDue();
      }
      void sdk.flush().promise.catch(() => undefined);
      await settleOrAbort(Promise.all(tracked), limit, () => []);
      return [...done];
    },
    async close() {
      const closing = started;
      started = undefined;
      const sdk = await closing?.catch(() => undefined);
      for (const { name } of plugins) if (name !== undefined) await sdk?.remove(name).promise.catch(() => undefined);
    },
  };
}

const handBack: AmplitudePlugin = {
  name: "llm-tap",
  type: "destination",
  setup: () => Promise.resolve(),
  execute: (event: AmplitudeEvent) => Promise.resolve({ event, code: PASSED, message: "handed back" }),
};

/**
 * A plugin that throws, or whose event JSON can't say, would wedge the SDK's timeline; and a filter that throws must not
 * let its event pass. Such an event is dropped, and that is said once.
 */
function guardPlugin(plugin: AmplitudePlugin, warn: (message: string) => void): AmplitudePlugin {
  let warned = false;
  const execute = async (event: unknown): Promise<unknown> => {
    try {
      const result: unknown = await plugin.execute?.(event);
      return plugin.type === "destination" ? result : copyJson(result);
    } catch (error) {
      if (!warned) {
        warn(
          `The Amplitude plugin "${plugin.name ?? "without a name"}" threw, its events are dropped: ${String(error)}`,
        );
      }
      warned = true;
      return plugin.type === "destination" ? { event, code: FILTERED, message: String(error) } : null;
    }
  };
  // Each method is called on the plugin itself: it may be an instance of a class, with private fields.
  return {
    ...(plugin.name !== undefined && { name: plugin.name }),
    ...(plugin.type !== undefined && { type: plugin.type }),
    ...(plugin.execute !== undefined && { execute }),
    setup: async (config: unknown, client: unknown) => plugin.setup?.(config, client),
    flush: async () => plugin.flush?.(),
    teardown: async () => plugin.teardown?.(),
  };
}

/** The event of the plugins as JSON data, with what delivery relies on still there. */
function complete(event: AmplitudeEvent, { event: before, shape }: PreparedEvent): PreparedEvent {
  const copy = copyJson(event) as AmplitudeEvent;
  return serialise(
    {
      ...copy,
      event_type: copy.event_type ?? before.event_type,
      insert_id: before.insert_id,
      time: copy.time ?? before.time,
    },
    shape,
  );
}

/** Loads `@amplitude/analytics-node` when it is first needed. */
export async function loadAmplitudeSdk(
  load: () => Promise<unknown> = () => import("@amplitude/analytics-node"),
): Promise<AmplitudeSdk> {
  try {
    return (await load()) as AmplitudeSdk;
  } catch (error) {
    throw new TapError(
      "missing_dependency",
      'amplitudeSink runs your plugins with the package "@amplitude/analytics-node", which can\'t be loaded. ' +
        "Install it (npm install @amplitude/analytics-node) or leave the option `plugins` out.",
      { cause: error },
    );
  }
}
