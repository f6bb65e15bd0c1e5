/** Waiting on an AbortSignal that many writes may share. */

/** One listener per signal, whatever waits on it: an eleventh would make Node print a warning into the app's output. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `run` once when `signal` aborts, at once if it has.
 *
 * @returns a function that calls it off.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  if (signal.aborted) {
    run();
    return () => undefined;
  }
  // A function of its own: the same `run` may wait twice.
  const entry = (): void => run();
  let entries = waiting.get(signal);
  if (entries === undefined) {
    const added = new Set<() => void>();
    entries = added;
    waiting.set(signal, added);
    const abort = (): void => {
      waiting.delete(signal);
      for (const each of added) each();
    };
    signal.addEventListener("abort", abort, { once: true });
  }
  const mine = entries;
  mine.add(entry);
  return () => void mine.delete(entry);
}

/** Settles as `promise` does, or with `giveUp()` as soon as `signal` aborts. */
export function settleOrAbort<T>(promise: Promise<T>, signal: AbortSignal, giveUp: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = onAbort(signal, () => resolve(giveUp()));
    // Observed in any case, so that a rejection after the abort is no unhandled one.
    promise.then(resolve, reject).then(leave, leave);
  });
}
