/** Worker threads of Node. */
import type { Worker } from "node:worker_threads";
import { builtIn } from "./built-in.ts";
import type { WorkerLink, WorkerListener } from "./platform.ts";

/** Megabytes: what reads a body of some megabytes in a thread of its own must not take what the app needs. */
const MAX_HEAP = 256;

/**
 * Starts a thread that keeps no process alive, and nothing of the app in it: no preloads, no flags, no hooks.
 * @returns `undefined` where it can't be started
 */
export function startWorker<Task, Reply>(entry: URL, listener: WorkerListener<Reply>): WorkerLink<Task> | undefined {
  // Node does not run TypeScript everywhere.
  if (!entry.pathname.endsWith(".js")) return undefined;
  let worker: Worker;
  try {
    const env = { ...process.env };
    // It may carry a preload, which would run in the thread too.
    delete env["NODE_OPTIONS"];
    worker = new (builtIn("node:worker_threads").Worker)(entry, {
      execArgv: [],
      env,
      name: "llm-tap",
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP },
    });
  } catch {
    return undefined;
  }
  let failure: Error | undefined;
  worker.unref();
  worker.on("message", (reply: Reply) => listener.onReply(reply));
  worker.on("messageerror", (error: Error) => {
    failure = error;
    void worker.terminate();
  });
  worker.on("error", (error: Error) => {
    failure = error;
  });
  worker.on("exit", (code) => listener.onDeath(failure ?? new Error(`llm-tap: the worker thread has ended (${code})`)));
  return {
    post: (task, transfer) => worker.postMessage(task, transfer),
    terminate: () => void worker.terminate(),
  };
}

/** In the thread: does one task after the other. */
export function receiveTasks(run: (task: unknown) => Promise<unknown>): void {
  const port = builtIn("node:worker_threads").parentPort;
  port?.on("message", (task: unknown) => {
    void run(task).then((reply) => port.postMessage(reply));
  });
}
