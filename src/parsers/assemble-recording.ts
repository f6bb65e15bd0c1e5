/** Reads an exchange that was recorded elsewhere, all at once: route, request body, response body. */
import { decodeRequestBody } from "../decode/request-body.ts";
import { authorityOf, createRouter, hasCallShape, type Router } from "../interceptor/route.ts";
import { type AssembledExchange, createAssembly } from "../pipeline/assemble.ts";
import { keepRequestHeaders, keepResponseHeaders } from "../providers/headers.ts";
import type { TapOptions } from "../types.ts";
import type { Parser, RouteInfo } from "./parser.ts";

export interface RecordedExchange {
  /** Default: a new UUIDv7. */
  id?: string;
  /** Epoch ms. Default: now. */
  startedAt?: number;
  /** Default: when the last of `chunks` came, else 0. */
  durationMs?: number;
  request: {
    method: string;
    /** Absolute URL. */
    url: string;
    headers?: Readonly<Record<string, string>>;
    body?: string | Uint8Array | null;
  };
  response: {
    status: number;
    headers?: Readonly<Record<string, string>>;
    /** Content encoding already removed. */
    body?: string | Uint8Array | null;
    /** The body in the pieces in which it came, instead of `body`; `atMs` counts from the dispatch. */
    chunks?: readonly { bytes: Uint8Array; atMs: number }[];
  };
}

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
  responseHeaders: Record<string, string>;
}

/** Reads one recorded exchange. Never throws on what was recorded. @returns `undefined` when it is no inference call */
export function assembleRecording(
  exchange: RecordedExchange,
  options: AssembleOptions = {},
): AssembledRecording | undefined {
  const requestHeaders = lowerCaseNames(exchange.request.headers);
  const responseHeaders = keepResponseHeaders(lowerCaseNames(exchange.response.headers));
  const requestBody = decodeRequestBody(exchange.request.body ?? undefined, requestHeaders["content-type"]);
  const path = pathOf(exchange.request.url);
  const route = findRoute(createRouter(options.hosts), exchange, path, requestHeaders, requestBody.value);
  if (route === undefined) return undefined;
  const parser = options.findParser?.(route.api);
  const assembly = createAssembly({
    route,
    path,
    method: exchange.request.method,
    status: exchange.response.status,
    requestHeaders: keepRequestHeaders(requestHeaders),
    responseHeaders,
    requestBody: () => requestBody,
    contentLimit: options.contentLimit ?? Number.POSITIVE_INFINITY,
    ...(parser === undefined ? {} : { parser }),
  });
  for (const { bytes, atMs } of exchange.response.chunks ?? []) assembly.push(bytes, atMs);
  const { body } = exchange.response;
  if (exchange.response.chunks === undefined && body !== undefined && body !== null) {
    assembly.push(typeof body === "string" ? new TextEncoder().encode(body) : body, 0);
  }
  const assembled = assembly.finish({ interrupted: options.interrupted ?? false });
  // Without chunks there are no times.
  if (exchange.response.chunks === undefined) delete assembled.firstTokenMs;
  return { route, responseHeaders, ...assembled };
}

function findRoute(
  router: Router,
  exchange: RecordedExchange,
  path: string,
  headers: Record<string, string>,
  body: unknown,
): RouteInfo | undefined {
  const authority = authorityOf(exchange.request.url);
  const { method } = exchange.request;
  const entry = authority === undefined ? undefined : router.lookUp(authority);
  if (entry === null) return undefined;
  if (entry !== undefined) return router.route(entry, method, path, (name) => headers[name]);
  const sniffed = router.sniff(method, path);
  if (sniffed === undefined) return undefined;
  // A recording without its request body can only be judged by its path.
  const hasBody =
    exchange.request.body !== undefined && exchange.request.body !== null && exchange.request.body.length > 0;
  return !hasBody || hasCallShape(sniffed, body) ? sniffed : undefined;
}

function pathOf(url: string): string {
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "");
  return path.startsWith("/") ? path : `/${path}`;
}

/** Header fields by lower-case name. */
export function lowerCaseNames(headers: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const lower: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) lower[name.toLowerCase()] = value;
  return lower;
}
