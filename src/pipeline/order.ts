/**
 * In which order calls are told. A call may go on from the answer of an earlier one, so that one has to be told first,
 * though it may be read later: its body is longer, or the app has acted on its last event before its end.
 */
import type { Exchange } from "../types.ts";

/** An SDK may go on as soon as the last event that it needs came; on a busy machine the end is seen much later. */
const EARLY_MS = 500;
/** How long a call waits for the end of an answer that has come, as it seems, but that the app does not read to its end. */
export const PATIENCE_MS = 500;
/** How long for one that has ended and is being read. */
const READING_MS = 5_000;

/**
 * Whether the later call may have been made because of the earlier one, which is not told yet.
 *
 * @param now - of `performance.now()`
 */
export function mayHaveLedTo(earlier: Exchange, later: Exchange, now: number): boolean {
  const cameAt = earlier.chunkCount > 0 ? earlier.lastByteTime : earlier.endTime;
  const hasCome = (earlier.chunkCount > 0 || earlier.isEnded) && cameAt <= later.startTime + EARLY_MS;
  return hasCome && now - later.endTime < (earlier.isEnded ? READING_MS : PATIENCE_MS);
}
