/** Functions that stand in the place of an object's own, and go again in whatever order they are taken off. */

/** Until when a hook does anything. One that lies under another's can only pass on until that one is taken off. */
interface Hook {
  isActive: boolean;
}

interface PlacedHook {
  hook: Hook;
  /** What was there before; `undefined` for a method that was inherited. */
  before: PropertyDescriptor | undefined;
}

const PLACED = Symbol.for("llm-tap.hooks.1");

/** Those of other copies of llm-tap included. */
function getPlaced(): WeakMap<object, PlacedHook> {
  const holder = globalThis as { [PLACED]?: WeakMap<object, PlacedHook> };
  if (holder[PLACED] === undefined) Object.defineProperty(globalThis, PLACED, { value: new WeakMap() });
  return holder[PLACED] as WeakMap<object, PlacedHook>;
}

/** @returns takes it off, and those beneath it that were taken off before; something on top that is not ours stays */
export function putHook(
  target: object,
  key: string | symbol,
  { value, enumerable, hook }: { value: object; enumerable: boolean; hook: Hook },
): () => void {
  const before = Object.getOwnPropertyDescriptor(target, key);
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable });
  getPlaced().set(value, { hook, before });
  return () => {
    hook.isActive = false;
    for (;;) {
      const top: unknown = Object.getOwnPropertyDescriptor(target, key)?.value;
      const placed = isObject(top) ? getPlaced().get(top) : undefined;
      if (placed === undefined || placed.hook.isActive) return;
      if (placed.before === undefined) Reflect.deleteProperty(target, key);
      else Object.defineProperty(target, key, placed.before);
    }
  };
}

function isObject(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}
