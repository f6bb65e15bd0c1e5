/** What becomes of the calls that are running and the records that are pending when the process ends. */
import type { ExitHooks } from "#platform";
import { waitFor } from "./deadline.ts";
import type { Delivery } from "./delivery.ts";
import type { Queue } from "./queue.ts";

export interface ProcessEndOptions {
  queue: Pick<Queue, "hasWork" | "size">;
  deliveries: readonly Delivery[];
  /** Reads what has ended. */
  drain(): Promise<void>;
  /** Records what is running as far as it has come. */
  endRunning(): void;
  /** Reads what has ended and sends what is pending. */
  flush(options: { timeoutMs: number }): Promise<unknown>;
  /** Calls seen so far: more of them mean that the app has gone on. */
  countSeen(): number;
  /** Records that no sink has taken, and now none will. */
  onLoss(sink: string, count: number): void;
}

/** A script that ends by itself is not held up longer than this. */
const NATURAL_END_MS = 5_000;
/** Nor than this when nothing can be lost: every sink keeps what it was given. */
const NATURAL_END_DURABLE_MS = 2_000;

export function createExitHooks(options: ProcessEndOptions): ExitHooks {
  const { queue, deliveries, drain, endRunning, flush, countSeen, onLoss } = options;
  let seen = -1;
  let deadline = 0;

  function hasPending(): boolean {
    return queue.hasWork() || deliveries.some((delivery) => delivery.report().pending > 0);
  }

  async function send(timeoutMs: number): Promise<void> {
    await flush({ timeoutMs });
    // A request without an answer would hold the process.
    for (const delivery of deliveries) delivery.abandon();
  }

  return {
    beforeExit() {
      // It comes again after each piece of work: a sink that is down must not keep the process for ever.
      if (seen !== countSeen()) {
        seen = countSeen();
        const isDurable = deliveries.every((delivery) => delivery.isDurable);
        deadline = performance.now() + (isDurable ? NATURAL_END_DURABLE_MS : NATURAL_END_MS);
      }
      const timeoutMs = deadline - performance.now();
      if (timeoutMs <= 0) return;
      // First what has ended: while that is sent, others may still bring what is running to its end.
      if (!hasPending()) {
        if (queue.size === 0) return;
        endRunning();
      }
      send(timeoutMs).catch(() => {});
    },
    shutDown(timeoutMs) {
      if (queue.size === 0 && !hasPending()) return undefined;
      const until = performance.now() + timeoutMs;
      return (async () => {
        await waitFor(drain(), timeoutMs);
        endRunning();
        await send(until - performance.now());
      })();
    },
    exit() {
      // A write that begins now never ends: what it was given would be written twice, or not at all.
      for (const delivery of deliveries) delivery.hold();
      endRunning();
      for (const delivery of deliveries) {
        delivery.writeSync();
        const unsafe = delivery.countUnsafe();
        if (unsafe > 0) onLoss(delivery.name, unsafe);
      }
    },
    isBusy: () => queue.size > 0 || deliveries.some((delivery) => delivery.countUnsafe() > 0),
  };
}
