/** The tap at undici's `dispatch`: one wrapped function for `compose`, for `install` and under `tap.fetch`. */
import type { CallMarker, Flow, PendingCall } from "../context.ts";
import type { Exchange, RunContext } from "../types.ts";
import {
  collectRequestHeaders,
  findHeader,
  hasOverrides,
  isSignedOver,
  readOverrides,
  toRereadable,
  withoutOverrides,
} from "./headers.ts";
import { type Attachment, type Handler, mirrorHandler } from "./handler.ts";
import { addNote } from "./exchange.ts";
import { askForUsage } from "./include-usage.ts";
import { createMarker, type Observer } from "./observer.ts";
import { isPlain, overlay } from "./overlay.ts";
import { watchRequestBody } from "./request-body.ts";

/** Options of a dispatch, as far as they are of interest. */
export interface DispatchOptions {
  origin?: string | URL;
  path?: string;
  method?: string;
  body?: unknown;
  headers?: unknown;
  upgrade?: unknown;
  [MARKER]?: CallMarker;
}

export type Dispatch = (options: DispatchOptions, handler: Handler) => boolean;

/**
 * Goes along with the options of a dispatch through every other interceptor (they spread or assign them), so that a call
 * that passes several taps, or one tap several times, is known as one.
 */
export const MARKER: unique symbol = Symbol.for("llm-tap.call.1") as typeof MARKER;

export interface DispatchTapOptions {
  observer: Observer;
  sniffs: boolean;
  bound: RunContext | undefined;
}

/** What `tap.interceptor` and `install` put around a dispatch. */
export function tapDispatch(dispatch: Dispatch, options: DispatchTapOptions): Dispatch {
  const { observer } = options;
  return function dispatchTapped(given, handler) {
    const pending = findPending(observer, given);
    if (pending !== undefined) return pending.dispatchThrough(dispatch, given, handler);
    let nextOptions = given;
    let nextHandler = handler;
    let exchange: Exchange | undefined;
    try {
      const plan = planDispatch(options, given, handler);
      if (plan !== undefined) {
        nextOptions = plan.options;
        nextHandler = plan.handler;
        ({ exchange } = plan);
      }
    } catch (error) {
      observer.report("interceptor", error);
    }
    if (exchange === undefined) return dispatch(nextOptions, nextHandler);
    noteTapping(1);
    try {
      return dispatch(nextOptions, nextHandler);
    } catch (error) {
      // A wrong handler, or an interceptor of the app that throws: nothing else will ever end this call.
      observer.fail(exchange, error, false);
      throw error;
    } finally {
      noteTapping(-1);
    }
  };
}

let tapping = 0;

/** @param change 1 before a dispatch that is tapped, -1 after it */
export function noteTapping(change: 1 | -1): void {
  tapping += change;
}

/** Whether a dispatch that is tapped is going on right now. */
export function isTapping(): boolean {
  return tapping > 0;
}

export interface Plan {
  options: DispatchOptions;
  handler: Handler;
  /** The call that has begun. */
  exchange?: Exchange;
}

/** `undefined`: this dispatch is none of our business. */
export function planDispatch(
  { observer, sniffs, bound }: DispatchTapOptions,
  original: DispatchOptions,
  handler: Handler,
): Plan | undefined {
  const headers = toRereadable(original.headers);
  const given = headers === original.headers ? original : withOptions(original, { headers });
  const isOurs = hasOverrides(headers);
  const interest = observer.isClosed ? undefined : observer.findInterest(originOf(given), sniffs);
  if (interest === undefined && !isOurs && given === original) return undefined;
  const stripped = isOurs ? stripOverrides(observer, given) : undefined;
  const options = stripped?.options ?? given;
  const unchanged = options === original ? undefined : { options, handler };
  if (interest === undefined) return unchanged;
  if (given.upgrade !== undefined && given.upgrade !== null && given.upgrade !== false) return unchanged;
  if (given.method === "CONNECT" || typeof handler !== "object" || handler === null) return unchanged;
  const flow = observer.flow.get();
  const marker = given[MARKER] ?? findMarker(flow, given);
  if (marker?.observers.has(observer) === true || flow?.isSuppressed === true) return unchanged;
  const exchange = observer.begin(interest, {
    via: "dispatcher",
    origin: originOf(given),
    method: given.method ?? "GET",
    path: given.path ?? "/",
    headers: options.headers,
    overrides: stripped?.overrides ?? marker?.overrides,
    bound,
    id: marker?.id,
  });
  if (exchange === undefined) return unchanged;
  try {
    observer.redirects.follow(exchange);
    const next = marker ?? createMarker(exchange.id, urlOf(given), stripped?.overrides);
    next.observers.add(observer);
    const asked =
      observer.options.includeUsage === true ? askForUsage(exchange, options.headers, options.body) : undefined;
    const seen = asked === undefined ? options : withOptions(options, asked);
    return attach({ observer, exchange }, withMarker(seen, next), handler);
  } catch (error) {
    // It passes unseen; what has begun has to end all the same.
    observer.report("interceptor", error);
    observer.fail(exchange, error, false);
    return unchanged;
  }
}

