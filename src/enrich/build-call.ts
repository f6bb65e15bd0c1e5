/** Joins what is known of an exchange into one record. Content is complete in it: the privacy gate comes next. */
import type { ParsedRequest, ParsedResponse, RouteInfo } from "../parsers/parser.ts";
import type {
  CallContext,
  CallRequest,
  CallResponse,
  Capture,
  LlmCall,
  MissingReason,
  Timing,
  Trace,
  Usage,
} from "../types.ts";
import type { HeaderFacts, TokenCounts } from "./headers.ts";
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
  response?: ResponseFacts | undefined;
  /** Milliseconds since `startedAt`, which is epoch ms. */
  timing: Omit<Timing, "outputTokensPerSecond">;
  /** The model had finished by the time the wire ended. */
  terminal: boolean;
  /** The app gave up: aborted, cancelled the body, broke out of the stream, or exited. */
  cancelled: boolean;
  transportError?: TransportError | undefined;
  context: CallContext;
  /** Default: not linked yet. */
  trace?: Trace | undefined;
  sampleRate?: number | undefined;
  notes: readonly string[];
  tokenTracking: boolean;
  costTracking: boolean;
}

interface ResponseFacts {
  status: number;
  /** Body bytes as they came, before content decoding. */
  bytes: number;
  chunks: number;
  /** The body really is a stream. */
  streaming: boolean;
  headers: HeaderFacts;
  /** Absent when the body was not parsed. */
  parsed?: ParsedResponse | undefined;
  truncated: boolean;
}

/**
 * The objects are made with the fields that every record has, and what else is known is added: a spread for each would
 * make an object of its own.
 *
 * @returns a record with content and, where the provider or a gateway reported it, with its cost
 */
export function buildCall(facts: CallFacts): LlmCall {
  const { route, request, response } = facts;
  const streaming = response !== undefined && response.streaming && response.status < 300;
  const ending = judgeEnding(toEndFacts(facts, streaming));
  const usage = findUsage(facts, ending);
  const call: LlmCall = {
    type: "call",
    schemaVersion: 1,
    id: facts.id,
    provider: route.provider,
    api: route.api,
    operation: response?.parsed?.operation ?? request.parsed.operation ?? route.operation,
    streaming,
    outcome: ending.outcome,
    request: buildRequest(request, route),
    usage,
    timing: buildTiming(facts.timing, streaming, usage),
    context: facts.context,
    trace: facts.trace ?? UNLINKED_TRACE,
    capture: buildCapture(facts),
  };
  if (response !== undefined) call.response = buildResponse(response, route, request.parsed.upstreamProvider);
  const cost = facts.tokenTracking && facts.costTracking ? findReportedCost(facts) : undefined;
  if (cost !== undefined) call.cost = { totalUsd: cost, source: "reported" };
  if (ending.error !== undefined) call.error = ending.error;
  return call;
}

function toEndFacts({ response, terminal, cancelled, transportError }: CallFacts, streaming: boolean): EndFacts {
  return {
    streaming,
    terminal,
    cancelled,
    transportError,
    status: response?.status,
    response: response?.parsed,
    retryAfterMs: response?.headers.retryAfterMs,
    errorType: response?.headers.errorType,
  };
}

function buildRequest({ method, url, host, bytes, parsed }: CallFacts["request"], route: RouteInfo): CallRequest {
  const { parameters, system, messages, tools } = parsed;
  const request: CallRequest = { method, url, host, parameters, bytes };
  const model = parsed.model ?? route.pathModel;
  if (model !== undefined) request.model = model;
  if (system !== undefined) request.system = system;
  if (messages !== undefined) request.messages = messages;
  if (tools !== undefined) request.tools = tools;
  return request;
}

/** What the body says comes before what the headers say. */
function buildResponse(
  { status, bytes, chunks, headers, parsed }: ResponseFacts,
  route: RouteInfo,
  asked: string | undefined,
): CallResponse {
  const response: CallResponse = { status, choices: parsed?.choices ?? [], bytes, chunks };
  const serviceTier = parsed?.serviceTier ?? headers.serviceTier;
  const upstream = parsed?.upstreamProvider ?? headers.upstreamProvider ?? route.upstreamProvider ?? asked;
  const processingMs = parsed?.processingMs ?? headers.processingMs;
  const cacheHit = headers.cacheHit ?? parsed?.cacheHit;
  if (parsed?.id !== undefined) response.id = parsed.id;
  if (parsed?.model !== undefined) response.model = parsed.model;
  if (headers.requestId !== undefined) response.requestId = headers.requestId;
  if (serviceTier !== undefined) response.serviceTier = serviceTier;
  if (upstream !== undefined) response.upstreamProvider = upstream;
  if (parsed?.embeddings !== undefined) response.embeddings = parsed.embeddings;
  if (headers.rateLimit !== undefined) response.rateLimit = headers.rateLimit;
  if (processingMs !== undefined) response.processingMs = processingMs;
  if (cacheHit !== undefined) response.cacheHit = cacheHit;
  if (parsed?.jobId !== undefined) response.jobId = parsed.jobId;
  return response;
}

function findUsage({ response, tokenTracking }: CallFacts, ending: Ending): Usage {
  if (!tokenTracking) return missing("token_tracking_off");
  const parsed = response?.parsed?.usage;
  if (parsed?.source === "reported" || parsed?.source === "not_applicable") return parsed;
  return readHeaderUsage(response?.headers.tokenCounts) ?? parsed ?? missing(explainMissing(response, ending));
}

/** Bedrock counts for models whose body says nothing. Totals are inclusive: its input count is without the cache. */
function readHeaderUsage(counts: TokenCounts | undefined): Usage | undefined {
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
  if (!streaming || firstTokenMs === undefined || usage.source !== "reported" || !usage.complete) return timing;
  const seconds = (durationMs - firstTokenMs) / 1_000;
  if (usage.outputTokens === undefined || seconds < 0.001) return timing;
  return { ...timing, outputTokensPerSecond: Math.round((usage.outputTokens / seconds) * 100) / 100 };
}

function buildCapture({ via, request, response, sampleRate, notes }: CallFacts): Capture {
  const responseTruncated = response?.truncated === true || response?.parsed?.contentTruncated === true;
  const capture: Capture = {
    via,
    content: request.truncated || responseTruncated ? "truncated" : "full",
    requestTruncated: request.truncated,
    responseTruncated,
    notes: joinNotes(notes, response?.parsed?.notes),
  };
  if (sampleRate !== undefined) capture.sampleRate = sampleRate;
  return capture;
}

function joinNotes(first: readonly string[], second: readonly string[] | undefined): string[] {
  if (second === undefined || second.length === 0) return first.length === 0 ? [] : [...new Set(first)];
  return [...new Set([...first, ...second])];
}
