/**
 * Bodies that nobody reads any more: an SDK that breaks out of its loop and only releases its reader neither cancels nor
 * aborts; undici stays paused, and nothing ever ends the call.
 */
import { isDisturbed, setTimer, type Timer } from "#platform";
import type { Exchange } from "../types.ts";
import { addNote } from "./exchange.ts";
import type { Observer } from "./observer.ts";

export interface CallEnder {
  /** Ends all that runs, with a note that says why. */
  endAll(note: string): void;
  /**
   * Ends the calls whose body the app has let go. What still comes in for one of them is waited for: a short answer runs
   * on to its end in undici's buffers, and then it is whole.
   * @param deadline Of `performance.now()`.
   */
  endAbandoned(deadline: number): Promise<void>;
  /** Looks for them now and then, as long as anything is running. */
  watch(): void;
  stop(): void;
}

/** How often is looked, and how long a body must have been still. */
const SWEEP_MS = 30_000;
/** The same when somebody waits for it. */
const STILL_MS = 100;

export function createCallEnder(observer: () => Observer, listRunning: () => Exchange[]): CallEnder {
  let timer: Timer | undefined;

  function end(exchange: Exchange, note: string): void {
    addNote(exchange, note);
    observer().fail(exchange, undefined, true);
  }

  /** @returns whether something still comes in for a body that was let go */
  function sweep(idleMs: number): boolean {
    const released = listRunning().filter(isReleased);
    const still = released.filter(({ lastByteTime }) => performance.now() - lastByteTime >= idleMs);
    for (const exchange of still) end(exchange, "body_abandoned");
    return still.length < released.length;
  }

  function watch(): void {
    timer ??= setTimer(() => {
      timer = undefined;
      sweep(SWEEP_MS);
      if (listRunning().length > 0) watch();
    }, SWEEP_MS);
  }

  return {
    endAll(note) {
      for (const exchange of listRunning()) end(exchange, note);
    },
    async endAbandoned(deadline) {
      while (sweep(STILL_MS) && performance.now() < deadline) {
        await new Promise((resolve) => {
          setTimeout(resolve, STILL_MS / 4);
        });
      }
    },
    watch,
    stop: () => timer?.cancel(),
  };
}

/** Whether the app has begun to read the body and has let it go. */
function isReleased({ body, isEnded, chunkCount }: Exchange): boolean {
  if (isEnded || body === undefined || chunkCount === 0) return false;
  const stream = body.deref();
  // Collected: there is nobody left who could read it.
  return stream === undefined || (!stream.locked && isDisturbed(stream));
}
