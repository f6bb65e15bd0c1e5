/**
 * Stands in a dispatcher's `dispatch`, as its own property, so that the dispatcher stays the object it is:
 * `getGlobalDispatcher() === mine` holds, and so do its private fields, `close` and `destroy`.
 */
import { builtInUndiciMajor } from "#platform";
import type { Dispatch } from "./dispatcher.ts";
import type { Handler } from "./handler.ts";
import { putHook } from "./hooks.ts";

export interface Dispatcher {
  dispatch: Dispatch;
}

/** Undici 6 and 7 read `.1`, 8 reads `.2`; each Node bundles one of them. */
const GLOBAL_DISPATCHERS = [Symbol.for("undici.globalDispatcher.1"), Symbol.for("undici.globalDispatcher.2")] as const;

function readGlobal(symbol: symbol): Dispatcher | undefined {
  const value = (globalThis as Record<symbol, unknown>)[symbol];
  return isDispatcher(value) ? value : undefined;
}

export function isDispatcher(value: unknown): value is Dispatcher {
  return typeof value === "object" && value !== null && typeof (value as Dispatcher).dispatch === "function";
}

/**
 * The global dispatchers there are. Before the first fetch there are none, and it stays so: Node's own would keep an
 * npm undici that is loaded later from setting its own.
 */
export function listGlobalDispatchers(): Dispatcher[] {
  const found = GLOBAL_DISPATCHERS.map(readGlobal).filter((dispatcher) => dispatcher !== undefined);
  return [...new Set(found)];
}

/** @returns tells whether the global dispatchers are others than when it was last asked. On the path of every fetch. */
export function watchGlobalDispatchers(): () => boolean {
  const globals = globalThis as Record<symbol, unknown>;
  const [first, second] = GLOBAL_DISPATCHERS;
  // No dispatcher is either of these.
  let lastFirst: unknown = first;
  let lastSecond: unknown = second;
  return () => {
    if (globals[first] === lastFirst && globals[second] === lastSecond) return false;
    lastFirst = globals[first];
    lastSecond = globals[second];
    return true;
  };
}

/** What the built-in fetch will use when it is given nothing. */
export function findGlobalDispatcher(): Dispatcher | undefined {
  const [first, second] = GLOBAL_DISPATCHERS;
  if (typeof globalThis.Response === "undefined") return undefined;
  return (builtInUndiciMajor ?? 0) >= 8
    ? (readGlobal(second) ?? readGlobal(first))
    : (readGlobal(first) ?? readGlobal(second));
}

/** What a fetch with this kind of handler reads: handlers of undici 8 go with `.2`, older ones with `.1`. */
export function findDispatcherFor(handler: Handler): Dispatcher | undefined {
  const [first, second] = GLOBAL_DISPATCHERS;
  return typeof handler["onRequestStart"] === "function"
    ? (readGlobal(second) ?? readGlobal(first))
    : (readGlobal(first) ?? readGlobal(second));
}

/**
 * @param wrap Makes the new dispatch from the old one.
 * @returns takes the hook off: where another hook came on top since, it passes through until that one is taken off.
 */
export function hookDispatcher(dispatcher: Dispatcher, wrap: (dispatch: Dispatch) => Dispatch): () => void {
  const restore = hookMethod(dispatcher, "dispatch", wrap);
  if (restore !== undefined) return restore;
  // What `compose` of undici 7 and 8 makes is a Proxy that shows its own `dispatch` whatever is set; the dispatcher
  // beneath it can still be reached, by the method that its `dispatch` calls.
  const key = findInnerMethod(dispatcher);
  const restoreInner = key === undefined ? undefined : hookMethod(dispatcher, key, wrap);
  return restoreInner ?? replaceGlobal(dispatcher, wrap);
}

/** @returns `undefined` where the method stays what it was */
function hookMethod(
  dispatcher: Dispatcher,
  key: string | symbol,
  wrap: (dispatch: Dispatch) => Dispatch,
): (() => void) | undefined {
  const methods = dispatcher as unknown as Record<string | symbol, Dispatch>;
  const own = Object.getOwnPropertyDescriptor(dispatcher, key);
  const original = methods[key] as Dispatch;
  const passOn: Dispatch = (options, handler) => original.call(dispatcher, options, handler);
  const { hooked, hook } = makeHook(passOn, wrap);
  const restore = putHook(dispatcher, key, { value: hooked, enumerable: own?.enumerable ?? false, hook });
  if (methods[key] === hooked) return restore;
  restore();
  return undefined;
}

function makeHook(
  passOn: Dispatch,
  wrap: (dispatch: Dispatch) => Dispatch,
): { hooked: Dispatch; hook: { isActive: boolean } } {
  const tapped = wrap(passOn);
  const hook = { isActive: true };
  const hooked: Dispatch = function dispatch(options, handler) {
    return hook.isActive ? tapped(options, handler) : passOn(options, handler);
  };
  return { hooked, hook };
}

/** `kDispatch`, which each dispatcher of undici that has connections of its own implements. */
function findInnerMethod(dispatcher: Dispatcher): symbol | undefined {
  for (
    let holder: object | null = dispatcher;
    holder !== null;
    holder = Object.getPrototypeOf(holder) as object | null
  ) {
    const found = Object.getOwnPropertySymbols(holder).find((symbol) => symbol.description === "dispatch");
    if (found !== undefined) {
      return typeof (dispatcher as unknown as Record<symbol, unknown>)[found] === "function" ? found : undefined;
    }
  }
  return undefined;
}

/** The last resort: another object in its place. Methods keep their `this`. */
function replaceGlobal(dispatcher: Dispatcher, wrap: (dispatch: Dispatch) => Dispatch): () => void {
  const { hooked, hook } = makeHook((options, handler) => dispatcher.dispatch(options, handler), wrap);
  const standIn = new Proxy(dispatcher, {
    get(target, key) {
      if (key === "dispatch") return hooked;
      if (key === ORIGINAL) return originalOf(target);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const globals = globalThis as Record<symbol, unknown>;
  const replaced = GLOBAL_DISPATCHERS.filter((symbol) => globals[symbol] === dispatcher);
  for (const symbol of replaced) globals[symbol] = standIn;
  return () => {
    hook.isActive = false;
    for (const symbol of replaced) if (globals[symbol] === standIn) globals[symbol] = dispatcher;
  };
}

const ORIGINAL = Symbol.for("llm-tap.original.1");

/** The app's own dispatcher, whatever hooks of ours stand in for it: that one is to be hooked once. */
export function originalOf(dispatcher: Dispatcher): Dispatcher {
  return (dispatcher as { [ORIGINAL]?: Dispatcher })[ORIGINAL] ?? dispatcher;
}
