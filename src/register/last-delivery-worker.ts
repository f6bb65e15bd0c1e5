/** The worker thread of `last-delivery.ts`. */
import { workerData } from "node:worker_threads";
import type { TapRecord } from "../types.ts";
import { createSink } from "./create-sinks.ts";
import { DELIVERED, FAILED, type LastDelivery } from "./last-delivery.ts";

const { settings, records, timeoutMs, state } = workerData as LastDelivery;

async function deliver(): Promise<boolean> {
  const signal = AbortSignal.timeout(timeoutMs);
  const { results } = await createSink(settings).write(JSON.parse(records) as TapRecord[], { signal });
  return results.every((result) => result === "delivered" || result === "rejected");
}

deliver().then(settle, () => settle(false));

function settle(isDelivered: boolean): void {
  Atomics.store(state, 0, isDelivered ? DELIVERED : FAILED);
  Atomics.notify(state, 0);
}
