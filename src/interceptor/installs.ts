/** How many hooks on `globalThis.fetch` there are in the process, those of other copies of llm-tap included. */

const COUNT = Symbol.for("llm-tap.installs.1");

export function countInstalls(): number {
  return (globalThis as { [COUNT]?: number })[COUNT] ?? 0;
}

/** @param change 1 for a hook that was put on, -1 for one that was taken off */
export function changeInstalls(change: 1 | -1): void {
  Object.defineProperty(globalThis, COUNT, { value: countInstalls() + change, configurable: true });
}
