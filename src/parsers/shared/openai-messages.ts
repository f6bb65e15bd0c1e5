/** OpenAI-style message arrays and tool lists, as every Chat-like API sends them. */
import type { Message, Part, ToolCallPart, ToolDefinition } from "../../types.ts";
import type { KnownMessages } from "../../known-messages.ts";
import { readContentPart } from "./openai-content.ts";
import { asArray, asLabel, asObject, asString, isObject, readArguments } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { type AddMessages, readList } from "./message-list.ts";
import { readReasoning } from "./reasoning.ts";

/** Messages and the instructions that stand before them. */
export interface Conversation {
  /** Texts of the leading `system` and `developer` messages. */
  system?: Part[];
  messages?: Message[];
}

/**
 * Reads `messages`. System and developer messages at the start become `system`; one that comes later stays in its place.
 *
 * @param value - the array, or a single string as some servers accept
 * @param known - messages before those of the array
 * @param add - for messages that have something of their own. Default: `addMessages`
 */
export function readConversation(value: unknown, known?: KnownMessages, add: AddMessages = addMessages): Conversation {
  const all = readMessages(value, known, add);
  if (all === undefined) return {};
  let leading = 0;
  while (isSystemRole(all[leading]?.role)) leading++;
  if (leading === 0) return { messages: all };
  const first = all[0]?.parts ?? [];
  const system = leading === 1 ? first : all.slice(0, leading).flatMap(({ parts }) => parts);
  return { system, messages: all.slice(leading) };
}

export function isSystemRole(role: string | undefined): boolean {
  return role === "system" || role === "developer";
}

/** All messages in order, whatever their role; `undefined` when there is no list. */
export function readMessages(
  value: unknown,
  known?: KnownMessages,
  add: AddMessages = addMessages,
): Message[] | undefined {
  if (typeof value === "string") return [{ role: "user", parts: readContent(value) }];
  return readList(value, add, known);
}

/** Adds the messages of an array to those before them. */
export function addMessages(items: readonly unknown[], messages: Message[]): Message[] {
  for (const item of items) {
    const message = readMessage(item);
    if (message !== undefined) messages.push(message);
  }
  return messages;
}

/** One message; a bare string is the user's. */
export function readMessage(value: unknown): Message | undefined {
  if (typeof value === "string") return { role: "user", parts: readContent(value) };
  if (!isObject(value)) return undefined;
  const role = asLabel(value["role"]) ?? "user";
  const name = asLabel(value["name"]);
  const parts = role === "tool" || role === "function" ? readToolResult(value) : readMessageParts(value);
  return name === undefined ? { role, parts } : { role, parts, name };
}

/** The parts of an assistant or user message: reasoning, content, refusal, audio, tool calls. */
function readMessageParts(message: JsonObject): Part[] {
  const content = readContent(message["content"]);
  const reasoning = readReasoning(message);
  const parts: Part[] = reasoning === undefined ? content : [{ type: "reasoning", content: reasoning }, ...content];
  const refusal = asString(message["refusal"]);
  if (refusal !== undefined) parts.push({ type: "refusal", content: refusal });
  const audio = asObject(message["audio"]);
  if (audio !== undefined) parts.push(readAudioReference(audio));
  if ((message["tool_calls"] ?? message["function_call"] ?? undefined) !== undefined)
    parts.push(...readToolCalls(message));
  return parts;
}

/** Content as text parts and media: a string, a list of parts, or one part. */
export function readContent(content: unknown): Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", content }];
  if (isObject(content)) return readContentPart(content);
  const parts: Part[] = [];
  for (const item of asArray(content)) {
    if (typeof item === "string" && item !== "") parts.push({ type: "text", content: item });
    else if (isObject(item)) parts.push(...readContentPart(item));
  }
  return parts;
}

/** `tool_calls` and the older `function_call`. */
export function readToolCalls(message: JsonObject): ToolCallPart[] {
  const calls: ToolCallPart[] = [];
  for (const item of asArray(message["tool_calls"])) {
    if (isObject(item)) calls.push(readToolCall(item));
  }
  const legacy = asObject(message["function_call"]);
  if (asLabel(legacy?.["name"]) !== undefined && calls.length === 0) calls.push(readToolCall({ function: legacy }));
  return calls;
}

function readToolCall(call: JsonObject): ToolCallPart {
  const { called, isCustom } = findCalled(call);
  const part: ToolCallPart = { type: "tool_call", name: asLabel(called["name"]) ?? "" };
  const id = asLabel(call["id"]);
  if (id !== undefined) part.id = id;
  part.arguments = isCustom ? called["input"] : readArguments(called["arguments"]);
  return part;
}

/**
 * The object in a tool call that holds name and arguments: `function`, or `custom` for tools that take free text.
 * Some servers send both, one of them with empty strings.
 */
export function findCalled(call: JsonObject): { called: JsonObject; isCustom: boolean } {
  const custom = asObject(call["custom"]);
  const called = asObject(call["function"]);
  if (custom !== undefined && (called === undefined || call["type"] === "custom")) {
    return { called: custom, isCustom: true };
  }
  return { called: called ?? call, isCustom: false };
}

function readToolResult(message: JsonObject): Part[] {
  const { content } = message;
  const part: Part = { type: "tool_call_response" };
  const id = asLabel(message["tool_call_id"]);
  const name = asLabel(message["name"]);
  if (id !== undefined) part.id = id;
  if (name !== undefined) part.name = name;
  if (content !== undefined && content !== null) part.response = simplifyResult(content);
  return [part];
}

/** A tool result: text where it is only text, else its parts, so that media in it is found as media. */
export function simplifyResult(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  const parts = readContent(content);
  let text = "";
  for (const part of parts) {
    if (part.type !== "text") return parts;
    text += part.content;
  }
  return text;
}

/** In a request, audio of an earlier turn is named by its id. */
function readAudioReference(audio: JsonObject): Part {
  const id = asLabel(audio["id"]);
  return id === undefined ? { type: "file", modality: "audio" } : { type: "file", modality: "audio", fileId: id };
}

/**
 * Tool definitions of Chat (`{type, function: {…}}`), of Responses (`{type, name, …}`) and the older `functions`.
 *
 * @param tools - `tools`
 * @param functions - `functions`
 */
export function readToolDefinitions(tools: unknown, functions?: unknown): ToolDefinition[] | undefined {
  const definitions: ToolDefinition[] = [];
  for (const tool of asArray(tools)) if (isObject(tool)) definitions.push(readToolDefinition(tool));
  for (const tool of asArray(functions)) if (isObject(tool)) definitions.push(readToolDefinition({ function: tool }));
  return Array.isArray(tools) || Array.isArray(functions) ? definitions : undefined;
}

function readToolDefinition(tool: JsonObject): ToolDefinition {
  const described = asObject(tool["function"]) ?? asObject(tool["custom"]) ?? tool;
  const definition: ToolDefinition = { type: asLabel(tool["type"]) ?? "function" };
  const name = asLabel(described["name"]);
  const description = asString(described["description"]);
  const parameters = described["parameters"] ?? described["input_schema"];
  if (name !== undefined) definition.name = name;
  if (description !== undefined) definition.description = description;
  if (parameters !== undefined && parameters !== null) definition.parameters = parameters;
  return definition;
}
