/** From an exchange that was read to the record that leaves: built, linked, sampled, priced, gated. */
import { countBytes } from "#platform";
import { expectNoPromise } from "./callback-answer.ts";
import { buildCall, type CallFacts } from "./enrich/build-call.ts";
import { type CostCalculator, PRICE_UNKNOWN } from "./enrich/cost.ts";
import { readHeaderFacts } from "./enrich/headers.ts";
import { createJobStore, isDeferred, type Job, joinJob, toResult } from "./enrich/jobs.ts";
import type { Linker, LinkHints, Links } from "./enrich/link.ts";
import { keepArguments, type ToolRun } from "./enrich/link-tools.ts";
import { shareTurnPrivacy } from "./enrich/link-turns.ts";
import { applyPrivacy, applySpanPrivacy, type PrivacyPolicy, toMetadata } from "./enrich/privacy.ts";
import { buildToolSpan } from "./enrich/tool-span.ts";
import { readTransportError, type TransportError } from "./enrich/transport-error.ts";
import { createId, randomHex } from "./interceptor/id.ts";
import { NOTE_GEN_AI_SPAN } from "./gen-ai-span.ts";
import type { AssembledExchange } from "./pipeline/assemble.ts";
import { findProviderOfUrl } from "./providers/upstream.ts";
import { createPolicy, isSampled, type Report } from "./record-policy.ts";
import type { CaptureMeta, Exchange, LlmCall, Span, TapOptions } from "./types.ts";

export interface RecorderOptions {
  options: TapOptions;
  cost: CostCalculator;
  linker: Linker;
  report: Report;
  /** Content was left out because of sampling. */
  onContentSampledOut(): void;
}

/** A call, and the tools that were run before it. */
export interface RecordedCall {
  call: LlmCall;
  /** Its usage is known, its price is not. */
  isPriceUnknown: boolean;
  spans: readonly Span[];
}

/** `undefined`: sampled out; `poll`: only asked for the state of a job. */
export type RecordCall = (
  exchange: Exchange,
  assembled: AssembledExchange | undefined,
) => RecordedCall | "poll" | undefined;

/** The steps of a call on its way to the sinks. `undefined`: sampled out. */
export function createRecorder(recorder: RecorderOptions): RecordCall {
  const { options, cost, linker, report } = recorder;
  const jobs = createJobStore();
  return function recordCall(seen, assembled) {
    const job = jobs.complete(seen, assembled?.response);
    if (seen.pollOf !== undefined && job === undefined) return "poll";
    const exchange = job === undefined ? seen : toResult(job, seen);
    const { settings } = exchange;
    const built = buildCall(toFacts(exchange, assembled, options.sampleRate));
    // Ids first: sampling is per trace, and what is sampled out needs no gate.
    const { toolRuns, turn } =
      job === undefined ? linker.link(built, toLinkHints(exchange, assembled, options)) : linkToJob(built, job);
    if (isDeferred(assembled?.response)) jobs.note(built, exchange);
    const { traceId } = built.trace;
    if (!isSampled(traceId, options.sampleRate ?? 1)) return undefined;
    const policy = createPolicy(settings, () => toCaptureMeta(built), options, report);
    // Its texts end with the mark of their cut.
    if (assembled?.isGated === true) policy.maxContentLength += LONGEST_CUT_MARK;
    const hasContent = !policy.privacyMode;
    if (!isSampled(traceId, options.contentSampleRate ?? 1)) policy.privacyMode = true;
    if (turn !== undefined) turn.privacy = shareTurnPrivacy(policy);
    // Before the gate: a field that is added to what it copies gives each record a hidden class of its own in V8, and
    // every reader a miss.
    if (settings.tokenTracking && settings.costTracking) {
      const price = cost.price(built);
      if (price !== undefined) built.cost = price;
    }
    let call = applyPrivacy(built, policy, assembled?.request.knownBeginning);
    const verdict = judgeCall(call, options, report);
    if (verdict === "drop") return undefined;
    if (verdict === "metadata") {
      call = toMetadata(call) as LlmCall;
      policy.privacyMode = true;
    }
    if (hasContent && policy.privacyMode) recorder.onContentSampledOut();
    if (turn !== undefined) keepArguments(turn, call);
    const isPriceUnknown = call.capture.notes.includes(PRICE_UNKNOWN);
    return { call, isPriceUnknown, spans: recordToolRuns(toolRuns, built, policy) };
  };
}

/** The call itself was linked when it was recorded. */
function linkToJob(call: LlmCall, job: Job): Links {
  joinJob(call, job, randomHex(16));
  return { toolRuns: [], turn: undefined };
}

const NO_SPANS: readonly Span[] = Object.freeze([]);

function recordToolRuns(runs: readonly ToolRun[], call: LlmCall, policy: PrivacyPolicy): readonly Span[] {
  return runs.length === 0 ? NO_SPANS : runs.map((run) => recordToolRun(run, call, policy));
}

/** The strictest of the call that asked for the tool and the one that brought its result. */
function recordToolRun(run: ToolRun, call: LlmCall, policy: PrivacyPolicy): Span {
  const span = buildToolSpan(run, call, { id: createId(run.startedAt), spanId: randomHex(16) });
  return applySpanPrivacy(span, {
    ...policy,
    privacyMode: policy.privacyMode || run.privacy.privacyMode,
    excludeInput: policy.excludeInput || run.privacy.excludeInput,
    excludeOutput: policy.excludeOutput || run.privacy.excludeOutput,
  });
}

function toCaptureMeta({ provider, api, request }: LlmCall): Omit<CaptureMeta, "context"> {
  return { provider, api, host: request.host, ...(request.model !== undefined && { model: request.model }) };
}

