/** A directory, a destination that can be told how to answer, and what lies on disk. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { durable, type DurableOptions, type DurableSink } from "../../src/outbox/index.ts";
import type { DeliveryResult, Sink, TapRecord, WriteResult } from "../../src/types.ts";

export type Answer =
  | DeliveryResult
  | Error
  | "hang"
  | ((records: readonly TapRecord[]) => WriteResult | Promise<WriteResult>);

export interface Destination extends Sink {
  /** What arrived, in order. */
  readonly arrived: TapRecord[];
  /** Sizes of the writes so far. */
  readonly writes: number[];
  /** How it answers from now on. */
  answer: Answer;
}

export function createDestination(fields: Partial<Sink> = {}): Destination {
  const arrived: TapRecord[] = [];
  const writes: number[] = [];
  const destination: Destination = {
    name: "destination",
    arrived,
    writes,
    answer: "delivered",
    async write(records, { signal }) {
      writes.push(records.length);
      const { answer } = destination;
      if (answer instanceof Error) throw answer;
      if (answer === "hang") {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return { results: records.map(() => "retry") };
      }
      const result = typeof answer === "function" ? await answer(records) : { results: records.map(() => answer) };
      arrived.push(...records.filter((_, index) => result.results[index] === "delivered"));
      return result;
    },
    ...fields,
  };
  return destination;
}

export interface Workspace {
  /** An empty directory, new for each test. */
  readonly dir: string;
  /** A durable sink in it, without warnings on stderr; closed after the test. */
  open(sink: Sink, options?: DurableOptions): DurableSink;
  /** Warnings so far. */
  readonly warnings: string[];
}

export function useWorkspace(): Workspace {
  let dir = "";
  let opened: DurableSink[] = [];
  const warnings: string[] = [];
  beforeEach(() => {
    dir = fs.mkdtempSync(join(tmpdir(), "llm-tap-outbox-"));
  });
  afterEach(async () => {
    await Promise.all(opened.map(async (sink) => sink.close?.()));
    opened = [];
    warnings.length = 0;
    fs.rmSync(dir, { recursive: true, force: true });
  });
  return {
    get dir() {
      return dir;
    },
    warnings,
    open(sink, options) {
      const created = durable(sink, { dir, onWarning: (message) => warnings.push(message), ...options });
      opened.push(created);
      return created;
    },
  };
}

export async function write(sink: Sink, records: readonly TapRecord[]): Promise<DeliveryResult[]> {
  return (await sink.write(records, { signal: new AbortController().signal })).results;
}

export async function flush(sink: Sink, timeoutMs = 40_000): Promise<void> {
  await sink.flush?.({ signal: AbortSignal.timeout(timeoutMs) });
}

export const ids = (records: readonly TapRecord[]): string[] => records.map(({ id }) => id);

/** Paths of all files below, relative. */
export function listFiles(directory: string): string[] {
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}

export async function until(condition: () => boolean, timeoutMs = 40_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("what was waited for did not come");
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

/** Directories of logs, each of one owner. */
export function listOwned(folder: string): string[] {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name));
}

/** Makes all logs those of a process that is dead; whoever holds them now does not learn of it. */
export function orphan(folder: string): string[] {
  return listOwned(folder).map((path, index) => {
    const [, , space, random] = path.slice(folder.length + 1).split("-");
    const dead = join(folder, `4194304${index}-1-${space}-${random}`);
    fs.renameSync(path, dead);
    return dead;
  });
}

export function readDeadLetters(folder: string): { reason: string; record: TapRecord }[] {
  const path = join(folder, "dead-letters.jsonl");
  if (!fs.existsSync(path)) return [];
  return fs
    .readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { reason: string; record: TapRecord });
}
