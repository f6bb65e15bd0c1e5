/** Keeps records in arrays: for tests, scripts and the first look at what the tap sees. */
import type { LlmCall, Sink, Span, TapRecord } from "../types.ts";
import { allResults } from "./shared/results.ts";

export interface MemorySinkOptions {
  /** Default `memory`. */
  name?: string;
  /** The most that this sink gets. Default `full`. */
  content?: "full" | "metadata";
}

export interface MemorySink extends Sink {
  /** Every call, in the order in which they came. */
  readonly calls: LlmCall[];
  /** Every span, in the order in which they came. */
  readonly spans: Span[];
  /** Calls and spans together. */
  readonly records: TapRecord[];
  /** Forgets all records; the arrays stay the same objects. */
  clear(): void;
}

/**
 * A sink that keeps every record, as the object that it is, until `clear()`. It has no bound: not for production.
 * After `close()` it takes no more records and keeps what it has.
 *
 * @example
 * const memory = memorySink();
 * const tap = createTap({ sinks: [memory] });
 * await tap.flush();
 * memory.calls[0]?.usage.inputTokens;
 */
export function memorySink(options: MemorySinkOptions = {}): MemorySink {
  const calls: LlmCall[] = [];
  const spans: Span[] = [];
  const records: TapRecord[] = [];
  let closed = false;

  function keep(added: readonly TapRecord[]): void {
    for (const record of added) {
      records.push(record);
      if (record.type === "call") calls.push(record);
      else spans.push(record);
    }
  }

  return {
    name: options.name ?? "memory",
    content: options.content ?? "full",
    followed: false,
    calls,
    spans,
    records,
    clear() {
      calls.length = 0;
      spans.length = 0;
      records.length = 0;
    },
    async write(added) {
      if (closed) return allResults(added.length, "rejected");
      keep(added);
      return allResults(added.length, "delivered");
    },
    writeSync(added) {
      if (!closed) keep(added);
    },
    async close() {
      closed = true;
    },
  };
}
