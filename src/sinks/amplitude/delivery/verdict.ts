/** What an answer of Amplitude, or of whatever stands in for it on the way, means for the events that were sent. */
import { readRetryAfter } from "../../shared/retry-after.ts";

export type Verdict =
  /** HTTP 200 with JSON `code` 200: the only acknowledgement. */
  | { kind: "accepted" }
  /** Amplitude names events that it will never take; it takes none of the others either, this time. */
  | { kind: "invalid"; indexes: number[]; reason: string }
  /** Something in these events is invalid, and Amplitude does not say where. */
  | { kind: "invalid_somewhere"; reason: string }
  | { kind: "too_large" }
  /** Too many events of some devices or users; with nothing named, of all. */
  | { kind: "throttled"; ids: ReadonlySet<string>; indexes: number[]; retryAfterMs: number }
  /** Nothing that resending soon could change: a wrong API key or path. */
  | { kind: "misconfigured"; reason: string }
  /** Not now. */
  | { kind: "unavailable"; reason: string; retryAfterMs?: number };

/** Amplitude asks for a pause of 30 seconds. */
const THROTTLE_PAUSE_MS = 30_000;

/** The fields of a 400 that map a name to indexes of events. */
const INDEX_MAPS = [
  "events_with_invalid_fields",
  "events_with_missing_fields",
  "events_with_invalid_id_lengths",
] as const;
const THROTTLE_MAPS = [
  "throttled_devices",
  "throttled_users",
  "exceeded_daily_quota_devices",
  "exceeded_daily_quota_users",
] as const;

/** Our JSON is valid and there: when Amplitude sees another, something on the way has changed it. */
const BODY_DAMAGED = /^(?:invalid json request body|missing request body)/i;

/** Errors of a 400 that no choice of events could cure. */
const MISCONFIGURED = /^(?:invalid api key|missing api key|invalid request path|request missing required field)/i;

/**
 * @param retryAfter the header of that name.
 * @see https://amplitude.com/docs/apis/analytics/http-v2 "Response format"
 */
export function readVerdict(status: number, text: string, retryAfter: string | null): Verdict {
  const body = parseObject(text);
  const code = body?.["code"];
  const retryAfterMs = readRetryAfter(retryAfter);
  if (status === 200 && code === 200) return { kind: "accepted" };
  // A proxy's limit on bodies comes as a page of its own.
  if (status === 413) return { kind: "too_large" };
  if (status === 429) {
    return {
      kind: "throttled",
      ids: new Set(THROTTLE_MAPS.flatMap((name) => Object.keys(asObject(body?.[name]) ?? {}))),
      indexes: readIndexes(body?.["throttled_events"]),
      retryAfterMs: retryAfterMs ?? THROTTLE_PAUSE_MS,
    };
  }
  // Only Amplitude itself may condemn events: a 400 of anything else on the way says nothing about them.
  if (status === 400 && code === 400 && body !== undefined) return readInvalid(body);
  const reason = `HTTP ${status}: ${readError(body) ?? "not Amplitude's JSON"}`;
  return retryAfterMs === undefined ? { kind: "unavailable", reason } : { kind: "unavailable", reason, retryAfterMs };
}

function readInvalid(body: Record<string, unknown>): Verdict {
  const reason = readError(body) ?? "invalid request";
  const named = INDEX_MAPS.flatMap((name) => Object.values(asObject(body[name]) ?? {}).flatMap(readIndexes));
  const indexes = [...new Set([...named, ...readIndexes(body["silenced_events"])])];
  if (indexes.length > 0) return { kind: "invalid", indexes, reason };
  if (BODY_DAMAGED.test(reason)) return { kind: "unavailable", reason };
  if (MISCONFIGURED.test(reason)) return { kind: "misconfigured", reason };
  return { kind: "invalid_somewhere", reason };
}

function readError(body: Record<string, unknown> | undefined): string | undefined {
  return typeof body?.["error"] === "string" ? body["error"].slice(0, 200) : undefined;
}

function readIndexes(value: unknown): number[] {
  return Array.isArray(value) ? value.filter((index): index is number => Number.isInteger(index) && index >= 0) : [];
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
