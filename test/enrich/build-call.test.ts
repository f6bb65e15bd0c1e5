import { describe, expect, it } from "vitest";
import { buildCall } from "../../src/enrich/build-call.ts";
import type { CallFacts } from "../../src/enrich/build-call.ts";
import type { ParsedResponse } from "../../src/parsers/parser.ts";
import { missingUsage } from "../../src/parsers/parser.ts";
import type { TransportError } from "../../src/enrich/transport-error.ts";
import type { ErrorKind, Outcome, Usage } from "../../src/types.ts";

type ResponseFacts = NonNullable<CallFacts["response"]>;

const reported: Usage = { source: "reported", complete: true, inputTokens: 10, outputTokens: 50, totalTokens: 60 };

function parsed(changes: Partial<ParsedResponse> = {}): ParsedResponse {
  return { choices: [], usage: reported, finished: true, notes: [], ...changes };
}

function response(changes: Partial<ResponseFacts> = {}): ResponseFacts {
  return {
    status: 200,
    bytes: 20,
    chunks: 2,
    streaming: false,
    headers: {},
    parsed: parsed(),
    truncated: false,
    ...changes,
  };
}

function facts(changes: Partial<CallFacts> = {}): CallFacts {
  return {
    id: "019d5f00-0000-7000-8000-000000000001",
    via: "dispatcher",
    route: { provider: "openai", api: "openai-chat", operation: "chat" },
    request: {
      method: "POST",
      url: "https://api.openai.com/v1/chat/completions",
      host: "api.openai.com",
      bytes: 10,
      parsed: { model: "gpt-5", parameters: { temperature: 1 } },
      truncated: false,
    },
    response: response(),
    timing: { startedAt: 1_780_000_000_000, headersMs: 10, firstTokenMs: 500, durationMs: 1500 },
    terminal: false,
    cancelled: false,
    context: { userId: "u" },
    notes: [],
    tokenTracking: true,
    costTracking: true,
    ...changes,
  };
}

const reset: TransportError = {
  kind: "network",
  name: "SocketError",
  code: "UND_ERR_SOCKET",
  message: "other side closed",
};
const timeout: TransportError = { kind: "timeout", name: "TimeoutError", message: "timed out" };
const abort: TransportError = { kind: "abort", name: "AbortError", message: "aborted" };
const refused: TransportError = { kind: "network", code: "ECONNREFUSED", message: "refused" };

function withoutResponse(changes: Partial<CallFacts>): CallFacts {
  const { response: _response, ...rest } = facts(changes);
  return rest;
}

const open = response({ streaming: true, parsed: parsed({ finished: false }) });
const closed = response({ streaming: true });
const half = response({ parsed: parsed({ finished: false }) });
const unread = response({ streaming: true, parsed: parsed({ notes: ["parser_failed"] }) });

