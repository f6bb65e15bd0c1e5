/**
 * The `agent` schema: what Amplitude's Agent Analytics reads. A chat call becomes one User Message for each new message
 * and one AI Response; embeddings, tool runs and other spans have events of their own.
 */
import { createHash } from "node:crypto";
import type { CallContext, CallError, LlmCall, Operation, Span, TapRecord, ToolCallPart } from "../../types.ts";
import { toJsonText } from "../shared/copy-json.ts";
import { readSetting } from "../shared/settings.ts";
import { attachmentProperties, findNewUserMessages, joinTexts, type UserMessage } from "./agent-messages.ts";
import { AGENT_EVENTS, type AgentProperties, agentShape, withPrefix } from "./agent-names.ts";
import { LIBRARY_VERSION } from "../shared/library.ts";
import type { Schema, SchemaEvent } from "./types.ts";

/** They answer nobody: no message, a step. */
const STEPS: ReadonlySet<Operation> = new Set<Operation>(["moderation", "rerank", "count_tokens"]);

/** Events of Amplitude's Agent Analytics. */
export const agentSchema: Schema = (record) => {
  if (record.type === "span") {
    return [
      record.kind === "tool"
        ? toEvent(record, AGENT_EVENTS.toolCall, toolCallProperties(record))
        : toEvent(record, AGENT_EVENTS.span, spanProperties(record)),
    ];
  }
  if (record.operation === "embeddings") {
    return [toEvent(record, AGENT_EVENTS.embedding, embeddingProperties(record))];
  }
  if (STEPS.has(record.operation)) return [toEvent(record, AGENT_EVENTS.span, stepProperties(record))];
  return [
    ...findNewUserMessages(record).map((said) => toMessageEvent(record, said)),
    toEvent(record, AGENT_EVENTS.aiResponse, aiResponseProperties(record)),
  ];
};

/** An event happens when it is over: an answer comes after its question. */
function toEvent(record: TapRecord, eventType: string, properties: AgentProperties): SchemaEvent {
  return {
    eventType,
    properties: withPrefix({ ...commonProperties(record), ...properties }),
    time: record.timing.startedAt + record.timing.durationMs,
    shape: agentShape,
  };
}

function toMessageEvent(call: LlmCall, said: UserMessage): SchemaEvent {
  const event = toEvent(call, AGENT_EVENTS.userMessage, userMessageProperties(call, said));
  return { ...event, key: said.key, time: call.timing.startedAt };
}

function commonProperties({ context, trace }: TapRecord): AgentProperties {
  return {
    "Session ID": readSessionId(context) ?? trace.traceId,
    "Trace ID": trace.traceId,
    "Turn ID": trace.turn,
    "Agent ID": context.agentId,
    "Parent Agent ID": context.parentAgentId,
    "Customer Org ID": context.customerOrgId,
    Context: hasFields(context.properties) ? context.properties : undefined,
    Env: context.env,
    Tags: context.tags !== undefined && context.tags.length > 0 ? context.tags : undefined,
    "SDK Version": LIBRARY_VERSION,
    Runtime: "node",
  };
}

/** Contexts come from apps: what is no text, or none, is no session. */
function readSessionId({ sessionId }: CallContext): string | undefined {
  const text = typeof sessionId === "number" ? String(sessionId) : sessionId;
  return typeof text === "string" && text.trim() !== "" ? text : undefined;
}

