/** `tap.install()`: hooks on the global dispatchers and on `globalThis.fetch`. */
import { watchRequests } from "#platform";
import type { RunContext } from "../types.ts";
import { type Dispatch, tapDispatch } from "./dispatcher.ts";
import { type Fetch, fetchTapped, type FetchTapOptions } from "./fetch.ts";
import {
  type Dispatcher,
  hookDispatcher,
  listGlobalDispatchers,
  originalOf,
  watchGlobalDispatchers,
} from "./hook-dispatcher.ts";
import { putHook } from "./hooks.ts";
import { changeInstalls } from "./installs.ts";
import type { Observer } from "./observer.ts";
import { tapRequest } from "./tap-request.ts";

export interface InstallOptions {
  observer: Observer;
  sniffs: boolean;
  bound: RunContext | undefined;
  hookGlobalDispatchers: () => void;
}

/** @returns takes everything off again; safe to call more than once and in any order with other installs */
export function installHooks({ observer, sniffs, bound, hookGlobalDispatchers }: InstallOptions): () => void {
  const haveChanged = watchGlobalDispatchers();
  const hooks = new WeakMap<Dispatcher, () => void>();
  /** Held weakly: an app may set one global dispatcher after the other. */
  const hooked: WeakRef<Dispatcher>[] = [];
  let isInstalled = true;
  const wrap = (dispatch: Dispatch): Dispatch => tapDispatch(dispatch, { observer, sniffs, bound });

  /** A later `setGlobalDispatcher` wipes the hook; the next call puts it on again. @returns whether one was put on */
  function hookDispatchers(): boolean {
    let isNew = false;
    for (const dispatcher of listGlobalDispatchers()) {
      const original = originalOf(dispatcher);
      if (hooks.has(original)) continue;
      isNew = true;
      hooked.push(new WeakRef(original));
      try {
        hooks.set(original, hookDispatcher(dispatcher, wrap));
      } catch (error) {
        // A frozen dispatcher: fetch is still tapped, undici.request is not.
        hooks.set(original, () => {});
        observer.report("install", error);
      }
    }
    return isNew;
  }

  /** What is called without our fetch meets a new dispatcher before it has its hook: undici's channel tells of it. */
  function onRequest(request: object): void {
    if (!haveChanged()) return;
    try {
      if (hookDispatchers()) tapRequest(request, { observer, sniffs, bound });
    } catch (error) {
      observer.report("install", error);
    }
  }

  hookDispatchers();
  const unwatch = watchRequests(onRequest);
  const restoreFetch = hookFetch((original) => {
    const findFetch = (): Fetch => original;
    const options: FetchTapOptions = { observer, sniffs, bound, findFetch, hookGlobalDispatchers, isInstall: true };
    return (given) => {
      if (!isInstalled) return Reflect.apply(original, globalThis, given);
      if (haveChanged()) hookDispatchers();
      return fetchTapped(options, given);
    };
  });

  changeInstalls(1);
  return () => {
    if (isInstalled) changeInstalls(-1);
    isInstalled = false;
    unwatch();
    restoreFetch();
    for (const reference of hooked.splice(0)) {
      const dispatcher = reference.deref();
      if (dispatcher !== undefined) hooks.get(dispatcher)?.();
    }
  };
}

/** A Proxy keeps `name`, `length` and whatever a framework has hung on its fetch. */
function hookFetch(wrap: (original: Fetch) => (given: Parameters<Fetch>) => Promise<Response>): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "fetch");
  const original = globalThis.fetch;
  if (typeof original !== "function" || descriptor?.configurable === false) return () => {};
  const tapped = wrap(original);
  const proxy = new Proxy(original, { apply: (_target, _self, given) => tapped(given as Parameters<Fetch>) });
  return putHook(globalThis, "fetch", {
    value: proxy,
    enumerable: descriptor?.enumerable ?? true,
    hook: { isActive: true },
  });
}
