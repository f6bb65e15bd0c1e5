/**
 * The trace of a call: from its context or its `traceparent` header, else a new one; and which attempt it is. What links
 * calls that say nothing of each other (tool results, response ids, history) comes after this.
 */
import type { LlmCall, Trace } from "../types.ts";

export interface LinkerOptions {
  /** Random lower-case hex digits, from the platform: 32 for a trace, 16 for a span. */
  randomHex: (digits: number) => string;
}

/** What was known at dispatch. */
export interface LinkHints {
  /** From `tap.run`, a span around the call, or an override header. */
  traceId?: string;
  parentSpanId?: string;
  /** The request's own W3C header: whoever set it has an open span. */
  traceparent?: string;
  /** `x-stainless-retry-count`: 0 for the first try. */
  retryCount?: string;
}

export interface Linker {
  /** Sets `trace` and `request.attempt` of a call that nobody else holds yet, and returns it. */
  link(call: LlmCall, hints: LinkHints): LlmCall;
}

/** The trace of a call that was not linked yet: W3C's invalid ids. */
export const UNLINKED_TRACE: Readonly<Trace> = { traceId: "0".repeat(32), spanId: "0".repeat(16) };

export function createLinker({ randomHex }: LinkerOptions): Linker {
  function findTrace(hints: LinkHints): Trace {
    const spanId = randomHex(16);
    const header = readTraceparent(hints.traceparent);
    if (hints.traceId !== undefined) {
      // A header of another trace says nothing about who called in this one.
      const parent = hints.parentSpanId ?? (header?.traceId === hints.traceId ? header.parentSpanId : undefined);
      return {
        traceId: hints.traceId,
        spanId,
        ...(parent !== undefined && { parentSpanId: parent }),
        linkedBy: "context",
      };
    }
    if (header !== undefined) return { ...header, spanId, linkedBy: "otel" };
    return { traceId: randomHex(32), spanId };
  }

  function link(call: LlmCall, hints: LinkHints): LlmCall {
    call.trace = findTrace(hints);
    const attempt = readAttempt(hints.retryCount);
    if (attempt !== undefined) call.request.attempt = attempt;
    return call;
  }

  return { link };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; a version that is not known yet is read like version 00. */
function readTraceparent(header: string | undefined): { traceId: string; parentSpanId: string } | undefined {
  const match = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/.exec(header?.trim() ?? "");
  const [, traceId, parentSpanId] = match ?? [];
  if (traceId === undefined || parentSpanId === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) return undefined;
  return { traceId, parentSpanId };
}

/** 1 for the first try. @param retryCount - of OpenAI's and Anthropic's SDKs: 0 for the first try */
function readAttempt(retryCount: string | undefined): number | undefined {
  return retryCount !== undefined && /^\d{1,4}$/.test(retryCount) ? Number(retryCount) + 1 : undefined;
}
