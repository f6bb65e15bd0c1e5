/** What a fetch is asked for, read without changing anything, and asked for otherwise. */
import { isPlain, overlay } from "./overlay.ts";

export interface RequestLine {
  origin: string;
  /** With query. */
  path: string;
  method: string;
  headers: unknown;
  /** A Request object, when it was given one. */
  request: Request | undefined;
  signal: AbortSignal | null | undefined;
}

/** `init` with other values for some members, whatever kind of object it is; a Request may stand in for one. */
export function withInit(init: RequestInit | undefined, changes: RequestInit): RequestInit {
  if (init === undefined || init === null) return changes;
  return isPlain(init) ? { ...init, ...changes } : overlay(init, changes);
}

/**
 * For each call that is tapped. The new field first: one that is added to a spread copy gives each copy a hidden class of
 * its own, which undici then meets in every place that reads `init`.
 */
export function withDispatcher(init: RequestInit | undefined, dispatcher: object): RequestInit {
  if (init === undefined || init === null || !isPlain(init)) return withInit(init, { dispatcher } as RequestInit);
  const copy = { dispatcher, ...init };
  copy.dispatcher = dispatcher;
  return copy;
}

/** Whom a call is for: all that is read of one that is none of our business. */
export interface Target {
  url: string;
  /** Where the origin ends in it. */
  originEnd: number;
  origin: string;
  /** A Request object, when it was given one. */
  request: Request | undefined;
}

/** `undefined` for what fetch itself will refuse or what is not HTTP. */
export function readTarget(input: unknown): Target | undefined {
  let url: string;
  let request: Request | undefined;
  if (typeof input === "string") url = input;
  else if (input instanceof URL) url = input.href;
  else if (Object.prototype.toString.call(input) === "[object String]") url = String(input);
  else if (isRequestLike(input)) {
    request = input;
    url = input.url;
  } else if (isUrlLike(input)) url = input.href;
  else return undefined;
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

export function readRequestLine(
  { url, originEnd, origin, request }: Target,
  init: RequestInit | undefined,
): RequestLine {
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

/** The URL of another realm, or of a polyfill: fetch makes a string of it. */
function isUrlLike(input: unknown): input is URL {
  return typeof input === "object" && input !== null && typeof (input as Partial<URL>).href === "string";
}

function isRequestLike(input: unknown): input is Request {
  return (
    typeof input === "object" &&
    input !== null &&
    typeof (input as Partial<Request>).url === "string" &&
    typeof (input as Partial<Request>).method === "string"
  );
}
