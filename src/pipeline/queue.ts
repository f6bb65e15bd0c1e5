/**
 * The bounded queue between the app's calls and everything that is done with them. Nothing here runs inside a call: a
 * timer that keeps no process alive takes up what is new, in slices of a millisecond.
 */
import { afterCallback, defer, nextTurn, setTimer, type Timer } from "#platform";
import type { Exchange, TapLimits } from "../types.ts";
import type { AssembledExchange } from "./assemble.ts";
import type { Job } from "./exchange-job.ts";
import { dropMiddle, SMALL_ENDS } from "./held-body.ts";
import { createWaitingLine, mayHaveLedTo } from "./order.ts";

/** Makes the job that reads an exchange. */
export type MakeJob = (exchange: Exchange) => Job;

export interface QueueOptions {
  limits: Required<TapLimits>;
  /** An exchange has ended and was read; `undefined`: it was no call. */
  onAssembled(exchange: Exchange, assembled: AssembledExchange | undefined): void;
  /** An exchange could not be read: something of ours is broken. */
  onFailed(exchange: Exchange, error: unknown): void;
  onContentDropped(cause: string): void;
  /** Take up an exchange as soon as it has ended: what keeps its record safe has not seen it before. Default false. */
  isPrompt?: boolean;
}

export interface Queue {
  /** False when there is no room for another exchange. */
  admit(exchange: Exchange): boolean;
  /** There is something new in an exchange. On the hot path. */
  touch(exchange: Exchange): void;
  /** Nothing is read before this was called: what reading needs may still be loading. */
  open(makeJob: MakeJob): void;
  /** Reads all that has come so far; exchanges that are still running stay. */
  drain(): Promise<void>;
  /** The same without waiting; what needs waiting is ended as it is. Ends running exchanges too. */
  drainSync(end: (exchange: Exchange) => void): void;
  /** Exchanges that have not ended. */
  listRunning(): Exchange[];
  /** Exchanges that have ended and are no records yet. */
  countUnread(): number;
  /** Something has come that was not read yet. */
  hasWork(): boolean;
  /** Exchanges that are running or waiting. */
  readonly size: number;
  /** Bytes that are kept for them. */
  readonly bytes: number;
}

interface Entry {
  readonly exchange: Exchange;
  job: Job | undefined;
  /** Bytes that were counted for it. */
  held: number;
}

/** How long what is new may wait: long enough that a stream's chunks come in batches. */
const WAIT_MS = 10;
/** The longest piece of work on the app's thread at once. */
const SLICE_MS = 1;
/** While no more than this share of the room is taken, a loop that is busy is left to the app: what waits can wait. */
const EASY_SHARE = 0.5;
/** The same of its bytes: what is big and waits for long is moved about by the garbage collector meanwhile. */
const EASY_BYTES_SHARE = 0.1;