describe("the outcome", () => {
  it.each<[string, CallFacts, Outcome, ErrorKind | undefined]>([
    ["a whole answer", facts(), "success", undefined],
    ["a whole stream", facts({ response: closed, terminal: true }), "success", undefined],
    ["a body whose end nobody can tell", facts({ response: half }), "success", undefined],
    [
      "a body that was not parsed",
      facts({ response: response({ streaming: true, parsed: undefined as never }) }),
      "success",
      undefined,
    ],
    [
      "closed by the app after the finish reason",
      facts({ response: closed, terminal: true, cancelled: true }),
      "success",
      undefined,
    ],
    [
      "reset after the finish reason",
      facts({ response: closed, terminal: true, transportError: reset }),
      "success",
      undefined,
    ],
    [
      "timed out after the finish reason",
      facts({ response: closed, terminal: true, transportError: timeout }),
      "success",
      undefined,
    ],
    ["broken out of by the app", facts({ response: open, cancelled: true }), "cancelled", "abort"],
    [
      "broken out of, whatever the parser made of it",
      facts({ response: unread, cancelled: true }),
      "cancelled",
      "abort",
    ],
    ["aborted in a JSON body", facts({ response: half, cancelled: true, transportError: abort }), "cancelled", "abort"],
    ["aborted, seen as an error only", facts({ response: open, transportError: abort }), "cancelled", "abort"],
    ["aborted before the head", withoutResponse({ cancelled: true, transportError: abort }), "cancelled", "abort"],
    ["at process exit", withoutResponse({ cancelled: true }), "cancelled", "abort"],
    ["reset in the stream", facts({ response: open, transportError: reset }), "truncated", "network"],
    ["reset in a JSON body", facts({ response: half, transportError: reset }), "truncated", "network"],
    ["a stream that just ends", facts({ response: open }), "truncated", "network"],
    [
      "AbortSignal.timeout in the stream",
      facts({ response: open, cancelled: true, transportError: timeout }),
      "error",
      "timeout",
    ],
    [
      "AbortSignal.timeout before the head",
      withoutResponse({ cancelled: true, transportError: timeout }),
      "error",
      "timeout",
    ],
    ["a body timeout", facts({ response: half, transportError: timeout }), "error", "timeout"],
    ["no connection", withoutResponse({ transportError: refused }), "error", "network"],
    ["no head and no word why", withoutResponse({}), "error", "network"],
    ["a 429", facts({ response: response({ status: 429 }) }), "error", "http"],
    [
      "a 429 whose body the SDK cancels",
      facts({ response: response({ status: 429 }), cancelled: true }),
      "error",
      "http",
    ],
    ["a redirect that nobody followed", facts({ response: response({ status: 307 }) }), "error", "http"],
    [
      "an error event",
      facts({ response: response({ streaming: true, parsed: parsed({ error: { message: "overloaded" } }) }) }),
      "error",
      "stream",
    ],
    [
      "an error event, then a reset",
      facts({
        response: response({ streaming: true, parsed: parsed({ finished: false, error: { message: "x" } }) }),
        transportError: reset,
      }),
      "error",
      "stream",
    ],
    [
      "an error body with status 200",
      facts({ response: response({ parsed: parsed({ error: { message: "no" } }) }) }),
      "error",
      "http",
    ],
  ])("of %s", (_name, input, outcome, kind) => {
    const call = buildCall(input);
    expect([call.outcome, call.error?.kind]).toEqual([outcome, kind]);
    if (call.error !== undefined) expect(call.error.message).not.toBe("");
  });
});

describe("the error", () => {
  it("of the provider: its words, its status, when to come back", () => {
    const error = { type: "rate_limit_error", code: "rate_limit_exceeded", message: "slow down" };
    const { error: found } = buildCall(
      facts({
        response: response({
          status: 429,
          streaming: true,
          headers: { retryAfterMs: 2000 },
          parsed: parsed({ error }),
        }),
      }),
    );
    expect(found).toEqual({ kind: "http", ...error, status: 429, retryAfterMs: 2000 });
  });

  it("of a body that says nothing", () => {
    const { error, streaming } = buildCall(
      facts({
        response: response({ status: 503, streaming: true, headers: { errorType: "ServiceUnavailableException" } }),
      }),
    );
    expect(error).toEqual({
      kind: "http",
      type: "ServiceUnavailableException",
      status: 503,
      message: "HTTP 503 Service Unavailable",
    });
    expect(streaming).toBe(false);
  });

  it("of the wire: its name and code", () => {
    expect(buildCall(facts({ response: open, transportError: reset })).error).toEqual({
      kind: "network",
      type: "SocketError",
      code: "UND_ERR_SOCKET",
      message: "other side closed",
    });
  });
});

describe("usage", () => {
  it.each<[string, CallFacts, Partial<Usage>]>([
    ["as reported", facts(), reported],
    [
      "not tracked",
      facts({ tokenTracking: false }),
      { source: "missing", missingReason: "token_tracking_off", complete: false },
    ],
    ["no response", withoutResponse({}), { source: "missing", missingReason: "not_reported", complete: false }],
    [
      "no parse of an error",
      facts({ response: response({ status: 500, parsed: undefined as never }) }),
      { missingReason: "error_response" },
    ],
    [
      "no parse of a reset",
      facts({ response: response({ parsed: undefined as never }), transportError: reset }),
      { missingReason: "stream_interrupted" },
    ],
    [
      "the parser's reason",
      facts({ response: response({ parsed: parsed({ usage: missingUsage("deferred") }) }) }),
      { missingReason: "deferred" },
    ],
    [
      "Bedrock's headers where the body says nothing; their input is without the cache",
      facts({
        response: response({
          headers: { tokenCounts: { input: 30, output: 5, cacheRead: 10, cacheWrite: 2 } },
          parsed: parsed({ usage: missingUsage("not_reported") }),
        }),
      }),
      {
        source: "reported",
        complete: true,
        inputTokens: 42,
        outputTokens: 5,
        totalTokens: 47,
        cacheReadTokens: 10,
        cacheWriteTokens: 2,
      },
    ],
    [
      "the body's where both say something",
      facts({ response: response({ headers: { tokenCounts: { input: 30, output: 5 } } }) }),
      reported,
    ],
  ])("%s", (_name, input, expected) => {
    expect(buildCall(input).usage).toMatchObject(expected);
  });
});

