/** `tap.install()`: hooks on the global dispatchers and on `globalThis.fetch`. */
import type { RunContext } from "../types.ts";
import { type Dispatch, tapDispatch } from "./dispatcher.ts";
import { createTappedFetch, type Fetch } from "./fetch.ts";
import { type Dispatcher, hookDispatcher, listGlobalDispatchers, watchGlobalDispatchers } from "./hook-dispatcher.ts";
import { changeInstalls } from "./installs.ts";
import type { Observer } from "./observer.ts";

export interface InstallOptions {
  observer: Observer;
  sniffs: boolean;
  bound: RunContext | undefined;
  hookGlobalDispatchers: () => void;
}

/** @returns takes everything off again; safe to call more than once and in any order with other installs */
export function installHooks({ observer, sniffs, bound, hookGlobalDispatchers }: InstallOptions): () => void {
  const hooks = new Map<Dispatcher, () => void>();
  const haveChanged = watchGlobalDispatchers();
  let isInstalled = true;
  const wrap = (dispatch: Dispatch): Dispatch => tapDispatch(dispatch, { observer, sniffs, bound });

  /** A later `setGlobalDispatcher` wipes the hook; the next fetch puts it on again. */
  function hookDispatchers(): void {
    for (const dispatcher of listGlobalDispatchers()) {
      if (hooks.has(dispatcher)) continue;
      try {
        hooks.set(dispatcher, hookDispatcher(dispatcher, wrap));
      } catch (error) {
        // A frozen dispatcher: fetch is still tapped, undici.request is not.
        hooks.set(dispatcher, () => {});
        observer.report("install", error);
      }
    }
  }

  hookDispatchers();
  const restoreFetch = hookFetch((original) => {
    const tapped = createTappedFetch({
      observer,
      sniffs,
      bound,
      findFetch: () => original,
      hookGlobalDispatchers,
      isInstall: true,
    });
    return (...given) => {
      if (!isInstalled) return Reflect.apply(original, globalThis, given);
      if (haveChanged()) hookDispatchers();
      return tapped(...given);
    };
  });

  changeInstalls(1);
  return () => {
    if (isInstalled) changeInstalls(-1);
    isInstalled = false;
    restoreFetch();
    for (const restore of hooks.values()) restore();
    hooks.clear();
  };
}

/** A Proxy keeps `name`, `length` and whatever a framework has hung on its fetch. */
function hookFetch(wrap: (original: Fetch) => Fetch): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "fetch");
  const original = globalThis.fetch;
  if (typeof original !== "function" || descriptor?.configurable === false) return () => {};
  const tapped = wrap(original);
  const proxy = new Proxy(original, { apply: (_target, _self, given) => tapped(...(given as Parameters<Fetch>)) });
  Object.defineProperty(globalThis, "fetch", {
    value: proxy,
    writable: true,
    configurable: true,
    enumerable: descriptor?.enumerable ?? true,
  });
  return () => {
    if (globalThis.fetch !== proxy) return;
    if (descriptor === undefined) globalThis.fetch = original;
    else Object.defineProperty(globalThis, "fetch", descriptor);
  };
}
