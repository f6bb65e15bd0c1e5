/** The tap at undici's `dispatch`: one wrapped function for `compose`, for `install` and under `tap.fetch`. */
import type { CallMarker } from "../context.ts";
import type { Exchange, RunContext } from "../types.ts";
import { collectRequestHeaders, hasOverrides, isSignedOver, readOverrides, withoutOverrides } from "./headers.ts";
import { type Attachment, type Handler, mirrorHandler } from "./handler.ts";
import { askForUsage } from "./include-usage.ts";
import { createMarker, type Observer } from "./observer.ts";
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
export function tapDispatch(dispatch: Dispatch, { observer, sniffs, bound }: DispatchTapOptions): Dispatch {
  return function dispatchTapped(options, handler) {
    let nextOptions = options;
    let nextHandler = handler;
    try {
      const plan = planDispatch(observer, sniffs, bound, options, handler);
      if (plan !== undefined) {
        nextOptions = plan.options;
        nextHandler = plan.handler;
      }
    } catch (error) {
      observer.report("interceptor", error);
    }
    return dispatch(nextOptions, nextHandler);
  };
}

interface Plan {
  options: DispatchOptions;
  handler: Handler;
}

/** `undefined`: this dispatch is none of our business. */
function planDispatch(
  observer: Observer,
  sniffs: boolean,
  bound: RunContext | undefined,
  given: DispatchOptions,
  handler: Handler,
): Plan | undefined {
  const isOurs = hasOverrides(given.headers);
  const interest = observer.isClosed ? undefined : observer.findInterest(originOf(given), sniffs);
  if (interest === undefined && !isOurs) return undefined;
  const stripped = isOurs ? stripOverrides(observer, given) : undefined;
  const options = stripped?.options ?? given;
  const unchanged = stripped === undefined ? undefined : { options, handler };
  if (interest === undefined) return unchanged;
  if (given.upgrade !== undefined && given.upgrade !== null && given.upgrade !== false) return unchanged;
  if (given.method === "CONNECT" || typeof handler !== "object" || handler === null) return unchanged;
  const marker = given[MARKER];
  if (marker?.observers.has(observer) === true) return unchanged;
  const flow = observer.flow.get();
  if (flow?.isSuppressed === true) return unchanged;
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
  observer.redirects.follow(exchange);
  const url = originOf(given) + (given.path ?? "");
  const next = marker ?? createMarker(exchange.id, url, stripped?.overrides);
  next.observers.add(observer);
  const asked =
    observer.options.includeUsage === true ? askForUsage(exchange, options.headers, options.body) : undefined;
  return attach({ observer, exchange }, { ...options, ...asked, [MARKER]: next }, handler);
}

/** Puts our handler before the app's, and our ears to the request body. */
export function attach(attachment: Attachment, options: DispatchOptions, handler: Handler): Plan {
  const { exchange, observer } = attachment;
  exchange.requestHeaders = collectRequestHeaders(options.headers);
  const body = hasRequest(exchange) ? options.body : watchRequestBody(exchange, options.body, observer.exchangeBytes);
  return {
    options: body === options.body ? options : { ...options, body },
    handler: mirrorHandler(handler, attachment),
  };
}

function hasRequest(exchange: Exchange): boolean {
  return (
    exchange.requestBody !== undefined || exchange.requestChunks !== undefined || exchange.requestSource !== undefined
  );
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
  return { options: { ...options, headers: withoutOverrides(options.headers) }, overrides };
}
