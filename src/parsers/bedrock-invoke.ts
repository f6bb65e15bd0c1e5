/**
 * Bedrock InvokeModel and InvokeModelWithResponseStream: the body is the model's own, so the answer is read by the
 * parser of whoever speaks that way elsewhere. The shape of the first value tells which: ids of inference profiles and
 * imported models name no family.
 *
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
 */
import { anthropicCompleteParser } from "./anthropic-complete.ts";
import { anthropicMessagesParser } from "./anthropic-messages.ts";
import { bedrockConverseParser } from "./bedrock-converse.ts";
import { nameBedrockError, readBedrockEventError } from "./bedrock-errors.ts";
import { readInvokeRequest } from "./bedrock-request.ts";
import { createBedrockTextFold } from "./bedrock-text.ts";
import { readInvocationMetrics, readUsageHeaders } from "./bedrock-usage.ts";
import { cohereV1Parser } from "./cohere-v1.ts";
import { openaiChatParser } from "./openai-chat.ts";
import { openaiCompletionsParser } from "./openai-completions.ts";
import type { Frame, ParsedResponse, Parser, ResponseEnd, ResponseInput } from "./parser.ts";
import { FRAME_TERMINAL } from "./parser.ts";
import { rerankParser } from "./rerank.ts";
import { asCount, asLabel, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createFoldParser } from "./shared/fold-parser.ts";
import { createSwitchParser } from "./shared/switch-parser.ts";
import type { SwitchState } from "./shared/switch-parser.ts";

/** What Bedrock itself adds to the answer of a model. */
const METRICS = "amazon-bedrock-invocationMetrics";
const GUARDRAIL = "amazon-bedrock-guardrailAction";

/** The first whose test holds for the first value reads the answer. */
const dialects: readonly [test: (value: JsonObject) => boolean, parser: Parser][] = [
  [(value) => /^(message|content_block|ping$)/.test(asLabel(value["type"]) ?? ""), anthropicMessagesParser],
  [(value) => "completion" in value, anthropicCompleteParser],
  [(value) => isObject(asObject(value["output"])?.["message"]), bedrockConverseParser],
  [
    (value) => "messageStart" in value || "contentBlockStart" in value || "contentBlockDelta" in value,
    bedrockConverseParser,
  ],
  [(value) => typeof firstOf(value["choices"])?.["text"] === "string", openaiCompletionsParser],
  [(value) => Array.isArray(value["choices"]), openaiChatParser],
  [(value) => firstOf(value["results"])?.["relevance_score"] !== undefined, rerankParser],
  [(value) => "event_type" in value || "is_finished" in value || "generations" in value, cohereV1Parser],
  [(value) => typeof value["text"] === "string" || "response_id" in value, cohereV1Parser],
];

const bedrockTextParser = createFoldParser({
  api: "bedrock-invoke",
  readRequest: readInvokeRequest,
  start: createBedrockTextFold,
});

const models = createSwitchParser({
  api: "bedrock-invoke",
  readRequest: readInvokeRequest,
  openFrame,
  choose(value) {
    const first = asObject(value);
    return (first && dialects.find(([test]) => test(first))?.[1]) ?? bedrockTextParser;
  },
});

/** The state of the parser: opaque to those who drive it. */
export interface InvokeState {
  input: ResponseInput;
  model: SwitchState;
  metrics: JsonObject | undefined;
  guarded: boolean;
}

/** The parser of `bedrock-invoke`. */
export const bedrockInvokeParser: Parser<InvokeState> = {
  api: "bedrock-invoke",
  readRequest: readInvokeRequest,
  start: (input) => ({ input, model: models.start(input), metrics: undefined, guarded: false }),

  chunk(state: InvokeState, frame: Frame): number {
    if (frame.kind !== "event" && frame.kind !== "body") return models.chunk(state.model, frame);
    const error = frame.kind === "event" ? readBedrockEventError(frame.value, frame.name) : undefined;
    if (error !== undefined) return models.chunk(state.model, { kind: "event", value: { error } }) | FRAME_TERMINAL;
    const bits = models.chunk(state.model, frame);
    const value = asObject(frame.value);
    if (value?.[GUARDRAIL] === "INTERVENED") state.guarded = true;
    state.metrics = asObject(value?.[METRICS]) ?? state.metrics;
    return isEnded(state) ? bits | FRAME_TERMINAL : bits;
  },

  finish(state: InvokeState, end: ResponseEnd): ParsedResponse {
    const { input } = state;
    const response = models.finish(state.model, end);
    const error = nameBedrockError(response.error, input);
    if (error !== undefined) response.error = error;
    if (isEnded(state)) {
      response.finished = true;
      if (response.usage.source === "reported" && error === undefined) response.usage.complete = true;
    }
    const requestId = asLabel(input.headers["x-amzn-requestid"]);
    if (requestId !== undefined) response.id ??= requestId;
    if (state.guarded) response.notes.push("guardrail_intervened");
    addMetrics(response, state, end);
    return response;
  },
};

/** The metrics come with the last event; a guardrail's word is the last, whatever the model had to say. */
function isEnded({ metrics, guarded }: InvokeState): boolean {
  return metrics !== undefined || guarded;
}

/** What the model's answer does not tell of usage and latency, Bedrock does: in its last event, or in headers. */
function addMetrics(response: ParsedResponse, { input, metrics }: InvokeState, end: ResponseEnd): void {
  const latency =
    asCount(metrics?.["invocationLatency"]) ?? readNumber(input.headers["x-amzn-bedrock-invocation-latency"]);
  if (latency !== undefined) response.processingMs ??= latency;
  if (response.usage.source !== "missing" || response.usage.missingReason === "error_response") return;
  const usage = readInvocationMetrics(metrics) ?? readUsageHeaders(input.headers);
  if (usage === undefined) return;
  response.usage = end.interrupted && !response.finished ? { ...usage, complete: false } : usage;
}

function readNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Brings the small differences of Bedrock's editions into the shape that the model's own API has. */
function openFrame(frame: Frame): Frame {
  if (frame.kind !== "event" && frame.kind !== "body") return frame;
  const value = asObject(frame.value);
  if (value === undefined) return frame;
  // A stream of Cohere's may be one event with the whole answer.
  if (Array.isArray(value["generations"])) return { kind: "body", value };
  if (!Array.isArray(value["choices"])) return frame;
  const choices = value["choices"].map((choice) => renameFields(choice, frame.kind === "event"));
  return { ...frame, value: { ...value, choices } };
}

/** Mistral and DeepSeek say `stop_reason` on Bedrock where they say `finish_reason` elsewhere, Mistral `message` for `delta`. */
function renameFields(choice: unknown, isChunk: boolean): unknown {
  if (!isObject(choice)) return choice;
  const { stop_reason: stopReason, message, ...rest } = choice;
  const renamed: JsonObject = { ...rest };
  if (message !== undefined) renamed[isChunk && rest["delta"] === undefined ? "delta" : "message"] = message;
  if (stopReason !== undefined) renamed["finish_reason"] ??= stopReason;
  return renamed;
}

function firstOf(list: unknown): JsonObject | undefined {
  return Array.isArray(list) ? asObject(list[0]) : undefined;
}
