import { describe, expect, it } from "vitest";
import { readTransportError } from "../../src/enrich/transport-error.ts";
import type { TransportError } from "../../src/enrich/transport-error.ts";

function failure(name: string, message: string, code?: string, cause?: unknown): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}

describe("readTransportError", () => {
  it.each<[string, unknown, TransportError]>([
    ["reader.cancel()", undefined, { kind: "abort", message: "The app cancelled the call" }],
    [
      "an abort",
      new DOMException("This operation was aborted", "AbortError"),
      { kind: "abort", name: "AbortError", message: "This operation was aborted" },
    ],
    [
      "AbortSignal.timeout",
      new DOMException("The operation was aborted due to timeout", "TimeoutError"),
      { kind: "timeout", name: "TimeoutError", message: "The operation was aborted due to timeout" },
    ],
    [
      "fetch failed",
      failure(
        "TypeError",
        "fetch failed",
        undefined,
        failure("Error", "connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED"),
      ),
      { kind: "network", name: "Error", code: "ECONNREFUSED", message: "connect ECONNREFUSED 127.0.0.1:1" },
    ],
    [
      "all addresses failed",
      failure(
        "TypeError",
        "fetch failed",
        undefined,
        new AggregateError([failure("Error", "connect ETIMEDOUT", "ETIMEDOUT")]),
      ),
      { kind: "timeout", name: "Error", code: "ETIMEDOUT", message: "connect ETIMEDOUT" },
    ],
    [
      "a socket that closed",
      failure("SocketError", "other side closed", "UND_ERR_SOCKET"),
      { kind: "network", name: "SocketError", code: "UND_ERR_SOCKET", message: "other side closed" },
    ],
    [
      "headers that did not come",
      failure("HeadersTimeoutError", "Headers Timeout Error", "UND_ERR_HEADERS_TIMEOUT"),
      {
        kind: "timeout",
        name: "HeadersTimeoutError",
        code: "UND_ERR_HEADERS_TIMEOUT",
        message: "Headers Timeout Error",
      },
    ],
    ["a reason that is a string", "user left", { kind: "network", name: "string", message: "user left" }],
  ])("%s", (_name, error, expected) => {
    expect(readTransportError(error)).toEqual(expected);
  });

  it("survives errors that bite", () => {
    const circular: { cause?: unknown } = {};
    circular.cause = circular;
    const trap = Object.defineProperty({}, "message", {
      get() {
        throw new Error("trap");
      },
    });
    expect(readTransportError(circular).kind).toBe("network");
    expect(readTransportError(trap)).toEqual({ kind: "network", message: "The connection failed" });
  });
});
