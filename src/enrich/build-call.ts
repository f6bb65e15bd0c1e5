/** Joins what is known of an exchange into one record. Content is complete in it: the privacy gate comes next. */
import type { ParsedRequest, ParsedResponse, RouteInfo } from "../parsers/parser.ts";
import type { CallContext, CallResponse, Capture, LlmCall, MissingReason, Timing, Trace, Usage } from "../types.ts";
import type { HeaderFacts } from "./headers.ts";
import { UNLINKED_TRACE } from "./link.ts";
import { judgeEnding } from "./outcome.ts";
import type { EndFacts, Ending } from "./outcome.ts";
import type { TransportError } from "./transport-error.ts";

/** What is known of an exchange when it has ended. */
export interface CallFacts {
  /** UUIDv7, the same for all taps that saw this attempt. */
  id: string;
  via: Capture["via"];
  route: RouteInfo;
  request: {
    method: string;
    /** Without credentials. */
    url: string;
    host: string;
    /** Body bytes as sent. */
    bytes: number;
    parsed: ParsedRequest;
    /** Content was dropped because of a bound of ours. */
    truncated: boolean;
  };
  /** Absent when no response head came. */
  response?: {
    status: number;
    /** Body bytes as they came, before content decoding. */
    bytes: number;
    chunks: number;
    /** The body really is a stream. */
    streaming: boolean;
    headers: HeaderFacts;
    /** Absent when the body was not parsed. */
    parsed?: ParsedResponse;
    truncated: boolean;
  };
  /** Milliseconds since `startedAt`, which is epoch ms. */
  timing: Omit<Timing, "outputTokensPerSecond">;
  /** The model had finished by the time the wire ended. */
  terminal: boolean;
  /** The app gave up: aborted, cancelled the body, broke out of the stream, or exited. */
  cancelled: boolean;
  transportError?: TransportError;
  context: CallContext;
  /** Default: not linked yet. */
  trace?: Trace;
  sampleRate?: number;
  notes: readonly string[];
  tokenTracking: boolean;
  costTracking: boolean;
}

/** @returns a record with content and, where the provider or a gateway reported it, with its cost */
export function buildCall(facts: CallFacts): LlmCall {
  const { route, request, response } = facts;
  const { parsed } = request;
  const streaming = response !== undefined && response.streaming && response.status < 300;
  const ending = judgeEnding(toEndFacts(facts, streaming));
  const usage = findUsage(facts, ending);
  const cost = facts.tokenTracking && facts.costTracking ? findReportedCost(facts) : undefined;
  const model = parsed.model ?? route.pathModel;
  return {
    type: "call",
    schemaVersion: 1,
    id: facts.id,
    provider: route.provider,
    api: route.api,
    operation: response?.parsed?.operation ?? parsed.operation ?? route.operation,
    streaming,
    outcome: ending.outcome,
    request: {
      method: request.method,
      url: request.url,
      host: request.host,
      ...(model !== undefined && { model }),
      parameters: parsed.parameters,
      ...(parsed.system !== undefined && { system: parsed.system }),
      ...(parsed.messages !== undefined && { messages: parsed.messages }),
      ...(parsed.tools !== undefined && { tools: parsed.tools }),
      bytes: request.bytes,
    },
    ...(response !== undefined && { response: buildResponse(response, route, parsed.upstreamProvider) }),
    usage,
    ...(cost !== undefined && { cost: { totalUsd: cost, source: "reported" } }),
    timing: buildTiming(facts.timing, streaming, usage),
    ...(ending.error !== undefined && { error: ending.error }),
    context: facts.context,
    trace: facts.trace ?? { ...UNLINKED_TRACE },
    capture: buildCapture(facts),
  };
}

function toEndFacts({ response, terminal, cancelled, transportError }: CallFacts, streaming: boolean): EndFacts {
  return {
    streaming,
    terminal,
    cancelled,
    ...(transportError !== undefined && { transportError }),
    ...(response !== undefined && { status: response.status }),
    ...(response?.parsed !== undefined && { response: response.parsed }),
    ...(response?.headers.retryAfterMs !== undefined && { retryAfterMs: response.headers.retryAfterMs }),
    ...(response?.headers.errorType !== undefined && { errorType: response.headers.errorType }),
  };
}

