/** Records that have to wait while others of the same sink go on: the destination asked it of some users only. */
import { setTimer, type Timer } from "#platform";

export interface Parked<Item> {
  readonly size: number;
  /** Milliseconds until they are due; 0 when there are none. */
  readonly remainingMs: number;
  /** Behind the others; all of them wait until the last is due. */
  add(items: readonly Item[], milliseconds: number): void;
  /** Takes all of them, in order. */
  takeAll(): Item[];
}

/** @param onDue Called, with `takeAll` still to come, when the time is over. */
export function createParked<Item>(onDue: () => void): Parked<Item> {
  let items: Item[] = [];
  let dueAt = 0;
  let timer: Timer | undefined;

  return {
    get size() {
      return items.length;
    },
    get remainingMs() {
      return items.length === 0 ? 0 : Math.max(0, dueAt - performance.now());
    },
    add(added, milliseconds) {
      items.push(...added);
      dueAt = Math.max(dueAt, performance.now() + milliseconds);
      timer?.cancel();
      timer = setTimer(onDue, dueAt - performance.now());
    },
    takeAll() {
      timer?.cancel();
      timer = undefined;
      dueAt = 0;
      const taken = items;
      items = [];
      return taken;
    },
  };
}
