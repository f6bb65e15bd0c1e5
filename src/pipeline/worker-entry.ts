/**
 * The worker thread: reads one exchange at a time, and sends back what a record is made of. What the policy keeps out,
 * and media, never leave this thread.
 */
import { createKeyedHash, digestMedia, receiveTasks } from "#platform";
import { setMark } from "../abridged-text.ts";
import { type ConversationPrint, printConversation, settlePrint } from "../enrich/fingerprint.ts";
import type { Hash } from "../enrich/history.ts";
import { hasCallShape } from "../providers/call-shape.ts";
import type { Exchange } from "../types.ts";
import type { AssembledExchange } from "./assemble.ts";
import { boundAssembled } from "./bound-assembled.ts";
import { createJob } from "./exchange-job.ts";
import type { ExchangeData, WorkerReply, WorkerTask } from "./worker-messages.ts";

receiveTasks((task) => readTask(task as WorkerTask));

async function readTask({ exchange: data, exchangeBytes, policy, hashKey, mark }: WorkerTask): Promise<WorkerReply> {
  setMark(mark);
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
    // While all of it is here.
    if (isWholeChat(exchange, assembled)) assembled.print = print(assembled, createKeyedHash(hashKey));
    return { type: "assembled", assembled: boundAssembled(assembled, policy, digestMedia) };
  } catch {
    return { type: "threw" };
  }
}

function isWholeChat(
  { route, requestTruncated }: Exchange,
  { request, response, responseTruncated }: AssembledExchange,
) {
  const operation = response.operation ?? request.operation ?? route.operation;
  return operation === "chat" && !requestTruncated && !responseTruncated;
}

function print({ request, response }: AssembledExchange, hash: Hash): ConversationPrint {
  const { system, messages } = request;
  return settlePrint(printConversation({ system, messages, choices: response.choices, goesOn: true }, hash));
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
    pollOf: undefined,
    headersTime: 0,
    firstByteTime: 0,
    lastByteTime: 0,
    responseBytes: data.pendingBytes,
    chunkCount: data.marks.length / 2,
    block: undefined,
    blockUsed: 0,
    body: undefined,
    isHop: false,
    isDirty: false,
    isEnded: true,
    isCancelled: false,
    error: undefined,
    notes: [],
    ...data,
  };
}
