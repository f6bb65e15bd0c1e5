/** A record that is on its way to the destination. */
import type { DeliveryResult, TapRecord } from "../types.ts";
import type { Entry } from "./segment.ts";

export interface Item {
  readonly record: TapRecord;
  readonly bytes: number;
  /** Epoch milliseconds. */
  readonly storedAt: number;
  /** Where it lies on disk; without it only memory holds it, and whoever gave it waits for `answer`. */
  readonly entry?: Entry;
  readonly answer?: (result: DeliveryResult, reason?: string, retryAfterMs?: number) => void;
  /** How often it had to wait while others went through. */
  attempts: number;
  /** How often the sink has thrown with this record alone. */
  failures: number;
  /** Records that had been delivered when it first did. */
  deliveredBefore: number;
}

export function itemOf(entry: Entry): Item {
  const { record, bytes, storedAt } = entry;
  return { record, bytes, storedAt, entry, attempts: 0, failures: 0, deliveredBefore: 0 };
}

/** A clock that says less has not been set: what it says of times is worth nothing. */
const FIRST_PLAUSIBLE_MS = Date.UTC(2024, 0);

/**
 * Milliseconds since it was stored, as far as clocks can be believed: what this process has stored is no older than the
 * process, however far the clock was moved meanwhile.
 */
export function ageOf({ storedAt, entry }: Pick<Item, "storedAt" | "entry">): number {
  if (storedAt < FIRST_PLAUSIBLE_MS) return 0;
  const age = Date.now() - storedAt;
  return entry?.segment.isOwn === false ? age : Math.min(age, performance.now());
}

/** Whose order is kept. */
export function keyOf({ record }: Pick<Item, "record">): string {
  const { userId, deviceId, sessionId } = record.context ?? {};
  return userId ?? deviceId ?? sessionId ?? "";
}