export function createQueue(options: QueueOptions): Queue {
  const { limits, isPrompt = false } = options;
  const entries = new Map<Exchange, Entry>();
  /** Jobs that wait for something. */
  const waiting = new Map<Job, Promise<void>>();
  const line = createWaitingLine(touch);
  /** Nothing waits any more. */
  let isForced = false;
  /** Exchanges with something new, oldest first. */
  let dirty: (Exchange | undefined)[] = [];
  /** Of `dirty`, those whose turn is over. */
  let first = 0;
  let timer: Timer | undefined;
  let makeJob: MakeJob | undefined;
  let isRunning = false;
  let isHurrying = false;
  let isKeepingUp = false;
  /** A slice is due when the time of timers comes, and one in the next turn of the loop. */
  let isDeferred = false;
  let isInTurn = false;
  let bytes = 0;
  let until = 0;
  const isTimeUp = (): boolean => performance.now() >= until;

  function admit(exchange: Exchange): boolean {
    if (entries.size >= limits.queueExchanges) return false;
    entries.set(exchange, { exchange, job: undefined, held: 0 });
    return true;
  }

  function touch(exchange: Exchange): void {
    if (exchange.isEnded) noteEnded(exchange);
    if (exchange.isDirty) return;
    exchange.isDirty = true;
    dirty.push(exchange);
    // While there is more to do than fits into a slice, the next one comes anyway.
    if (timer === undefined && !isRunning && !isDeferred && !isInTurn) timer = setTimer(run, WAIT_MS);
  }

  function noteEnded(exchange: Exchange): void {
    if (isPrompt) hurry();
    const entry = entries.get(exchange);
    if (entry !== undefined) count(entry);
    if (isKeepingUp || makeJob === undefined || !isRoomScarce()) return;
    isKeepingUp = true;
    afterCallback(keepUp);
  }

  function isRoomScarce(): boolean {
    return dirty.length - first > EASY_SHARE * limits.queueExchanges || bytes > EASY_BYTES_SHARE * limits.queueBytes;
  }

  function hurry(): void {
    if (isHurrying || isRunning) return;
    isHurrying = true;
    timer?.cancel();
    timer = setTimer(run, 0);
  }

  /** A loop that is busy takes long for each turn, and two slices in each may be too little: so calls that end bring more. */
  function keepUp(): void {
    isKeepingUp = false;
    if (!isRunning && makeJob !== undefined) runSlice();
  }

  /** One slice. Each exchange gets its turn: what is not done goes to the end of the line. */
  function runSlice(): void {
    isRunning = true;
    until = performance.now() + SLICE_MS;
    const end = dirty.length;
    while (first < end) {
      const exchange = dirty[first];
      // What is done must not wait for the rest to be forgotten.
      dirty[first] = undefined;
      first += 1;
      if (exchange !== undefined) advance(exchange);
      if (isTimeUp()) break;
    }
    if (first >= dirty.length || first > 1_000) {
      dirty = dirty.slice(first);
      first = 0;
    }
    isRunning = false;
  }

  function run(): void {
    timer = undefined;
    isHurrying = false;
    if (dirty.length === 0) return;
    if (makeJob === undefined) {
      // What reading needs is still loading; what comes meanwhile is bounded like everything else.
      for (const exchange of dirty) if (exchange !== undefined) keepWithinBounds(exchange);
      timer = setTimer(run, WAIT_MS);
      return;
    }
    runSlice();
    if (dirty.length === 0) return;
    if (isTimeUp()) goOn();
    else timer ??= setTimer(run, WAIT_MS);
  }

  /**
   * Behind: one slice before the loop looks for what has come in, and one after it. In a busy process a turn of the loop
   * takes long, and with one slice in each the queue would grow.
   */
  function goOn(): void {
    if (!isDeferred) {
      isDeferred = true;
      defer(() => {
        isDeferred = false;
        runAgain();
      });
    }
    if (isInTurn) return;
    isInTurn = true;
    nextTurn(() => {
      isInTurn = false;
      runAgain();
    });
  }

  function runAgain(): void {
    timer?.cancel();
    run();
  }

  function advance(exchange: Exchange): void {
    exchange.isDirty = false;
    const entry = entries.get(exchange);
    if (entry === undefined || makeJob === undefined) return;
    const job = (entry.job ??= makeJob(exchange));
    try {
      const hasMore = job.work(isTimeUp);
      if (job.busy !== undefined) waitFor(job);
      else if (hasMore) requeue(exchange);
      else if (exchange.isEnded && job.isDrained()) {
        finishInOrder(entry, job);
        return;
      } else if (exchange.isEnded) requeue(exchange);
      keepWithinBounds(exchange);
    } catch (error) {
      fail(entry, error);
    }
  }

  function requeue(exchange: Exchange): void {
    if (exchange.isDirty) return;
    exchange.isDirty = true;
    dirty.push(exchange);
  }

  function waitFor(job: Job): void {
    const { busy } = job;
    if (busy === undefined) return;
    waiting.set(job, busy);
    busy.then(
      () => {
        waiting.delete(job);
        touch(job.exchange);
      },
      (error: unknown) => {
        waiting.delete(job);
        const entry = entries.get(job.exchange);
        if (entry !== undefined) fail(entry, error);
      },
    );
  }

  function finishInOrder(entry: Entry, job: Job): void {
    const { exchange } = entry;
    const earlier = isForced ? undefined : findEarlier(exchange);
    if (earlier === undefined) finish(entry, job);
    else line.wait(exchange, earlier);
  }

  /** Entries stand in the order in which their calls began. */
  function findEarlier(exchange: Exchange): Exchange | undefined {
    const now = performance.now();
    for (const earlier of entries.keys()) {
      if (earlier === exchange) return undefined;
      if (mayHaveLedTo(earlier, exchange, now)) return earlier;
    }
    return undefined;
  }

  function remove(entry: Entry): boolean {
    bytes -= entry.held;
    // A map that has grown and shrunk leaves tables behind: what they name must not keep all that was read of it.
    entry.job = undefined;
    const wasThere = entries.delete(entry.exchange);
    line.release(entry.exchange);
    return wasThere;
  }

  function finish(entry: Entry, job: Job): void {
    const { exchange } = entry;
    remove(entry);
    let assembled: AssembledExchange | undefined;
    try {
      assembled = job.finish();
    } catch (error) {
      options.onFailed(exchange, error);
      return;
    }
    if (assembled !== undefined && isOverBound(exchange, assembled)) options.onContentDropped("exchange_bytes");
    options.onAssembled(exchange, assembled);
  }

  function fail(entry: Entry, error: unknown): void {
    if (remove(entry)) options.onFailed(entry.exchange, error);
  }

  /** With too much in total, an exchange that gets more keeps only the ends of it: facts stand there. */
  function keepWithinBounds(exchange: Exchange): void {
    const entry = entries.get(exchange);
    if (entry === undefined) return;
    count(entry);
    if (bytes <= limits.queueBytes) return;
    if (entry.job === undefined ? dropMiddle(exchange, SMALL_ENDS) : entry.job.shrink()) {
      if (!exchange.notes.includes("response_content_dropped")) exchange.notes.push("response_content_dropped");
      options.onContentDropped("queue_bytes");
    }
    count(entry);
  }

  function count(entry: Entry): void {
    const { exchange, job } = entry;
    const held = job === undefined ? exchange.requestKept + exchange.pendingBytes : job.countHeld();
    bytes += held - entry.held;
    entry.held = held;
  }

  async function drain(): Promise<void> {
    for (;;) {
      timer?.cancel();
      timer = undefined;
      isHurrying = false;
      if (first < dirty.length) runSlice();
      if (first < dirty.length) await new Promise<void>(nextTurn);
      else if (waiting.size > 0) await Promise.race(waiting.values());
      else if (line.size > 0) {
        isForced = true;
        line.releaseAll();
      } else {
        isForced = false;
        return;
      }
      // What has waited is told in the next turn.
      if (dirty.length === 0) await new Promise<void>(nextTurn);
    }
  }

  function drainSync(end: (exchange: Exchange) => void): void {
    for (const entry of entries.values()) {
      const { exchange } = entry;
      if (!exchange.isEnded) end(exchange);
      if (makeJob === undefined) {
        fail(entry, new Error("llm-tap was still loading when the process ended"));
        continue;
      }
      const job = (entry.job ??= makeJob(exchange));
      try {
        job.workNow();
      } catch {
        // What was read so far is recorded.
      }
      finish(entry, job);
    }
    dirty = [];
    first = 0;
    line.clear();
  }

  return {
    admit,
    touch,
    open(make) {
      makeJob = make;
      if (dirty.length > 0) timer ??= setTimer(run, WAIT_MS);
    },
    drain,
    drainSync,
    listRunning: () => [...entries.keys()].filter((exchange) => !exchange.isEnded),
    countUnread: () => [...entries.keys()].filter((exchange) => exchange.isEnded).length,
    hasWork: () => dirty.length > 0 || waiting.size > 0 || line.size > 0,
    get size() {
      return entries.size;
    },
    get bytes() {
      return bytes;
    },
  };
}

/** Content was left out for want of room; not because texts are cut to length. */
function isOverBound({ requestTruncated, notes: counted }: Exchange, { notes, response }: AssembledExchange): boolean {
  if (counted.includes("response_content_dropped")) return false;
  return (
    requestTruncated ||
    response.contentTruncated === true ||
    notes.includes("response_content_dropped") ||
    notes.includes("response_body_too_large")
  );
}
