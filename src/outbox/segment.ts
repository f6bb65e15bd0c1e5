/**
 * One file of a log, and beside it the numbers of the entries that are done. Both only grow; when all entries are done
 * both are removed.
 */
import fs from "node:fs";
import { promisify } from "node:util";
import { openPrivateFile } from "../sinks/shared/private-file.ts";
import { createTimeSlice } from "../sinks/shared/time-slice.ts";
import type { TapRecord } from "../types.ts";
import { createDescriptor } from "./descriptor.ts";
import { WHO } from "./directory.ts";
import { createDoneFile } from "./done-file.ts";
import { decodeFrame, NEWLINE } from "./frame.ts";
import { includesNumber, type Range } from "./ranges.ts";
import { writeSome } from "./write-some.ts";

/** A record on its way from a log to the destination. */
export interface Entry {
  readonly segment: Segment;
  readonly number: number;
  /** Epoch milliseconds. */
  readonly storedAt: number;
  /** Of its line. */
  readonly bytes: number;
  readonly record: TapRecord;
}

export interface ReadResult {
  entries: Entry[];
  /** Lines that were complete but not what had been written. */
  corrupt: number;
}

export interface Segment {
  readonly path: string;
  /** Made by this process. */
  readonly isOwn: boolean;
  /** Of the log. */
  readonly bytes: number;
  /** Entries that are not done, read or not. */
  readonly pending: number;
  /** Entries that `read` has given and that are not done. */
  readonly underWay: number;
  /** When its first entry was stored, epoch milliseconds; 0 as long as that is not known. */
  readonly since: number;
  /** Nothing is added any more. */
  isSealed: boolean;
  /** Why its entries are not this process's to deliver any more: the log was too large, or it is another process's. */
  givenUp: "dropped" | "taken" | undefined;
  /** @param lines whole lines. Rejects when the disk does not take them; then none of them is there. */
  append(lines: Buffer, count: number): Promise<void>;
  /** At the exit of the process, beside an `append` that is under way. */
  appendSync(lines: Buffer, count: number): void;
  /** Entries that were not read yet, in order; none when there are no more for now. */
  read(maxEntries: number, maxBytes: number): Promise<ReadResult>;
  /** These entries need not be sent again. */
  settle(entries: readonly Entry[]): Promise<void>;
  /** At the exit of the process: what `settle` has not written yet. */
  settleSync(): void;
  /** Counts what a dead process has left. Resolves to the number of lines that were torn off. */
  scan(): Promise<number>;
  /** Gives file descriptors back, as soon as nothing uses them. */
  release(): void;
  /** No file is touched any more. */
  abandon(): void;
  /** Removes the files. Never throws. */
  remove(): void;
}

export interface SegmentOptions {
  /** Ends in `.log`. */
  path: string;
  /** Made now by this process. */
  isNew: boolean;
  /** Wait until the disk itself has what is appended. */
  fsync: boolean;
}

const CHUNK_BYTES = 1 << 18;
const MIN_CHUNK_BYTES = 1 << 12;
/** What has no line end for so long is no line. */
const MAX_LINE_BYTES = 1 << 28;

const read = promisify(fs.read);
const truncate = promisify(fs.ftruncate);
const synchronise = promisify(fs.fdatasync);

