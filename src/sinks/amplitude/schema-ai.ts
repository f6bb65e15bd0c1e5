/**
 * The `ai` schema: events `ai_generation`, `ai_embedding`, `ai_error` and `ai_span`, whose properties are `ai_` plus the
 * names that PostHog gave to `$ai_…`.
 *
 * @see https://posthog.com/docs/ai-engineering/traces-generations
 */
import type { CallContext, CallError, LlmCall, Part, Span, Trace } from "../../types.ts";
import { baseUrlOf } from "./base-url.ts";
import { LIBRARY_NAME, LIBRARY_VERSION } from "../shared/library.ts";
import type { EventShape, Schema } from "./types.ts";

/** Every property of the schema. */
const PROPERTIES = [
  "ai_provider",
  "ai_model",
  "ai_request_model",
  "ai_operation",
  "ai_api",
  "ai_base_url",
  "ai_is_streaming",
  "ai_input_tokens",
  "ai_output_tokens",
  "ai_total_tokens",
  "ai_cache_read_input_tokens",
  "ai_cache_creation_input_tokens",
  "ai_reasoning_tokens",
  "ai_usage_source",
  "ai_latency",
  "ai_time_to_first_token",
  "ai_cost",
  "ai_input_cost",
  "ai_output_cost",
  "ai_cost_source",
  "ai_model_parameters",
  "ai_tools",
  "ai_stop_reason",
  "ai_http_status",
  "ai_response_id",
  "ai_request_id",
  "ai_service_tier",
  "ai_attempt",
  "ai_outcome",
  "ai_input",
  "ai_output",
  "ai_output_choices",
  "ai_system",
  "ai_is_error",
  "ai_error",
  "ai_error_type",
  "ai_error_code",
  "ai_error_kind",
  "ai_trace_id",
  "ai_span_id",
  "ai_parent_id",
  "ai_span_name",
  "ai_session_id",
  "ai_turn",
  "ai_linked_by",
  "ai_span_kind",
  "ai_tool_name",
  "ai_tool_call_id",
  "ai_agent_id",
  "ai_parent_agent_id",
  "ai_customer_org_id",
  "ai_env",
  "ai_tags",
  "ai_embedding_count",
  "ai_embedding_dimensions",
  "ai_lib",
  "ai_lib_version",
] as const;

type AiProperties = Partial<Record<(typeof PROPERTIES)[number], unknown>>;

const CONTENT_PROPERTIES = [
  "ai_input",
  "ai_output",
  "ai_output_choices",
  "ai_system",
  "ai_tools",
  "ai_model_parameters",
  "ai_error",
] as const;

const shape: EventShape = {
  reserved: new Set<string>(PROPERTIES),
  content: new Set<string>(CONTENT_PROPERTIES),
  texts: new Map(CONTENT_PROPERTIES.map((name) => [name, "pieces"])),
};

/** The default schema of the Amplitude sink: one event a record. */
export const aiSchema: Schema = (record) => [
  record.type === "span"
    ? { eventType: "ai_span", properties: spanProperties(record), shape }
    : { eventType: callEventType(record), properties: callProperties(record), shape },
];

function callEventType(call: LlmCall): string {
  if (call.outcome === "error") return "ai_error";
  return call.operation === "embeddings" ? "ai_embedding" : "ai_generation";
}

