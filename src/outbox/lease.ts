/** Says to processes that can't see this one (in other containers) that it lives: its directories are touched. */
import fs from "node:fs";

export interface Lease {
  hold(directory: string): void;
  drop(directory: string): void;
  end(): void;
}

/** A quarter of what others wait. */
const TOUCH_MS = 30_000;

export function createLease(): Lease {
  const held = new Set<string>();
  let timer: NodeJS.Timeout | undefined;

  function touch(directory: string): void {
    const now = new Date();
    // It has gone, or can't be written now: the next write of an entry notices.
    fs.promises.utimes(directory, now, now).catch(() => undefined);
  }

  function stopWhenIdle(): void {
    if (held.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return {
    hold(directory) {
      held.add(directory);
      timer ??= setInterval(() => {
        for (const each of held) touch(each);
      }, TOUCH_MS).unref();
    },
    drop(directory) {
      held.delete(directory);
      stopWhenIdle();
    },
    end() {
      held.clear();
      stopWhenIdle();
    },
  };
}
