/**
 * A plugin for Amplitude's own SDK that brings llm-tap along. Beside `tap.ts` and not among the sinks, because it makes a
 * tap: sinks know nothing of taps.
 */
import { amplitudeSink, type AmplitudeClient, type AmplitudeSinkClientOptions } from "./sinks/amplitude.ts";
import { createTap, type Restore, type Tap } from "./tap.ts";
import type { TapOptions } from "./types.ts";

/** What the sink is told, and what the tap is told; `sinks` are those beside Amplitude. */
export interface AmplitudePluginOptions extends Omit<AmplitudeSinkClientOptions, "client" | "apiKey">, TapOptions {}

/** An enrichment plugin of `@amplitude/analytics-node` that lets every event pass as it is. */
export interface AmplitudeTapPlugin {
  name: string;
  type: "enrichment";
  /** The tap, for `run`, `with`, `span` and `flush`. It taps nothing before the client has set the plugin up. */
  readonly tap: Tap;
  // The SDK's own type of a client would make the SDK a dependency of these types.
  // oxlint-disable-next-line typescript/no-explicit-any
  setup(config: unknown, client: any): Promise<void>;
  execute<Event>(event: Event): Promise<Event>;
  teardown(): Promise<void>;
}

const SINK_OPTIONS = [
  "name",
  "content",
  "schema",
  "deviceId",
  "maxEventBytes",
  "onWarning",
  "confirmTimeoutMs",
  "flushClient",
] as const satisfies readonly (keyof AmplitudeSinkClientOptions)[];

/**
 * Makes a tap whose events go through the client that the plugin is added to, and installs it; `remove("llm-tap")` and
 * the client's end take it away again. What is lost on the way of the app's client: see `amplitudeSink`. Call
 * `await plugin.tap.flush()` before `amplitude.flush()`: the client can only send what it was given.
 *
 * @throws TypeError, TapError `invalid_option`
 * @example
 * amplitude.init(process.env.AMPLITUDE_API_KEY);
 * amplitude.add(amplitudePlugin());
 */
export function amplitudePlugin(options: AmplitudePluginOptions = {}): AmplitudeTapPlugin {
  const { sinkOptions, tapOptions } = splitOptions(options);
  let current: AmplitudeClient | undefined;
  let restore: Restore | undefined;
  // The client is known only when the plugin is set up, and a wrong option should be thrown where it was written.
  const client: AmplitudeClient = {
    track(event) {
      if (current === undefined) throw new Error("amplitudePlugin has not been set up: add it to a client");
      return current.track(event);
    },
    flush: () => current?.flush?.() ?? { promise: Promise.resolve() },
  };
  const tap = createTap({
    ...tapOptions,
    sinks: [amplitudeSink({ ...sinkOptions, client }), ...(tapOptions.sinks ?? [])],
  });

  return {
    name: "llm-tap",
    type: "enrichment",
    tap,
    async setup(_config, given: AmplitudeClient) {
      current = given;
      restore ??= tap.install();
    },
    execute: (event) => Promise.resolve(event),
    async teardown() {
      restore?.();
      restore = undefined;
      // A client that was given up takes no more events; what waits would wait for ever.
      await tap.close({ timeoutMs: 1_000 });
    },
  };
}

function splitOptions(options: AmplitudePluginOptions): {
  sinkOptions: Omit<AmplitudeSinkClientOptions, "client" | "apiKey">;
  tapOptions: TapOptions;
} {
  const sinkOptions: Record<string, unknown> = {};
  const tapOptions: Record<string, unknown> = {};
  const isSinkOption = (name: string): boolean => (SINK_OPTIONS as readonly string[]).includes(name);
  for (const [name, value] of Object.entries(options)) (isSinkOption(name) ? sinkOptions : tapOptions)[name] = value;
  return { sinkOptions, tapOptions };
}
