/** How a call ended, and the error that says why. */
import type { ParsedResponse } from "../parsers/parser.ts";
import type { CallError, Outcome } from "../types.ts";
import { describeError } from "./describe-error.ts";
import type { TransportError } from "./transport-error.ts";

export interface EndFacts {
  /** HTTP status; absent when no response head came. */
  status?: number | undefined;
  /** The body really was a stream. */
  streaming: boolean;
  response?: ParsedResponse | undefined;
  /** The model had finished (finish reason, terminal event, `[DONE]`) by the time the wire ended. */
  terminal: boolean;
  /** The app gave up: aborted, cancelled the body, broke out of the stream, or exited. */
  cancelled: boolean;
  transportError?: TransportError | undefined;
  retryAfterMs?: number | undefined;
  /** Where the body does not say it: `x-amzn-errortype`. */
  errorType?: string | undefined;
}

export interface Ending {
  outcome: Outcome;
  error?: CallError;
}

/** First rule that applies wins: what the provider said comes before what the wire did. */
export function judgeEnding(facts: EndFacts): Ending {
  const { status, response, transportError, streaming } = facts;
  if (status === undefined) return judgeWithoutResponse(facts);
  // A redirect that nobody followed is no answer either.
  if (status >= 300) return { outcome: "error", error: providerError("http", facts) };
  if (response?.error !== undefined) {
    return { outcome: "error", error: providerError(streaming ? "stream" : "http", facts) };
  }
  // What happens on the wire after the model has finished harms nobody.
  if (facts.terminal || hasFinished(facts)) return { outcome: "success" };
  if (transportError?.kind === "timeout") return { outcome: "error", error: wireError("timeout", transportError) };
  if (facts.cancelled || transportError?.kind === "abort") {
    return { outcome: "cancelled", error: wireError("abort", transportError) };
  }
  if (transportError !== undefined) return { outcome: "truncated", error: wireError("network", transportError) };
  if (streaming && response !== undefined && !response.finished) {
    return {
      outcome: "truncated",
      error: { kind: "network", message: "The stream ended before the model had finished" },
    };
  }
  return { outcome: "success" };
}

function hasFinished({ response, streaming, cancelled, transportError }: EndFacts): boolean {
  if (response?.finished !== true) return false;
  if (!cancelled && transportError === undefined) return true;
  // Of a body that was cut short only a stream can have had its end before; and only who read it can tell.
  return streaming && !response.notes.some((note) => note === "no_parser" || note === "parser_failed");
}

/** No response head: nothing was truncated, because nothing had begun. */
function judgeWithoutResponse({ cancelled, transportError }: EndFacts): Ending {
  // `AbortSignal.timeout` is the app's own doing too, but what the app wanted was an answer.
  if (transportError?.kind === "timeout") return { outcome: "error", error: wireError("timeout", transportError) };
  if (cancelled || transportError?.kind === "abort") {
    return { outcome: "cancelled", error: wireError("abort", transportError) };
  }
  return { outcome: "error", error: wireError("network", transportError) };
}

function wireError(kind: "network" | "timeout" | "abort", transportError: TransportError | undefined): CallError {
  const { name, code, message } = transportError ?? {};
  return {
    kind,
    ...(name !== undefined && { type: name }),
    ...(code !== undefined && { code }),
    message: message ?? describeError({ kind }),
  };
}

function providerError(kind: "http" | "stream", facts: EndFacts): CallError {
  const { status, response, errorType } = facts;
  const parsed = response?.error;
  // A header comes before the body: it may be a gateway's that knows better.
  const retryAfterMs = facts.retryAfterMs ?? parsed?.retryAfterMs;
  const type = parsed?.type ?? errorType;
  const error: CallError = {
    kind,
    ...(type !== undefined && { type }),
    ...(parsed?.code !== undefined && { code: parsed.code }),
    ...(status !== undefined && status >= 300 && { status }),
    message: parsed?.message ?? "",
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  if (error.message === "") error.message = describeError(error);
  return error;
}
