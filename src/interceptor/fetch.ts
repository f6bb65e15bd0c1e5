/**
 * The tap around a `fetch`. Where that fetch is undici's, it is given a stand-in for the dispatcher that it would have
 * used, and the Response that it makes goes to the app untouched. Where the stand-in is not reached (a mock, node-fetch,
 * an edge runtime), the body of the Response is tapped instead.
 */
import type { CallMarker, Flow, PendingCall } from "../context.ts";
import type { Exchange, RunContext } from "../types.ts";
import { attach, type Dispatch, type DispatchOptions, MARKER } from "./dispatcher.ts";
import { forgetResponse } from "./exchange.ts";
import type { Handler } from "./handler.ts";
import { collectRequestHeaders, hasOverrides, isSignedOver, readOverrides, withoutOverrides } from "./headers.ts";
import { type Dispatcher, findDispatcherFor, findGlobalDispatcher, isDispatcher } from "./hook-dispatcher.ts";
import { countInstalls } from "./installs.ts";
import { askForUsage } from "./include-usage.ts";
import { createMarker, type Observer } from "./observer.ts";
import { isRedirect } from "./redirects.ts";
import { noteRequestSource, noteRequestValue } from "./request-body.ts";
import { hasNameOfAbort, tapResponse } from "./response-body.ts";

export type Fetch = typeof globalThis.fetch;

export interface FetchTapOptions {
  observer: Observer;
  sniffs: boolean;
  bound: RunContext | undefined;
  /** The fetch to call, asked for at each call. */
  findFetch: () => Fetch;
  /** Makes sure that the global dispatchers tell when a call made with a Request reaches them. */
  hookGlobalDispatchers: () => void;
  /** This is the hook on `globalThis.fetch`. Default false. */
  isInstall?: boolean;
}

interface RequestLine {
  origin: string;
  /** With query. */
  path: string;
  method: string;
  headers: unknown;
  /** A Request object, when it was given one. */
  request: Request | undefined;
  signal: AbortSignal | null | undefined;
}

/** What goes to the real fetch. */
interface PlannedCall {
  input: RequestInfo | URL;
  init: RequestInit | undefined;
  exchange: Exchange | undefined;
  flow: Flow | undefined;
  state: CallState | undefined;
}

/** What is known of a call while it runs. */
interface CallState {
  observer: Observer;
  exchange: Exchange;
  marker: CallMarker;
  /** The app's own abort. */
  signal: AbortSignal | null | undefined;
  /** What the app gave. The headers that leave are read at the dispatcher; these are for a fetch that has none. */
  headers: unknown;
  /** The dispatcher was reached: the Response is undici's own and stays untouched. */
  isAttached: boolean;
  /** Hooks further down know this call by the flow alone. Where they know it by its dispatcher, the flow is not followed. */
  needsFlow: boolean;
  followsRedirects: boolean;
}

export function createTappedFetch(options: FetchTapOptions): Fetch {
  const { observer, findFetch } = options;

  return function fetch(...given: Parameters<Fetch>): Promise<Response> {
    const original = findFetch();
    let plan: PlannedCall | undefined;
    try {
      plan = planCall(options, given[0], given[1]);
    } catch (error) {
      observer.report("interceptor", error);
    }
    if (plan === undefined) return Reflect.apply(original, globalThis, given);
    const args = [plan.input, plan.init] as Parameters<Fetch>;
    const { state, flow } = plan;
    if (state === undefined || flow === undefined) return Reflect.apply(original, globalThis, args);
    return makeCall(state, flow, () => Reflect.apply(original, globalThis, args));
  };
}

function makeCall(state: CallState, flow: Flow, call: () => Promise<Response>): Promise<Response> {
  const { observer, exchange } = state;

  function settle(response: Response): Response {
    leaveFlow(flow);
    try {
      if (state.isAttached) {
        const { body } = response;
        if (body !== null && !exchange.isEnded) exchange.body = new WeakRef(body);
        return response;
      }
      exchange.requestHeaders = collectRequestHeaders(state.headers);
      return tapResponse(observer, exchange, response, (error) => isAbort(state, error));
    } catch (error) {
      observer.report("interceptor", error);
      observer.end(exchange);
      return response;
    }
  }

  function fail(error: unknown): void {
    leaveFlow(flow);
    try {
      if (!state.isAttached) exchange.requestHeaders = collectRequestHeaders(state.headers);
      observer.fail(exchange, error, isAbort(state, error));
    } catch (failure) {
      observer.report("interceptor", failure);
    }
  }

  let promise: Promise<Response>;
  try {
    promise = state.needsFlow ? observer.flow.runUntilSettled(flow, call) : call();
  } catch (error) {
    fail(error);
    throw error;
  }
  // A mock may return no promise.
  if (typeof (promise as Partial<Promise<Response>> | undefined)?.then !== "function") {
    return settle(promise as unknown as Response) as unknown as Promise<Response>;
  }
  return promise.then(settle, (error: unknown) => {
    fail(error);
    throw error;
  });
}

