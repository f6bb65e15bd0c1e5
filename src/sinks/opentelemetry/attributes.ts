/** Attributes of a record, without its content. */
import type { Attributes, AttributeValue } from "@opentelemetry/api";
import type { Api, Choice, LlmCall, Operation, Span, SpanKind, TapRecord } from "../../types.ts";
import { readSetting } from "../shared/settings.ts";
import { ATTRIBUTE, GENERATION_ATTRIBUTES, OWN_ATTRIBUTE, type Semconv } from "./names.ts";

type Given = Record<string, AttributeValue | undefined>;

/** Gemini's own API does not chat. */
const OPERATION_BY_API: Partial<Record<Api, string>> = { gemini: "generate_content" };

/** @returns `gen_ai.operation.name`; where the conventions have no word, ours. */
export function operationOf({ api, operation }: { api: Api; operation: Operation }): string {
  return operation === "chat" ? (OPERATION_BY_API[api] ?? operation) : operation;
}

const SPAN_OPERATIONS: Partial<Record<SpanKind, string>> = {
  agent: "invoke_agent",
  tool: "execute_tool",
  workflow: "invoke_workflow",
};

/** `{operation} {model}`, as the conventions have it. */
export function spanNameOf(record: TapRecord): string {
  if (record.type === "call") return [operationOf(record), record.request.model].filter(Boolean).join(" ");
  const operation = SPAN_OPERATIONS[record.kind];
  const name = record.kind === "tool" ? (record.tool?.name ?? record.name) : record.name;
  return operation === undefined ? name : `${operation} ${name}`;
}

/** What tells series of metrics apart: few values each. */
export function metricAttributes(call: LlmCall): Attributes {
  return compact({
    [ATTRIBUTE.operationName]: operationOf(call),
    [ATTRIBUTE.providerName]: call.provider,
    [ATTRIBUTE.requestModel]: call.request.model,
    [ATTRIBUTE.responseModel]: call.response?.model,
    ...serverAttributes(call),
  });
}

/** Known before the call was made: what samplers look at. */
export function startAttributes(record: TapRecord): Attributes {
  if (record.type === "span") return compact({ [ATTRIBUTE.operationName]: SPAN_OPERATIONS[record.kind] });
  return compact({
    [ATTRIBUTE.operationName]: operationOf(record),
    [ATTRIBUTE.providerName]: record.provider,
    [ATTRIBUTE.requestModel]: record.request.model,
    ...serverAttributes(record),
  });
}