function callProperties(call: LlmCall): AiProperties {
  const { request, response, usage, cost, timing } = call;
  return {
    ai_provider: call.provider,
    ai_model: response?.model ?? request.model,
    ai_request_model: request.model,
    ai_operation: call.operation,
    ai_api: call.api,
    ai_base_url: baseUrlOf(request.url),
    ai_is_streaming: call.streaming,
    ai_input_tokens: usage.inputTokens,
    ai_output_tokens: usage.outputTokens,
    ai_total_tokens: usage.totalTokens,
    ai_cache_read_input_tokens: usage.cacheReadTokens,
    ai_cache_creation_input_tokens: usage.cacheWriteTokens,
    ai_reasoning_tokens: usage.reasoningTokens,
    ai_usage_source: usage.source,
    ai_latency: seconds(timing.durationMs),
    ai_time_to_first_token: seconds(timing.firstTokenMs),
    ai_cost: cost?.totalUsd,
    ai_input_cost: cost?.inputUsd,
    ai_output_cost: cost?.outputUsd,
    ai_cost_source: cost?.source,
    ai_model_parameters: Object.keys(request.parameters).length > 0 ? request.parameters : undefined,
    ai_tools: filled(request.tools),
    ai_stop_reason: response?.choices[0]?.finishReason ?? response?.choices[0]?.rawFinishReason,
    ai_http_status: response?.status ?? call.error?.status,
    ai_response_id: response?.id,
    ai_request_id: response?.requestId,
    ai_service_tier: response?.serviceTier,
    ai_attempt: request.attempt,
    ai_outcome: call.outcome,
    ai_system: filled(request.system),
    ai_input: filled(request.messages),
    ai_output: outputText(call),
    ai_output_choices: outputChoices(call),
    ai_is_error: call.outcome === "error",
    ...errorProperties(call.error),
    ...traceProperties(call.trace),
    ...contextProperties(call.context),
    ai_embedding_count: response?.embeddings?.count,
    ai_embedding_dimensions: response?.embeddings?.dimensions,
    ai_lib: LIBRARY_NAME,
    ai_lib_version: LIBRARY_VERSION,
  };
}

function spanProperties(span: Span): AiProperties {
  return {
    ai_span_name: span.name,
    ai_span_kind: span.kind,
    ai_tool_name: span.tool?.name,
    ai_tool_call_id: span.tool?.callId,
    ai_latency: seconds(span.timing.durationMs),
    ai_input: span.input,
    ai_output: span.output,
    ai_is_error: span.error !== undefined,
    ...errorProperties(span.error),
    ...traceProperties(span.trace),
    ...contextProperties(span.context),
    ai_lib: LIBRARY_NAME,
    ai_lib_version: LIBRARY_VERSION,
  };
}

function errorProperties(error: CallError | undefined): AiProperties {
  if (error === undefined) return {};
  return {
    ai_error: error.message === "" ? undefined : error.message,
    ai_error_type: error.type,
    ai_error_code: error.code,
    ai_error_kind: error.kind,
  };
}

function traceProperties(trace: Trace): AiProperties {
  return {
    ai_trace_id: trace.traceId,
    ai_span_id: trace.spanId,
    ai_parent_id: trace.parentSpanId,
    ai_turn: trace.turn,
    ai_linked_by: trace.linkedBy,
  };
}

function contextProperties(context: CallContext): AiProperties {
  return {
    ai_session_id: context.sessionId,
    ai_agent_id: context.agentId,
    ai_parent_agent_id: context.parentAgentId,
    ai_customer_org_id: context.customerOrgId,
    ai_env: context.env,
    ai_tags: filled(context.tags),
  };
}

/** The text of the first choice, as a person would read it: no reasoning, no tool calls. */
function outputText(call: LlmCall): string | undefined {
  const parts: Part[] = call.response?.choices[0]?.message.parts ?? [];
  let text = "";
  for (const part of parts) if (part.type === "text" || part.type === "refusal") text += part.content;
  return text === "" ? undefined : text;
}

/** All choices as OTel's `gen_ai.output.messages` has them; absent when none holds anything. */
function outputChoices(call: LlmCall): unknown[] | undefined {
  const choices = call.response?.choices ?? [];
  if (!choices.some((choice) => choice.message.parts.length > 0)) return undefined;
  return choices.map((choice) => ({
    index: choice.index,
    role: choice.message.role,
    parts: choice.message.parts,
    finish_reason: choice.finishReason ?? choice.rawFinishReason,
  }));
}

function filled<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list !== undefined && list.length > 0 ? list : undefined;
}

function seconds(milliseconds: number | undefined): number | undefined {
  // Microseconds are kept; digits that only floating point made are not.
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 1000) / 1_000_000;
}
