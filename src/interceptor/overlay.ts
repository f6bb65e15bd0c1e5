/** An object of any kind with other values for some of its members, without touching it. */

/**
 * A view of `base`: what it inherits, its getters and its private fields stay at work.
 * @returns an object that reads, enumerates and spreads like `base` with `changes` over it
 */
export function overlay<Base extends object>(base: Base, changes: Partial<Base>): Base {
  // Not around `base` itself: of a frozen object a Proxy has to tell the values that it has.
  return new Proxy(Object.create(Object.getPrototypeOf(base) as object | null) as Base, {
    get: (_own, key) => (Object.hasOwn(changes, key) ? Reflect.get(changes, key) : Reflect.get(base, key, base)),
    has: (_own, key) => Object.hasOwn(changes, key) || Reflect.has(base, key),
    ownKeys: () => [...new Set([...Reflect.ownKeys(base), ...Reflect.ownKeys(changes)])],
    getOwnPropertyDescriptor(_own, key) {
      const descriptor = Reflect.getOwnPropertyDescriptor(Object.hasOwn(changes, key) ? changes : base, key);
      return descriptor && { ...descriptor, configurable: true };
    },
  });
}

/** Whether a spread takes along all that there is of it. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
