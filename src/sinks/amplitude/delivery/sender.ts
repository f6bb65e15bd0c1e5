/** Brings prepared events to Amplitude: packs them into requests and does with each answer what Amplitude asks for. */
import type { DeliveryResult, WriteResult } from "../../../types.ts";
import { isReducedToFacts } from "../prepare-event.ts";
import type { AmplitudeEvent, PreparedEvent } from "../types.ts";
import { createPauses } from "./pauses.ts";
import { REQUEST_OVERHEAD_BYTES, type Transport } from "./transport.ts";
import type { Verdict } from "./verdict.ts";

export interface SenderOptions {
  send: Transport;
  /** What is left of an event that is too large even alone. */
  reduce: (prepared: PreparedEvent) => PreparedEvent;
  /** UTF-8 bytes of a request's body. */
  maxRequestBytes: number;
  /** Events of a request. */
  maxRequestEvents: number;
  /** Told once of each thing that only a person can mend. */
  warn: (message: string) => void;
}

/** Resolves with one result per event, in order. Never rejects, and never says `delivered` without Amplitude's word. */
export type Sender = (events: readonly PreparedEvent[], signal: AbortSignal) => Promise<WriteResult>;

/** After Amplitude has refused the key or the path: how long until it is asked again. */
const MISCONFIGURED_PAUSE_MS = 60_000;

/** Requests never become smaller than this over a 413. */
const MIN_REQUEST_BYTES = 16_384;

/** Indexes of events that go in one request. */
interface Task {
  indexes: number[];
  /** How often Amplitude has found something invalid among these. */
  invalidRounds: number;
}

/**
 * One `deliver` makes every event's progress that is possible now: what is invalid is set apart, what is too large is
 * split, and what others can still get through is sent. The first answer that means "later" ends it; the rest is
 * `retry`. Events keep their `insert_id`, so that Amplitude drops what it had already written.
 */