/** Sockets outlive the call in whose flow they were opened: it must not keep the exchange alive. */
function leaveFlow(flow: Flow): void {
  flow.marker = undefined;
  flow.pending = undefined;
}

/** An abort rejects with the signal's reason, which may be anything, or with a copy of it. */
function isAbort({ signal }: CallState, error: unknown): boolean {
  try {
    if (signal?.aborted === true) return true;
  } catch {
    // A signal that is none.
  }
  return hasNameOfAbort(error);
}

/** `undefined`: call fetch with just what was given. */
function planCall(
  { observer, sniffs, bound, hookGlobalDispatchers, isInstall = false }: FetchTapOptions,
  input: RequestInfo | URL,
  init: RequestInit | undefined,
): PlannedCall | undefined {
  const target = readTarget(input);
  if (target === undefined) return undefined;
  const isOurs = hasOverrides(init?.headers ?? target.request?.headers);
  // After `close()` the headers that are ours still must not leave.
  const interest = observer.isClosed ? undefined : observer.findInterest(target.origin, sniffs);
  if (interest === undefined && !isOurs) return undefined;
  const line = readRequestLine(target, init);
  const plan: PlannedCall = { input, init, exchange: undefined, flow: undefined, state: undefined };
  let overrides: CallMarker["overrides"];
  if (isOurs) {
    overrides = readOverrides(line.headers);
    if (isSignedOver(line.headers)) observer.reportSigned();
    else plan.init = withInit(init, { headers: withoutOverrides(line.headers) as HeadersInit });
  }
  const outer = observer.flow.get();
  if (interest === undefined || outer?.isSuppressed === true) return isOurs ? plan : undefined;
  const url = line.origin + line.path;
  const marker = readMarker(init, outer, url);
  if (marker?.observers.has(observer) === true) return isOurs ? plan : undefined;
  const exchange = observer.begin(interest, {
    via: "fetch",
    origin: line.origin,
    method: line.method,
    path: line.path,
    headers: line.headers,
    overrides: overrides ?? marker?.overrides,
    bound,
    id: marker?.id,
  });
  if (exchange === undefined) return isOurs ? plan : undefined;
  const state: CallState = {
    observer,
    exchange,
    marker: marker ?? createMarker(exchange.id, url, overrides),
    signal: line.signal,
    headers: line.headers,
    isAttached: false,
    needsFlow: true,
    followsRedirects: (init?.redirect ?? line.request?.redirect ?? "follow") === "follow",
  };
  state.marker.observers.add(observer);
  if (observer.options.includeUsage === true) askInFetch(plan, exchange, line);
  noteBody(observer, exchange, plan.init?.body);
  plan.state = state;
  plan.flow = { ...outer, marker: state.marker };
  giveDispatcher(plan, state, line.request, { hookGlobalDispatchers, isInstall });
  return plan;
}

/** With a body of its own only: that of a Request cannot be seen now. */
function askInFetch(plan: PlannedCall, exchange: Exchange, line: RequestLine): void {
  const body = plan.init?.body ?? line.request?.body;
  const asked = askForUsage(exchange, plan.init?.headers ?? line.headers, body);
  if (asked !== undefined) plan.init = withInit(plan.init, asked as RequestInit);
}

/** A tap further up this call has left it on its stand-in for the dispatcher, or in the flow. */
function readMarker(init: RequestInit | undefined, outer: Flow | undefined, url: string): CallMarker | undefined {
  const given = (init as { dispatcher?: { [MARKER]?: CallMarker } } | undefined)?.dispatcher;
  const marker = given?.[MARKER] ?? outer?.marker;
  return marker?.url === url ? marker : undefined;
}

function noteBody(observer: Observer, exchange: Exchange, body: unknown): void {
  if (body === undefined || body === null) return;
  if (noteRequestValue(exchange, body, observer.exchangeBytes)) return;
  noteRequestSource(exchange, body);
}

/** By way of `init.dispatcher` where that changes nothing else, else by the global dispatchers' word. */
function giveDispatcher(
  plan: PlannedCall,
  state: CallState,
  request: Request | undefined,
  { hookGlobalDispatchers, isInstall }: Required<Pick<FetchTapOptions, "hookGlobalDispatchers" | "isInstall">>,
): void {
  const given = (plan.init as { dispatcher?: unknown } | undefined)?.dispatcher;
  const hidden = request === undefined ? undefined : findHiddenDispatcher(request);
  if (given !== undefined && !isDispatcher(given)) return;
  if (given === undefined && hidden === "unknown") {
    // It may carry a dispatcher of its own, which `init.dispatcher` would override.
    hookGlobalDispatchers();
    if (plan.flow !== undefined) plan.flow.pending = createPendingCall(state);
    return;
  }
  const target = given ?? (hidden === "unknown" ? undefined : hidden) ?? findGlobalDispatcher();
  if (target === undefined) return;
  const isGlobal = given === undefined && (hidden === undefined || hidden === "unknown");
  plan.init = withInit(plan.init, { dispatcher: standInFor(target, isGlobal, state) } as RequestInit);
  // Mocks drop the dispatcher, and pass what they do not mock to the fetch that was there before them: a hook, maybe.
  state.needsFlow = countInstalls() > (isInstall ? 1 : 0);
}