function toLinkHints(exchange: Exchange, assembled: AssembledExchange | undefined, { capture }: TapOptions): LinkHints {
  const { settings, requestHeaders, startTime, endTime, lastByteTime } = exchange;
  const { traceId, parentSpanId, activeSpan, privacyMode, excludeInput, excludeOutput } = settings;
  return {
    traceId,
    parentSpanId,
    activeSpan,
    traceparent: requestHeaders["traceparent"],
    headers: requestHeaders,
    startTime,
    endTime,
    answerTime: lastByteTime === 0 ? endTime : Math.min(lastByteTime, endTime),
    readBody: () => readBodyText(exchange),
    itemIds: assembled?.response.itemIds,
    print: assembled?.print,
    knownBeginning: assembled?.request.knownBeginning,
    // Until `capture` was asked.
    privacy: { privacyMode: privacyMode || capture !== undefined, excludeInput, excludeOutput },
  };
}

/** Only to be compared: it need not be decoded faithfully. */
function readBodyText({ requestBody, requestChunks, requestTruncated }: Exchange): string | undefined {
  if (requestTruncated) return undefined;
  if (typeof requestBody === "string") return requestBody;
  const decoder = new TextDecoder();
  if (requestBody !== undefined) return decoder.decode(requestBody);
  if (requestChunks === undefined) return undefined;
  let text = "";
  for (const chunk of requestChunks) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

function toFacts(
  exchange: Exchange,
  assembled: AssembledExchange | undefined,
  sampleRate: number | undefined,
): CallFacts {
  const { settings } = exchange;
  return {
    id: exchange.id,
    via: exchange.via,
    route: exchange.route,
    request: {
      method: exchange.method.toUpperCase(),
      url: exchange.url,
      host: exchange.host,
      bytes: requestBytes(exchange),
      parsed: assembled?.request ?? { parameters: {} },
      truncated: exchange.requestTruncated || assembled?.requestTruncated === true,
    },
    response: exchange.status === 0 ? undefined : toResponseFacts(exchange, assembled),
    timing: toTiming(exchange, assembled),
    terminal: assembled?.response.finished === true && (assembled.streaming || !exchange.hasError),
    cancelled: exchange.isCancelled,
    transportError: exchange.hasError ? toTransportError(exchange) : undefined,
    context: settings.context,
    trace: undefined,
    sampleRate: sampleRate !== undefined && sampleRate < 1 ? sampleRate : undefined,
    notes: collectNotes(exchange, assembled),
    tokenTracking: settings.tokenTracking,
    costTracking: settings.costTracking,
  };
}

const NOT_READ: readonly string[] = ["parser_failed"];

function collectNotes({ notes, settings }: Exchange, assembled: AssembledExchange | undefined): readonly string[] {
  const read = assembled?.notes ?? NOT_READ;
  if (settings.activeSpan?.isModelCall === true) return [...notes, ...read, NOTE_GEN_AI_SPAN];
  return read.length === 0 ? notes : [...notes, ...read];
}

function toTiming(exchange: Exchange, assembled: AssembledExchange | undefined): CallFacts["timing"] {
  const { startedAt, startTime, endTime } = exchange;
  const timing: CallFacts["timing"] = { startedAt, durationMs: elapsed(startTime, endTime) };
  if (exchange.status === 0) return timing;
  timing.headersMs = elapsed(startTime, exchange.headersTime);
  if (exchange.chunkCount > 0) timing.firstByteMs = elapsed(startTime, exchange.firstByteTime);
  if (assembled?.firstTokenMs !== undefined) timing.firstTokenMs = assembled.firstTokenMs;
  return timing;
}

function elapsed(from: number, to: number): number {
  return Math.max(0, to - from);
}

function toResponseFacts(exchange: Exchange, assembled: AssembledExchange | undefined): CallFacts["response"] {
  const respondedAt = exchange.startedAt + elapsed(exchange.startTime, exchange.headersTime);
  return {
    status: exchange.status,
    bytes: exchange.responseBytes,
    chunks: exchange.chunkCount,
    streaming: assembled?.streaming ?? false,
    headers: readHeaderFacts(exchange.responseHeaders, respondedAt, findProviderOfUrl),
    parsed: assembled?.response,
    truncated: assembled?.responseTruncated === true || exchange.notes.includes("response_content_dropped"),
  };
}

function toTransportError({ error, isCancelled }: Exchange): TransportError {
  const transportError = readTransportError(error);
  // A reason of the app's own (`reader.cancel(new Error("enough"))`) is no failure of the wire; a time-out is one.
  if (isCancelled && transportError.kind === "network") transportError.kind = "abort";
  return transportError;
}

function requestBytes({ requestBytes: counted, requestBody, requestHeaders }: Exchange): number {
  const declared = Number(requestHeaders["content-length"]);
  if (Number.isSafeInteger(declared) && declared > 0) return declared;
  // A string was counted in UTF-16 units on the hot path.
  return typeof requestBody === "string" && counted === requestBody.length ? countBytes(requestBody) : counted;
}

const LONGEST_CUT_MARK = 64;

/** When `sample` throws, the call is kept. */
function judgeCall(call: LlmCall, { sample }: TapOptions, report: Report): "keep" | "metadata" | "drop" {
  if (sample === undefined) return "keep";
  try {
    const answer = sample(call);
    expectNoPromise(answer, "sample");
    return answer === "metadata" ? answer : answer ? "keep" : "drop";
  } catch (error) {
    report("sample", error);
    return "keep";
  }
}
