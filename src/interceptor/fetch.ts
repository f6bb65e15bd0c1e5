/**
 * The tap around a `fetch`. Where that fetch is undici's, it is given a stand-in for the dispatcher that it would have
 * used, and the Response that it makes goes to the app untouched. Where the stand-in is not reached (a mock, node-fetch,
 * an edge runtime), the body of the Response is tapped instead.
 */
import type { CallMarker, Flow, PendingCall } from "../context.ts";
import type { Exchange, RunContext } from "../types.ts";
import { attach, type Dispatch, type DispatchOptions, MARKER, noteTapping, urlOf, withMarker } from "./dispatcher.ts";
import { forgetResponse } from "./exchange.ts";
import type { Handler } from "./handler.ts";
import {
  collectRequestHeaders,
  hasOverrides,
  isSignedOver,
  readOverrides,
  toRereadable,
  withoutOverrides,
} from "./headers.ts";
import { type Dispatcher, findDispatcherFor, findGlobalDispatcher, isDispatcher } from "./hook-dispatcher.ts";
import { countInstalls } from "./installs.ts";
import { askForUsage } from "./include-usage.ts";
import { createMarker, type Observer } from "./observer.ts";
import { isRedirect } from "./redirects.ts";
import { readRequestLine, readTarget, type RequestLine, withDispatcher, withInit } from "./fetch-request.ts";
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

/** What goes to the real fetch. */
interface PlannedCall {
  input: RequestInfo | URL;
  init: RequestInit | undefined;
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
  /** With query. */
  path: string;
  method: string;
  /** The dispatcher was reached: the Response is undici's own and stays untouched. */
  isAttached: boolean;
  /** Hooks further down know this call by the flow alone. Where they know it by its dispatcher, the flow is not followed. */
  needsFlow: boolean;
  followsRedirects: boolean;
  /** The next dispatch is where a redirect has sent it. */
  expectsHop: boolean;
}

export function createTappedFetch(options: FetchTapOptions): Fetch {
  return function fetch(...given: Parameters<Fetch>): Promise<Response> {
    return fetchTapped(options, given);
  };
}

/** One call; the arguments as a list, which is not copied on the way. */
export function fetchTapped(options: FetchTapOptions, given: Parameters<Fetch>): Promise<Response> {
  const { observer } = options;
  const original = options.findFetch();
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
}

