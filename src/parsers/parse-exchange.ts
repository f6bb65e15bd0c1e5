/** `parseExchange`: a recording in, the record out that a tap would have made of it. */
import { digestMedia } from "#platform";
import { buildCall, type CallFacts } from "../enrich/build-call.ts";
import { readHeaderFacts } from "../enrich/headers.ts";
import { linkAlone } from "../enrich/link.ts";
import { applyPrivacy } from "../enrich/privacy.ts";
import { createId, randomHex } from "../interceptor/id.ts";
import { authorityOf } from "../interceptor/route.ts";
import { scrubUrl } from "../providers/secrets.ts";
import { findProviderOfUrl } from "../providers/upstream.ts";
import type { CallContext, LlmCall, TapOptions } from "../types.ts";
import { type AssembledRecording, type AssembleOptions, assembleRecording } from "./assemble-recording.ts";
import { checkParseOptions } from "./check-parse-options.ts";
import { readRecording, type RecordedExchange, type Recording } from "./read-recording.ts";

export interface ParseExchangeOptions
  extends
    AssembleOptions,
    Pick<
      TapOptions,
      "privacyMode" | "excludeInput" | "excludeOutput" | "captureMedia" | "redact" | "redactPii" | "maxContentLength"
    > {
  /** Who asked. Default: nobody is named. */
  context?: CallContext;
}

/**
 * Parses one recorded exchange. Content is complete unless an option says otherwise; credentials are masked as in a tap.
 * Cost is what the provider or a gateway reported: the price list is not consulted. Never throws on what was recorded.
 * @returns `undefined` when it is no inference call
 * @throws TypeError for what is no recording, and for wrong options
 * @example
 * const call = parseExchange({
 *   request: { method: "POST", url: "https://api.openai.com/v1/chat/completions", body: "{…}" },
 *   response: { status: 200, headers: { "content-type": "application/json" }, body: "{…}" },
 * });
 * call?.usage.inputTokens;
 */
export function parseExchange(exchange: RecordedExchange, options: ParseExchangeOptions = {}): LlmCall | undefined {
  checkParseOptions(options);
  const recording = readRecording(exchange);
  const assembled = assembleRecording(recording, options);
  if (assembled === undefined) return undefined;
  const headers = assembled.requestHeaders;
  const { traceparent } = headers;
  const hints = { headers, ...(traceparent !== undefined && { traceparent }) };
  const call = linkAlone(buildCall(toFacts(recording, assembled, options)), hints, randomHex);
  return applyPrivacy(call, {
    privacyMode: options.privacyMode ?? false,
    excludeInput: options.excludeInput ?? false,
    excludeOutput: options.excludeOutput ?? false,
    captureMedia: options.captureMedia ?? false,
    redactPii: options.redactPii ?? false,
    maxContentLength: options.maxContentLength ?? Number.POSITIVE_INFINITY,
    digest: digestMedia,
    ...(options.redact !== undefined && { redact: options.redact }),
  });
}

function toFacts(
  { request, response, startedAt = Date.now(), durationMs, id }: Recording,
  assembled: AssembledRecording,
  options: ParseExchangeOptions,
): CallFacts {
  const { chunks } = response;
  const [first] = chunks ?? [];
  const interrupted = options.interrupted === true;
  return {
    id: id ?? createId(startedAt),
    via: "recording",
    route: assembled.route,
    request: {
      method: request.method,
      url: scrubUrl(request.url),
      host: authorityOf(request.url) ?? "",
      bytes: sizeOf(request.body),
      parsed: assembled.request,
      truncated: false,
    },
    response: {
      status: response.status,
      bytes:
        chunks === undefined ? sizeOf(response.body) : chunks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
      chunks: chunks?.length ?? Math.min(sizeOf(response.body), 1),
      streaming: assembled.streaming,
      headers: readHeaderFacts(assembled.responseHeaders, startedAt, findProviderOfUrl),
      parsed: assembled.response,
      truncated: assembled.responseTruncated,
    },
    timing: {
      startedAt,
      ...(first !== undefined && { firstByteMs: first.atMs }),
      ...(assembled.firstTokenMs !== undefined && { firstTokenMs: assembled.firstTokenMs }),
      durationMs: durationMs ?? chunks?.at(-1)?.atMs ?? 0,
    },
    terminal: assembled.response.finished && (assembled.streaming || !interrupted),
    cancelled: false,
    ...(interrupted && { transportError: { kind: "network" as const, message: "The recording breaks off" } }),
    context: options.context ?? {},
    notes: assembled.notes,
    tokenTracking: true,
    costTracking: true,
  };
}

const encoder = new TextEncoder();

function sizeOf(body: string | Uint8Array | undefined): number {
  if (body === undefined) return 0;
  return typeof body === "string" ? encoder.encode(body).byteLength : body.byteLength;
}
