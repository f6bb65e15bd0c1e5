/** How a tap runs what is its own: never tapped, and where it sends, without keeping the process alive. */
import { type FlowStore, releaseSockets } from "#platform";
import type { Flow } from "./context.ts";

/** Runs what a sink does. A `flush` that waits for it keeps the process alive; the sending itself does not. */
export type RunInBackground = <Result>(run: () => Promise<Result>) => Promise<Result>;

export interface Background {
  run: RunInBackground;
  /** The same for what `run` does before it returns, and not for what it starts: costs the app nothing. */
  runBriefly: RunInBackground;
  /** The tap is closed: once nothing runs any more, sockets are left alone. */
  close(): void;
}

export function createBackground(flow: FlowStore<Flow>): Background {
  const mark: Flow = { isSuppressed: true, isBackground: true };
  const isBackground = (): boolean => flow.get()?.isBackground === true;
  let running = 0;
  let isClosed = false;
  let stop: (() => void) | undefined;

  function stopIfDone(): void {
    if (!isClosed || running > 0) return;
    stop?.();
    stop = undefined;
  }

  return {
    async run(run) {
      running += 1;
      // Not only while something is sent: a channel that gets its first listener, or loses its last, is another kind of
      // object to V8, and undici's functions that look at it are compiled anew each time.
      stop ??= releaseSockets(isBackground);
      try {
        return await flow.runUntilSettled(mark, run);
      } finally {
        running -= 1;
        stopIfDone();
      }
    },
    runBriefly: (run) => flow.runBriefly(mark, run),
    close() {
      isClosed = true;
      stopIfDone();
    },
  };
}
