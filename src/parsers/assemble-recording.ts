/** Reads an exchange that was recorded elsewhere, all at once: route, request body, response body. */
import { decodeRequestBody } from "../decode/request-body.ts";
import { authorityOf, createRouter, hasCallShape, type Router } from "../interceptor/route.ts";
import { type AssembledExchange, createAssembly } from "../pipeline/assemble.ts";
import { keepRequestHeaders, keepResponseHeaders } from "../providers/headers.ts";
import type { TapOptions } from "../types.ts";
import type { Parser, RouteInfo } from "./parser.ts";
import type { Recording } from "./read-recording.ts";

const encoder = new TextEncoder();

/** Of those who name no hosts; it remembers hosts that it has seen. */
let defaultRouter: Router | undefined;

export interface AssembleOptions {
  /** As in `createTap`. */
  hosts?: TapOptions["hosts"];
  /** Characters of content kept of the answer. Default: no limit. */
  contentLimit?: number;
  /** The wire ended early. Default false. */
  interrupted?: boolean;
  /** Parsers of your own for some APIs. */
  findParser?: (api: RouteInfo["api"]) => Parser | undefined;
}

export interface AssembledRecording extends AssembledExchange {
  route: RouteInfo;
  /** Lower-case names, allow-listed. */
  requestHeaders: Record<string, string>;
  responseHeaders: Record<string, string>;
}

/** Reads one recorded exchange. Never throws on what was recorded. @returns `undefined` when it is no inference call */
export function assembleRecording(
  { request, response }: Recording,
  options: AssembleOptions = {},
): AssembledRecording | undefined {
  const requestHeaders = keepRequestHeaders(request.headers);
  const responseHeaders = keepResponseHeaders(response.headers);
  const requestBody = decodeRequestBody(request.body, request.headers["content-type"]);
  const path = pathOf(request.url);
  const router =
    options.hosts === undefined ? (defaultRouter ??= createRouter(undefined)) : createRouter(options.hosts);
  const route = findRoute(router, request, path, requestBody.value);
  if (route === undefined) return undefined;
  const parser = options.findParser?.(route.api);
  const assembly = createAssembly({
    route,
    path,
    method: request.method,
    status: response.status,
    requestHeaders,
    responseHeaders,
    requestBody: () => requestBody,
    contentLimit: options.contentLimit ?? Number.POSITIVE_INFINITY,
    ...(parser === undefined ? {} : { parser }),
  });
  const { body, chunks } = response;
  for (const { bytes, atMs } of chunks ?? []) assembly.push(bytes, atMs);
  if (chunks === undefined && body !== undefined) {
    assembly.push(typeof body === "string" ? encoder.encode(body) : body, 0);
  }
  const assembled = assembly.finish({ interrupted: options.interrupted ?? false });
  // Without chunks there are no times.
  if (chunks === undefined) delete assembled.firstTokenMs;
  return { route, requestHeaders, responseHeaders, ...assembled };
}

function findRoute(
  router: Router,
  { method, url, headers, body }: Recording["request"],
  path: string,
  value: unknown,
): RouteInfo | undefined {
  const authority = authorityOf(url);
  const entry = authority === undefined ? undefined : router.lookUp(authority);
  if (entry === null) return undefined;
  const isKnown = entry !== undefined;
  const route = isKnown ? router.route(entry, method, path, (name) => headers[name]) : router.sniff(method, path);
  if (route === undefined || (isKnown && route.bodyDecides !== true)) return route;
  // A recording without its request body can only be judged by its path.
  const hasBody = body !== undefined && body.length > 0;
  return !hasBody || hasCallShape(route, value) ? route : undefined;
}

function pathOf(url: string): string {
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "");
  return path.startsWith("/") ? path : `/${path}`;
}
