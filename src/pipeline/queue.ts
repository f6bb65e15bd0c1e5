/**
 * The bounded queue between the app's calls and everything that is done with them. Nothing here runs inside a call: a
 * timer that keeps no process alive takes up what is new, in slices of a millisecond.
 */
import { defer, nextTurn, setTimer, type Timer } from "#platform";
import type { Exchange, TapLimits } from "../types.ts";
import type { AssembledExchange } from "./assemble.ts";
import { createJob, type Job, type JobOptions } from "./exchange-job.ts";

export interface QueueOptions extends Pick<JobOptions, "hasCallShape"> {
  limits: Required<TapLimits>;
  /** An exchange has ended and was read; `undefined`: it was no call. */
  onAssembled(exchange: Exchange, assembled: AssembledExchange | undefined): void;
  /** An exchange could not be read: something of ours is broken. */
  onFailed(exchange: Exchange, error: unknown): void;
  onContentDropped(cause: string): void;
}

export interface Queue {
  /** False when there is no room for another exchange. */
  admit(exchange: Exchange): boolean;
  /** There is something new in an exchange. On the hot path. */
  touch(exchange: Exchange): void;
  /** Nothing is read before this was called: what reading needs may still be loading. */
  open(): void;
  /** Reads all that has come so far; exchanges that are still running stay. */
  drain(): Promise<void>;
  /** The same without waiting; what needs waiting is ended as it is. Ends running exchanges too. */
  drainSync(end: (exchange: Exchange) => void): void;
  /** Exchanges that have not ended. */
  listRunning(): Exchange[];
  /** Something has come that was not read yet. */
  hasWork(): boolean;
  /** Exchanges that are running or waiting. */
  readonly size: number;
  /** Bytes that wait. */
  readonly bytes: number;
}

/** How long what is new may wait: long enough that a stream's chunks come in batches. */
const WAIT_MS = 10;
/** The longest piece of work on the app's thread at once. */
const SLICE_MS = 1;

