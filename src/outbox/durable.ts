/** At-least-once delivery around any sink: on disk first, removed when the destination has confirmed. */
import process from "node:process";
import { settleOrAbort } from "../sinks/shared/abort.ts";
import { allResults } from "../sinks/shared/results.ts";
import type { FlushReport, Sink, SinkHost, TapRecord, WriteResult } from "../types.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { describeThrown } from "./describe-thrown.ts";
import { defaultDirectory, folderOf } from "./directory.ts";
import { checkOptions, DEFAULT_MAX_AGE_MS, DEFAULT_MAX_BYTES, type DurableOptions } from "./options.ts";
import { createSender, type SenderCounts } from "./sender.ts";
import { createStore } from "./store.ts";

/** What has become of records, since the sink was made. Those that earlier processes left count too. */
export interface OutboxStats extends SenderCounts {
  /** Records that were written to disk. */
  stored: number;
  /** Records on disk, of this process or taken over from dead ones, that are not settled. */
  pending: number;
  /** Bytes of the logs, settled records included until their file is removed. */
  bytes: number;
  /** Lines that were damaged; their records are lost. */
  corrupt: number;
  /** Lines that the end of a process cut off; their records were never promised. */
  torn: number;
}

export interface DurableSink extends Sink {
  /** Where the logs and `dead-letters.jsonl` lie. */
  readonly directory: string;
  report(): FlushReport;
  stats(): OutboxStats;
}

/** How often the disk is tried again after it has refused. */
const DISK_RETRY_MS = 5_000;
/** A disk that hangs does not hold `close` for longer. */
const CLOSE_MS = 2_000;
/** How often logs of processes that have died meanwhile are looked for. */
const ADOPT_MS = 60_000;

/**
 * A sink that keeps what it is given in a log on disk until `sink` has confirmed it. `write` answers `stored` as soon as
 * the system has the records; they are then sent in the background, again and again with back-off, also by the next
 * process when this one dies. So a record may arrive twice; `record.id` tells.
 *
 * Records of one user keep their order. What the destination refuses is set aside in `dead-letters.jsonl` with the
 * reason. Without a disk that takes them, records go straight to `sink`, as without an outbox.
 *
 * Several processes may share a directory: each has a log of its own, and takes over those of dead ones. Only logs of
 * the same sink name and destination are taken over, never those of another user.
 *
 * @throws TapError `invalid_option`
 * @example
 * createTap({ sinks: [durable(amplitudeSink({ apiKey: process.env.AMPLITUDE_API_KEY }), { dir: "/var/lib/app/outbox" })] });
 */