/** What the body says comes before what the headers say. */
function buildResponse(
  { status, bytes, chunks, headers, parsed }: NonNullable<CallFacts["response"]>,
  route: RouteInfo,
  asked: string | undefined,
): CallResponse {
  const fields: { [Key in keyof CallResponse]: CallResponse[Key] | undefined } = {
    status,
    id: parsed?.id,
    model: parsed?.model,
    requestId: headers.requestId,
    serviceTier: parsed?.serviceTier ?? headers.serviceTier,
    upstreamProvider: parsed?.upstreamProvider ?? headers.upstreamProvider ?? route.upstreamProvider ?? asked,
    choices: parsed?.choices ?? [],
    embeddings: parsed?.embeddings,
    rateLimit: headers.rateLimit,
    processingMs: parsed?.processingMs ?? headers.processingMs,
    cacheHit: headers.cacheHit ?? parsed?.cacheHit,
    jobId: parsed?.jobId,
    bytes,
    chunks,
  };
  // Adding what is known is several times faster than deleting what is not.
  const known: Record<string, unknown> = {};
  for (const key in fields) {
    const value = fields[key as keyof CallResponse];
    if (value !== undefined) known[key] = value;
  }
  return known as unknown as CallResponse;
}

function findUsage({ response, tokenTracking }: CallFacts, ending: Ending): Usage {
  if (!tokenTracking) return missing("token_tracking_off");
  const parsed = response?.parsed?.usage;
  if (parsed?.source === "reported" || parsed?.source === "not_applicable") return parsed;
  return readHeaderUsage(response?.headers.tokenCounts) ?? parsed ?? missing(explainMissing(response, ending));
}

/** Bedrock counts for models whose body says nothing. Totals are inclusive: its input count is without the cache. */
function readHeaderUsage(counts: HeaderFacts["tokenCounts"]): Usage | undefined {
  if (counts?.input === undefined && counts?.output === undefined) return undefined;
  const { input, output, cacheRead, cacheWrite } = counts;
  const inputTokens = input === undefined ? undefined : input + (cacheRead ?? 0) + (cacheWrite ?? 0);
  return {
    source: "reported",
    complete: true,
    ...(inputTokens !== undefined && { inputTokens }),
    ...(output !== undefined && { outputTokens: output }),
    ...(inputTokens !== undefined && output !== undefined && { totalTokens: inputTokens + output }),
    ...(cacheRead !== undefined && { cacheReadTokens: cacheRead }),
    ...(cacheWrite !== undefined && { cacheWriteTokens: cacheWrite }),
  };
}

function missing(missingReason: MissingReason): Usage {
  return { source: "missing", missingReason, complete: false };
}

function explainMissing(response: CallFacts["response"], { outcome, error }: Ending): MissingReason {
  if (response === undefined) return "not_reported";
  if (error?.kind === "http" || error?.kind === "stream") return "error_response";
  return outcome === "success" ? "not_parsed" : "stream_interrupted";
}

function findReportedCost({ response }: CallFacts): number | undefined {
  const inHeaders = response?.headers.reportedCostUsd;
  // The headers of a stream leave before anything is generated: 0 is what a gateway knows by then.
  const isPremature = inHeaders === 0 && response?.streaming === true;
  const cost = response?.parsed?.reportedCostUsd ?? (isPremature ? undefined : inHeaders);
  return cost !== undefined && Number.isFinite(cost) && cost >= 0 ? cost : undefined;
}

/** The rate is that of generating: from the first token on, and only where all tokens were counted. */
function buildTiming(timing: CallFacts["timing"], streaming: boolean, usage: Usage): Timing {
  const { firstTokenMs, durationMs } = timing;
  if (!streaming || firstTokenMs === undefined || usage.source !== "reported" || !usage.complete) return { ...timing };
  const seconds = (durationMs - firstTokenMs) / 1_000;
  if (usage.outputTokens === undefined || seconds < 0.001) return { ...timing };
  return { ...timing, outputTokensPerSecond: Math.round((usage.outputTokens / seconds) * 100) / 100 };
}

function buildCapture({ via, request, response, sampleRate, notes }: CallFacts): Capture {
  const responseTruncated = response?.truncated === true || response?.parsed?.contentTruncated === true;
  return {
    via,
    content: request.truncated || responseTruncated ? "truncated" : "full",
    requestTruncated: request.truncated,
    responseTruncated,
    ...(sampleRate !== undefined && { sampleRate }),
    notes: joinNotes(notes, response?.parsed?.notes ?? []),
  };
}

function joinNotes(first: readonly string[], second: readonly string[]): string[] {
  return first.length === 0 && second.length === 0 ? [] : [...new Set([...first, ...second])];
}
