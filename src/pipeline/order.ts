/**
 * In which order calls are told. A call may go on from the answer of an earlier one, so that one has to be told first,
 * though it may be read later: its body is longer, or the app has acted on its last event before its end.
 */
import { setTimer, type Timer } from "#platform";
import type { Exchange } from "../types.ts";

/** An SDK may go on as soon as the last event that it needs came; on a busy machine the end is seen much later. */
const EARLY_MS = 500;
/** How long a call waits for the end of an answer that has come, as it seems, but that the app does not read to its end. */
const PATIENCE_MS = 500;
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

/** Exchanges that are read, and wait for an earlier call to be told first. */
export interface WaitingLine {
  wait(exchange: Exchange, earlier: Exchange): void;
  /** Those that have waited for it get their turn again. */
  release(earlier: Exchange): void;
  releaseAll(): void;
  clear(): void;
  readonly size: number;
}

/** @param touch - gives an exchange its turn, in slices as all others */
export function createWaitingLine(touch: (exchange: Exchange) => void): WaitingLine {
  /** By what they wait for. */
  const waiting = new Map<Exchange, Exchange[]>();
  let patience: Timer | undefined;

  function releaseAll(): void {
    const all = [...waiting.values()].flat().toSorted((one, other) => one.startTime - other.startTime);
    waiting.clear();
    for (const exchange of all) touch(exchange);
  }

  return {
    wait(exchange, earlier) {
      const waitingToo = waiting.get(earlier);
      if (waitingToo === undefined) waiting.set(earlier, [exchange]);
      else waitingToo.push(exchange);
      patience ??= setTimer(() => {
        patience = undefined;
        releaseAll();
      }, PATIENCE_MS);
    },
    release(earlier) {
      if (waiting.size === 0) return;
      const released = waiting.get(earlier);
      if (released === undefined) return;
      waiting.delete(earlier);
      for (const exchange of released) touch(exchange);
    },
    releaseAll,
    clear: () => waiting.clear(),
    get size() {
      return waiting.size;
    },
  };
}
