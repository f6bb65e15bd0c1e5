/** The tap at a request that undici has made already: its dispatch has passed a dispatcher without a hook. */
import { type DispatchTapOptions, isTapping, planDispatch } from "./dispatcher.ts";
import { type Handler, isTapHandler } from "./handler.ts";

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
  if (isTapHandler(handler)) return;
  const given = { method, path, headers, body, upgrade, ...(origin !== undefined && { origin }) };
  const plan = planDispatch(options, given as Parameters<typeof planDispatch>[1], handler);
  if (plan === undefined) return;
  holder[key] = plan.handler;
  request.body = plan.options.body;
  if (Array.isArray(headers)) request.headers = plan.options.headers;
}
