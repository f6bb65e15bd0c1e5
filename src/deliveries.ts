/** One delivery for each sink of a tap, and what they have in common: names, content, counts. */
import { warn } from "#platform";
import type { Background } from "./background.ts";
import { createDelivery, type Delivery } from "./pipeline/delivery.ts";
import type { TapErrorCode } from "./errors.ts";
import type { FlushReport, FlushResult, Sink, TapLimits, TapOptions, TapRecord } from "./types.ts";

export interface DeliveriesOptions {
  options: TapOptions;
  limits: Required<TapLimits>;
  background: Background;
  /** The record without content; `undefined` as long as that can't be made. */
  strip: (record: TapRecord) => TapRecord | undefined;
  onContentDropped: () => void;
  /** A record that a sink will never get. */
  onDropped: (cause: "queue_full" | "rejected") => void;
  onError: (sinkName: string, error: unknown, code: TapErrorCode) => void;
}

export interface Deliveries {
  readonly all: readonly Delivery[];
  /** To each sink what it may get. */
  push(record: TapRecord): void;
  /** @param deadline - in the clock of `performance.now()` */
  flush(deadline: number): Promise<void>;
  /** Before `close`: nothing is sent any more, and what is left goes to the sinks that take it synchronously. */
  end(): void;
  close(deadline: number): Promise<void>;
  /** @param unread - calls that have ended and have not come here yet: each is pending at each sink */
  report(unread: number): FlushResult;
}

export function createDeliveries(given: DeliveriesOptions): Deliveries {
  const { options, limits, strip } = given;
  const sinks = nameSinks(options.sinks ?? []);
  const deliveries = sinks.map(({ sink, name }) => ({
    isMetadataOnly: sink.content === "metadata",
    delivery: createDelivery({
      sink: withName(sink, name),
      maxRecords: limits.queueExchanges,
      maxBytes: limits.queueBytes / sinks.length,
      strip: (record) => strip(record) ?? record,
      onContentDropped: given.onContentDropped,
      onDropped: given.onDropped,
      background: given.background,
      onError: (error, code) => given.onError(name, error, code),
    }),
  }));
  for (const { sink, name } of sinks) announce(sink, name, options);
  const all = deliveries.map(({ delivery }) => delivery);
  return {
    all,
    push(record) {
      let stripped: TapRecord | undefined;
      for (const { isMetadataOnly, delivery } of deliveries) {
        if (!isMetadataOnly) delivery.push(record);
        else if ((stripped ??= strip(record)) !== undefined) delivery.push(stripped);
      }
    },
    async flush(deadline) {
      await Promise.all(all.map((delivery) => delivery.flush(deadline)));
    },
    end() {
      for (const delivery of all) delivery.end();
    },
    async close(deadline) {
      await Promise.all(all.map((delivery) => delivery.close(deadline)));
    },
    report: (unread) => sumReports(all, unread),
  };
}

/** Two sinks of one kind are told apart in the counts. */
function nameSinks(sinks: readonly Sink[]): { sink: Sink; name: string }[] {
  const taken = new Set<string>();
  return sinks.map((sink) => {
    let { name } = sink;
    for (let count = 2; taken.has(name); count += 1) name = `${sink.name}#${count}`;
    taken.add(name);
    return { sink, name };
  });
}

function withName(sink: Sink, name: string): Sink {
  return sink.name === name ? sink : Object.create(sink, { name: { value: name } });
}

/** Content that leaves the process is said aloud once. What stays in memory goes nowhere. */
function announce(sink: Sink, name: string, options: TapOptions): void {
  if (sink.name === "memory") return;
  const content = sink.content === "metadata" || options.privacyMode === true ? "off" : "on";
  warn(`llm-tap: content: ${content} → ${name}`);
}

function sumReports(deliveries: readonly Delivery[], unread: number): FlushResult {
  const total: FlushReport = { delivered: 0, pending: 0, dropped: 0, unknown: 0 };
  const bySink: Record<string, FlushReport> = {};
  for (const delivery of deliveries) {
    const report = delivery.report();
    report.pending += unread;
    bySink[delivery.name] = report;
    for (const key of Object.keys(total) as (keyof FlushReport)[]) total[key] += report[key];
  }
  return { ...total, bySink };
}
