/** A local server that answers as Amplitude does, and on demand as it should not. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import {
  type FakeAmplitudeFault,
  type FaultScript,
  playFault,
  storesEvents,
  throttledBody,
} from "./fake-amplitude/faults.ts";
import {
  DEDUPLICATION_MS,
  ENDPOINTS,
  type EndpointRules,
  type FakeAmplitudeEvent,
  findInvalid,
  isObject,
  RATE_WINDOW_MS,
  storeEvent,
} from "./fake-amplitude/rules.ts";

export type { FakeAmplitudeFault, FaultRequest, FaultScript } from "./fake-amplitude/faults.ts";
export type { FakeAmplitudeEvent } from "./fake-amplitude/rules.ts";

export interface FakeAmplitudeOptions {
  /** Other keys get the 400 that Amplitude gives a wrong one. Default: any key. */
  apiKey?: string;
  /** Limit the events of one device or user as the endpoints do, with a 429. Default true. */
  limitRates?: boolean;
  /** Port to listen on. Default: any free one. */
  port?: number;
}

/** One request as it came. */
export interface FakeAmplitudeRequest {
  path: string;
  /** The parsed body; `undefined` when it was no JSON object. */
  body: Record<string, unknown> | undefined;
  /** Of the body, after decompression. */
  bytes: number;
  /** Events in it. */
  events: number;
  /** What was answered; `undefined` while there is no complete answer. */
  status: number | undefined;
  /** Epoch milliseconds. */
  at: number;
}

export interface FakeAmplitude {
  /** The batch endpoint: what to give as `serverUrl`. */
  readonly url: string;
  /** The HTTP V2 endpoint. */
  readonly httpV2Url: string;
  readonly origin: string;
  /** What was stored, in order: no event twice by `insert_id` and `device_id`, strings cut at 1,024 characters. */
  readonly events: FakeAmplitudeEvent[];
  /** How many events came again and were dropped. */
  readonly duplicates: number;
  readonly requests: FakeAmplitudeRequest[];
  /** Sets what goes wrong from now on; without an argument nothing does. */
  setFault(script?: FaultScript): Promise<void>;
  /** Forgets events, requests and rates; keeps the fault. */
  clear(): void;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: unknown;
}

/**
 * Starts a server that speaks Amplitude's HTTP V2 (`/2/httpapi`) and batch (`/batch`) APIs: it checks events, ids, sizes
 * and rates, deduplicates, cuts strings, and answers 200, 400, 413 and 429 with the documented bodies. It listens on
 * 127.0.0.1 only.
 *
 * @example
 * const amplitude = await startFakeAmplitude();
 * const tap = createTap({ sinks: [amplitudeSink({ apiKey: "test", serverUrl: amplitude.url })] });
 * await amplitude.setFault([503, "reset"]);       // the first request gets a 503, the second breaks off, then all is well
 * await tap.flush();
 * amplitude.events.map((event) => event.event_type);
 * await amplitude.close();
 */