function hasFields(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function userMessageProperties(call: LlmCall, { key, message }: UserMessage): AgentProperties {
  const text = message === undefined ? undefined : joinTexts(message.parts, "text");
  return {
    "Message ID": `${call.trace.spanId}:${key}`,
    "Component Type": "user_input",
    "Message Source": call.context.parentAgentId === undefined ? "user" : "agent",
    ...(message !== undefined && attachmentProperties(message.parts)),
    ...(text !== undefined && { $llm_message: { text } }),
  };
}

function aiResponseProperties(call: LlmCall): AgentProperties {
  const { request, response, usage, cost, timing } = call;
  const choice = response?.choices[0];
  const parts = choice?.message.parts ?? [];
  const text = joinTexts(parts, "text", "refusal");
  const reasoning = joinTexts(parts, "reasoning");
  const toolCalls = parts.filter((part) => part.type === "tool_call");
  const system = request.system === undefined ? undefined : joinTexts(request.system, "text");
  return {
    // Of the span, and not of the record: so that a tool run can name the answer that asked for it.
    "Message ID": call.trace.spanId,
    "Component Type": "llm",
    ...modelProperties(call),
    ...resultProperties(call),
    "TTFB Ms": roundMs(timing.firstTokenMs ?? timing.firstByteMs),
    "Input Tokens": usage.inputTokens,
    "Output Tokens": usage.outputTokens,
    "Total Tokens": usage.totalTokens,
    "Reasoning Tokens": usage.reasoningTokens,
    "Cache Read Tokens": usage.cacheReadTokens,
    "Cache Creation Tokens": usage.cacheWriteTokens,
    "Cost USD": cost?.totalUsd,
    "Finish Reason": choice?.finishReason ?? choice?.rawFinishReason,
    "Tool Calls": toolCalls.length === 0 ? undefined : toolCalls.map(toFunctionCall),
    "Has Reasoning": reasoning !== undefined || (usage.reasoningTokens ?? 0) > 0 ? true : undefined,
    "Reasoning Content": reasoning,
    "System Prompt": system,
    "System Prompt Length": system?.length,
    ...toolDefinitionProperties(call),
    Temperature: readSetting(request.parameters, "temperature"),
    "Max Output Tokens": readSetting(request.parameters, "maxTokens"),
    "Top P": readSetting(request.parameters, "topP"),
    "Is Streaming": call.streaming,
    "Was Cached": response?.cacheHit,
    ...attachmentProperties(parts),
    ...(text !== undefined && { $llm_message: { text } }),
  };
}

function toFunctionCall({ id, name, arguments: given }: ToolCallPart): unknown {
  return { id, type: "function", function: { name, arguments: given } };
}

function toolDefinitionProperties({ request: { tools } }: LlmCall): AgentProperties {
  if (tools === undefined || tools.length === 0) return {};
  return {
    "Tool Definitions": tools,
    "Tool Definitions Count": tools.length,
    "Tool Definitions Hash": createHash("sha256").update(toJsonText(tools)).digest("hex"),
  };
}

function embeddingProperties(call: LlmCall): AgentProperties {
  return {
    "Component Type": "embedding",
    "Span ID": call.trace.spanId,
    ...modelProperties(call),
    ...resultProperties(call),
    "Input Tokens": call.usage.inputTokens,
    "Embedding Dimensions": call.response?.embeddings?.dimensions,
    "Cost USD": call.cost?.totalUsd,
  };
}

function stepProperties(call: LlmCall): AgentProperties {
  return {
    "Span ID": call.trace.spanId,
    "Span Name": call.operation,
    "Parent Span ID": call.trace.parentSpanId,
    ...modelProperties(call),
    ...resultProperties(call),
    "Input Tokens": call.usage.inputTokens,
    "Cost USD": call.cost?.totalUsd,
  };
}

function toolCallProperties(span: Span): AgentProperties {
  return {
    "Component Type": "tool",
    "Invocation ID": span.tool?.callId ?? span.trace.spanId,
    "Tool Name": span.tool?.name ?? span.name,
    "Tool Success": span.error === undefined,
    "Tool Input": span.input,
    "Tool Output": span.output,
    "Parent Message ID": span.source === "inferred" ? span.trace.parentSpanId : undefined,
    ...resultProperties(span),
  };
}

function spanProperties(span: Span): AgentProperties {
  return {
    "Span ID": span.trace.spanId,
    "Span Name": span.name,
    "Parent Span ID": span.trace.parentSpanId,
    "Input State": span.input,
    "Output State": span.output,
    ...resultProperties(span),
  };
}

/** Both are required there: a call to a host that says nothing of its model still is an event. */
function modelProperties({ provider, request, response }: LlmCall): AgentProperties {
  return { "Model Name": response?.model ?? request.model ?? "unknown", Provider: provider };
}

function resultProperties(record: TapRecord): AgentProperties {
  const isError = record.type === "call" ? record.outcome === "error" : record.error !== undefined;
  return { "Latency Ms": roundMs(record.timing.durationMs), "Is Error": isError, ...errorProperties(record.error) };
}

function errorProperties(error: CallError | undefined): AgentProperties {
  if (error === undefined) return {};
  return {
    "Error Message": error.message === "" ? undefined : error.message,
    "Error Type": error.type ?? error.code ?? error.kind,
    "Error Source": error.kind,
  };
}

function roundMs(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 1000) / 1000;
}