export function createSender(options: SenderOptions): Sender {
  const { send, reduce, maxRequestEvents, warn } = options;
  const pauses = createPauses();
  let requestBytes = options.maxRequestBytes;
  let misconfiguredUntil = 0;
  const warned = new Set<string>();

  function warnOnce(message: string): void {
    if (warned.has(message)) return;
    warned.add(message);
    warn(message);
  }

  return async function deliver(given, signal) {
    const events = [...given];
    const results: DeliveryResult[] = events.map(() => "retry");
    const reasons: (string | undefined)[] = [];
    let retryAfterMs: number | undefined;
    /** Nothing gets through now; else only those that Amplitude has named have to wait. */
    let isStopped = false;
    const later = (milliseconds: number | undefined): void => {
      if (milliseconds !== undefined) retryAfterMs = Math.max(retryAfterMs ?? 0, Math.ceil(milliseconds));
    };

    const waiting = misconfiguredUntil - performance.now();
    if (waiting > 0) return { results, retryAfterMs: Math.ceil(waiting) };

    const open: number[] = [];
    for (const [index, { event }] of events.entries()) {
      const paused = pauses.remaining(event);
      if (paused > 0) later(paused);
      else open.push(index);
    }
    const tasks = pack(open);

    function pack(indexes: readonly number[]): Task[] {
      const packed: Task[] = [];
      let bytes = 0;
      for (const index of indexes) {
        const size = (events[index] as PreparedEvent).bytes + 1;
        const task = packed.at(-1);
        if (
          task !== undefined &&
          task.indexes.length < maxRequestEvents &&
          bytes + size + REQUEST_OVERHEAD_BYTES <= requestBytes
        ) {
          task.indexes.push(index);
          bytes += size;
        } else {
          packed.push({ indexes: [index], invalidRounds: 0 });
          bytes = size;
        }
      }
      return packed;
    }

    function eventAt(index: number): AmplitudeEvent {
      return (events[index] as PreparedEvent).event;
    }

    function settle(indexes: readonly number[], result: DeliveryResult): void {
      for (const index of indexes) results[index] = result;
    }

    function reject(indexes: readonly number[], reason: string): void {
      settle(indexes, "rejected");
      for (const index of indexes) reasons[index] = reason;
    }

    /** Puts both halves where the whole was. */
    function bisect(task: Task): void {
      const middle = Math.ceil(task.indexes.length / 2);
      tasks.unshift(
        { ...task, indexes: task.indexes.slice(0, middle) },
        { ...task, indexes: task.indexes.slice(middle) },
      );
    }

    function onInvalid(task: Task, named: readonly number[], reason: string): void {
      const bad = new Set(named.flatMap((position) => task.indexes[position] ?? []));
      reject([...bad], reason);
      const rest: Task = {
        indexes: task.indexes.filter((index) => !bad.has(index)),
        invalidRounds: task.invalidRounds + 1,
      };
      if (rest.indexes.length === 0) return;
      // Amplitude names only the first of a kind. With many, halves cost fewer bytes than the whole again and again.
      if (rest.indexes.length > 1 && (rest.invalidRounds > 1 || bad.size === 0)) bisect(rest);
      else if (bad.size === 0) reject(rest.indexes, reason);
      else tasks.unshift(rest);
    }

    function onTooLarge(task: Task): void {
      const [first] = task.indexes as [number];
      const event = events[first] as PreparedEvent;
      if (task.indexes.length > 1) {
        const bytes = task.indexes.reduce((sum, index) => sum + (events[index] as PreparedEvent).bytes, 0);
        requestBytes = Math.max(MIN_REQUEST_BYTES, Math.min(requestBytes, bytes) / 2);
        bisect(task);
      } else if (isReducedToFacts(event)) reject(task.indexes, "HTTP 413, even without content");
      else {
        events[first] = reduce(event);
        tasks.unshift(task);
      }
    }

    /** @returns whether others may still get through. */
    function onThrottled(task: Task, verdict: Extract<Verdict, { kind: "throttled" }>): boolean {
      later(verdict.retryAfterMs);
      const namedIds = task.indexes.flatMap((index) =>
        pauses.keysOf(eventAt(index)).filter((id) => verdict.ids.has(id)),
      );
      const namedEvents = new Set(verdict.indexes.flatMap((position) => task.indexes[position] ?? []));
      pauses.pause(namedIds, verdict.retryAfterMs);
      // Events named without their ids: which id it was is not known, so all of theirs wait.
      if (namedIds.length === 0)
        for (const index of namedEvents) pauses.pause(pauses.keysOf(eventAt(index)), verdict.retryAfterMs);
      const rest = [...task.indexes, ...tasks.flatMap((other) => other.indexes)];
      const free = rest.filter((index) => !namedEvents.has(index) && pauses.remaining(eventAt(index)) <= 0);
      if (free.length === rest.length) return false;
      // Those of the same ids that wait in other requests would only be throttled too.
      tasks.splice(0, tasks.length, ...pack(free));
      return true;
    }

    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      const verdict = await send(
        task.indexes.map((index) => (events[index] as PreparedEvent).json),
        signal,
      );
      isStopped = verdict === undefined;
      if (verdict === undefined) break;
      if (verdict.kind === "accepted") {
        settle(task.indexes, "delivered");
        requestBytes = Math.min(options.maxRequestBytes, requestBytes * 1.25);
      } else if (verdict.kind === "invalid") {
        warnOnce(`Amplitude refuses some events: ${verdict.reason}`);
        onInvalid(task, verdict.indexes, verdict.reason);
      } else if (verdict.kind === "invalid_somewhere") {
        warnOnce(`Amplitude refuses some events: ${verdict.reason}`);
        onInvalid(task, [], verdict.reason);
      } else if (verdict.kind === "too_large") onTooLarge(task);
      else if (verdict.kind === "throttled") {
        isStopped = !onThrottled(task, verdict);
        if (isStopped) break;
      } else if (verdict.kind === "misconfigured") {
        warnOnce(
          `Amplitude refuses every event: ${verdict.reason}. Events are kept and tried again; check apiKey and serverUrl.`,
        );
        misconfiguredUntil = performance.now() + MISCONFIGURED_PAUSE_MS;
        later(MISCONFIGURED_PAUSE_MS);
        isStopped = true;
        break;
      } else {
        later(verdict.retryAfterMs);
        isStopped = true;
        break;
      }
    }
    return {
      results,
      ...(!isStopped && results.includes("retry") && { othersMayPass: true }),
      ...(reasons.length > 0 && { reasons }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  };
}
