/** W3C baggage: who asked, as a service further up said it. Only keys that the app has named are read. */
import { readActiveBaggage } from "./context-otel.ts";
import { isUnsafeKey, MAX_CONTEXT_BYTES } from "./context-values.ts";
import type { CallContext } from "./types.ts";

/** Keys of OpenTelemetry's conventions, and those that people use; all others become properties. */
const IDENTITY: ReadonlyMap<string, "userId" | "deviceId" | "sessionId"> = new Map([
  ["user.id", "userId"],
  ["userId", "userId"],
  ["user_id", "userId"],
  ["enduser.id", "userId"],
  ["device.id", "deviceId"],
  ["deviceId", "deviceId"],
  ["device_id", "deviceId"],
  ["session.id", "sessionId"],
  ["sessionId", "sessionId"],
  ["session_id", "sessionId"],
]);

/**
 * What the baggage says under the keys of the allow-list: first that of the request's own header, then that of
 * OpenTelemetry's active context.
 *
 * @param header - of the request
 * @see https://www.w3.org/TR/baggage/
 */
export function readBaggage(keys: readonly string[], header: string | undefined): CallContext {
  const found = header === undefined ? new Map<string, string>() : parseBaggage(header, new Set(keys));
  for (const [key, value] of readActiveBaggage(keys)) if (!found.has(key)) found.set(key, value);
  const context: CallContext = {};
  for (const [key, value] of found) {
    const field = IDENTITY.get(key);
    if (field !== undefined) context[field] ??= value;
    else if (!isUnsafeKey(key)) (context.properties ??= {})[key] = value;
  }
  return context;
}

/** The first entry of a key counts. */
function parseBaggage(header: string, wanted: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const member of header.slice(0, MAX_CONTEXT_BYTES).split(",")) {
    // What follows a semicolon are properties of the entry.
    const [entry = ""] = member.split(";", 1);
    const at = entry.indexOf("=");
    if (at === -1) continue;
    const key = entry.slice(0, at).trim();
    if (wanted.has(key) && !found.has(key)) found.set(key, decodeValue(entry.slice(at + 1).trim()));
  }
  return found;
}

function decodeValue(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