/** Undici 6 keeps it under a symbol; later versions in a private field, where nobody can see it. */
function findHiddenDispatcher(request: Request): Dispatcher | undefined | "unknown" {
  for (const symbol of Object.getOwnPropertySymbols(request)) {
    if (symbol.description !== "dispatcher") continue;
    const value: unknown = (request as unknown as Record<symbol, unknown>)[symbol];
    return isDispatcher(value) ? value : undefined;
  }
  return "unknown";
}

function createPendingCall(state: CallState): PendingCall {
  return {
    observer: state.observer,
    dispatchThrough: (dispatch, options, handler) =>
      dispatchAttached(state, dispatch as Dispatch, options as DispatchOptions, handler as Handler),
  };
}

/** A Proxy, because fetch reads more of a dispatcher than `dispatch`; methods keep their `this`. */
function standInFor(target: Dispatcher, isGlobal: boolean, state: CallState): Dispatcher {
  const dispatchTapped: Dispatch = (options, handler) => {
    const real = isGlobal ? (findDispatcherFor(handler) ?? target) : target;
    return dispatchAttached(state, (next, mirrored) => real.dispatch(next, mirrored), options, handler);
  };
  return new Proxy(target, {
    get(dispatcher, key) {
      if (key === "dispatch") return dispatchTapped;
      if (key === MARKER) return state.marker;
      const value: unknown = Reflect.get(dispatcher, key, dispatcher);
      return typeof value === "function" ? (value.bind(dispatcher) as unknown) : value;
    },
  });
}

function dispatchAttached(state: CallState, dispatch: Dispatch, options: DispatchOptions, handler: Handler): boolean {
  const { observer, exchange } = state;
  let next = options;
  let mirrored = handler;
  try {
    if (!exchange.isEnded && typeof handler === "object" && handler !== null) {
      // Again: fetch follows a redirect.
      if (state.isAttached) forgetResponse(exchange);
      const plan = attach(
        {
          observer,
          exchange,
          isFollowed: (status, location) => state.followsRedirects && isRedirect(status) && location !== "",
        },
        { ...options, [MARKER]: state.marker },
        handler,
      );
      state.isAttached = true;
      next = plan.options;
      mirrored = plan.handler;
    }
  } catch (error) {
    observer.report("interceptor", error);
  }
  return dispatch(next, mirrored);
}

/** `init` with other values for some members, whatever kind of object it is; a Request may stand in for one. */
function withInit(init: RequestInit | undefined, changes: RequestInit): RequestInit {
  if (init === undefined || init === null) return changes;
  const prototype: unknown = Object.getPrototypeOf(init);
  if (prototype === Object.prototype || prototype === null) return { ...init, ...changes };
  return new Proxy(init, {
    get: (target, key) => (Object.hasOwn(changes, key) ? Reflect.get(changes, key) : Reflect.get(target, key, target)),
    has: (target, key) => Object.hasOwn(changes, key) || Reflect.has(target, key),
  });
}

/** Whom a call is for: all that is read of one that is none of our business. */
interface Target {
  url: string;
  /** Where the origin ends in it. */
  originEnd: number;
  origin: string;
  /** A Request object, when it was given one. */
  request: Request | undefined;
}

/** `undefined` for what fetch itself will refuse or what is not HTTP. */
function readTarget(input: unknown): Target | undefined {
  let url: string;
  let request: Request | undefined;
  if (typeof input === "string") url = input;
  else if (input instanceof URL) url = input.href;
  else if (isRequestLike(input)) {
    request = input;
    url = input.url;
  } else return undefined;
  const scheme = url.indexOf("://");
  if (scheme === -1) return undefined;
  let end = scheme + 3;
  for (; end < url.length; end += 1) {
    const code = url.charCodeAt(end);
    // `/`, `?`, `#`
    if (code === 47 || code === 63 || code === 35) break;
  }
  return { url, originEnd: end, origin: url.slice(0, end).trimStart(), request };
}

function readRequestLine({ url, originEnd, origin, request }: Target, init: RequestInit | undefined): RequestLine {
  const hash = url.indexOf("#", originEnd);
  const rest = hash === -1 ? url.slice(originEnd) : url.slice(originEnd, hash);
  return {
    origin,
    path: rest === "" || rest.charCodeAt(0) === 63 ? `/${rest}` : rest,
    method: init?.method ?? request?.method ?? "GET",
    headers: init?.headers ?? request?.headers,
    request,
    signal: init?.signal === undefined ? request?.signal : init.signal,
  };
}

function isRequestLike(input: unknown): input is Request {
  return (
    typeof input === "object" &&
    input !== null &&
    typeof (input as Partial<Request>).url === "string" &&
    typeof (input as Partial<Request>).method === "string"
  );
}
