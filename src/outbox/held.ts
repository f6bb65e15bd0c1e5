/** Items that were read and have to wait: because the destination asked for it, or behind another of the same user. */
import { backOff } from "./back-off.ts";
import { type Item, keyOf } from "./item.ts";

export interface Held {
  readonly size: number;
  /** No more should be read. */
  readonly isFull: boolean;
  /** Milliseconds until the first of them may go; `undefined` when there is none. */
  wait(): number | undefined;
  /** Takes out what may go now, of each user in order; nothing that has failed alone. */
  takeDue(maxItems: number): Item[];
  /** Takes out one that has failed alone, if its time has come. */
  takeSuspect(): Item | undefined;
  /** Whether this one must wait behind another. */
  blocks(item: Item): boolean;
  /** Behind the others of its user. */
  add(item: Item): void;
  /** Before the others of their users. @param pauseMs at least; `undefined`: as soon as any may go. */
  putBack(items: readonly Item[], pauseMs?: number): void;
  /** Takes out what fits. */
  remove(fits: (item: Item) => boolean): Item[];
  /** Ends the pauses that nobody asked for. */
  endOwnPauses(): void;
}

/** Of one user. */
interface Line {
  items: Item[];
  /** Of `performance.now()`. */
  until: number;
  isAsked: boolean;
}

const MAX_ITEMS = 2_000;
const MAX_BYTES = 1 << 24;

export function createHeld(): Held {
  const lines = new Map<string, Line>();
  let size = 0;
  let bytes = 0;

  function lineOf(key: string): Line {
    let line = lines.get(key);
    if (line === undefined) lines.set(key, (line = { items: [], until: 0, isAsked: false }));
    return line;
  }

  function replace(key: string, line: Line, items: Item[]): void {
    size += items.length - line.items.length;
    bytes += sumBytes(items) - sumBytes(line.items);
    line.items = items;
    if (items.length === 0) lines.delete(key);
  }

  return {
    get size() {
      return size;
    },
    get isFull() {
      return size >= MAX_ITEMS || bytes >= MAX_BYTES;
    },
    wait() {
      let first = Number.POSITIVE_INFINITY;
      for (const { until } of lines.values()) first = Math.min(first, until);
      return size === 0 ? undefined : Math.max(0, first - performance.now());
    },
    takeDue(maxItems) {
      const taken: Item[] = [];
      for (const [key, line] of lines) {
        if (line.until > performance.now()) continue;
        const suspect = line.items.findIndex(({ failures }) => failures > 0);
        const end = Math.min(suspect < 0 ? line.items.length : suspect, maxItems - taken.length);
        taken.push(...line.items.slice(0, end));
        replace(key, line, line.items.slice(end));
        if (taken.length >= maxItems) break;
      }
      return taken;
    },
    takeSuspect() {
      for (const [key, line] of lines) {
        const [first, ...rest] = line.items;
        if (first === undefined || first.failures === 0 || line.until > performance.now()) continue;
        replace(key, line, rest);
        return first;
      }
      return undefined;
    },
    blocks: (item) => size > 0 && lines.has(keyOf(item)),
    add(item) {
      lineOf(keyOf(item)).items.push(item);
      size += 1;
      bytes += item.bytes;
    },
    putBack(items, pauseMs) {
      for (const [key, older] of groupByKey(items)) {
        const line = lineOf(key);
        replace(key, line, [...older, ...line.items]);
        if (pauseMs === undefined) continue;
        const attempts = Math.max(...older.map(({ attempts }) => attempts));
        line.until = performance.now() + Math.max(pauseMs, backOff(attempts));
        line.isAsked = pauseMs > 0;
      }
    },
    remove(fits) {
      const removed: Item[] = [];
      for (const [key, line] of lines) {
        const rest = line.items.filter((item) => !fits(item));
        if (rest.length === line.items.length) continue;
        removed.push(...line.items.filter(fits));
        replace(key, line, rest);
      }
      return removed;
    },
    endOwnPauses() {
      for (const line of lines.values()) if (!line.isAsked) line.until = 0;
    },
  };
}

function sumBytes(items: readonly Item[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

function groupByKey(items: readonly Item[]): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