/** Of a call made with a Request, which another tap knows by the flow alone. */
function findMarker(flow: Flow | undefined, options: DispatchOptions): CallMarker | undefined {
  const marker = flow?.marker;
  return marker !== undefined && marker.url === urlOf(options) ? marker : undefined;
}

/** Puts our handler before the app's, and our ears to the request body. */
export function attach(attachment: Attachment, options: DispatchOptions, handler: Handler): Plan {
  const { exchange, observer } = attachment;
  exchange.requestHeaders = collectRequestHeaders(options.headers);
  const body = hasRequest(exchange) ? options.body : watchBody(exchange, options, observer);
  return {
    options: body === options.body ? options : withOptions(options, { body }),
    handler: mirrorHandler(handler, attachment),
    exchange,
  };
}

/** A body that can't be watched (a frozen stream) is sent as it is. */
function watchBody(exchange: Exchange, { body, headers }: DispatchOptions, observer: Observer): unknown {
  try {
    // `tap.fetch` knows the app's signal; and a body whose length fetch knows is no stream of the app's.
    const canFail = exchange.via === "dispatcher" && findHeader(headers, "content-length") === undefined;
    return watchRequestBody(exchange, body, observer.exchangeBytes, canFail ? observer.flow : undefined);
  } catch {
    addNote(exchange, "request_body_not_captured");
    return body;
  }
}

/** The same options with other values for some; what they inherit is kept too. */
export function withOptions(options: DispatchOptions, changes: DispatchOptions): DispatchOptions {
  return isPlain(options) ? { ...options, ...changes } : overlay(options, changes);
}

/**
 * For each call that is tapped. The new field first: one that is added to a spread copy gives each copy a hidden class of
 * its own, which undici then meets in every place that reads the options.
 */
export function withMarker(options: DispatchOptions, marker: CallMarker): DispatchOptions {
  if (!isPlain(options)) return overlay(options, { [MARKER]: marker });
  const copy: DispatchOptions = { [MARKER]: marker, ...options };
  copy[MARKER] = marker;
  return copy;
}

function hasRequest(exchange: Exchange): boolean {
  return (
    exchange.requestBody !== undefined || exchange.requestChunks !== undefined || exchange.requestSource !== undefined
  );
}

/** The URL of a dispatch, as far as it says it. */
export function urlOf(options: DispatchOptions): string {
  return originOf(options) + (options.path ?? "");
}

/** A call made with a Request announces itself in the flow: this dispatch is it, and its exchange has begun. */
export function findPending(observer: Observer, options: DispatchOptions): PendingCall | undefined {
  let pending = observer.flow.get()?.pending;
  while (pending !== undefined && pending.observer !== observer) pending = pending.outer;
  try {
    return pending?.isFor(options) === true ? pending : undefined;
  } catch {
    // Options that are none: undici will say so.
    return undefined;
  }
}

function originOf({ origin }: DispatchOptions): string {
  return typeof origin === "string" ? origin : (origin?.origin ?? "");
}

interface Stripped {
  options: DispatchOptions;
  overrides: CallMarker["overrides"];
}

function stripOverrides(observer: Observer, options: DispatchOptions): Stripped {
  const overrides = readOverrides(options.headers);
  if (isSignedOver(options.headers)) {
    observer.reportSigned();
    return { options, overrides };
  }
  return { options: withOptions(options, { headers: withoutOverrides(options.headers) }), overrides };
}
