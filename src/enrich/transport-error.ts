/** What a failed fetch or a broken body says: undici's, Node's and the web's errors, told apart by name and code. */

export interface TransportError {
  kind: "network" | "timeout" | "abort";
  /** Name of the error class: `SocketError`, `AbortError`, … */
  name?: string;
  /** `ECONNRESET`, `UND_ERR_BODY_TIMEOUT`, … */
  code?: string;
  message: string;
}

const timeoutCodes: ReadonlySet<string> = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ETIMEDOUT",
  "ESOCKETTIMEDOUT",
  "ERR_SOCKET_CONNECTION_TIMEOUT",
]);

const abortCodes: ReadonlySet<string> = new Set(["UND_ERR_ABORTED", "ABORT_ERR", "ERR_CANCELED", "ECANCELED"]);

/** `TypeError: fetch failed` says nothing; its cause does, and that of an AggregateError's first. */
const MAX_CAUSES = 5;

/**
 * @param error - anything that was thrown. `undefined` is what a handler gets after `reader.cancel()`.
 */
export function readTransportError(error: unknown): TransportError {
  if (error === undefined || error === null) return { kind: "abort", message: "The app cancelled the call" };
  const chain = followCauses(error);
  const names = chain.map((item) => readString(item, "name"));
  const codes = chain.map((item) => readString(item, "code"));
  const kind = classify(names, codes);
  const last = chain.length - 1;
  const name = findLast(names) ?? (typeof error === "object" ? undefined : typeof error);
  const code = findLast(codes);
  const message = readString(chain[last], "message") ?? readString(chain[0], "message") ?? readThrown(error);
  return { kind, ...(name !== undefined && { name }), ...(code !== undefined && { code }), message };
}

function classify(
  names: readonly (string | undefined)[],
  codes: readonly (string | undefined)[],
): TransportError["kind"] {
  if (names.includes("TimeoutError") || codes.some((code) => code !== undefined && timeoutCodes.has(code)))
    return "timeout";
  if (names.includes("AbortError") || codes.some((code) => code !== undefined && abortCodes.has(code))) return "abort";
  return "network";
}

function followCauses(error: unknown): unknown[] {
  const chain: unknown[] = [];
  let current: unknown = error;
  while (chain.length < MAX_CAUSES && typeof current === "object" && current !== null && !chain.includes(current)) {
    chain.push(current);
    current = readProperty(current, "cause") ?? firstOf(readProperty(current, "errors"));
  }
  return chain;
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined;
}

function findLast(texts: readonly (string | undefined)[]): string | undefined {
  return texts.findLast((text) => text !== undefined);
}

function readString(value: unknown, key: string): string | undefined {
  const property = readProperty(value, key);
  return typeof property === "string" && property !== "" ? property.slice(0, 10_000) : undefined;
}

/** An error of the app's may have getters that throw. */
function readProperty(value: unknown, key: string): unknown {
  try {
    return (value as Record<string, unknown> | undefined)?.[key];
  } catch {
    return undefined;
  }
}

/** `controller.abort("reason")` throws the reason itself. */
function readThrown(error: unknown): string {
  return typeof error === "string" ? error.slice(0, 10_000) : "The connection failed";
}
