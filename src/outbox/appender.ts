/** Brings records to the log: in blocks, in order, and each once though an exit may come in between. */
import { createTimeSlice } from "../sinks/shared/time-slice.ts";
import type { TapRecord } from "../types.ts";
import { encodeFrame } from "./frame.ts";

export interface AppenderOptions {
  /** A record whose line is longer is not taken. */
  maxBytes: number;
  /** What is stored of a record. Never throws. */
  prepare(record: TapRecord): TapRecord;
  /** Rejects when the disk does not take them; then none of them is there. */
  write(lines: Buffer, count: number): Promise<void>;
  /** Beside a `write` that may be under way. Throws when the disk does not take them. */
  writeSync(lines: Buffer, count: number): void;
}

export interface AppendResult {
  /** How many, from the first on, are on disk. */
  stored: number;
  /** Why the next one is not: a RangeError when it alone is too large. */
  error?: unknown;
}

export interface Appender {
  /** Records that were written. */
  readonly written: number;
  /** An `append` is under way. */
  readonly isBusy: boolean;
  /** One at a time. Never rejects. */
  append(records: readonly TapRecord[]): Promise<AppendResult>;
  /** At the exit of the process: these, and what an `append` has not finished. Throws when the disk does not take them. */
  appendSync(records: readonly TapRecord[]): void;
}

/** Where a record is that was given to `append`. */
interface Place {
  line: Buffer;
  isStored: boolean;
}

/** Lines are handed to the system in blocks of about this size. */
const BLOCK_BYTES = 1 << 18;
const NOTHING: Buffer = Buffer.alloc(0);

export function createAppender({ maxBytes, prepare, write, writeSync }: AppenderOptions): Appender {
  const places = new WeakMap<TapRecord, Place>();
  /** Of the `append` that is under way. */
  let underWay: Set<Place> | undefined;
  let lastNumber = 0;
  let written = 0;

  function createPlace(record: TapRecord): Place {
    lastNumber += 1;
    return { line: encodeFrame(prepare(record), lastNumber, Date.now()), isStored: false };
  }

  function noteStored(place: Place): void {
    if (!place.isStored) written += 1;
    place.isStored = true;
    place.line = NOTHING;
  }

  async function writeBlock(block: readonly Place[]): Promise<void> {
    if (block.length === 0) return;
    // Those that `appendSync` was faster with are written again, and pass for repeats.
    const lines = block.map(({ line }) => line);
    try {
      await write(Buffer.concat(lines), block.length);
    } catch (error) {
      if (!block.every(({ isStored }) => isStored)) throw error;
    }
    for (const place of block) noteStored(place);
  }

  return {
    get written() {
      return written;
    },
    get isBusy() {
      return underWay !== undefined;
    },

    async append(records) {
      const pauseWhenDue = createTimeSlice();
      underWay = new Set();
      let stored = 0;
      let block: Place[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        await writeBlock(block);
        stored += block.length;
        block = [];
        bytes = 0;
      };
      try {
        for (const record of records) {
          // It was given again because nobody waited for the first time to end.
          if (places.get(record)?.isStored === true) {
            await flush();
            stored += 1;
            continue;
          }
          const place = createPlace(record);
          const size = place.line.length;
          if (bytes + size > BLOCK_BYTES || size > maxBytes) await flush();
          if (size > maxBytes) throw new RangeError(`a record has ${size} bytes`);
          places.set(record, place);
          underWay.add(place);
          block.push(place);
          bytes += size;
          await pauseWhenDue();
        }
        await flush();
        return { stored };
      } catch (error) {
        // Their numbers are behind what comes next: under these they would pass for repeats.
        for (const record of records.slice(stored)) places.delete(record);
        return { stored, error };
      } finally {
        underWay = undefined;
      }
    },

    appendSync(records) {
      const added = records.filter((record) => !places.has(record));
      const own = added.map(createPlace);
      // What is being written by now may come to nothing; if it comes behind these lines, it passes for a repeat.
      const rest = [...(underWay ?? []), ...own].filter(({ isStored }) => !isStored);
      if (rest.length === 0) return;
      const lines = Buffer.concat(rest.map(({ line }) => line));
      writeSync(lines, rest.length);
      for (const [index, record] of added.entries()) places.set(record, own[index] as Place);
      for (const place of rest) {
        if (!place.isStored) written += 1;
        // Its line may still be wanted by the block that it is part of.
        place.isStored = true;
      }
    },
  };
}
