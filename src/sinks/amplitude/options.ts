/** What the Amplitude sink can be told, and the check that it makes sense. */
import { TapError } from "../../errors.ts";
import type { AmplitudeClient } from "./delivery/client.ts";
import type { AmplitudePlugin } from "./delivery/plugins.ts";
import { isSchemaName } from "./choose-schema.ts";
import { isRefusedId } from "./envelope.ts";
import type { AmplitudeSchemaFunction } from "./types.ts";

/** Options of both ways to deliver. */
export interface AmplitudeSinkCommonOptions {
  /** Default `amplitude`. */
  name?: string;
  /** The most that this sink gets. Default `full`. */
  content?: "full" | "metadata";
  /**
   * The names of events and properties. `ai` (default): `ai_generation`, `ai_embedding`, `ai_error`, `ai_span`. `agent`:
   * those of Amplitude's Agent Analytics. `both`, or a function that makes events of a record.
   */
  schema?: "ai" | "agent" | "both" | AmplitudeSchemaFunction;
  /** Device of calls without a user and a device. Default: a hash of host and application name. Set it in containers. */
  deviceId?: string;
  /** UTF-8 bytes of one event; a larger one loses content, never facts. Default and maximum 800,000. */
  maxEventBytes?: number;
  /** Told once of each thing that only a person can mend (a wrong key, refused events). Default: one line on stderr. */
  onWarning?: (message: string) => void;
}

/** The sink sends by itself. */
export interface AmplitudeSinkKeyOptions extends AmplitudeSinkCommonOptions {
  apiKey: string | undefined;
  /** Where the project's data is kept. Default `US`. */
  serverZone?: "US" | "EU";
  /** Complete URL of an endpoint (a proxy of your own), or its origin alone. Default: that of the zone. */
  serverUrl?: string;
  /** The batch endpoint takes 1,000 events a second of one device, HTTP V2 only 30. Default true. */
  useBatch?: boolean;
  /** Plugins of `@amplitude/analytics-node`, run over each event; the SDK is loaded only for them. */
  plugins?: readonly AmplitudePlugin[];
  /** Milliseconds for a request and its answer. Default 30,000. */
  requestTimeoutMs?: number;
  /** UTF-8 bytes of one request. Default and maximum 900,000. */
  maxRequestBytes?: number;
  /** Default: `globalThis.fetch` as it is at the time of each request. */
  fetch?: typeof fetch;
  client?: never;
}

/** The app's own client sends. */
export interface AmplitudeSinkClientOptions extends AmplitudeSinkCommonOptions {
  /** An initialised client. Initialise it with `minIdLength: 1` if users have ids of fewer than 5 characters. */
  client: AmplitudeClient;
  /** Milliseconds after which an event without a result counts as unknown. Default 30,000. */
  confirmTimeoutMs?: number;
  /** Call `client.flush()` after each write. It drops the app's own events when Amplitude is unwell. Default false. */
  flushClient?: boolean;
  apiKey?: never;
}

export type AmplitudeSinkOptions = AmplitudeSinkKeyOptions | AmplitudeSinkClientOptions;

const ORIGINS = { US: "https://api2.amplitude.com", EU: "https://api.eu.amplitude.com" } as const;

/** Where requests go. */
export function endpointUrl(options: AmplitudeSinkKeyOptions): string {
  const path = options.useBatch === false ? "/2/httpapi" : "/batch";
  if (options.serverUrl === undefined) return ORIGINS[options.serverZone ?? "US"] + path;
  const url = new URL(options.serverUrl);
  return url.pathname === "/" ? new URL(path, url).href : url.href;
}

/** @throws TapError `invalid_option` */
export function checkOptions(options: AmplitudeSinkOptions): void {
  const { apiKey, client } = options;
  if (client === undefined && (typeof apiKey !== "string" || apiKey.trim() === "")) {
    const came = apiKey === undefined ? "undefined" : apiKey === "" ? "an empty string" : typeof apiKey;
    throw new TapError(
      "invalid_option",
      `amplitudeSink: expected "apiKey" (a string) or "client", got apiKey ${came}. Is the environment variable set?`,
    );
  }
  if (client !== undefined && typeof client.track !== "function") {
    throw new TapError(
      "invalid_option",
      'amplitudeSink: "client" must have a method track(); pass what createInstance() gave you.',
    );
  }
  if (client !== undefined && apiKey !== undefined) {
    throw new TapError(
      "invalid_option",
      'amplitudeSink: give "apiKey" or "client", not both; a client has its own key.',
    );
  }
  const { schema = "ai" } = options;
  if (typeof schema !== "function" && !isSchemaName(schema)) {
    throw new TapError(
      "invalid_option",
      `amplitudeSink: unknown schema ${JSON.stringify(schema)}; expected "ai", "agent", "both" or a function.`,
    );
  }
  const { serverUrl, serverZone } = options as AmplitudeSinkKeyOptions;
  if (serverUrl !== undefined && !(URL.canParse(serverUrl) && /^https?:$/.test(new URL(serverUrl).protocol))) {
    throw new TapError(
      "invalid_option",
      `amplitudeSink: "serverUrl" must be an http(s) URL, got ${JSON.stringify(serverUrl)}.`,
    );
  }
  if (serverZone !== undefined && !Object.hasOwn(ORIGINS, serverZone)) {
    throw new TapError(
      "invalid_option",
      `amplitudeSink: "serverZone" must be "US" or "EU", got ${JSON.stringify(serverZone)}.`,
    );
  }
  const { deviceId } = options;
  if (deviceId !== undefined && (typeof deviceId !== "string" || isRefusedId(deviceId))) {
    throw new TapError(
      "invalid_option",
      `amplitudeSink: Amplitude refuses the deviceId ${JSON.stringify(deviceId)}; choose another.`,
    );
  }
}
