/** Answers of a sink. */
import type { DeliveryResult, WriteResult } from "../../types.ts";

/** The same result for each of `count` records. */
export function allResults(count: number, result: DeliveryResult): WriteResult {
  return { results: Array.from({ length: count }, () => result) };
}
