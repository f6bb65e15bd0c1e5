/** Requests of the Responses API. */
import type { Message, Part } from "../types.ts";
import type { KnownMessages } from "../known-messages.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { isCallResult, readItemParts } from "./openai-responses-items.ts";
import { asLabel, isObject } from "./shared/json.ts";
import { readList } from "./shared/message-list.ts";
import { openRequest } from "./shared/open-request.ts";
import { isSystemRole, readContent, readToolDefinitions } from "./shared/openai-messages.ts";

const notParameters: ReadonlySet<string> = new Set(["input", "instructions", "tools"]);

/** `instructions` and leading system and developer items are `system`; the rest of `input` are messages. */
export function readResponsesRequest(input: RequestInput): ParsedRequest {
  const { request, fields } = openRequest(input, notParameters);
  const system = readContent(fields["instructions"]);
  const messages = readInput(fields["input"], input.known);
  if (messages !== undefined) {
    let leading = 0;
    for (; isSystemRole(messages[leading]?.role); leading++) system.push(...(messages[leading]?.parts ?? []));
    request.messages = messages.slice(leading);
  }
  if (system.length > 0) request.system = system;
  const tools = readToolDefinitions(fields["tools"]);
  if (tools !== undefined) request.tools = tools;
  return request;
}

function readInput(input: unknown, known?: KnownMessages): Message[] | undefined {
  if (typeof input === "string") return [{ role: "user", parts: readContent(input) }];
  return readList(input, addItems, known);
}

/** Items in order. What the model said in one turn (reasoning, text, calls) is one message, as it was in the answer. */
export function addItems(items: readonly unknown[], messages: Message[]): Message[] {
  for (const value of items) {
    const item = typeof value === "string" ? { role: "user", content: value } : value;
    if (!isObject(item)) continue;
    const role = roleOf(item["type"], item["role"]);
    const parts: Part[] = readItemParts(item);
    const last = messages.at(-1);
    if (role === "assistant" && last?.role === "assistant") last.parts.push(...parts);
    else messages.push({ role, parts });
  }
  return messages;
}

function roleOf(type: unknown, role: unknown): string {
  const own = asLabel(role);
  if (own !== undefined) return own;
  if (typeof type !== "string" || type === "message" || type === "item_reference") return "user";
  return isCallResult(type) ? "tool" : "assistant";
}
