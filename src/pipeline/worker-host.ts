/**
 * The app's side of the worker thread. One exchange is out at a time: when the thread dies of it, no other is lost, and
 * of that one the beginning and the end are still here.
 */
import { setTimer, startWorker, type Timer, type WorkerLink } from "#platform";
import { isBigBlock, returnBigBlocks } from "../interceptor/big-blocks.ts";
import { isOfSlab } from "../interceptor/exchange.ts";
import type { Exchange } from "../types.ts";
import { getMark } from "../abridged-text.ts";
import { type HeldBody, listBlocks, type KeptEnds, takeEnds } from "./held-body.ts";
import type { RemoteAnswer, RemoteReader } from "./remote-reader.ts";
import type { ExchangeData, WorkerPolicy, WorkerReply, WorkerTask } from "./worker-messages.ts";

export interface WorkerHostOptions {
  exchangeBytes: number;
  readPolicy(exchange: Exchange): WorkerPolicy;
  /** Of the keyed hash that conversations are recognised by. */
  hashKey: Uint8Array;
  /** The thread has died, or could not be started. */
  onError(error: unknown): void;
  /** Default: the module beside this one. */
  entry?: URL;
  /** Default 30,000. */
  timeoutMs?: number;
}

export interface WorkerHost extends RemoteReader {
  close(): void;
}

interface Errand {
  exchange: Exchange;
  /** What is read here when the thread does not answer. */
  ends: HeldBody | undefined;
  /** What the thread reads. */
  lent: Uint8Array[];
  resolve(answer: RemoteAnswer): void;
}

const ENDS: KeptEnds = { headBytes: 16 * 1024, tailBytes: 48 * 1024 };
const TIMEOUT_MS = 30_000;
/** A thread that dies of one exchange after the other is not started again. */
const MAX_FAILURES = 5;

export function createWorkerHost(options: WorkerHostOptions): WorkerHost | undefined {
  const { exchangeBytes, readPolicy, hashKey, onError, timeoutMs = TIMEOUT_MS } = options;
  const entry = options.entry ?? new URL(`./worker-entry${import.meta.url.slice(-3)}`, import.meta.url);
  let link: WorkerLink<WorkerTask> | undefined;
  const line: Errand[] = [];
  let current: Errand | undefined;
  let timer: Timer | undefined;
  let failures = 0;

  function open(): WorkerLink<WorkerTask> | undefined {
    link ??= startWorker<WorkerTask, WorkerReply>(entry, {
      onReply(reply) {
        takeBack();
        failures = 0;
        settle(reply.type === "threw" ? { type: "failed", note: "worker_failed" } : reply);
      },
      onDeath(error) {
        link = undefined;
        takeBack();
        if (host.isClosed) return;
        failures += 1;
        if (failures >= MAX_FAILURES) host.isClosed = true;
        onError(error);
        settle({ type: "failed", note: "worker_failed" });
      },
    });
    return link;
  }

  /** Once the thread does not read any more. */
  function takeBack(): void {
    if (current === undefined) return;
    returnBigBlocks(current.lent);
    current.lent = [];
  }

  function settle(answer: RemoteAnswer): void {
    timer?.cancel();
    const errand = current;
    current = undefined;
    if (errand !== undefined) {
      if (answer.type === "failed") restoreEnds(errand);
      errand.resolve(answer);
    }
    sendNext();
  }

  function sendNext(): void {
    if (current !== undefined) return;
    current = line.shift();
    if (current === undefined) return;
    const to = host.isClosed ? undefined : open();
    if (to === undefined) {
      settle({ type: "failed", note: "worker_failed" });
      return;
    }
    try {
      send(to, current);
    } catch (error) {
      onError(error);
      settle({ type: "failed", note: "worker_failed" });
      return;
    }
    timer = setTimer(() => to.terminate(), timeoutMs);
  }

  function send(to: WorkerLink<WorkerTask>, errand: Errand): void {
    const { exchange } = errand;
    const data = takeData(exchange);
    errand.ends = moveEnds(exchange);
    errand.lent = data.blocks;
    // A block may be a part of a buffer that it shares: then it is copied.
    const own = data.blocks.filter(ownsBuffer);
    const transfer = new Set(own.map(({ buffer }) => buffer as ArrayBuffer));
    to.post({ exchange: data, exchangeBytes, policy: readPolicy(exchange), hashKey, mark: getMark() }, [...transfer]);
  }

  const host: { -readonly [Key in keyof WorkerHost]: WorkerHost[Key] } = {
    isClosed: false,
    read: (exchange) =>
      new Promise((resolve) => {
        line.push({ exchange, ends: undefined, lent: [], resolve });
        sendNext();
      }),
    giveBack(exchange) {
      if (current?.exchange === exchange) restoreEnds(current);
    },
    close() {
      host.isClosed = true;
      link?.terminate();
      link = undefined;
      settle({ type: "failed", note: "worker_failed" });
    },
  };
  return host;
}

