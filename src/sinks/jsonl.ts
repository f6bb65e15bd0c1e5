/** Appends records to a file, one line of JSON each. */
import { resolve } from "node:path";
import { TapError } from "../errors.ts";
import type { DeliveryResult, Sink, TapRecord, WriteResult } from "../types.ts";
import { createLogFile } from "./jsonl/log-file.ts";
import { createRotation } from "./jsonl/rotation.ts";
import { toJsonText } from "./shared/copy-json.ts";
import { settleOrAbort } from "./shared/abort.ts";
import { allResults } from "./shared/results.ts";
import { createTimeSlice } from "./shared/time-slice.ts";

export interface JsonlSinkOptions {
  /** The file; it and its directories are made when the first record comes. */
  path: string;
  /** Default `jsonl`. */
  name?: string;
  /** The most that this sink gets. Default `full`. */
  content?: "full" | "metadata";
  /** Permissions of the file, set under any umask and on a file that exists too. Default 0o600. */
  mode?: number;
  /** Bytes of a file; a full one is moved away, as `<name>-<time>-<random>.jsonl` beside it. Default: it grows for ever. */
  maxBytes?: number;
  /** With `maxBytes`: files that were moved away and are kept; older ones are removed. Default 5. */
  maxFiles?: number;
  /** With `maxBytes`: compress files that were moved away. Default false. */
  gzip?: boolean;
}

/** Lines are handed to the system in blocks of about this size. */
const BLOCK_BYTES = 1 << 18;

/**
 * A sink that appends each record as one line of JSON. The file is 0600 and new directories are 0700 under any umask. A
 * symbolic link at the path, something that is no regular file, and a file of another user are refused.
 *
 * `write` resolves when the system has taken the lines (there is no fsync). On a disk error it rejects with a
 * `TapError`, so that the tap gives the records again; lines that were complete by then count as delivered and are
 * not repeated, and a line that was cut off stays alone on its line. A file that was moved away is made anew. With
 * `maxBytes` the sink moves full files away itself; a line is never split, so one that is larger has a file of its own.
 *
 * @example
 * createTap({ sinks: [jsonlSink("logs/llm.jsonl")] });
 */
export function jsonlSink(options: string | JsonlSinkOptions): Sink {
  const {
    path,
    name = "jsonl",
    content = "full",
    mode = 0o600,
    maxBytes,
    maxFiles = 5,
    gzip = false,
  } = typeof options === "string" ? { path: options } : options;
  if (typeof path !== "string" || path === "") {
    throw new TapError(
      "invalid_option",
      `jsonlSink: "path" must be the path of a file, got ${JSON.stringify(path) ?? typeof path}.`,
    );
  }
  checkNumber("maxBytes", maxBytes, 1);
  checkNumber("maxFiles", maxFiles, 0);
  const rotation =
    maxBytes === undefined ? undefined : createRotation({ file: resolve(path), mode, maxBytes, maxFiles, gzip });
  const file = createLogFile(path, mode, rotation);
  const blockBytes = Math.min(BLOCK_BYTES, maxBytes ?? BLOCK_BYTES);
  let closed = false;
  // Writes run one after the other: lines never mix, and order stays as given.
  let tail: Promise<unknown> = Promise.resolve();
  /** What the system was given: it finishes a write that it has begun even when the process exits meanwhile. */
  const taken = new WeakSet<TapRecord>();

  async function append(
    records: readonly TapRecord[],
    job: { started: boolean },
    signal: AbortSignal,
  ): Promise<WriteResult> {
    if (signal.aborted) return allResults(records.length, "retry");
    job.started = true;
    await file.reopenIfMoved();
    const pauseWhenDue = createTimeSlice();
    const results: DeliveryResult[] = [];
    let failure: Error | undefined;
    let lines: { record: TapRecord; line: Buffer }[] = [];
    let bytes = 0;

    async function flushBlock(): Promise<void> {
      const block = Buffer.concat(
        lines.map(({ line }) => line),
        bytes,
      );
      for (const { record } of lines) taken.add(record);
      let written = await file.append(block, (error) => (failure = error));
      for (const { record, line } of lines) {
        written -= line.length;
        results.push(written >= 0 ? "delivered" : "retry");
        if (written < 0) taken.delete(record);
      }
      lines = [];
      bytes = 0;
    }

    for (const record of records) {
      const line = Buffer.from(`${toJsonText(record)}\n`);
      if (bytes > 0 && bytes + line.length > blockBytes) await flushBlock();
      if (failure !== undefined) break;
      lines.push({ record, line });
      bytes += line.length;
      await pauseWhenDue();
    }
    if (bytes > 0 && failure === undefined) await flushBlock();
    if (failure !== undefined && !results.includes("delivered")) {
      throw new TapError("sink_failed", `jsonl sink: can't write ${path}: ${failure.message}`, { cause: failure });
    }
    while (results.length < records.length) results.push("retry");
    return { results };
  }

  return {
    name,
    content,
    followed: false,
    destination: resolve(path),
    write(records, { signal }) {
      if (closed) return Promise.resolve(allResults(records.length, "rejected"));
      if (records.length === 0) return Promise.resolve({ results: [] });
      const job = { started: false };
      const written = tail.then(() => append(records, job, signal));
      tail = written.catch(() => undefined);
      // A disk that hangs must not hold whoever gave up waiting; what has begun may still reach the file.
      return settleOrAbort(written, signal, () => allResults(records.length, job.started ? "unknown" : "retry"));
    },
    writeSync(records) {
      const rest = records.filter((record) => !taken.has(record));
      if (closed || rest.length === 0) return;
      file.appendSync(Buffer.from(rest.map((record) => `${toJsonText(record)}\n`).join("")));
    },
    async close() {
      closed = true;
      await tail;
      await rotation?.settled();
      file.close();
    },
  };
}

function checkNumber(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (typeof value === "number" && value >= least)) return;
  throw new TapError(
    "invalid_option",
    `jsonlSink: "${name}" must be a number of at least ${least}, got ${JSON.stringify(value)}.`,
  );
}
