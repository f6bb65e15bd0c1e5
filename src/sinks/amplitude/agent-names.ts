/**
 * Names of Amplitude's Agent Analytics. All but `$llm_message` carry the prefix literally.
 *
 * @see https://amplitude.com/docs/amplitude-ai/agent-analytics
 */
import type { EventShape, TextRule } from "./types.ts";

export const AGENT_EVENTS = {
  userMessage: "[Agent] User Message",
  aiResponse: "[Agent] AI Response",
  toolCall: "[Agent] Tool Call",
  embedding: "[Agent] Embedding",
  span: "[Agent] Span",
} as const;

/** The text of a message; kept at its full length. */
export const LLM_MESSAGE = "$llm_message";

/** What every event carries, then what each of them adds. */
const NAMES = [
  "Session ID",
  "Trace ID",
  "Turn ID",
  "Agent ID",
  "Parent Agent ID",
  "Customer Org ID",
  "Context",
  "Env",
  "Tags",
  "SDK Version",
  "Runtime",
  "Message ID",
  "Component Type",
  "Has Attachments",
  "Attachment Types",
  "Attachment Count",
  "Total Attachment Size Bytes",
  "Message Source",
  "Model Name",
  "Provider",
  "Latency Ms",
  "Is Error",
  "Error Message",
  "Error Type",
  "Error Source",
  "TTFB Ms",
  "Input Tokens",
  "Output Tokens",
  "Total Tokens",
  "Reasoning Tokens",
  "Cache Read Tokens",
  "Cache Creation Tokens",
  "Cost USD",
  "Finish Reason",
  "Tool Calls",
  "Has Reasoning",
  "Reasoning Content",
  "System Prompt",
  "System Prompt Length",
  "Tool Definitions",
  "Tool Definitions Count",
  "Tool Definitions Hash",
  "Temperature",
  "Max Output Tokens",
  "Top P",
  "Is Streaming",
  "Was Cached",
  "Invocation ID",
  "Tool Name",
  "Tool Success",
  "Tool Input",
  "Tool Output",
  "Parent Message ID",
  "Span ID",
  "Span Name",
  "Parent Span ID",
  "Embedding Dimensions",
  "Input State",
  "Output State",
] as const;

export type AgentName = (typeof NAMES)[number];

/** Properties without their prefix; `$llm_message` has none. */
export type AgentProperties = { [Name in AgentName]?: unknown } & { $llm_message?: { text: string } };

const CONTENT: readonly AgentName[] = [
  "Context",
  "Error Message",
  "Tool Calls",
  "Reasoning Content",
  "System Prompt",
  "Tool Definitions",
  "Tool Input",
  "Tool Output",
  "Input State",
  "Output State",
];

/** JSON in one string, as Amplitude's own SDK sends it. */
const JSON_TEXTS: readonly AgentName[] = [
  "Context",
  "Tags",
  "Attachment Types",
  "Tool Calls",
  "Tool Definitions",
  "Tool Input",
  "Tool Output",
  "Input State",
  "Output State",
];

const prefixed = (name: AgentName): string => `[Agent] ${name}`;

export const agentShape: EventShape = {
  reserved: new Set<string>([...NAMES.map(prefixed), LLM_MESSAGE]),
  content: new Set<string>([...CONTENT.map(prefixed), LLM_MESSAGE]),
  texts: new Map<string, TextRule>([
    ...JSON_TEXTS.map((name) => [prefixed(name), "json"] as const),
    [LLM_MESSAGE, "whole"],
  ]),
};

/** @returns the properties under the names that Amplitude knows. */
export function withPrefix(properties: AgentProperties): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) named[name === LLM_MESSAGE ? name : prefixed(name as AgentName)] = value;
  }
  return named;
}
