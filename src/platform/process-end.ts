/** The one place that listens to the end of the process, for however many taps there are. */
import type { ExitHooks } from "./platform.ts";

const taps = new Set<ExitHooks>();

/** Of `taps` each; what one of them throws must change neither the exit code nor the others' turn. */
function forEachTap(run: (hooks: ExitHooks) => void): void {
  for (const hooks of taps) {
    try {
      run(hooks);
    } catch {
      // The process ends; there is nobody left to tell.
    }
  }
}

function onBeforeExit(): void {
  forEachTap((hooks) => hooks.beforeExit());
}

/** Ends what is still running and hands it, with all that is pending, to the sinks that take it synchronously. */
export function handOverAll(): void {
  forEachTap((hooks) => hooks.exit());
}

/** @returns a function that takes the hooks off again */
export function onProcessEnd(hooks: ExitHooks): () => void {
  // One pair of listeners: with one per tap, Node would warn of a leak at the eleventh.
  if (taps.size === 0) {
    process.on("beforeExit", onBeforeExit);
    process.on("exit", handOverAll);
  }
  taps.add(hooks);
  return () => {
    if (!taps.delete(hooks) || taps.size > 0) return;
    process.off("beforeExit", onBeforeExit);
    process.off("exit", handOverAll);
  };
}

/**
 * Ends what is still running and sends it, with all that is pending.
 * @param timeoutMs After this it resolves, sent or not.
 * @returns `undefined` when nothing was running or pending
 */
export function shutDownAll(timeoutMs: number): Promise<unknown> | undefined {
  const waits: Promise<void>[] = [];
  forEachTap((hooks) => {
    const wait = hooks.shutDown(timeoutMs);
    if (wait !== undefined) waits.push(wait);
  });
  return waits.length === 0 ? undefined : Promise.allSettled(waits);
}

/** Whether any tap has a call that is running, or a record that is not delivered. */
export function isAnyBusy(): boolean {
  let isBusy = false;
  forEachTap((hooks) => {
    isBusy ||= hooks.isBusy();
  });
  return isBusy;
}
