/** The file beside a log that names its entries which are done. It only grows. */
import fs from "node:fs";
import { openPrivateFile } from "../sinks/shared/private-file.ts";
import { createDescriptor } from "./descriptor.ts";
import { WHO } from "./directory.ts";
import { formatRanges, parseRanges, type Range, toRanges } from "./ranges.ts";
import { writeSome } from "./write-some.ts";

export interface DoneFile {
  /** What an earlier process has noted; nothing when it can't be trusted. */
  read(): Range[];
  /** Resolves when they are noted, or can't be: then they are sent again after a restart, twice rather than never. */
  add(numbers: readonly number[]): Promise<void>;
  /** At the exit of the process: what `add` has not finished. */
  addSync(): void;
  release(): void;
  /** No more is written. */
  abandon(): void;
}

export function createDoneFile(path: string): DoneFile {
  const descriptor = createDescriptor(() => openPrivateFile(path, { who: WHO }).descriptor);
  let unwritten: number[] = [];
  let writing: Promise<void> | undefined;
  let isAbandoned = false;
  const hasWork = (): boolean => unwritten.length > 0 && !isAbandoned;

  async function write(): Promise<void> {
    while (hasWork()) {
      const count = unwritten.length;
      await writeSome(descriptor.get(), format(unwritten), 0);
      unwritten = unwritten.slice(count);
    }
  }

  return {
    read() {
      try {
        const { descriptor: opened } = openPrivateFile(path, { who: WHO, access: "read" });
        try {
          return parseRanges(fs.readFileSync(opened, "utf8"));
        } finally {
          fs.closeSync(opened);
        }
      } catch {
        return [];
      }
    },
    add(numbers) {
      if (isAbandoned) return Promise.resolve();
      for (const number of numbers) unwritten.push(number);
      writing ??= descriptor
        .use(write)
        .catch(() => undefined)
        .finally(() => (writing = undefined));
      return writing;
    },
    addSync() {
      if (hasWork()) fs.writeSync(descriptor.get(), format(unwritten));
    },
    release: descriptor.release,
    abandon() {
      isAbandoned = true;
      descriptor.release();
    },
  };
}

/** On lines of its own, whatever was torn off before: digits that join would name other entries. */
function format(numbers: readonly number[]): Buffer {
  return Buffer.from(`\n${formatRanges(toRanges(numbers))}`);
}
