/** A fixed text for an error whose own message is unknown or may not be recorded. */
import type { CallError } from "../types.ts";

const statusTexts: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  424: "Failed Dependency",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  529: "Overloaded",
};

const kindTexts: Readonly<Record<CallError["kind"], string>> = {
  http: "The provider reported an error",
  network: "The connection failed",
  timeout: "The call timed out",
  abort: "The call was cancelled",
  stream: "The stream reported an error",
  app: "The function threw",
};

export function describeError({ kind, status }: Pick<CallError, "kind" | "status">): string {
  if (kind !== "http" || status === undefined) return kindTexts[kind];
  const text = statusTexts[status];
  return text === undefined ? `HTTP ${status}` : `HTTP ${status} ${text}`;
}