describe("the reported cost", () => {
  const body = response({ parsed: parsed({ reportedCostUsd: 0.5 }), headers: { reportedCostUsd: 0.7 } });
  it.each<[string, CallFacts, number | undefined]>([
    ["of the body before the header's", facts({ response: body }), 0.5],
    ["of the header", facts({ response: response({ headers: { reportedCostUsd: 0 } }) }), 0],
    ["is not kept without cost tracking", facts({ response: body, costTracking: false }), undefined],
    ["is not kept without token tracking", facts({ response: body, tokenTracking: false }), undefined],
    [
      "is no cost when it is no number",
      facts({ response: response({ parsed: parsed({ reportedCostUsd: Number.NaN }) }) }),
      undefined,
    ],
  ])("%s", (_name, input, totalUsd) => {
    expect(buildCall(input).cost).toEqual(totalUsd === undefined ? undefined : { totalUsd, source: "reported" });
  });
});

describe("tokens per second", () => {
  it("are counted from the first token", () => {
    expect(buildCall(facts({ response: closed, terminal: true })).timing.outputTokensPerSecond).toBe(50);
  });

  it.each<[string, CallFacts]>([
    ["without a stream", facts()],
    ["without a first token", facts({ response: closed, timing: { startedAt: 1, durationMs: 10 } })],
    [
      "of a part",
      facts({ response: response({ streaming: true, parsed: parsed({ usage: { ...reported, complete: false } }) }) }),
    ],
    ["in no time", facts({ response: closed, timing: { startedAt: 1, firstTokenMs: 10, durationMs: 10 } })],
  ])("are unknown %s", (_name, input) => {
    expect(buildCall(input).timing).not.toHaveProperty("outputTokensPerSecond");
  });
});

describe("the record", () => {
  it("takes what the body says before what headers and path say, and leaves out what is unknown", () => {
    const call = buildCall(
      facts({
        route: {
          provider: "azure.ai.openai",
          api: "openai-chat",
          operation: "chat",
          pathModel: "deployment",
          upstreamProvider: "path",
        },
        request: { ...facts().request, parsed: { parameters: {}, operation: "embeddings" } },
        response: response({
          headers: {
            requestId: "r",
            serviceTier: "header",
            processingMs: 5,
            cacheHit: true,
            upstreamProvider: "header",
          },
          parsed: parsed({
            id: "i",
            model: "m",
            serviceTier: "body",
            operation: "rerank",
            contentTruncated: true,
            notes: ["odd"],
          }),
        }),
        notes: ["first", "odd"],
        sampleRate: 0.5,
      }),
    );
    expect(call.request).toEqual({
      method: "POST",
      url: "https://api.openai.com/v1/chat/completions",
      host: "api.openai.com",
      model: "deployment",
      parameters: {},
      bytes: 10,
    });
    expect(call.response).toEqual({
      status: 200,
      id: "i",
      model: "m",
      requestId: "r",
      serviceTier: "body",
      upstreamProvider: "header",
      choices: [],
      processingMs: 5,
      cacheHit: true,
      bytes: 20,
      chunks: 2,
    });
    expect(call.operation).toBe("rerank");
    expect(call.capture).toEqual({
      via: "dispatcher",
      content: "truncated",
      requestTruncated: false,
      responseTruncated: true,
      sampleRate: 0.5,
      notes: ["first", "odd"],
    });
    expect(call.trace).toEqual({ traceId: "0".repeat(32), spanId: "0".repeat(16) });
    expect(Object.values(call)).not.toContain(undefined);
  });
});
