/** Brings what is stored to the destination: oldest first, one write at a time, again until it is there or refused. */
import { onAbort } from "../sinks/shared/abort.ts";
import { NOTE_LATE } from "../sinks/shared/notes.ts";
import type { DeliveryResult, Sink, SinkHost, TapRecord, WriteResult } from "../types.ts";
import { backOff } from "./back-off.ts";
import { carry, type Outcome } from "./courier.ts";
import type { DeadLetter } from "./dead-letters.ts";
import { createHeld } from "./held.ts";
import { ageOf, type Item, itemOf } from "./item.ts";
import type { Segment } from "./segment.ts";
import type { Store } from "./store.ts";

/** What has become of stored records, each in one of these. */
export interface SenderCounts {
  delivered: number;
  /** The sink could not tell. */
  unknown: number;
  /** Refused by the destination, or the sink threw over them while others went through. */
  rejected: number;
  /** Older than `maxAgeMs`. */
  expired: number;
  /** The oldest, dropped because the logs were over `maxBytes`. */
  overflowed: number;
  /** Their files have gone, or are another process's now. */
  taken: number;
}

export interface SenderOptions {
  sink: Sink;
  store: Store;
  counts: SenderCounts;
  /** Milliseconds. */
  maxAgeMs: number;
  getHost(): SinkHost | undefined;
  setAside(letters: readonly DeadLetter[]): Promise<void>;
}

export interface Sender {
  /** There may be something to send. */
  wake(): void;
  /** For records that the disk does not take: as the sink itself would, behind what is stored. */
  sendFromMemory(records: readonly TapRecord[], signal: AbortSignal): Promise<WriteResult>;
  /** Resolves when all that is stored by now is settled, or when `signal` aborts. */
  flush(signal: AbortSignal): Promise<void>;
  /** `segment` is not this process's to deliver any more. */
  giveUp(segment: Segment, unread: number): void;
  close(): Promise<void>;
}

const MAX_BATCH_RECORDS = 500;
const MAX_BATCH_BYTES = 1 << 22;
/** A record over which the sink throws this often, while others go through, is set aside. */
const MAX_FAILURES = 3;
/** By then a destination has forgotten what it had: what it gets again counts as new. */
const DEDUPLICATION_MS = 7 * 24 * 3_600_000;

