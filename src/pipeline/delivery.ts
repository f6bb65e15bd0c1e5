/** Hands records to one sink: in batches, one at a time, again when it says so, and counted truthfully. */
import { setTimer, type Timer } from "#platform";
import type { Background } from "../background.ts";
import { sleep, waitFor } from "./deadline.ts";
import { createParked } from "./parked.ts";
import { estimateSize } from "./record-size.ts";
import { createSinkWrites } from "./sink-writes.ts";
import type { DeliveryResult, FlushReport, Sink, TapRecord, WriteResult } from "../types.ts";

export interface DeliveryOptions {
  sink: Sink;
  /** Records that may wait. */
  maxRecords: number;
  /** Bytes that they may take, about; beyond them records come without their content. Default: any number. */
  maxBytes?: number;
  /** Takes the content off a record. */
  strip?: (record: TapRecord) => TapRecord;
  onContentDropped?: () => void;
  onDropped?: (cause: "queue_full" | "rejected") => void;
  /** Runs what is the sink's own, so that its traffic is not tapped and does not keep the process alive. */
  background: Background;
  onError(error: unknown, code: "sink_failed" | "sink_rejected"): void;
}

export interface Delivery {
  readonly name: string;
  /** The sink keeps what it was given beyond the end of the process. */
  readonly isDurable: boolean;
  push(record: TapRecord): void;
  /** Sends all that waits by now, without regard to back-off, until `deadline` (of `performance.now()`). */
  flush(deadline: number): Promise<void>;
  /** Tells a write that is under way to stop; what it held is pending again. For the end of the process. */
  abandon(): void;
  /** Nothing is sent by itself any more: what comes now waits for `writeSync`. */
  hold(): void;
  /** For what is pending when the process exits. */
  writeSync(): void;
  /** Before `close`: nothing is sent any more, and what is left goes to the sink if it takes that synchronously. */
  end(): void;
  close(deadline: number): Promise<void>;
  report(): FlushReport;
  /** Records that nothing but memory holds. */
  countUnsafe(): number;
}

/** A record and the bytes that were counted for it. No map of sizes: one that grows and shrinks keeps what was in it. */
interface Waiting {
  record: TapRecord;
  size: number;
}

const BATCH_SIZE = 200;
/** How long the first of a batch waits for more: to write one record costs as much as to write a hundred. */
const GATHER_MS = 50;
/** The same for a sink that waits for nothing. A record that is soon let go of is one that no garbage collection copies. */
const GATHER_PROMPT_MS = 2;
const FIRST_BACK_OFF_MS = 250;
const LONGEST_BACK_OFF_MS = 30_000;
/** After this a write is told to stop, and what it held is given again. */
const WRITE_TIMEOUT_MS = 60_000;