export function callAttributes(call: LlmCall, semconv: Semconv): Attributes {
  const { request, response, usage } = call;
  const { parameters } = request;
  const choices = response?.choices ?? [];
  const choiceCount = readSetting(parameters, "choiceCount");
  return compact({
    ...startAttributes(call),
    ...commonAttributes(call),
    [ATTRIBUTE.errorType]: errorTypeOf(call),
    [ATTRIBUTE.conversationId]: readConversationId(parameters["conversation"]),
    [ATTRIBUTE.outputType]: readOutputType(call),
    [ATTRIBUTE.requestStream]: call.streaming ? true : undefined,
    [ATTRIBUTE.requestChoiceCount]: choiceCount === 1 ? undefined : choiceCount,
    [ATTRIBUTE.requestSeed]: readSetting(parameters, "seed"),
    [ATTRIBUTE.requestTemperature]: readSetting(parameters, "temperature"),
    [ATTRIBUTE.requestTopP]: readSetting(parameters, "topP"),
    [ATTRIBUTE.requestTopK]: readSetting(parameters, "topK"),
    [ATTRIBUTE.requestMaxTokens]: readSetting(parameters, "maxTokens"),
    [ATTRIBUTE.requestFrequencyPenalty]: readSetting(parameters, "frequencyPenalty"),
    [ATTRIBUTE.requestPresencePenalty]: readSetting(parameters, "presencePenalty"),
    [ATTRIBUTE.requestStopSequences]: readTexts(
      parameters["stop"] ?? parameters["stop_sequences"] ?? parameters["stopSequences"],
    ),
    [ATTRIBUTE.requestEncodingFormats]: readTexts(parameters["encoding_format"] ?? parameters["embedding_types"]),
    [ATTRIBUTE.responseId]: response?.id,
    [ATTRIBUTE.responseModel]: response?.model,
    [ATTRIBUTE.finishReasons]: readFinishReasons(choices),
    [ATTRIBUTE.timeToFirstChunk]: timeToFirstChunk(call),
    [ATTRIBUTE.embeddingDimensions]: response?.embeddings?.dimensions,
    [ATTRIBUTE.inputTokens]: usage.inputTokens,
    [ATTRIBUTE.outputTokens]: usage.outputTokens,
    [ATTRIBUTE.cacheReadTokens]: usage.cacheReadTokens,
    [ATTRIBUTE.reasoningTokens]: usage.reasoningTokens,
    ...generationAttributes(call, semconv),
    ...openaiAttributes(call),
    [ATTRIBUTE.httpStatus]: response?.status,
    [ATTRIBUTE.httpResendCount]: request.attempt === undefined || request.attempt < 2 ? undefined : request.attempt - 1,
    [OWN_ATTRIBUTE.api]: call.api,
    [OWN_ATTRIBUTE.outcome]: call.outcome,
    [OWN_ATTRIBUTE.requestId]: response?.requestId,
    [OWN_ATTRIBUTE.usageSource]: usage.source,
    [OWN_ATTRIBUTE.costUsd]: call.cost?.totalUsd,
    [OWN_ATTRIBUTE.costSource]: call.cost?.source,
    [OWN_ATTRIBUTE.turn]: call.trace.turn,
  });
}

export function spanAttributes(span: Span): Attributes {
  return compact({
    ...startAttributes(span),
    ...commonAttributes(span),
    [ATTRIBUTE.errorType]: errorTypeOf(span),
    ...(span.kind === "agent" && { [ATTRIBUTE.agentName]: span.name }),
    ...(span.kind === "workflow" && { [ATTRIBUTE.workflowName]: span.name }),
    ...(span.kind === "tool" && {
      [ATTRIBUTE.toolName]: span.tool?.name ?? span.name,
      [ATTRIBUTE.toolCallId]: span.tool?.callId,
      [ATTRIBUTE.toolType]: "function",
    }),
    // Read off the wire, between a request for a tool and its result: not how long the tool ran.
    [OWN_ATTRIBUTE.spanSource]: span.source,
  });
}

function commonAttributes({ id, context }: TapRecord): Given {
  return {
    [ATTRIBUTE.userId]: context.userId,
    [ATTRIBUTE.sessionId]: context.sessionId,
    [ATTRIBUTE.agentId]: context.agentId,
    [OWN_ATTRIBUTE.parentAgentId]: context.parentAgentId,
    [OWN_ATTRIBUTE.customerOrgId]: context.customerOrgId,
    [OWN_ATTRIBUTE.env]: context.env,
    [OWN_ATTRIBUTE.tags]: context.tags === undefined ? undefined : [...context.tags],
    [OWN_ATTRIBUTE.recordId]: id,
  };
}

/** Seconds until the model's first output; of a stream only. */
export function timeToFirstChunk({ streaming, timing }: LlmCall): number | undefined {
  const milliseconds = streaming ? (timing.firstTokenMs ?? timing.firstByteMs) : undefined;
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}

/** A word, not a text: the provider's, else the status, else the kind. `undefined` unless the call has failed. */
export function errorTypeOf(record: TapRecord): string | undefined {
  const { error } = record;
  if (record.type === "call") {
    if (record.outcome === "truncated") return "truncated";
    if (record.outcome !== "error") return undefined;
  } else if (error === undefined) return undefined;
  const words = [error?.code, error?.type, error?.status?.toString(), error?.kind];
  return words.find((word) => word !== undefined && /^[\w.:-]{1,64}$/.test(word)) ?? "_OTHER";
}

