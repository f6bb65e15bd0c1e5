/** How a tap runs what is its own: never tapped, and where it sends, without keeping the process alive. */
import { type FlowStore, releaseSockets } from "#platform";
import type { Flow } from "./context.ts";

/** Runs what a sink does. A `flush` that waits for it keeps the process alive; the sending itself does not. */
export type RunInBackground = <Result>(run: () => Promise<Result>) => Promise<Result>;

export function createBackground(flow: FlowStore<Flow>): RunInBackground {
  const isBackground = (): boolean => flow.get()?.isBackground === true;
  let running = 0;
  let stop: (() => void) | undefined;

  return async function runInBackground(run) {
    running += 1;
    // Only while something is sent: each request of the app costs a little more meanwhile.
    stop ??= releaseSockets(isBackground);
    try {
      return await flow.runUntilSettled({ isSuppressed: true, isBackground: true }, run);
    } finally {
      running -= 1;
      if (running === 0) {
        stop?.();
        stop = undefined;
      }
    }
  };
}
