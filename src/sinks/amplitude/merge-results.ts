/** From what became of events to what became of their records. */
import type { DeliveryResult } from "../../types.ts";

/** The first of these that became of any event of a record is what became of the record. */
const ORDER: readonly DeliveryResult[] = ["retry", "unknown", "rejected"];

/**
 * @param results one per event, in order
 * @param counts how many events each record made; one that made none has nothing left to deliver
 */
export function mergeResults(results: readonly DeliveryResult[], counts: readonly number[]): DeliveryResult[] {
  let next = 0;
  return counts.map((count) => {
    const own = results.slice(next, (next += count));
    return ORDER.find((result) => own.includes(result)) ?? (own.length < count ? "retry" : "delivered");
  });
}

/** Why a record was refused: the reason of its first event that was. */
export function mergeReasons(
  reasons: readonly (string | undefined)[],
  counts: readonly number[],
): (string | undefined)[] {
  let next = 0;
  return counts.map((count) => reasons.slice(next, (next += count)).find((reason) => reason !== undefined));
}
