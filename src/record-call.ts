/** From an exchange that was read to the record that leaves: built, gated, priced, linked, sampled. */
import { digestMedia } from "#platform";
import { buildCall, type CallFacts } from "./enrich/build-call.ts";
import type { CostCalculator } from "./enrich/cost.ts";
import { readHeaderFacts } from "./enrich/headers.ts";
import type { Linker } from "./enrich/link.ts";
import { applyPrivacy, type PrivacyPolicy } from "./enrich/privacy.ts";
import { readTransportError } from "./enrich/transport-error.ts";
import { DEFAULT_MAX_CONTENT_LENGTH } from "./options.ts";
import type { AssembledExchange } from "./pipeline/assemble.ts";
import type { Exchange, LlmCall, TapOptions } from "./types.ts";

export interface RecorderOptions {
  options: TapOptions;
  cost: CostCalculator;
  linker: Linker;
  report(place: string, error: unknown): void;
}

/** The steps of a call on its way to the sinks. `undefined`: sampled out. */
export function createRecorder({ options, cost, linker, report }: RecorderOptions) {
  return function recordCall(exchange: Exchange, assembled: AssembledExchange | undefined): LlmCall | undefined {
    const { settings } = exchange;
    const built = buildCall(toFacts(exchange, assembled, options.sampleRate));
    // Ids first: sampling is per trace, and what is sampled out needs no gate.
    const linked = linker.link(built, {
      ...(settings.traceId !== undefined && { traceId: settings.traceId }),
      ...(settings.parentSpanId !== undefined && { parentSpanId: settings.parentSpanId }),
      ...optional("traceparent", exchange.requestHeaders["traceparent"]),
      ...optional("retryCount", exchange.requestHeaders["x-stainless-retry-count"]),
    });
    if (!isSampled(linked.trace.traceId, options.sampleRate ?? 1)) return undefined;
    const policy = createPolicy(exchange, linked, options, report);
    const kept = applyPrivacy(linked, policy);
    if (settings.tokenTracking && settings.costTracking) {
      const price = cost.price(kept);
      if (price !== undefined) kept.cost = price;
    }
    return isWanted(kept, options, report) ? kept : undefined;
  };
}

function optional<Key extends string>(key: Key, value: string | undefined): { [Name in Key]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { [Name in Key]?: string };
}

function toFacts(
  exchange: Exchange,
  assembled: AssembledExchange | undefined,
  sampleRate: number | undefined,
): CallFacts {
  const { settings, startTime, startedAt } = exchange;
  const since = (time: number): number => Math.max(0, time - startTime);
  const notes = [...exchange.notes, ...(assembled?.notes ?? ["parser_failed"])];
  const facts: CallFacts = {
    id: exchange.id,
    via: exchange.via,
    route: exchange.route,
    request: {
      method: exchange.method.toUpperCase(),
      url: exchange.url,
      host: exchange.host,
      bytes: requestBytes(exchange),
      parsed: assembled?.request ?? { parameters: {} },
      truncated: exchange.requestTruncated,
    },
    timing: { startedAt, durationMs: since(exchange.endTime) },
    terminal: assembled?.response.finished === true && (assembled.streaming || !exchange.hasError),
    cancelled: exchange.isCancelled,
    context: settings.context,
    notes: [...new Set(notes)],
    tokenTracking: settings.tokenTracking,
    costTracking: settings.costTracking,
  };
  if (exchange.status !== 0) {
    const respondedAt = startedAt + since(exchange.headersTime);
    facts.timing.headersMs = since(exchange.headersTime);
    if (exchange.chunkCount > 0) facts.timing.firstByteMs = since(exchange.firstByteTime);
    if (assembled?.firstTokenMs !== undefined) facts.timing.firstTokenMs = assembled.firstTokenMs;
    facts.response = {
      status: exchange.status,
      bytes: exchange.responseBytes,
      chunks: exchange.chunkCount,
      streaming: assembled?.streaming ?? false,
      headers: readHeaderFacts(exchange.responseHeaders, respondedAt),
      truncated: assembled?.responseTruncated === true || exchange.notes.includes("response_content_dropped"),
      ...(assembled !== undefined && { parsed: assembled.response }),
    };
  }
  if (exchange.hasError) {
    const transportError = readTransportError(exchange.error);
    // A reason of the app's own (`reader.cancel(new Error("enough"))`) is no failure of the wire; a time-out is one.
    if (exchange.isCancelled && transportError.kind === "network") transportError.kind = "abort";
    facts.transportError = transportError;
  }
  if (sampleRate !== undefined && sampleRate < 1) facts.sampleRate = sampleRate;
  return facts;
}

function requestBytes({ requestBytes: counted, requestBody, requestHeaders }: Exchange): number {
  const declared = Number(requestHeaders["content-length"]);
  if (Number.isSafeInteger(declared) && declared > 0) return declared;
  // A string was counted in UTF-16 units on the hot path.
  return typeof requestBody === "string" && counted === requestBody.length
    ? new TextEncoder().encode(requestBody).byteLength
    : counted;
}

function createPolicy(
  exchange: Exchange,
  call: LlmCall,
  options: TapOptions,
  report: RecorderOptions["report"],
): PrivacyPolicy {
  const { settings } = exchange;
  const policy: PrivacyPolicy = {
    privacyMode: settings.privacyMode || isCaptureOff(call, options, report),
    excludeInput: settings.excludeInput,
    excludeOutput: settings.excludeOutput,
    captureMedia: options.captureMedia ?? false,
    maxContentLength: options.maxContentLength ?? DEFAULT_MAX_CONTENT_LENGTH,
    redactPii: options.redactPii ?? false,
    digest: digestMedia,
    onRedactError: (error) => report("redact", error),
  };
  if (options.redact !== undefined) policy.redact = options.redact;
  return policy;
}

/** A `capture` that throws or answers something else gets the strict answer. */
function isCaptureOff(call: LlmCall, options: TapOptions, report: RecorderOptions["report"]): boolean {
  if (options.capture === undefined) return false;
  try {
    const answer = options.capture({
      provider: call.provider,
      api: call.api,
      host: call.request.host,
      context: structuredClone(call.context),
      ...(call.request.model !== undefined && { model: call.request.model }),
    });
    return answer !== "full";
  } catch (error) {
    report("capture", error);
    return true;
  }
}

/** When `sample` throws, the call is kept. */
function isWanted(call: LlmCall, options: TapOptions, report: RecorderOptions["report"]): boolean {
  if (options.sample === undefined) return true;
  try {
    return options.sample(call);
  } catch (error) {
    report("sample", error);
    return true;
  }
}

/** The same answer for all calls of a trace: its id decides. */
function isSampled(traceId: string, rate: number): boolean {
  if (rate >= 1) return true;
  if (rate <= 0) return false;
  let hash = 2166136261;
  for (let index = 0; index < traceId.length; index += 1) {
    hash = Math.imul(hash ^ traceId.charCodeAt(index), 16777619);
  }
  return (hash >>> 0) / 2 ** 32 < rate;
}