export function createQueue(options: QueueOptions): Queue {
  const { limits } = options;
  const jobs = new Map<Exchange, Job>();
  /** Exchanges with something new, oldest first. */
  let dirty: Exchange[] = [];
  let timer: Timer | undefined;
  let isOpen = false;
  let isRunning = false;

  function admit(exchange: Exchange): boolean {
    if (jobs.size >= limits.queueExchanges) return false;
    jobs.set(
      exchange,
      createJob(exchange, { exchangeBytes: limits.exchangeBytes, hasCallShape: options.hasCallShape }),
    );
    return true;
  }

  function touch(exchange: Exchange): void {
    if (exchange.isDirty) return;
    exchange.isDirty = true;
    dirty.push(exchange);
    if (timer === undefined && isOpen && !isRunning) timer = setTimer(run, WAIT_MS);
  }

  function run(): void {
    timer = undefined;
    if (dirty.length === 0) return;
    isRunning = true;
    keepWithinBounds();
    const until = performance.now() + SLICE_MS;
    const isTimeUp = (): boolean => performance.now() >= until;
    // Each gets its turn: what is not done goes to the end of the line.
    const turn = dirty;
    dirty = [];
    let index = 0;
    for (; index < turn.length && !isTimeUp(); index += 1) {
      const exchange = turn[index];
      if (exchange !== undefined) advance(exchange, isTimeUp);
    }
    dirty = [...turn.slice(index), ...dirty];
    isRunning = false;
    if (dirty.length > 0) {
      if (index === 0 || isTimeUp()) defer(runAgain);
      else timer ??= setTimer(run, WAIT_MS);
    }
  }

  function runAgain(): void {
    if (timer === undefined) run();
  }

  function advance(exchange: Exchange, isTimeUp: () => boolean): void {
    exchange.isDirty = false;
    const job = jobs.get(exchange);
    if (job === undefined) return;
    try {
      const hasMore = job.work(isTimeUp);
      if (job.busy !== undefined) waitFor(job);
      else if (hasMore) requeue(exchange);
      else if (exchange.isEnded && job.isDrained()) finish(job);
      else if (exchange.isEnded) requeue(exchange);
    } catch (error) {
      fail(job, error);
    }
  }

  function requeue(exchange: Exchange): void {
    if (exchange.isDirty) return;
    exchange.isDirty = true;
    dirty.push(exchange);
  }

  function waitFor(job: Job): void {
    job.busy?.then(
      () => touch(job.exchange),
      (error: unknown) => fail(job, error),
    );
  }

  function finish(job: Job): void {
    jobs.delete(job.exchange);
    let assembled: AssembledExchange | undefined;
    try {
      assembled = job.finish();
    } catch (error) {
      options.onFailed(job.exchange, error);
      return;
    }
    options.onAssembled(job.exchange, assembled);
  }

  function fail(job: Job, error: unknown): void {
    if (jobs.delete(job.exchange)) options.onFailed(job.exchange, error);
  }

  /** What waits is dropped, oldest first, when it is too much: the end of a stream tells more facts than its middle. */
  function keepWithinBounds(): void {
    let bytes = 0;
    for (const exchange of dirty) {
      if (exchange.pendingBytes > limits.exchangeBytes) dropBlocks(exchange, "exchange_bytes");
      bytes += exchange.pendingBytes;
    }
    for (let index = 0; bytes > limits.queueBytes && index < dirty.length; index += 1) {
      const exchange = dirty[index];
      if (exchange === undefined) continue;
      bytes -= exchange.pendingBytes;
      dropBlocks(exchange, "queue_bytes");
      bytes += exchange.pendingBytes;
    }
  }

  function dropBlocks(exchange: Exchange, cause: string): void {
    if (exchange.blocks.length === 0) return;
    exchange.blocks = [];
    exchange.marks = exchange.blockUsed === 0 ? [] : [exchange.blockUsed, performance.now()];
    exchange.pendingBytes = exchange.blockUsed;
    if (!exchange.notes.includes("response_content_dropped")) {
      exchange.notes.push("response_content_dropped");
      options.onContentDropped(cause);
    }
  }

  async function drain(): Promise<void> {
    const now = (): boolean => false;
    for (;;) {
      timer?.cancel();
      timer = undefined;
      const turn = dirty;
      dirty = [];
      const started = performance.now();
      for (const [index, exchange] of turn.entries()) {
        advance(exchange, now);
        if (performance.now() - started > SLICE_MS && index < turn.length - 1) {
          dirty = [...turn.slice(index + 1), ...dirty];
          break;
        }
      }
      const waiting = [...jobs.values()].flatMap((job) => (job.busy === undefined ? [] : [job.busy]));
      if (dirty.length === 0 && waiting.length === 0) return;
      await (waiting.length > 0 ? Promise.allSettled(waiting) : new Promise<void>(nextTurn));
    }
  }

  function drainSync(end: (exchange: Exchange) => void): void {
    for (const job of jobs.values()) {
      const { exchange } = job;
      if (!exchange.isEnded) end(exchange);
      try {
        job.workNow();
      } catch {
        // What was read so far is recorded.
      }
      finish(job);
    }
    dirty = [];
  }

  return {
    admit,
    touch,
    open() {
      isOpen = true;
      if (dirty.length > 0) timer ??= setTimer(run, WAIT_MS);
    },
    drain,
    drainSync,
    listRunning: () => [...jobs.keys()].filter((exchange) => !exchange.isEnded),
    hasWork: () => dirty.length > 0 || [...jobs.values()].some((job) => job.busy !== undefined),
    get size() {
      return jobs.size;
    },
    get bytes() {
      return [...jobs.keys()].reduce((sum, exchange) => sum + exchange.pendingBytes, 0);
    },
  };
}
