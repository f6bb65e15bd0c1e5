/**
 * What Amplitude's HTTP V2 and batch APIs accept, as documented.
 *
 * @see https://amplitude.com/docs/apis/analytics/http-v2
 * @see https://amplitude.com/docs/apis/analytics/batch-event-upload
 */
import { createHash } from "node:crypto";

/** An event as the server keeps it. */
export interface FakeAmplitudeEvent {
  event_type: string;
  user_id?: string;
  /** Where none was sent, a hash of the user's id, as the server does it. */
  device_id: string;
  time?: number;
  session_id?: number;
  insert_id?: string;
  groups?: Record<string, unknown>;
  event_properties: Record<string, unknown>;
  [field: string]: unknown;
}

/** The limits of one endpoint. */
export interface EndpointRules {
  maxBytes: number;
  maxEvents: number;
  /** Of one device or user, averaged over `RATE_WINDOW_MS`. */
  eventsPerSecond: number;
}

export const ENDPOINTS: Readonly<Record<string, EndpointRules>> = {
  "/2/httpapi": { maxBytes: 1_000_000, maxEvents: 2_000, eventsPerSecond: 30 },
  "/batch": { maxBytes: 20_000_000, maxEvents: 2_000, eventsPerSecond: 1_000 },
};

export const RATE_WINDOW_MS = 30_000;
export const DEDUPLICATION_MS: number = 7 * 24 * 3_600_000;

const MAX_STRING_LENGTH = 1_024;
const MAX_DEPTH = 40;
const DEFAULT_MIN_ID_LENGTH = 5;

const RESERVED_EVENT_TYPES: ReadonlySet<string> = new Set(
  ["Start Session", "End Session", "Revenue", "Revenue (Verified)", "Revenue (Unverified)", "Merged User"].map(
    (name) => `[Amplitude] ${name}`,
  ),
);

const REFUSED_IDS: ReadonlySet<string> = new Set(
  'anonymous nil none null n/a na undefined unknown "" 00000000-0000-0000-0000-000000000000 {} lmy47d 0 -1'.split(" "),
);

type JsonObject = Record<string, unknown>;

/** Field name → index of the first event with that fault: the API names only the first. */
type FirstIndexes = Record<string, number[]>;

/** The body of a 400 about events, or `undefined` when all are valid. */
export function findInvalid(events: readonly unknown[], minIdLength: unknown): JsonObject | undefined {
  const shortest = typeof minIdLength === "number" ? minIdLength : DEFAULT_MIN_ID_LENGTH;
  const invalid: FirstIndexes = {};
  const missing: FirstIndexes = {};
  const shortIds: FirstIndexes = {};

  for (const [index, event] of events.entries()) {
    const mark = (map: FirstIndexes, field: string): void => void (map[field] ??= [index]);
    if (!isObject(event)) {
      mark(invalid, "event");
      continue;
    }
    const type = event["event_type"];
    if (type === undefined || type === null || type === "") mark(missing, "event_type");
    else if (typeof type !== "string" || RESERVED_EVENT_TYPES.has(type)) mark(invalid, "event_type");
    if (isAbsent(event["user_id"]) && isAbsent(event["device_id"])) mark(missing, "user_id");
    for (const field of ["user_id", "device_id"] as const) {
      const id = event[field];
      if (isAbsent(id)) continue;
      if (typeof id !== "string") mark(invalid, field);
      // The documentation says that a short id is removed; the server was seen to answer with this 400 instead.
      else if (id.length < shortest) mark(shortIds, field);
      else if (REFUSED_IDS.has(id.toLowerCase())) mark(invalid, field);
    }
    for (const field of ["time", "session_id", "event_id"] as const) {
      if (!isAbsent(event[field]) && !Number.isInteger(event[field])) mark(invalid, field);
    }
    if (!isAbsent(event["insert_id"]) && typeof event["insert_id"] !== "string") mark(invalid, "insert_id");
    for (const field of ["event_properties", "user_properties", "groups"] as const) {
      const properties = event[field];
      if (!isAbsent(properties) && (!isObject(properties) || isDeeperThan(properties, MAX_DEPTH))) mark(invalid, field);
    }
  }

  const found: JsonObject = {};
  if (Object.keys(invalid).length > 0) found["events_with_invalid_fields"] = invalid;
  if (Object.keys(missing).length > 0) found["events_with_missing_fields"] = missing;
  if (Object.keys(shortIds).length > 0) found["events_with_invalid_id_lengths"] = shortIds;
  if (Object.keys(found).length === 0) return undefined;
  const onlyShort = Object.keys(found).join() === "events_with_invalid_id_lengths";
  const error = onlyShort ? "Invalid id length for user_id or device_id" : "Invalid field values on some events";
  return { code: 400, error, ...found };
}

/** What the server stores: strings cut at 1,024 characters, a device for every event. */
export function storeEvent(event: JsonObject): FakeAmplitudeEvent {
  const stored = cutStrings(event) as FakeAmplitudeEvent;
  stored.event_properties ??= {};
  stored.device_id ??= createHash("sha256").update(String(stored.user_id)).digest("hex");
  return stored;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(item, levels - 1));
}

function cutStrings(value: unknown): unknown {
  if (typeof value === "string") return value.slice(0, MAX_STRING_LENGTH);
  if (Array.isArray(value)) return value.map(cutStrings);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cutStrings(item)]));
}
