/** Requests of Cohere v1: a message beside its history, a prompt, or texts. */
import type { Message, Part, ToolDefinition } from "../types.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { documentParts, readEmbedInput } from "./shared/cohere-request.ts";
import { asArray, asLabel, asObject, asString, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { textParts } from "./shared/message-parts.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "model",
  "message",
  "chat_history",
  "preamble",
  "documents",
  "tools",
  "tool_results",
  "prompt",
  "text",
  "texts",
  "images",
  "inputs",
  "examples",
  "stream",
]);

const roles: ReadonlyMap<unknown, string> = new Map([
  ["USER", "user"],
  ["CHATBOT", "assistant"],
  ["SYSTEM", "system"],
  ["TOOL", "tool"],
]);

/** Reads a request to chat, generate, embed, summarize or classify. */
export function readCohereV1Request({ route, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const history = readHistory(fields["chat_history"]);
  const leading = history.findIndex((message) => message.role !== "system");
  const turns = leading === -1 ? [] : history.slice(leading);
  const system: Part[] = [
    ...textParts("text", fields["preamble"]),
    ...history.slice(0, history.length - turns.length).flatMap((message) => message.parts),
    ...documentParts(fields["documents"]),
  ];
  const messages = [...turns, ...readLastTurn(fields)];
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? route.pathModel,
    parameters: omitKeys(fields, contentKeys),
    system: system.length === 0 ? undefined : system,
    messages: messages.length === 0 ? undefined : messages,
    tools: readTools(fields["tools"]),
    stream: typeof fields["stream"] === "boolean" ? fields["stream"] : undefined,
  });
}

/** Tool results come after the message that they belong to, which the caller then repeats or leaves empty. */
function readLastTurn(fields: JsonObject): Message[] {
  const message = fields["message"] ?? fields["prompt"] ?? fields["text"];
  const said = textParts("text", message);
  const results = readToolResults(fields["tool_results"]);
  const turn: Message[] = said.length === 0 ? [] : [{ role: "user", parts: said }];
  if (results.length > 0) turn.push({ role: "tool", parts: results });
  return turn.length > 0 ? turn : (readEmbedInput(fields) ?? []);
}

function readHistory(history: unknown): Message[] {
  const messages: Message[] = [];
  for (const item of asArray(history)) {
    if (!isObject(item)) continue;
    const role = roles.get(asString(item["role"])?.toUpperCase()) ?? asLabel(item["role"]) ?? "user";
    const parts: Part[] = textParts("text", item["message"]);
    for (const call of asArray(item["tool_calls"])) {
      if (isObject(call)) parts.push(readToolCall(call));
    }
    parts.push(...readToolResults(item["tool_results"]));
    messages.push({ role, parts });
  }
  return messages;
}

function readToolCall(call: JsonObject): Part {
  return { type: "tool_call", name: asLabel(call["name"]) ?? "", arguments: call["parameters"] ?? {} };
}

/** `[{call: {name, parameters}, outputs: [{…}]}]`; v1 has no ids. */
function readToolResults(results: unknown): Part[] {
  const parts: Part[] = [];
  for (const item of asArray(results)) {
    const result = asObject(item);
    if (result === undefined) continue;
    const part: Part = { type: "tool_call_response" };
    const name = asLabel(asObject(result["call"])?.["name"]);
    if (name !== undefined) part.name = name;
    if (result["outputs"] !== undefined) part.response = result["outputs"];
    parts.push(part);
  }
  return parts;
}

/** `[{name, description, parameter_definitions: {name: {type, description, required}}}]`. */
function readTools(tools: unknown): ToolDefinition[] | undefined {
  if (!Array.isArray(tools)) return undefined;
  return tools.filter(isObject).map((tool) =>
    compact<ToolDefinition>({
      type: "function",
      name: asLabel(tool["name"]),
      description: asString(tool["description"]),
      parameters: tool["parameter_definitions"] ?? undefined,
    }),
  );
}