export async function startFakeAmplitude(options: FakeAmplitudeOptions = {}): Promise<FakeAmplitude> {
  const { apiKey, limitRates = true, port: wantedPort = 0 } = options;
  const events: FakeAmplitudeEvent[] = [];
  const requests: FakeAmplitudeRequest[] = [];
  /** `insert_id` and device → when first seen. */
  const seen = new Map<string, number>();
  /** Device or user → times of its events. */
  const rates = new Map<string, { at: number; count: number }[]>();
  let duplicates = 0;
  let script: FaultScript | undefined;
  let scripted = 0;
  let server = await listen(wantedPort);
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;

  function listen(onPort: number): Promise<Server> {
    return new Promise((resolve, reject) => {
      const created = createServer((request, response) => {
        readBody(request).then(
          (bytes) => answer(request, bytes, response),
          () => response.destroy(),
        );
      });
      created.once("error", reject);
      created.listen(onPort, "127.0.0.1", () => resolve(created));
    });
  }

  function answer(request: IncomingMessage, raw: Buffer, response: ServerResponse): void {
    const path = (request.url ?? "/").split("?")[0] as string;
    const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
    const body = parseBody(bytes);
    const sent = (Array.isArray(body?.["events"]) ? body["events"] : []) as FakeAmplitudeEvent[];
    const noted: FakeAmplitudeRequest = {
      path,
      body,
      bytes: bytes.length,
      events: sent.length,
      status: undefined,
      at: Date.now(),
    };
    requests.push(noted);

    const faultRequest = { index: scripted++, path, events: sent, bytes: bytes.length };
    const fault =
      typeof script === "function" ? script(faultRequest) : isList(script) ? script[faultRequest.index] : script;
    if (fault !== undefined) {
      if (storesEvents(fault)) for (const event of sent) store(event);
      noted.status = playFault(fault, faultRequest, response);
      return;
    }
    const rules = ENDPOINTS[path];
    const result =
      rules === undefined || request.method !== "POST"
        ? badRequest("Invalid request path")
        : judge(rules, bytes, body, request);
    noted.status = result.status;
    response.writeHead(result.status, { "content-type": "application/json" });
    response.end(JSON.stringify(result.body));
  }

  function judge(
    rules: EndpointRules,
    bytes: Buffer,
    body: Record<string, unknown> | undefined,
    request: IncomingMessage,
  ): Answer {
    if (bytes.length >= rules.maxBytes) return { status: 413, body: { code: 413, error: "Payload too large" } };
    if (bytes.length === 0) return badRequest("Missing request body");
    if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) return badRequest("Invalid content type");
    if (body === undefined) return badRequest("Invalid JSON request body");
    for (const field of ["api_key", "events"]) {
      if (body[field] === undefined) return badRequest("Request missing required field", { missing_field: field });
    }
    if (apiKey !== undefined && body["api_key"] !== apiKey)
      return badRequest(`Invalid API key: ${String(body["api_key"])}`);
    const list = body["events"];
    if (!Array.isArray(list)) return badRequest("Invalid event JSON");
    if (list.length > rules.maxEvents) return { status: 413, body: { code: 413, error: "Payload too large" } };
    const options = body["options"];
    const invalid = findInvalid(list, isObject(options) ? options["min_id_length"] : undefined);
    if (invalid !== undefined) return { status: 400, body: invalid };
    const throttled = limitRates ? findThrottled(list as FakeAmplitudeEvent[], rules.eventsPerSecond) : [];
    if (throttled.length > 0)
      return { status: 429, body: throttledBody(list as FakeAmplitudeEvent[], throttled, rules.eventsPerSecond) };
    for (const event of list) store(event as Record<string, unknown>);
    const summary = { events_ingested: list.length, payload_size_bytes: bytes.length, server_upload_time: Date.now() };
    return { status: 200, body: { code: 200, ...summary } };
  }

  function store(event: Record<string, unknown>): void {
    const stored = storeEvent(event);
    if (stored.insert_id !== undefined) {
      const key = JSON.stringify([stored.insert_id, stored.device_id]);
      const before = seen.get(key);
      if (before !== undefined && Date.now() - before < DEDUPLICATION_MS) {
        duplicates += 1;
        return;
      }
      seen.set(key, Date.now());
    }
    events.push(stored);
  }

  /** Indexes of the events whose device or user has sent too many; a request that is let through counts. */
  function findThrottled(list: readonly FakeAmplitudeEvent[], eventsPerSecond: number): number[] {
    const now = Date.now();
    const counts = new Map<string, number>();
    const idsOf = (event: FakeAmplitudeEvent): string[] =>
      [event.device_id && `device ${event.device_id}`, event.user_id && `user ${event.user_id}`].filter(
        (id) => id !== undefined,
      );
    for (const event of list) for (const id of idsOf(event)) counts.set(id, (counts.get(id) ?? 0) + 1);
    const over = new Set<string>();
    for (const [id, count] of counts) {
      const recent = (rates.get(id) ?? []).filter((entry) => now - entry.at < RATE_WINDOW_MS);
      const total = recent.reduce((sum, entry) => sum + entry.count, count);
      if (total > (eventsPerSecond * RATE_WINDOW_MS) / 1000) over.add(id);
      rates.set(id, recent);
    }
    if (over.size === 0) for (const [id, count] of counts) rates.get(id)?.push({ at: now, count });
    return list.flatMap((event, index) => (idsOf(event).some((id) => over.has(id)) ? [index] : []));
  }

  async function stop(): Promise<void> {
    const stopping = server;
    if (!stopping.listening) return;
    await new Promise<void>((resolve) => {
      stopping.close(() => resolve());
      stopping.closeAllConnections();
    });
  }

  return {
    url: `${origin}/batch`,
    httpV2Url: `${origin}/2/httpapi`,
    origin,
    events,
    get duplicates() {
      return duplicates;
    },
    requests,
    async setFault(next) {
      script = next;
      scripted = 0;
      if (next === "refuse") await stop();
      else if (!server.listening) server = await listen(port);
    },
    clear() {
      events.length = 0;
      requests.length = 0;
      duplicates = 0;
      seen.clear();
      rates.clear();
    },
    close: stop,
  };
}

function isList(script: FaultScript | undefined): script is readonly (FakeAmplitudeFault | undefined)[] {
  return Array.isArray(script);
}

function badRequest(error: string, more: Record<string, unknown> = {}): Answer {
  return { status: 400, body: { code: 400, error, ...more } };
}

function parseBody(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const body: unknown = JSON.parse(bytes.toString());
    return isObject(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
