/** What an outbox can be told, and the check that it makes sense. */
import { TapError } from "../errors.ts";
import type { Sink } from "../types.ts";

export interface DurableOptions {
  /**
   * Directory for the logs; it may serve any number of processes and sinks. Default: one for this program among the
   * user's own (`$XDG_STATE_HOME` or `~/.local/state`, `~/Library/Application Support`, `%LOCALAPPDATA%`). Set it in
   * containers, to a volume.
   */
  dir?: string;
  /** Bytes that the logs of one process may take; over it the oldest records are dropped and counted. Default 256 MiB. */
  maxBytes?: number;
  /**
   * Milliseconds after which a record that was not delivered is set aside. Default 30 days, `Infinity` for never. After 7
   * days it goes out with the note `outbox_older_than_7_days`, because destinations no longer know what they had by then.
   */
  maxAgeMs?: number;
  /** Wait until the disk itself has each record: survives a power cut too, for milliseconds a write. Default false. */
  fsync?: boolean;
  /** Told once of each thing that only a person can mend (a full disk, refused records). Default: one line on stderr. */
  onWarning?: (message: string) => void;
}

export const DEFAULT_MAX_BYTES: number = 256 * 1024 * 1024;
export const DEFAULT_MAX_AGE_MS: number = 30 * 24 * 3_600_000;

/** @throws TapError `invalid_option` */
export function checkOptions(sink: Sink, options: DurableOptions): void {
  if (typeof sink?.write !== "function" || typeof sink.name !== "string") {
    throw invalid("the first argument must be a sink, like durable(amplitudeSink({ apiKey }))");
  }
  if (sink.report !== undefined) throw invalid(`the sink ${sink.name} stores by itself; it needs no outbox`);
  const { dir, maxBytes, maxAgeMs, fsync } = options;
  if (dir !== undefined && (typeof dir !== "string" || dir === "")) {
    throw invalid(`"dir" must be the path of a directory, got ${JSON.stringify(dir)}`);
  }
  for (const [name, value] of Object.entries({ maxBytes, maxAgeMs })) {
    if (value !== undefined && !(typeof value === "number" && value > 0)) {
      throw invalid(`"${name}" must be a number above 0, got ${JSON.stringify(value)}`);
    }
  }
  if (fsync !== undefined && typeof fsync !== "boolean") {
    throw invalid(`"fsync" must be true or false, got ${JSON.stringify(fsync)}`);
  }
}

function invalid(reason: string): TapError {
  return new TapError("invalid_option", `durable: ${reason}.`);
}