export function durable(sink: Sink, options: DurableOptions = {}): DurableSink {
  checkOptions(sink, options);
  const { maxBytes = DEFAULT_MAX_BYTES, maxAgeMs = DEFAULT_MAX_AGE_MS, fsync = false, onWarning } = options;
  const folder = folderOf(options.dir ?? defaultDirectory(), sink);
  const counts: SenderCounts = { delivered: 0, unknown: 0, rejected: 0, expired: 0, overflowed: 0, taken: 0 };
  let corrupt = 0;
  let torn = 0;
  let host: SinkHost | undefined;
  let diskRetryAt = 0;
  let started: Promise<void> | undefined;
  let adoptTimer: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;
  const warned = new Set<string>();

  function warn(kind: string, message: string): void {
    if (warned.has(kind)) return;
    warned.add(kind);
    try {
      if (onWarning === undefined) process.stderr.write(`[llm-tap] outbox of ${sink.name}: ${message}\n`);
      else onWarning(message);
    } catch {
      // The app's own function; what it does with a warning must not stop delivery.
    }
  }

  function warnOfDisk(error: unknown): void {
    warn("disk", `can't use ${folder}, so records are kept in memory only: ${describeThrown(error)}`);
  }

  const store = createStore({
    folder,
    maxBytes,
    fsync,
    prepare(record) {
      try {
        return sink.prepare?.(record) ?? record;
      } catch {
        // As it is, it can be sent too.
        return record;
      }
    },
    onGivenUp(segment, unread) {
      sender.giveUp(segment, unread);
      if (segment.givenUp === "dropped") {
        warn("overflow", `the logs are over ${maxBytes} bytes (maxBytes); the oldest records are dropped`);
      }
    },
    onCorrupt(lost, cutOff) {
      corrupt += lost;
      torn += cutOff;
      if (lost > 0) warn("corrupt", `lines in ${folder} are damaged; their records are lost`);
    },
  });
  const deadLetters = createDeadLetters(folder);
  const sender = createSender({
    sink,
    store,
    counts,
    maxAgeMs,
    getHost: () => host,
    async setAside(letters) {
      const isKept = await deadLetters.add(letters);
      const [first] = letters;
      if (isKept) warn("set_aside", `records are set aside in ${folder}/dead-letters.jsonl: ${first?.reason}`);
      else warn("not_set_aside", `records can't be set aside in ${folder}: ${first?.reason}`);
    },
  });

  /** Takes over what dead processes have left, now and from then on every minute. */
  async function adopt(): Promise<void> {
    try {
      await store.adopt();
    } catch (error) {
      warnOfDisk(error);
    }
    adoptTimer ??= setInterval(() => void adopt(), ADOPT_MS).unref();
    if (closing !== undefined) clearInterval(adoptTimer);
    else if (store.pending > 0) sender.wake();
  }

  function ensureStarted(): Promise<void> {
    return (started ??= adopt());
  }

  async function write(records: readonly TapRecord[], signal: AbortSignal): Promise<WriteResult> {
    if (performance.now() < diskRetryAt) return sender.sendFromMemory(records, signal);
    // A disk that hangs must not hold whoever gave up waiting. What it has taken by then is known when it comes again.
    const appending = store.append(records);
    const starting = ensureStarted();
    const appended = await settleOrAbort(appending, signal, () => undefined);
    if (appended === undefined) return allResults(records.length, "retry");
    const { stored: count, error } = appended;
    const done = allResults(count, "stored");
    // What an earlier process left is older, and goes first.
    void starting.then(() => sender.wake());
    if (error === undefined) return done;
    if (error instanceof RangeError) {
      warn("too_large", `${error.message}, which is over maxBytes (${maxBytes}): it is kept in memory only`);
    } else {
      diskRetryAt = performance.now() + DISK_RETRY_MS;
      warnOfDisk(error);
    }
    const rest = await sender.sendFromMemory(records.slice(count), signal);
    return {
      ...rest,
      results: [...done.results, ...rest.results],
      reasons: [...done.results.map(() => undefined), ...(rest.reasons ?? [])],
    };
  }

  function report(): FlushReport {
    return {
      delivered: counts.delivered,
      pending: store.pending - store.unanswered,
      dropped: counts.rejected + counts.expired + counts.overflowed + corrupt,
      unknown: counts.unknown + counts.taken,
    };
  }

  return {
    name: sink.name,
    content: sink.content ?? "full",
    directory: folder,
    // What it sends, it sends in the background by itself.
    followed: false,

    start(given) {
      host = given;
      sink.start?.(given);
      // What an earlier process left goes out though this one may write nothing.
      setTimeout(() => void ensureStarted(), 0).unref();
    },

    write(records, { signal }) {
      if (closing !== undefined) return Promise.resolve(allResults(records.length, "rejected"));
      if (records.length === 0) return Promise.resolve({ results: [] });
      if (signal.aborted) return Promise.resolve(allResults(records.length, "retry"));
      return write(records, signal);
    },

    writeSync(records) {
      if (closing !== undefined) return;
      try {
        store.appendSync(records);
      } catch (error) {
        if (sink.writeSync === undefined) throw error;
        sink.writeSync(records);
      }
    },

    async flush({ signal }) {
      if (closing !== undefined) return;
      const adopting = started === undefined ? ensureStarted() : adopt();
      await settleOrAbort(adopting, signal, () => undefined);
      await sender.flush(signal);
      if (!signal.aborted) await sink.flush?.({ signal });
    },

    close() {
      closing ??= (async () => {
        clearInterval(adoptTimer);
        await sender.close();
        await settleOrAbort(store.close(), AbortSignal.timeout(CLOSE_MS), () => undefined);
        await sink.close?.();
      })();
      return closing;
    },

    report,
    stats: () => ({ ...counts, stored: store.written, pending: store.pending, bytes: store.bytes, corrupt, torn }),
  };
}
