/** How the tap's own worker threads are known: a preload runs in every thread, and must leave these alone. */
import { isMainThread, workerData } from "node:worker_threads";

/** Set in the `workerData` of a worker of ours. */
export const OWN_WORKER = "llm-tap.worker";

export function isOwnWorker(): boolean {
  return !isMainThread && typeof workerData === "object" && workerData !== null && OWN_WORKER in workerData;
}
