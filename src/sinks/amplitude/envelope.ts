/** What surrounds the properties of an event: who, which session, which groups. */
import type { CallContext } from "../../types.ts";
import { cutText } from "./limits.ts";
import type { AmplitudeEvent } from "./types.ts";

/**
 * Ids that Amplitude answers with a 400, in lower case.
 *
 * @see https://amplitude.com/docs/apis/analytics/http-v2 "Invalid IDs"
 */
const REFUSED_IDS: ReadonlySet<string> = new Set([
  '""',
  "anonymous",
  "nil",
  "none",
  "null",
  "n/a",
  "na",
  "undefined",
  "unknown",
  "00000000-0000-0000-0000-000000000000",
  "{}",
  "lmy47d",
  "0",
  "-1",
]);

/** Group types and group values that Amplitude keeps of one event. */
const MAX_GROUP_TYPES = 5;
const MAX_GROUP_VALUES = 10;

export interface Envelope {
  fields: Pick<AmplitudeEvent, "user_id" | "device_id" | "session_id" | "groups">;
  /** Ids that could not be sent as ids. */
  properties: Record<string, unknown>;
}

/** Whether Amplitude refuses this id. */
export function isRefusedId(id: string): boolean {
  return REFUSED_IDS.has(id.trim().toLowerCase());
}

/**
 * The envelope of a context. The service's own device stands for calls without a user only: Amplitude counts the events
 * of a device before its first `user_id` as that user's, so one shared device would hand all anonymous calls to
 * whoever came first. An event with a `user_id` and no device of its own goes without; Amplitude then derives one.
 *
 * @see https://amplitude.com/docs/data/sources/amplitude-id-assignment
 */
export function buildEnvelope(context: CallContext, serviceDeviceId: string): Envelope {
  const fields: Envelope["fields"] = {};
  const properties: Record<string, unknown> = {};

  const userId = readId(context.userId);
  if (userId !== undefined) {
    if (isRefusedId(userId)) properties["ai_user_id"] = userId;
    else fields.user_id = cutText(userId);
  }
  const deviceId = readId(context.deviceId);
  if (deviceId !== undefined && !isRefusedId(deviceId)) fields.device_id = cutText(deviceId);
  else {
    if (deviceId !== undefined) properties["ai_device_id"] = deviceId;
    if (fields.user_id === undefined) fields.device_id = serviceDeviceId;
  }
  const sessionId = readSessionNumber(context.sessionId);
  if (sessionId !== undefined) fields.session_id = sessionId;
  const groups = readGroups(context.groups);
  if (groups !== undefined) fields.groups = groups;
  return { fields, properties };
}

/** Whether the service's own device stands for nothing that the context names. */
export function needsServiceDevice({ userId, deviceId }: CallContext): boolean {
  const user = readId(userId);
  return readId(deviceId) === undefined && (user === undefined || isRefusedId(user));
}

/** Contexts come from apps: a number is an id too. */
function readId(id: unknown): string | undefined {
  if (typeof id === "string") return id.trim() === "" ? undefined : id;
  return typeof id === "number" || typeof id === "bigint" ? String(id) : undefined;
}

/** Amplitude's sessions are numbers (their start in epoch milliseconds); -1 means none. */
function readSessionNumber(sessionId: unknown): number | undefined {
  const text = readId(sessionId);
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const session = Number(text);
  return Number.isSafeInteger(session) ? session : undefined;
}

function readGroups(groups: CallContext["groups"]): AmplitudeEvent["groups"] {
  if (typeof groups !== "object" || groups === null) return undefined;
  const result: Record<string, string | string[]> = {};
  let types = 0;
  let values = 0;
  for (const type of Object.keys(groups)) {
    if (type === "__proto__" || types >= MAX_GROUP_TYPES) continue;
    const given: unknown = groups[type];
    const names = (Array.isArray(given) ? given : [given]).map(readId).filter((name) => name !== undefined);
    const kept = names.slice(0, MAX_GROUP_VALUES - values).map((name) => cutText(name));
    if (kept.length === 0) continue;
    types += 1;
    values += kept.length;
    result[cutText(type)] = Array.isArray(given) ? kept : (kept[0] as string);
  }
  return types === 0 ? undefined : result;
}
