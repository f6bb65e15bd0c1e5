/** The tap at a request that undici has made already: its dispatch has passed a dispatcher without a hook. */
import { type DispatchOptions, type DispatchTapOptions, isTapping, MARKER, planDispatch, urlOf } from "./dispatcher.ts";
import { attachmentOf, type Handler } from "./handler.ts";
import { createMarker } from "./observer.ts";

/** undici's own object for a request. */
interface CoreRequest {
  origin?: string | URL;
  path?: string;
  method?: string;
  headers?: unknown;
  body?: unknown;
  upgrade?: unknown;
}

/** @throws where this undici keeps its handler elsewhere: the call is missed */
export function tapRequest(request: CoreRequest, options: DispatchTapOptions): void {
  const key = Object.getOwnPropertySymbols(request).find(({ description }) => description === "handler");
  const holder = request as unknown as Record<symbol, Handler | undefined>;
  const handler = key === undefined ? undefined : holder[key];
  const flow = options.observer.flow.get();
  if (isTapping() || flow?.marker !== undefined || flow?.isSuppressed === true) return;
  const { origin, path, method, headers, body, upgrade } = request;
  if (key === undefined || handler === undefined) {
    if (options.observer.findInterest(String(origin), options.sniffs) === undefined) return;
    throw new Error(`another global dispatcher was set after install(); a call to ${String(origin)} was missed`);
  }
  const given: DispatchOptions = {
    path: path ?? "/",
    method: method ?? "GET",
    headers,
    body,
    upgrade,
    ...(origin !== undefined && { origin }),
  };
  // Another tap may have been here before: the record of each has one id.
  const before = attachmentOf(handler);
  if (before?.observer === options.observer) return;
  if (before !== undefined) {
    const marker = createMarker(before.exchange.id, urlOf(given), undefined);
    marker.observers.add(before.observer);
    given[MARKER] = marker;
  }
  const plan = planDispatch(options, given, handler);
  if (plan === undefined) return;
  holder[key] = plan.handler;
  request.body = plan.options.body;
  if (Array.isArray(headers)) request.headers = plan.options.headers;
}