/** Opens the file. @throws TapError when that fails, and for what is no regular file of this user's own. */
export function createSegment({ path, isNew, fsync }: SegmentOptions): Segment {
  const file = createDescriptor(
    () => openPrivateFile(path, { who: WHO, access: isNew ? "append" : "read" }).descriptor,
  );
  if (isNew) fs.closeSync(openPrivateFile(path, { who: WHO, access: "create" }).descriptor);
  file.get();
  const donePath = path.replace(/\.log$/, ".done");
  const doneFile = createDoneFile(donePath);
  let isGone = false;
  let bytes = 0;
  let since = 0;
  let lines = 0;
  let linesRead = 0;
  let underWay = 0;
  let appendedBeside = 0;
  let offset = 0;
  let lastNumber = -1;
  /** What an earlier process had noted, and how many of those lines are still to be read. */
  let done: Range[] = [];
  let doneAhead = 0;

  async function append(block: Buffer, count: number): Promise<void> {
    const target = file.get();
    const beside = appendedBeside;
    let written = 0;
    try {
      while (written < block.length) {
        written += await writeSome(target, block, written);
      }
      if (fsync) await synchronise(target);
    } catch (error) {
      // Half a line would spoil the next one. Behind it may be whole ones.
      if (appendedBeside === beside) await truncate(target, bytes).catch(() => (segment.isSealed = true));
      else segment.isSealed = true;
      throw error;
    }
    bytes += block.length;
    lines += count;
    if (since === 0) since = Date.now();
  }

  function appendSync(block: Buffer, count: number): void {
    const target = file.get();
    // An append under way may have written half a line.
    const separated = Buffer.concat([Buffer.of(NEWLINE), block]);
    let written = 0;
    while (written < separated.length) {
      written += fs.writeSync(target, separated, written, separated.length - written, null);
    }
    if (fsync) fs.fdatasyncSync(target);
    appendedBeside += 1;
    bytes += separated.length;
    lines += count;
  }

  async function readChunk(size: number, end = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const chunk = Buffer.allocUnsafe(Math.max(0, Math.min(size, end - offset)));
    if (chunk.length === 0) return chunk;
    const { bytesRead } = await read(file.get(), chunk, 0, chunk.length, offset);
    return chunk.subarray(0, bytesRead);
  }

  /** Bytes from `offset` that hold at least one whole line, or nothing when there is none. */
  async function readLines(): Promise<Buffer | undefined> {
    let size = Math.min(CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, bytes - offset));
    for (;;) {
      // Beyond that is what an append is writing by now: when it fails, it is taken back.
      const chunk = await readChunk(size, bytes);
      if (chunk.includes(NEWLINE)) return chunk;
      if (chunk.length < size) return undefined;
      if (size < MAX_LINE_BYTES) size *= 4;
      else offset += chunk.length;
    }
  }

  async function readEntries(maxEntries: number, maxBytes: number): Promise<ReadResult> {
    const result: ReadResult = { entries: [], corrupt: 0 };
    const pauseWhenDue = createTimeSlice();
    let taken = 0;
    const isFull = (): boolean => isGone || result.entries.length >= maxEntries || taken >= maxBytes;
    while (!isFull()) {
      const chunk = await readLines();
      if (chunk === undefined) break;
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0 && !isFull(); end = chunk.indexOf(NEWLINE, start)) {
        const line = chunk.subarray(start, end);
        start = end + 1;
        // An exit leaves an empty one.
        if (line.length === 0) continue;
        takeLine(line, result);
        taken += line.length;
        await pauseWhenDue();
      }
      offset += start;
    }
    return result;
  }

  function takeLine(line: Buffer, result: ReadResult): void {
    linesRead += 1;
    const frame = decodeFrame(line);
    if (frame === undefined) {
      result.corrupt += 1;
      return;
    }
    const { number, storedAt, record } = frame;
    // Written again at an exit, because it was not known whether the first time had worked.
    if (number <= lastNumber) return;
    lastNumber = number;
    if (includesNumber(done, number)) {
      doneAhead -= 1;
      return;
    }
    underWay += 1;
    result.entries.push({ segment, number, storedAt, bytes: line.length, record });
  }

  async function scan(): Promise<number> {
    let previous = NEWLINE;
    for (;;) {
      const chunk = await readChunk(CHUNK_BYTES);
      if (chunk.length === 0) break;
      if (since === 0) since = firstTime(chunk);
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) {
        if ((at === 0 ? previous : chunk[at - 1]) !== NEWLINE) lines += 1;
      }
      previous = chunk[chunk.length - 1] as number;
      offset += chunk.length;
    }
    bytes = offset;
    offset = 0;
    done = doneFile.read();
    doneAhead = done.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    return previous === NEWLINE ? 0 : 1;
  }

  const segment: Segment = {
    path,
    isOwn: isNew,
    isSealed: !isNew,
    givenUp: undefined,
    get bytes() {
      return bytes;
    },
    get pending() {
      return Math.max(0, lines - linesRead - doneAhead) + underWay;
    },
    get underWay() {
      return underWay;
    },
    get since() {
      return since;
    },
    append: (block, count) => file.use(() => append(block, count)),
    appendSync,
    read: (maxEntries, maxBytes) => file.use(() => readEntries(maxEntries, maxBytes)),
    settle(entries) {
      underWay -= entries.length;
      return doneFile.add(entries.map(({ number }) => number));
    },
    settleSync: doneFile.addSync,
    scan: () => file.use(scan),
    release() {
      file.release();
      doneFile.release();
    },
    abandon() {
      isGone = true;
      file.release();
      doneFile.abandon();
    },
    remove() {
      segment.abandon();
      for (const each of [path, donePath]) {
        try {
          fs.rmSync(each, { force: true });
        } catch {
          // Nothing in it is sent again by this process; a later one will try again.
        }
      }
    },
  };
  return segment;
}

function firstTime(chunk: Buffer): number {
  const line = chunk.subarray(0, Math.max(0, chunk.indexOf(NEWLINE)));
  return decodeFrame(line)?.storedAt ?? 0;
}