function makeCall(state: CallState, flow: Flow, call: () => Promise<Response>): Promise<Response> {
  const { observer, exchange } = state;

  function settle(response: Response): Response {
    leaveFlow(flow);
    try {
      if (state.isAttached) {
        rememberBody(exchange, response);
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
      const isCancelled = isAbort(state, error);
      // The dispatcher tells of an abort also when it is fetch that gives up: a body that fails, a redirect it may not follow.
      if (exchange.isCancelled && !isCancelled && error instanceof TypeError) exchange.isCancelled = false;
      observer.fail(exchange, error, isCancelled);
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

/**
 * For a stream that the app may leave without a word. JSON is read to its end or not at all, which the garbage collector
 * tells, and for a short call a weak reference costs: what it names outlives quick collections.
 */
function rememberBody(exchange: Exchange, response: Response): void {
  if (exchange.isEnded || exchange.responseHeaders["content-type"]?.startsWith("application/json") === true) return;
  const { body } = response;
  if (body !== null) exchange.body = new WeakRef(body);
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
  options: FetchTapOptions,
  input: RequestInfo | URL,
  givenInit: RequestInit | undefined,
): PlannedCall | undefined {
  const { observer, sniffs, bound } = options;
  const givenHeaders = givenInit?.headers;
  const headers = toRereadable(givenHeaders) as HeadersInit | undefined;
  const init = headers === givenHeaders ? givenInit : withInit(givenInit, { headers } as RequestInit);
  const unchanged: PlannedCall | undefined =
    init === givenInit ? undefined : { input, init, flow: undefined, state: undefined };
  const target = readTarget(input);
  if (target === undefined) return unchanged;
  const isOurs = hasOverrides(headers ?? target.request?.headers);
  // After `close()` the headers that are ours still must not leave.
  const interest = observer.isClosed ? undefined : observer.findInterest(target.origin, sniffs);
  if (interest === undefined && !isOurs) return unchanged;
  const line = readRequestLine(target, init);
  const plan: PlannedCall = { input, init, flow: undefined, state: undefined };
  let overrides: CallMarker["overrides"];
  if (isOurs) {
    overrides = readOverrides(line.headers);
    if (isSignedOver(line.headers)) observer.reportSigned();
    else plan.init = withInit(init, { headers: withoutOverrides(line.headers) as HeadersInit });
  }
  const outer = observer.flow.get();
  if (interest === undefined || outer?.isSuppressed === true) return isOurs ? plan : unchanged;
  const url = line.origin + line.path;
  const marker = readMarker(init, outer, url);
  if (marker?.observers.has(observer) === true) return isOurs ? plan : unchanged;
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
  if (exchange === undefined) return isOurs ? plan : unchanged;
  const before = plan.init;
  try {
    joinCall(options, plan, { line, exchange, outer, marker: marker ?? createMarker(exchange.id, url, overrides) });
    return plan;
  } catch (error) {
    // It passes unseen; what has begun has to end all the same.
    observer.report("interceptor", error);
    observer.fail(exchange, error, false);
    return { input, init: before, state: undefined, flow: undefined };
  }
}

interface JoinedCall {
  line: RequestLine;
  exchange: Exchange;
  outer: Flow | undefined;
  marker: CallMarker;
}

/** From here on the call is one of ours. */
function joinCall(options: FetchTapOptions, plan: PlannedCall, { line, exchange, outer, marker }: JoinedCall): void {
  const { observer } = options;
  const { init } = plan;
  marker.observers.add(observer);
  const state: CallState = {
    observer,
    exchange,
    marker,
    signal: line.signal,
    headers: line.headers,
    path: line.path,
    method: line.method,
    isAttached: false,
    needsFlow: true,
    followsRedirects: (init?.redirect ?? line.request?.redirect ?? "follow") === "follow",
    expectsHop: false,
  };
  if (observer.options.includeUsage === true) askInFetch(plan, exchange, line);
  noteBody(observer, exchange, plan.init?.body);
  plan.state = state;
  // The new field first, as in `withMarker`.
  plan.flow = { marker, ...outer };
  plan.flow.marker = marker;
  giveDispatcher(plan, state, line.request, options);
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
  { hookGlobalDispatchers, isInstall = false }: FetchTapOptions,
): void {
  const given = (plan.init as { dispatcher?: unknown } | undefined)?.dispatcher;
  const hidden = request === undefined ? undefined : findHiddenDispatcher(request);
  if (given !== undefined && !isDispatcher(given)) return;
  if (given === undefined && hidden === "unknown") {
    // It may carry a dispatcher of its own, which `init.dispatcher` would override.
    hookGlobalDispatchers();
    if (plan.flow !== undefined) plan.flow.pending = createPendingCall(state, plan.flow.pending);
    return;
  }
  const target = given ?? (hidden === "unknown" ? undefined : hidden) ?? findGlobalDispatcher();
  if (target === undefined) return;
  const isGlobal = given === undefined && (hidden === undefined || hidden === "unknown");
  plan.init = withDispatcher(plan.init, standInFor(target, isGlobal, state));
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

function createPendingCall(state: CallState, outer: PendingCall | undefined): PendingCall {
  return {
    observer: state.observer,
    outer,
    isFor: (options) => state.expectsHop || (!state.isAttached && isSameCall(state, options as DispatchOptions)),
    dispatchThrough: (dispatch, options, handler) =>
      dispatchAttached(state, dispatch as Dispatch, options as DispatchOptions, handler as Handler),
  };
}

/**
 * A fetch below this one may have sent it elsewhere: to a gateway, to a server of a test. What is left of the address then
 * is how its path ends.
 */
function isSameCall({ marker, path, method }: CallState, options: DispatchOptions): boolean {
  if (urlOf(options) === marker.url) return true;
  return path.length > 1 && options.path?.endsWith(path) === true && (options.method ?? "GET") === method;
}

function standInFor(target: Dispatcher, isGlobal: boolean, state: CallState): Dispatcher {
  const dispatchTapped: Dispatch = (options, handler) => {
    const real = isGlobal ? (findDispatcherFor(handler) ?? target) : target;
    return dispatchAttached(state, (next, mirrored) => real.dispatch(next, mirrored), options, handler);
  };
  return new (standInClassOf(target))(dispatchTapped, state.marker);
}

type StandInClass = new (dispatch: Dispatch, marker: CallMarker) => Dispatcher;
const standInClasses = new WeakMap<Dispatcher, StandInClass>();

/** One for each dispatcher: there is a call for each stand-in, and hardly ever more than a few dispatchers. */
function standInClassOf(target: Dispatcher): StandInClass {
  let standInClass = standInClasses.get(target);
  if (standInClass === undefined) {
    standInClass = class StandIn {
      readonly dispatch: Dispatch;
      readonly [MARKER]: CallMarker;
      constructor(dispatch: Dispatch, marker: CallMarker) {
        this.dispatch = dispatch;
        this[MARKER] = marker;
      }
    } as unknown as StandInClass;
    Reflect.deleteProperty(standInClass.prototype, "constructor");
    Object.setPrototypeOf(standInClass.prototype, readThrough(target));
    standInClasses.set(target, standInClass);
  }
  return standInClass;
}

/** A Proxy, because fetch reads more of a dispatcher than `dispatch`; methods keep their `this`. */
function readThrough(target: Dispatcher): Dispatcher {
  return new Proxy(target, {
    get(dispatcher, key) {
      const value: unknown = Reflect.get(dispatcher, key, dispatcher);
      return typeof value === "function" && key !== "constructor" ? (value.bind(dispatcher) as unknown) : value;
    },
  });
}

function dispatchAttached(state: CallState, dispatch: Dispatch, options: DispatchOptions, handler: Handler): boolean {
  const { observer, exchange } = state;
  let next = options;
  let mirrored = handler;
  try {
    if (!exchange.isEnded && typeof handler === "object" && handler !== null) {
      if (state.isAttached) followRedirect(state, options);
      state.expectsHop = false;
      const plan = attach(
        { observer, exchange, isFollowed: (status, location) => isFollowed(state, status, location) },
        withMarker(options, state.marker),
        handler,
      );
      state.isAttached = true;
      next = plan.options;
      mirrored = plan.handler;
    }
  } catch (error) {
    observer.report("interceptor", error);
  }
  noteTapping(1);
  try {
    return dispatch(next, mirrored);
  } finally {
    noteTapping(-1);
  }
}

/** fetch dispatches again. For this tap the call goes on; a tap at the dispatcher has not seen this dispatch yet. */
function followRedirect(state: CallState, options: DispatchOptions): void {
  forgetResponse(state.exchange);
  const before = options[MARKER]?.observers ?? [];
  state.marker = { ...state.marker, observers: new Set([...before, state.observer]) };
}

function isFollowed(state: CallState, status: number, location: string): boolean {
  state.expectsHop = state.followsRedirects && isRedirect(status) && location !== "";
  return state.expectsHop;
}
