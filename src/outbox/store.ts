/**
 * What one process keeps on disk for one destination: a directory of its own with its log, and the directories of dead
 * processes that it has taken over by renaming them.
 */
import fs from "node:fs";
import { join } from "node:path";
import type { TapRecord } from "../types.ts";
import { adoptDirectories } from "./adopt.ts";
import { createAppender, type AppendResult } from "./appender.ts";
import { prepareFolder, removeDirectory, synchroniseDirectory } from "./directory.ts";
import { createLease } from "./lease.ts";
import { describeSelf, nameDirectory, nameFreeDirectory } from "./owner.ts";
import { createSegment, type Entry, type Segment } from "./segment.ts";

export interface StoreOptions {
  /** Of the destination; made when the first record comes. */
  folder: string;
  /** Of all logs of this process together, done entries included. */
  maxBytes: number;
  fsync: boolean;
  /** What is stored of a record. Never throws. */
  prepare(record: TapRecord): TapRecord;
  /** `segment` and its entries are given up, `unread` of which `next` has not given yet. */
  onGivenUp(segment: Segment, unread: number): void;
  /** Lines that hold no entry: complete ones, whose entry is lost, and torn ones, which never were one. */
  onCorrupt(lost: number, torn: number): void;
}

export interface Store {
  /** Entries that are on disk and not done. */
  readonly pending: number;
  /** Of these, entries of an `append` that has not answered yet: whoever waits for it counts them too. */
  readonly unanswered: number;
  readonly bytes: number;
  /** Records that were written since the start. */
  readonly written: number;
  append(records: readonly TapRecord[]): Promise<AppendResult>;
  /** At the exit of the process. Throws when the disk does not take them. */
  appendSync(records: readonly TapRecord[]): void;
  /** The oldest entries that were not read yet. */
  next(maxEntries: number, maxBytes: number): Promise<Entry[]>;
  settle(entries: readonly Entry[]): Promise<void>;
  /** Takes over what dead processes have left. */
  adopt(): Promise<void>;
  /** Lets everything go: the next sink, of whatever process, takes over what is left. */
  close(): Promise<void>;
}

const SEGMENT_BYTES = 1 << 23;
/** Done entries hold content too: as soon as all are done, their file is removed after this time at the latest. */
const TIDY_MS = 500;