export function createSender(options: SenderOptions): Sender {
  const { sink, store, counts, maxAgeMs, getHost, setAside } = options;
  const held = createHeld();
  const closing = new AbortController();
  const waiters = new Set<() => void>();
  let inMemory: Item[] = [];
  let running: Promise<void> | undefined;
  let isWoken = false;
  let timer: NodeJS.Timeout | undefined;
  /** Failures in a row of the destination as a whole, and until when all wait, of `performance.now()`. */
  let failures = 0;
  let pausedUntil = 0;
  let isPauseAsked = false;
  let batchRecords = MAX_BATCH_RECORDS;

  function wake(): void {
    isWoken = true;
    if (closing.signal.aborted) return;
    running ??= run()
      // Nothing in it throws on purpose; if something does, the next wake goes on.
      .catch(() => (isWoken = false))
      .then(() => {
        running = undefined;
        // Between its last look and now.
        if (isWoken) wake();
      });
  }

  async function run(): Promise<void> {
    clearTimeout(timer);
    while (!closing.signal.aborted) {
      isWoken = false;
      const pause = pausedUntil - performance.now();
      if (pause > 0) return sleep(pause);
      const items = await take();
      if (items.length === 0) {
        const wait = held.wait();
        if (wait !== undefined) sleep(wait);
        return notify();
      }
      if (closing.signal.aborted) leave(items);
      else await send(items);
      notify();
    }
  }

  function sleep(milliseconds: number): void {
    timer = setTimeout(wake, milliseconds);
    timer.unref();
  }

  function notify(): void {
    for (const check of waiters) check();
  }

  /** What goes next: those that waited, then those that were not read yet, then those that only memory holds. */
  async function take(): Promise<Item[]> {
    const items = held.takeDue(batchRecords);
    let bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    const add = (item: Item): void => {
      if (held.blocks(item)) held.add(item);
      else {
        items.push(item);
        bytes += item.bytes;
      }
    };
    let isExhausted = false;
    const hasRoom = (): boolean => items.length < batchRecords && bytes < MAX_BATCH_BYTES && !held.isFull;
    while (!isExhausted && hasRoom()) {
      const entries = await store.next(batchRecords - items.length, MAX_BATCH_BYTES - bytes);
      isExhausted = entries.length === 0;
      for (const entry of entries) add(itemOf(entry));
    }
    if (isExhausted) {
      for (const item of inMemory.splice(0, batchRecords - items.length)) add(item);
    }
    const suspect = items.length === 0 ? held.takeSuspect() : undefined;
    return removeExpired(suspect === undefined ? items : [suspect]);
  }

  async function removeExpired(items: Item[]): Promise<Item[]> {
    const expired = items.filter((item) => ageOf(item) > maxAgeMs);
    if (expired.length === 0) return items;
    counts.expired += expired.length;
    await bury(expired, () => `older than maxAgeMs (${maxAgeMs} ms)`);
    const rest = items.filter((item) => !expired.includes(item));
    return rest.length > 0 ? rest : take();
  }

  async function send(items: readonly Item[]): Promise<void> {
    const outcome = await carry(sink, items.map(recordOf), getHost(), closing.signal);
    if (outcome.kind === "answered") await onAnswer(items, outcome);
    else if (outcome.kind === "failed") await onFailure(items, outcome.reason);
    else leave(items);
  }

  async function onAnswer(items: readonly Item[], answer: Outcome & { kind: "answered" }): Promise<void> {
    const done: Item[] = [];
    const refused: Item[] = [];
    const again: Item[] = [];
    const isFinal = (result: DeliveryResult): boolean =>
      result !== "retry" && (result !== "unknown" || (sink.idempotent !== true && !closing.signal.aborted));
    for (const [index, item] of items.entries()) {
      const result = answer.results[index] as DeliveryResult;
      if (item.answer !== undefined) {
        item.answer(result, answer.reasons[index], answer.retryAfterMs);
        continue;
      }
      if (!isFinal(result)) again.push(item);
      else if (result === "rejected") {
        counts.rejected += 1;
        refused.push(item);
      } else {
        counts[result === "unknown" ? "unknown" : "delivered"] += 1;
        done.push(item);
      }
    }
    if (answer.othersMayPass || answer.results.some(isFinal)) {
      failures = 0;
      batchRecords = Math.min(MAX_BATCH_RECORDS, batchRecords * 2);
      returnLater(again, answer.retryAfterMs);
    } else {
      pauseAll(answer.retryAfterMs);
      returnLater(again);
    }
    await bury(refused, (item) => answer.reasons[items.indexOf(item)] ?? "refused by the destination");
    await settle(done);
  }

  /** The sink has thrown or hung: the destination is away, or one of these records is more than it can take. */
  async function onFailure(items: readonly Item[], reason: string): Promise<void> {
    for (const item of items) item.answer?.("retry");
    const stored = items.filter((item) => item.answer === undefined);
    pauseAll(0);
    const [first] = stored;
    if (first === undefined) return;
    if (items.length > 1) {
      // Fewer and fewer, down to the one that it is, if it is one.
      batchRecords = Math.ceil(items.length / 2);
      returnLater(stored);
      return;
    }
    if (first.failures === 0) first.deliveredBefore = counts.delivered;
    first.failures += 1;
    // As long as nothing else goes through either, it is not this record.
    if (first.failures >= MAX_FAILURES && counts.delivered > first.deliveredBefore) {
      counts.rejected += 1;
      await bury([first], () => `the sink failed ${first.failures} times over this record alone: ${reason}`);
    } else returnLater([first], 0);
  }

  function pauseAll(retryAfterMs: number): void {
    failures += 1;
    isPauseAsked = retryAfterMs > 0;
    pausedUntil = performance.now() + Math.max(retryAfterMs, backOff(failures));
  }

  /** @param pauseMs of their users; without it only as long as all wait. */
  function returnLater(items: readonly Item[], pauseMs?: number): void {
    const own = items.filter((item) => !leaveIfGivenUp(item));
    if (pauseMs !== undefined) for (const item of own) item.attempts += 1;
    held.putBack(own, pauseMs);
  }

  /** The end: what was under way stays pending on disk. */
  function leave(items: readonly Item[]): void {
    for (const item of items) item.answer?.(sink.idempotent === true ? "retry" : "unknown");
    held.putBack(items.filter((item) => item.answer === undefined && !leaveIfGivenUp(item)));
  }

  function leaveIfGivenUp({ entry }: Item): boolean {
    const reason = entry?.segment.givenUp;
    if (reason === undefined) return false;
    counts[reason === "dropped" ? "overflowed" : "taken"] += 1;
    return true;
  }

  async function bury(items: readonly Item[], reasonOf: (item: Item) => string): Promise<void> {
    if (items.length === 0) return;
    await setAside(items.map((item) => ({ reason: reasonOf(item), storedAt: item.storedAt, record: item.record })));
    await settle(items);
  }

  async function settle(items: readonly Item[]): Promise<void> {
    const entries = items.flatMap(({ entry }) => (entry === undefined ? [] : [entry]));
    if (entries.length > 0) await store.settle(entries);
  }

  return {
    wake,

    sendFromMemory(records, signal) {
      return new Promise((resolve) => {
        const results: (DeliveryResult | undefined)[] = records.map(() => undefined);
        const reasons: (string | undefined)[] = [];
        let retryAfterMs = 0;
        let open = records.length;
        const finish = (): void => {
          stopWaiting();
          resolve({
            results: results.map((result) => result ?? "retry"),
            reasons,
            ...(retryAfterMs > 0 && { retryAfterMs }),
          });
        };
        const items = records.map((record, index): Item => {
          const answer: Item["answer"] = (result, reason, pauseMs = 0) => {
            results[index] = result;
            reasons[index] = reason;
            retryAfterMs = Math.max(retryAfterMs, pauseMs);
            open -= 1;
            if (open === 0) finish();
          };
          return {
            record,
            bytes: 0,
            storedAt: Date.now(),
            answer,
            attempts: 0,
            failures: 0,
            deliveredBefore: 0,
          };
        });
        const stopWaiting = onAbort(signal, () => {
          const mine = new Set(items);
          const waiting = new Set([
            ...inMemory.filter((item) => mine.has(item)),
            ...held.remove((item) => mine.has(item)),
          ]);
          inMemory = inMemory.filter((item) => !mine.has(item));
          // What is under way may arrive or not.
          if (sink.idempotent !== true) {
            for (const [index, item] of items.entries()) {
              if (!waiting.has(item)) results[index] ??= "unknown";
            }
          }
          finish();
        });
        if (signal.aborted) return;
        inMemory.push(...items);
        wake();
      });
    },

    async flush(signal) {
      if (closing.signal.aborted || signal.aborted || store.pending === 0) return;
      if (!isPauseAsked) pausedUntil = 0;
      held.endOwnPauses();
      const settled = (): number => Object.values(counts).reduce((sum, count) => sum + count, 0);
      const target = settled() + store.pending;
      // Whoever awaits this wants the process to live on meanwhile.
      const keepAlive = setInterval(() => undefined, 1 << 30);
      await new Promise<void>((resolve) => {
        const check = (): void => {
          if (store.pending > 0 && (settled() < target || held.size > 0) && !closing.signal.aborted) return;
          finish();
        };
        const finish = (): void => {
          clearInterval(keepAlive);
          waiters.delete(check);
          stopWaiting();
          resolve();
        };
        waiters.add(check);
        const stopWaiting = onAbort(signal, finish);
        wake();
      });
    },

    giveUp(segment, unread) {
      const own = held.remove(({ entry }) => entry?.segment === segment).length;
      counts[segment.givenUp === "dropped" ? "overflowed" : "taken"] += unread + own;
      notify();
    },

    async close() {
      closing.abort();
      clearTimeout(timer);
      await running;
      for (const item of [...inMemory, ...held.remove(({ answer }) => answer !== undefined)]) item.answer?.("retry");
      inMemory = [];
      notify();
    },
  };
}

/** What goes out; something so old may be there already, and the destination would not know. */
function recordOf(item: Item): TapRecord {
  const { record } = item;
  if (ageOf(item) <= DEDUPLICATION_MS || !Array.isArray(record.capture?.notes)) return record;
  return { ...record, capture: { ...record.capture, notes: [...record.capture.notes, NOTE_LATE] } };
}