function generationAttributes({ usage, request: { parameters } }: LlmCall, semconv: Semconv): Given {
  const { cacheWriteTokens, latest } = GENERATION_ATTRIBUTES[semconv];
  const given: Given = { [cacheWriteTokens]: usage.cacheWriteTokens };
  if (latest === undefined) return given;
  const { effort } = (parameters["reasoning"] ?? {}) as { effort?: unknown };
  given[latest.reasoningLevel] = readText(parameters["reasoning_effort"] ?? effort);
  given[latest.previousResponseId] = readText(parameters["previous_response_id"]);
  given[latest.modalityTokens("audio", "input")] = usage.inputAudioTokens;
  given[latest.modalityTokens("audio", "output")] = usage.outputAudioTokens;
  given[latest.modalityTokens("image", "input")] = usage.inputImageTokens;
  given[latest.modalityTokens("image", "output")] = usage.outputImageTokens;
  given[latest.cacheReadAudioTokens] = usage.cacheReadAudioTokens;
  return given;
}

const OPENAI_API_TYPES: Partial<Record<Api, string>> = {
  "openai-chat": "chat_completions",
  "openai-responses": "responses",
};

function openaiAttributes({ provider, api, request, response }: LlmCall): Given {
  if (provider !== "openai" && provider !== "azure.ai.openai") return {};
  const tier = readText(request.parameters["service_tier"]);
  return {
    [ATTRIBUTE.openaiApiType]: OPENAI_API_TYPES[api],
    [ATTRIBUTE.openaiRequestServiceTier]: tier === "auto" ? undefined : tier,
    [ATTRIBUTE.openaiResponseServiceTier]: response?.serviceTier,
  };
}

function serverAttributes({ request: { host, url } }: LlmCall): Given {
  const match = /^(.*?)(?::(\d{1,5}))?$/.exec(host);
  const port = match?.[2] === undefined ? (url.startsWith("http:") ? 80 : 443) : Number(match[2]);
  return { [ATTRIBUTE.serverAddress]: match?.[1] ?? host, [ATTRIBUTE.serverPort]: port };
}

const OUTPUT_BY_OPERATION: Partial<Record<Operation, string>> = { image_generation: "image", text_to_speech: "speech" };

function readOutputType({ operation, request: { parameters } }: LlmCall): string | undefined {
  const byOperation = OUTPUT_BY_OPERATION[operation];
  if (byOperation !== undefined) return byOperation;
  const { format: textFormat } = (parameters["text"] ?? {}) as { format?: { type?: unknown } };
  const { type } = (parameters["response_format"] ?? textFormat ?? {}) as { type?: unknown };
  if (type === "json_object" || type === "json_schema") return "json";
  const mimeType = parameters["responseMimeType"] ?? parameters["response_mime_type"];
  if (mimeType === "application/json") return "json";
  return type === "text" ? "text" : undefined;
}

/** Only one that the app has named; a session of the tap's context is `session.id`. */
function readConversationId(conversation: unknown): string | undefined {
  if (typeof conversation === "string") return readText(conversation);
  return readText((conversation as { id?: unknown } | null | undefined)?.id);
}

/** As the provider says it. */
function readFinishReasons(choices: readonly Choice[]): string[] | undefined {
  const reasons = choices.flatMap((choice) => choice.rawFinishReason ?? choice.finishReason ?? []);
  return reasons.length === 0 ? undefined : reasons;
}

function readText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function readTexts(value: unknown): string[] | undefined {
  const texts = (Array.isArray(value) ? value : [value]).filter((item): item is string => typeof item === "string");
  return texts.length === 0 ? undefined : texts;
}

function compact(given: Given): Attributes {
  const kept: Attributes = {};
  for (const [name, value] of Object.entries(given)) if (value !== undefined) kept[name] = value;
  return kept;
}
