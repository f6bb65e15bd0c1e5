/** The counters behind `tap.stats()`. */
import type { TapStats } from "./types.ts";

export interface Counters {
  seen: number;
  recorded: number;
  sampledOut: number;
  priceUnknown: number;
  dropped: Map<string, number>;
  ignored: Map<string, number>;
  contentDropped: Map<string, number>;
  sinkDropped: Map<string, number>;
  errors: Map<string, number>;
  spans: TapStats["spans"];
}

export function createCounters(): Counters {
  return {
    seen: 0,
    recorded: 0,
    sampledOut: 0,
    priceUnknown: 0,
    dropped: new Map(),
    ignored: new Map(),
    contentDropped: new Map(),
    sinkDropped: new Map(),
    errors: new Map(),
    spans: { recorded: 0, sampledOut: 0, dropped: 0 },
  };
}

export function increase(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

export function readStats(counters: Counters, inFlight: number, queuedBytes: number): TapStats {
  return {
    seen: counters.seen,
    recorded: counters.recorded,
    sampledOut: counters.sampledOut,
    priceUnknown: counters.priceUnknown,
    dropped: Object.fromEntries(counters.dropped),
    ignored: Object.fromEntries(counters.ignored),
    inFlight,
    contentDropped: Object.fromEntries(counters.contentDropped),
    sinkDropped: Object.fromEntries(counters.sinkDropped),
    spans: { ...counters.spans },
    errors: Object.fromEntries(counters.errors),
    queuedBytes,
  };
}
