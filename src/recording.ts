/** From what was read to the records that leave, and the loading of everything that this takes. */
import { type Counters, increase } from "./counters.ts";
import { loadPricesNow, loadReading, loadReadingNow } from "./load-reading.ts";
import type { AssembledExchange } from "./pipeline/assemble.ts";
import type { MakeJob } from "./pipeline/queue.ts";
import type { Reading, ReadingOptions } from "./reading.ts";
import type { SpanDraft } from "./spans/span-log.ts";
import type { Exchange, TapRecord } from "./types.ts";

export interface RecordingOptions {
  readingOptions: ReadingOptions;
  counters: Counters;
  report(place: string, error: unknown): void;
  /** Runs callbacks of the user; what they do is not tapped. */
  runSuppressed<Result>(run: () => Result): Result;
  /** Spans that have ended since. */
  takeSpans(): readonly SpanDraft[];
  onRecord(record: TapRecord): void;
}

export interface Recording {
  /** Loading takes its time: not for a process that makes no call, and not inside the first one. */
  load(): Promise<MakeJob>;
  /** For the end of the process. @throws where modules can't be loaded at once */
  loadNow(): MakeJob;
  /** `undefined`: it was no call. */
  recordExchange(exchange: Exchange, assembled: AssembledExchange | undefined): void;
  /** It could not be read. */
  recordFailure(exchange: Exchange, error: unknown): void;
  recordSpans(): void;
  /** The record without content; `undefined` as long as nothing is loaded, when there are no records either. */
  toMetadata(record: TapRecord): TapRecord | undefined;
  close(): void;
}

export function createRecording(given: RecordingOptions): Recording {
  const { counters, report, runSuppressed, onRecord } = given;
  let reading: Reading | undefined;
  let room: typeof import("./reading.ts") | undefined;

  function start(loaded: typeof import("./reading.ts")): Reading {
    room = loaded;
    return (reading ??= loaded.createReading(given.readingOptions));
  }

  function recordCall(exchange: Exchange, assembled: AssembledExchange | undefined): void {
    if (reading === undefined) {
      increase(counters.dropped, "not_loaded");
      return;
    }
    try {
      const recorded = reading.recordCall(exchange, assembled);
      if (recorded === "poll") {
        increase(counters.ignored, "poll");
        return;
      }
      if (recorded === undefined) {
        counters.sampledOut += 1;
        return;
      }
      counters.recorded += 1;
      if (recorded.isPriceUnknown) counters.priceUnknown += 1;
      counters.spans.recorded += recorded.spans.length;
      for (const span of recorded.spans) onRecord(span);
      onRecord(recorded.call);
    } catch (error) {
      increase(counters.dropped, "record_failed");
      report("record", error);
    }
  }

  function recordSpan(draft: SpanDraft, { recordSpan: record }: Reading): void {
    try {
      const span = record(draft);
      if (span === undefined) {
        counters.spans.sampledOut += 1;
        return;
      }
      counters.spans.recorded += 1;
      onRecord(span);
    } catch (error) {
      counters.spans.dropped += 1;
      report("record", error);
    }
  }

  function recordSpans(): void {
    const loaded = reading;
    if (loaded === undefined) return;
    const drafts = given.takeSpans();
    if (drafts.length > 0) runSuppressed(() => drafts.forEach((draft) => recordSpan(draft, loaded)));
  }

  return {
    async load() {
      const started = start(await loadReading());
      await started.ready();
      // Before the calls around them.
      recordSpans();
      return started.makeJob;
    },
    loadNow() {
      const started = reading ?? start(loadReadingNow());
      started.readyNow(loadPricesNow);
      return started.makeJob;
    },
    recordExchange(exchange, assembled) {
      if (assembled === undefined) increase(counters.ignored, "not_a_call");
      else if (exchange.isHop) increase(counters.ignored, "redirect");
      else runSuppressed(() => recordCall(exchange, assembled));
    },
    recordFailure(exchange, error) {
      report("parser", error);
      runSuppressed(() => recordCall(exchange, undefined));
    },
    recordSpans,
    toMetadata: (record) => room?.toMetadata(record),
    close: () => reading?.close(),
  };
}