/** Blocks of shared slabs must not be transferred: others' bytes are in them. Big blocks need not be. */
function ownsBuffer(block: Uint8Array): boolean {
  return block.byteOffset === 0 && !isOfSlab(block) && !isBigBlock(block);
}

function takeData(exchange: Exchange): ExchangeData {
  const { route, sniffed, method, path, startTime, requestHeaders, requestBody, requestChunks } = exchange;
  const { requestBytes, requestKept, requestTruncated, requestTail, status, responseHeaders, decoded } = exchange;
  const { abridgedRequest } = exchange;
  const { marks, gapAt, pendingBytes, endTime, hasError } = exchange;
  return {
    route,
    sniffed,
    method,
    path,
    startTime,
    requestHeaders,
    requestBody: abridgedRequest === undefined ? requestBody : undefined,
    requestChunks: abridgedRequest === undefined ? requestChunks : undefined,
    abridgedRequest,
    requestBytes,
    requestKept,
    requestTruncated,
    requestTail,
    status,
    responseHeaders,
    decoded,
    blocks: listBlocks(exchange),
    marks,
    gapAt,
    pendingBytes,
    endTime,
    hasError,
  };
}

/** Leaves the exchange without its body. */
function moveEnds(exchange: Exchange): HeldBody {
  // Copies: what is transferred is gone.
  const ends = takeEnds(exchange, ENDS);
  exchange.blocks = [];
  exchange.block = undefined;
  exchange.blockUsed = 0;
  exchange.marks = [];
  exchange.gapAt = undefined;
  exchange.pendingBytes = 0;
  return ends;
}

/** The request is cut too: whatever the thread has died of may be in it. */
function restoreEnds({ exchange, ends }: Errand): void {
  if (ends === undefined) return;
  Object.assign(exchange, ends);
  const { requestBody, abridgedRequest } = exchange;
  if (abridgedRequest !== undefined) {
    if (abridgedRequest.byteLength <= 2 * ENDS.tailBytes) return;
    exchange.abridgedRequest = undefined;
  }
  if (requestBody !== undefined && requestBody.length > 2 * ENDS.tailBytes) {
    exchange.requestTruncated = true;
    exchange.requestTail = toBytes(requestBody.slice(-ENDS.tailBytes));
    exchange.requestBody = toBytes(requestBody.slice(0, ENDS.tailBytes));
  } else if (exchange.requestChunks !== undefined && exchange.requestKept > 2 * ENDS.tailBytes) {
    exchange.requestTruncated = true;
    exchange.requestTail = exchange.requestChunks.at(-1)?.slice(-ENDS.tailBytes);
    exchange.requestChunks = [(exchange.requestChunks[0] as Uint8Array).slice(0, ENDS.tailBytes)];
  }
}

function toBytes(part: string | Uint8Array): Uint8Array {
  return typeof part === "string" ? new TextEncoder().encode(part) : part;
}
