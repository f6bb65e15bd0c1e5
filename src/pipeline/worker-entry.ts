/**
 * The worker thread: reads one exchange at a time, and sends back what a record is made of. What the policy keeps out,
 * and media, never leave this thread.
 */
import { digestMedia, receiveTasks } from "#platform";
import { hasCallShape } from "../providers/call-shape.ts";
import type { Exchange } from "../types.ts";
import { boundAssembled } from "./bound-assembled.ts";
import { createJob } from "./exchange-job.ts";
import type { ExchangeData, WorkerReply, WorkerTask } from "./worker-messages.ts";

receiveTasks<WorkerTask, WorkerReply>(readTask);

async function readTask({ exchange: data, exchangeBytes, policy }: WorkerTask): Promise<WorkerReply> {
  try {
    const exchange = restoreExchange(data);
    const job = createJob(exchange, {
      exchangeBytes,
      hasCallShape: ({ route }, body) => hasCallShape(route, body),
    });
    do {
      while (job.work(() => false));
      await job.busy;
    } while (!job.isDrained());
    const assembled = job.finish();
    if (assembled === undefined) return { type: "no_call" };
    return { type: "assembled", assembled: boundAssembled(assembled, policy, digestMedia) };
  } catch {
    return { type: "threw" };
  }
}

/** What reading does not need is empty. */
function restoreExchange(data: ExchangeData): Exchange {
  return {
    id: "",
    via: "fetch",
    url: "",
    host: "",
    settings: {
      context: {},
      privacyMode: false,
      excludeInput: false,
      excludeOutput: false,
      tokenTracking: true,
      costTracking: true,
    },
    startedAt: 0,
    requestSource: undefined,
    addedUsage: undefined,
    headersTime: 0,
    firstByteTime: 0,
    lastByteTime: 0,
    responseBytes: data.pendingBytes,
    chunkCount: data.marks.length / 2,
    block: undefined,
    blockUsed: 0,
    body: undefined,
    isDirty: false,
    isEnded: true,
    isCancelled: false,
    error: undefined,
    notes: [],
    ...data,
  };
}