export function createDelivery(options: DeliveryOptions): Delivery {
  const { sink, maxRecords, maxBytes = Number.POSITIVE_INFINITY, strip, background, onError } = options;
  const writes = createSinkWrites(background, sink.followed !== false);
  let queue: Waiting[] = [];
  let batch: readonly Waiting[] = [];
  /** Of `queue` and `batch`. */
  let bytes = 0;
  let writing: Promise<void> | undefined;
  let isAccepted = false;
  let isHeld = false;
  let controller: AbortController | undefined;
  let timer: Timer | undefined;
  let failures = 0;
  /** Records that were pending once and are not any more. */
  let settled = 0;
  const parked = createParked<Waiting>(unpark);
  const counts = { delivered: 0, dropped: 0, unknown: 0 };

  function push(record: TapRecord): void {
    if (countUnsafe() >= maxRecords) {
      counts.dropped += 1;
      options.onDropped?.("queue_full");
      return;
    }
    queue.push(admit(record));
    // With a timer set, it will be written with others, or the sink has asked to wait.
    if (timer === undefined && writing === undefined) {
      timer = setTimer(pump, writes.arePrompt ? GATHER_PROMPT_MS : GATHER_MS);
    }
  }

  function countUnsafe(): number {
    return queue.length + batch.length + parked.size;
  }

  /** They are older than what waits. */
  function unpark(): void {
    queue = [...parked.takeAll(), ...queue];
    if (timer === undefined) pump();
  }

  function admit(record: TapRecord): Waiting {
    if (maxBytes === Number.POSITIVE_INFINITY) return { record, size: 0 };
    let kept = record;
    let size = estimateSize(record);
    if (bytes + size > maxBytes && strip !== undefined) {
      kept = strip(record);
      size = estimateSize(kept);
      options.onContentDropped?.();
    }
    bytes += size;
    return { record: kept, size };
  }

  function pump(): void {
    timer?.cancel();
    timer = undefined;
    if (isHeld || writing !== undefined || queue.length === 0) return;
    batch = queue.slice(0, BATCH_SIZE);
    queue = queue.slice(BATCH_SIZE);
    isAccepted = false;
    writing = write(batch).then(() => {
      writing = undefined;
      if (timer === undefined) pump();
    });
  }

  async function write(given: readonly Waiting[]): Promise<void> {
    const result = await attempt(given.map(({ record }) => record));
    // `writeSync` has handed them over meanwhile, and counted them.
    if (batch !== given) return;
    isAccepted = true;
    batch = [];
    const again: Waiting[] = [];
    for (const [index, waiting] of given.entries()) {
      count(result.results[index] ?? "unknown", waiting, again);
    }
    if (again.length === 0) {
      failures = 0;
      return;
    }
    if (result.othersMayPass === true) {
      failures = 0;
      parked.add(again, Math.max(result.retryAfterMs ?? 0, backOff(1)));
      return;
    }
    queue = [...again, ...queue];
    failures = again.length === given.length ? failures + 1 : 0;
    timer = setTimer(pump, Math.max(result.retryAfterMs ?? 0, backOff(failures)));
  }

  function count(result: DeliveryResult, waiting: Waiting, again: Waiting[]): void {
    if (result !== "retry") {
      bytes -= waiting.size;
      settled += 1;
    }
    switch (result) {
      case "delivered":
        counts.delivered += 1;
        break;
      case "retry":
        again.push(waiting);
        break;
      case "rejected":
        counts.dropped += 1;
        options.onDropped?.("rejected");
        onError(new Error(`${sink.name} refused the record ${waiting.record.id}`), "sink_rejected");
        break;
      case "stored":
        // The sink counts what becomes of it; one that doesn't can't tell.
        if (sink.report === undefined) counts.unknown += 1;
        break;
      default:
        counts.unknown += 1;
    }
  }

  /** Never rejects, never hangs. */
  async function attempt(records: readonly TapRecord[]): Promise<WriteResult> {
    const { signal } = (controller = new AbortController());
    let limit: Timer | undefined;
    const allAgain = { results: records.map(() => "retry" as const) };
    const timeout = new Promise<WriteResult>((resolve) => {
      limit = setTimer(() => {
        controller?.abort();
        resolve(allAgain);
      }, WRITE_TIMEOUT_MS);
    });
    try {
      const result = await Promise.race([writes.run(() => sink.write(records, { signal })), timeout]);
      if (Array.isArray((result as WriteResult | undefined)?.results)) return result;
      onError(new TypeError(`${sink.name}.write must resolve to { results: [...] }`), "sink_failed");
      return { results: records.map(() => "unknown" as const) };
    } catch (error) {
      onError(error, "sink_failed");
      return allAgain;
    } finally {
      limit?.cancel();
    }
  }

  function hasWork(): boolean {
    return !isHeld && (countUnsafe() > 0 || writing !== undefined);
  }

  async function flush(deadline: number): Promise<void> {
    // What comes while it runs is not waited for: in a busy process there would be no end to it.
    const target = settled + countUnsafe();
    while (hasWork() && settled < target && performance.now() < deadline) {
      if (writing === undefined && queue.length === 0) {
        await sleep(Math.min(parked.remainingMs, deadline - performance.now()));
        if (parked.remainingMs === 0) unpark();
      } else if (writing === undefined) {
        // The first round goes at once; after a failure the back-off holds, or a dead sink would be hammered.
        if (timer === undefined || failures === 0) pump();
        else await sleep(Math.min(backOff(failures), deadline - performance.now())).then(pump);
      }
      if (writing !== undefined) await waitFor(writing, deadline - performance.now());
    }
    if (sink.flush === undefined || performance.now() >= deadline) return;
    const controller = new AbortController();
    const { flush: flushSink } = sink;
    await guard(
      () => flushSink.call(sink, { signal: controller.signal }),
      deadline,
      () => controller.abort(),
    );
  }

  async function guard(run: () => Promise<void>, deadline: number, onTimeout?: () => void): Promise<void> {
    try {
      if (!(await waitFor(background.run(run), deadline - performance.now()))) onTimeout?.();
    } catch (error) {
      onError(error, "sink_failed");
    }
  }

  function report(): FlushReport {
    const own = { ...counts, pending: countUnsafe() };
    if (sink.report === undefined) return own;
    try {
      const stored = sink.report();
      for (const key of Object.keys(own) as (keyof FlushReport)[]) own[key] += stored[key];
    } catch (error) {
      onError(error, "sink_failed");
    }
    return own;
  }

  /** For what is pending when the process exits. */
  function writeSync(): void {
    if (sink.writeSync === undefined) return;
    queue = [...parked.takeAll(), ...queue];
    const rest = isAccepted ? queue : [...batch, ...queue];
    // A sink that stores may have something of its own to write down.
    if (rest.length === 0 && sink.report === undefined) return;
    try {
      sink.writeSync(rest.map(({ record }) => record));
      if (sink.report === undefined) counts.delivered += rest.length;
      settled += rest.length;
      queue = [];
      batch = [];
      bytes = 0;
    } catch (error) {
      onError(error, "sink_failed");
    }
  }

  try {
    sink.start?.({ runInBackground: background.run, fetch: background.fetch });
  } catch (error) {
    onError(error, "sink_failed");
  }

  return {
    name: sink.name,
    isDurable: sink.report !== undefined,
    push,
    flush,
    abandon: () => controller?.abort(),
    hold() {
      isHeld = true;
    },
    writeSync,
    end() {
      timer?.cancel();
      // What is left stays pending; a closed sink would refuse it.
      isHeld = true;
      // The flush before has waited for it as long as it may.
      controller?.abort();
      // What the sink was not given in time would be lost with its end.
      writeSync();
    },
    async close(deadline) {
      if (sink.close !== undefined) await guard(() => sink.close?.() ?? Promise.resolve(), deadline);
    },
    report,
    countUnsafe,
  };
}

function backOff(failures: number): number {
  const longest = Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.max(0, failures - 1));
  return longest / 2 + Math.random() * (longest / 2);
}
