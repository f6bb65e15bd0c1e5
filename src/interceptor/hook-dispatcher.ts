/**
 * Stands in a dispatcher's `dispatch`, as its own property, so that the dispatcher stays the object it is:
 * `getGlobalDispatcher() === mine` holds, and so do its private fields, `close` and `destroy`.
 */
import { builtInUndiciMajor } from "#platform";
import type { Dispatch } from "./dispatcher.ts";
import type { Handler } from "./handler.ts";

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

/** The global dispatchers there are; fetch is initialised for it, because before that there are none. */
export function listGlobalDispatchers(): Dispatcher[] {
  // Touching it makes Node load its fetch, which sets the symbols.
  if (readGlobal(GLOBAL_DISPATCHERS[0]) === undefined && typeof globalThis.Response === "undefined") return [];
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
 * @returns takes the hook off: where another hook came on top since, it stays and just passes through.
 */
export function hookDispatcher(dispatcher: Dispatcher, wrap: (dispatch: Dispatch) => Dispatch): () => void {
  const own = Object.getOwnPropertyDescriptor(dispatcher, "dispatch");
  const original = dispatcher.dispatch;
  const passOn: Dispatch = (options, handler) => original.call(dispatcher, options, handler);
  const tapped = wrap(passOn);
  let isActive = true;
  const hooked: Dispatch = function dispatch(options, handler) {
    return isActive ? tapped(options, handler) : passOn(options, handler);
  };
  Object.defineProperty(dispatcher, "dispatch", {
    value: hooked,
    writable: true,
    configurable: true,
    enumerable: own?.enumerable ?? false,
  });
  return () => {
    isActive = false;
    if (dispatcher.dispatch !== hooked) return;
    if (own === undefined) delete (dispatcher as Partial<Dispatcher>).dispatch;
    else Object.defineProperty(dispatcher, "dispatch", own);
  };
}