export function createStore(options: StoreOptions): Store {
  const { folder, maxBytes, fsync, prepare, onGivenUp, onCorrupt } = options;
  const segmentBytes = Math.max(1, Math.min(SEGMENT_BYTES, Math.floor(maxBytes / 4)));
  const self = describeSelf();
  const lease = createLease();
  /** Oldest first; the last one may be `current`. */
  let segments: Segment[] = [];
  const adopted = new Map<string, Segment[]>();
  let own: string | undefined;
  let current: Segment | undefined;
  let files = 0;
  let unanswered = 0;
  let chain: Promise<unknown> = Promise.resolve();
  let tidying: NodeJS.Timeout | undefined;
  const appender = createAppender({
    maxBytes,
    prepare,
    write: appendLines,
    writeSync(lines, count) {
      // The file that is being written to by now: its reader then can tell what was written twice.
      const target = current !== undefined && !current.isSealed ? current : open(lines.length);
      target.appendSync(lines, count);
    },
  });

  /** One after the other: appends, and what moves the files that they go to. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = chain.then(work);
    chain = result.catch(() => undefined);
    return result;
  }

  function sum(read: (segment: Segment) => number): number {
    return segments.reduce((total, segment) => total + read(segment), 0);
  }

  /** The file that `incoming` bytes go to, with room made for them. */
  function open(incoming: number): Segment {
    while (sum(({ bytes }) => bytes) + incoming > maxBytes && segments.length > 0) dropOldest();
    if (current !== undefined && !current.isSealed && current.bytes + incoming <= segmentBytes) return current;
    seal();
    if (own === undefined) {
      prepareFolder(folder);
      const directory = join(folder, nameDirectory(self));
      fs.mkdirSync(directory, { mode: 0o700 });
      fs.chmodSync(directory, 0o700);
      own = directory;
      lease.hold(directory);
    }
    files += 1;
    const path = join(own, `${String(files).padStart(9, "0")}.log`);
    current = createSegment({ path, isNew: true, fsync });
    if (fsync) synchroniseDirectory(own);
    segments.push(current);
    return current;
  }

  function seal(): void {
    if (current === undefined) return;
    current.isSealed = true;
    current.release();
    const sealed = current;
    current = undefined;
    if (sealed.pending === 0) forget(sealed);
  }

  function dropOldest(): void {
    const oldest = segments[0] as Segment;
    if (oldest === current) current = undefined;
    forget(oldest);
    giveUp(oldest, "dropped");
  }

  function giveUp(segment: Segment, reason: "dropped" | "taken", kept = 0): void {
    segment.givenUp = reason;
    onGivenUp(segment, segment.pending - segment.underWay - kept);
  }

  /** Removes a file, and its directory with the last one. */
  function forget(segment: Segment): void {
    segment.remove();
    segments = segments.filter((other) => other !== segment);
    for (const [directory, rest] of adopted) {
      const left = rest.filter((other) => other !== segment);
      if (left.length > 0) adopted.set(directory, left);
      else {
        adopted.delete(directory);
        lease.drop(directory);
        removeDirectory(directory);
      }
    }
  }

  async function appendLines(lines: Buffer, count: number): Promise<void> {
    // Once more when the directory has gone meanwhile; a third time it would be no accident.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await open(lines.length).append(lines, count);
      unanswered += count;
      // Checked after the write: who has taken the directory over before it may not have seen these lines.
      if (await isInPlace()) return;
      unanswered -= count;
      loseOwn(count);
    }
    throw new Error(`${own ?? folder} is moved away all the time`);
  }

  async function isInPlace(): Promise<boolean> {
    return own !== undefined && (await fs.promises.lstat(own).catch(() => undefined)) !== undefined;
  }

  /**
   * Another process took this one for dead (it was stopped for minutes), or somebody has removed the directory.
   *
   * @param again entries that are written elsewhere now.
   */
  function loseOwn(again: number): void {
    if (own === undefined) return;
    const directory = own;
    lease.drop(directory);
    const last = current;
    own = undefined;
    current = undefined;
    const lost = segments.filter(({ path }) => path.startsWith(directory));
    segments = segments.filter((segment) => !lost.includes(segment));
    for (const segment of lost) {
      segment.abandon();
      giveUp(segment, "taken", segment === last ? again : 0);
    }
  }

  async function adopt(): Promise<void> {
    if (!fs.existsSync(folder)) return;
    prepareFolder(folder);
    const found = await adoptDirectories({ folder, self, fsync, isOurs: (path) => path === own || adopted.has(path) });
    for (const { directory, segments: left, torn } of found) {
      if (torn > 0) onCorrupt(0, torn);
      if (left.length === 0) {
        removeDirectory(directory);
        continue;
      }
      adopted.set(directory, left);
      lease.hold(directory);
    }
    const before = segments.filter(({ path }) => own === undefined || !path.startsWith(own));
    const after = segments.filter((segment) => !before.includes(segment));
    segments = [...before, ...found.flatMap(({ segments: left }) => left), ...after];
    for (const segment of segments) if (segment !== current && segment.pending === 0) forget(segment);
    while (sum(({ bytes }) => bytes) > maxBytes) dropOldest();
  }

  function scheduleTidying(): void {
    if (tidying !== undefined || current === undefined || current.bytes === 0) return;
    tidying = setTimeout(() => {
      tidying = undefined;
      void inTurn(async () => {
        if (current?.pending === 0) seal();
      });
    }, TIDY_MS);
    tidying.unref();
  }

  return {
    get pending() {
      return sum((segment) => segment.pending);
    },
    get bytes() {
      return sum((segment) => segment.bytes);
    },
    get written() {
      return appender.written;
    },

    get unanswered() {
      return unanswered;
    },

    append: (records) =>
      inTurn(async () => {
        const result = await appender.append(records);
        unanswered = 0;
        return result;
      }),

    appendSync(records) {
      appender.appendSync(records);
      for (const segment of segments) segment.settleSync();
      if (!appender.isBusy && current?.pending === 0) seal();
      if (own !== undefined && segments.length === 0) {
        lease.drop(own);
        removeDirectory(own);
        own = undefined;
      }
    },

    async next(maxEntries, maxBytes) {
      const entries: Entry[] = [];
      let bytes = 0;
      for (const segment of segments) {
        if (entries.length >= maxEntries || bytes >= maxBytes) break;
        if (segment.pending === segment.underWay) continue;
        const result = await segment.read(maxEntries - entries.length, maxBytes - bytes).catch(() => undefined);
        if (result === undefined) {
          // It can't be read now. It stays where it is, for the next process.
          segments = segments.filter((other) => other !== segment);
          segment.abandon();
          giveUp(segment, "taken");
          continue;
        }
        if (result.corrupt > 0) onCorrupt(result.corrupt, 0);
        for (const entry of result.entries) {
          entries.push(entry);
          bytes += entry.bytes;
        }
        if (segment !== current && segment.pending === 0) forget(segment);
      }
      return entries;
    },

    async settle(entries) {
      for (const segment of new Set(entries.map((entry) => entry.segment))) {
        const noted = segment.settle(entries.filter((entry) => entry.segment === segment));
        if (segment.givenUp !== undefined) continue;
        if (segment !== current && segment.pending === 0) forget(segment);
        else await noted;
      }
      if (current?.pending === 0) {
        if (current.bytes >= segmentBytes) void inTurn(async () => void (current?.pending === 0 && seal()));
        else scheduleTidying();
      }
    },

    adopt: () => inTurn(adopt),

    close: () =>
      inTurn(async () => {
        clearTimeout(tidying);
        lease.end();
        seal();
        for (const segment of segments) {
          await segment.settle([]);
          segment.release();
        }
        for (const directory of [...adopted.keys(), ...(own === undefined ? [] : [own])]) {
          if (segments.some(({ path }) => path.startsWith(directory))) letGo(directory, folder);
          else removeDirectory(directory);
        }
        own = undefined;
        adopted.clear();
        segments = [];
      }),
  };
}

function letGo(directory: string, folder: string): void {
  try {
    fs.renameSync(directory, join(folder, nameFreeDirectory()));
  } catch {
    // Somebody has removed it; or it is taken over when this process has ended.
  }
}
