/**
 * How the writes of one sink are run. What a write starts is followed through its promises, so that it is not tapped and
 * does not keep the process alive; until Node 24 that makes each promise of the app dearer meanwhile, and the first time
 * for good. So it is done only where a write can have started something.
 */
import { afterCallback } from "#platform";
import type { Background, RunInBackground } from "../background.ts";

export interface SinkWrites {
  run: RunInBackground;
  /** The sink waits for nothing: all of its writes so far were done before anything else could run. */
  readonly arePrompt: boolean;
}

/** @param mayNeedIt - false: the sink says that its writes start nothing that would have to be followed */
export function createSinkWrites({ run: follow, runBriefly }: Background, mayNeedIt: boolean): SinkWrites {
  let isTried = false;
  let hasWaited = false;

  return {
    async run(write) {
      const isFollowed = mayNeedIt && (!isTried || hasWaited);
      let isSettled = false;
      // Behind all that the write does in microtasks, and before the callbacks of timers and sockets.
      queueMicrotask(() => {
        afterCallback(() => {
          isTried = true;
          hasWaited ||= !isSettled;
        });
      });
      try {
        return await (isFollowed ? follow(write) : runBriefly(write));
      } finally {
        isSettled = true;
      }
    },
    get arePrompt() {
      return isTried && !hasWaited;
    },
  };
}
