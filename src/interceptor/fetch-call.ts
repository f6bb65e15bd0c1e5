/** A call of a tapped fetch while it runs: its dispatches, which are fetch's, and how it settles. */
import type { CallMarker, Flow, PendingCall } from "../context.ts";
import type { Exchange } from "../types.ts";
import { attach, type Dispatch, type DispatchOptions, MARKER, noteTapping, urlOf, withMarker } from "./dispatcher.ts";
import { forgetResponse } from "./exchange.ts";
import type { Handler } from "./handler.ts";
import { collectRequestHeaders } from "./headers.ts";
import { type Dispatcher, findDispatcherFor } from "./hook-dispatcher.ts";
import type { Observer } from "./observer.ts";
import { isRedirect } from "./redirects.ts";
import { hasNameOfAbort, tapResponse } from "./response-body.ts";
import { createStandIn } from "./stand-in.ts";

/** What is known of a call while it runs. */
export interface CallState {
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

/** @param call - calls the real fetch */
export function makeCall(state: CallState, flow: Flow, call: () => Promise<Response>): Promise<Response> {
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

/** What fetch is given for its dispatcher. @param isGlobal - the app has named none */
export function standInFor(target: Dispatcher, isGlobal: boolean, state: CallState): Dispatcher {
  const dispatchTapped: Dispatch = (options, handler) => {
    const real = isGlobal ? (findDispatcherFor(handler) ?? target) : target;
    return dispatchAttached(state, (next, mirrored) => real.dispatch(next, mirrored), options, handler);
  };
  return createStandIn(target, dispatchTapped, state.marker);
}

/** For a call whose dispatcher nobody can see. */
export function createPendingCall(state: CallState, outer: PendingCall | undefined): PendingCall {
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
