/** A file descriptor that is opened when it is needed, and closed when nothing uses it. */
import fs from "node:fs";

export interface Descriptor {
  /** Opens the file if it is not. */
  get(): number;
  /** While `work` runs, the descriptor stays open: a closed one may by then be another file's. */
  use<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Closes it, as soon as nothing uses it. */
  release(): void;
}

export function createDescriptor(open: () => number): Descriptor {
  let descriptor: number | undefined;
  let users = 0;
  let isReleased = false;

  function release(): void {
    isReleased = users > 0;
    if (isReleased || descriptor === undefined) return;
    const closing = descriptor;
    descriptor = undefined;
    fs.closeSync(closing);
  }

  return {
    get: () => (descriptor ??= open()),
    async use(work) {
      users += 1;
      try {
        return await work();
      } finally {
        users -= 1;
        if (isReleased) release();
      }
    },
    release,
  };
}
