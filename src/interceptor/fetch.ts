/**
 * The tap around a `fetch`. Where that fetch is undici's, it is given a stand-in for the dispatcher that it would have
 * used, and the Response that it makes goes to the app untouched. Where the stand-in is not reached (a mock, node-fetch,
 * an edge runtime), the body of the Response is tapped instead.
 */
import type { CallMarker, Flow } from "../context.ts";
import type { Exchange, RunContext } from "../types.ts";
import { MARKER } from "./dispatcher.ts";
import { type CallState, createPendingCall, makeCall, standInFor } from "./fetch-call.ts";
import { hasOverrides, isSignedOver, readOverrides, toRereadable, withoutOverrides } from "./headers.ts";
import { type Dispatcher, findGlobalDispatcher, isDispatcher } from "./hook-dispatcher.ts";
import { countInstalls } from "./installs.ts";
import { askForUsage } from "./include-usage.ts";
import { createMarker, type Observer } from "./observer.ts";
import { readRequestLine, readTarget, type RequestLine, withDispatcher, withInit } from "./fetch-request.ts";
import { noteRequestSource, noteRequestValue } from "./request-body.ts";

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
