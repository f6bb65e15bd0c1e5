/** Requests of Mistral's conversations, and the content of their entries. */
import type { Message, Part, ServerToolCallPart, ToolCallPart } from "../types.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { asArray, asLabel, asObject, compact, isObject, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { textParts } from "./shared/message-parts.ts";
import { readContent, readConversation, readToolDefinitions } from "./shared/openai-messages.ts";
import { readSettings } from "./shared/settings.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "inputs", "messages", "instructions", "tools", "stream"]);

/** An agent's id stands where the model would; the model behind it is known to the server only. */
export function readConversationRequest({ route, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const system = textParts("text", fields["instructions"]);
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? route.pathModel,
    parameters: readSettings(fields, contentKeys, "completion_args"),
    system: system.length === 0 ? undefined : system,
    messages: readInputs(fields["inputs"]) ?? readConversation(fields["messages"]).messages,
    tools: readToolDefinitions(fields["tools"]),
    stream: typeof fields["stream"] === "boolean" ? fields["stream"] : undefined,
  });
}

/** A text, or entries: messages of both sides, function calls and their results. */
function readInputs(inputs: unknown): Message[] | undefined {
  if (typeof inputs === "string")
    return inputs === "" ? undefined : [{ role: "user", parts: textParts("text", inputs) }];
  if (!Array.isArray(inputs)) return undefined;
  return inputs.filter(isObject).map(readEntry);
}

function readEntry(entry: JsonObject): Message {
  switch (entry["type"]) {
    case "function.result": {
      const part: Part = { type: "tool_call_response", response: entry["result"] ?? "" };
      const id = asLabel(entry["tool_call_id"]);
      if (id !== undefined) part.id = id;
      return { role: "tool", parts: [part] };
    }
    case "function.call":
    case "tool.execution": {
      const type = entry["type"] === "function.call" ? "tool_call" : "server_tool_call";
      const call = compact<ToolCallPart | ServerToolCallPart>({
        type,
        id: asLabel(entry["tool_call_id"]) ?? asLabel(entry["id"]),
        name: asLabel(entry["name"]) ?? "",
        arguments: readArguments(entry["arguments"]),
      });
      return { role: "assistant", parts: [call] };
    }
    case "agent.handoff":
      return { role: "assistant", parts: [{ type: "other", kind: "agent.handoff", content: entry }] };
    default: {
      const fallback = entry["type"] === "message.output" ? "assistant" : "user";
      return { role: asLabel(entry["role"]) ?? fallback, parts: readEntryContent(entry["content"]) };
    }
  }
}

/** Content of a message: a text, one chunk, or a list of them. Sources that a text refers to are no text. */
export function readEntryContent(content: unknown): Part[] {
  const chunks = Array.isArray(content) ? asArray(content) : [content];
  return chunks.flatMap((chunk): Part[] => {
    const fields = asObject(chunk);
    if (fields?.["type"] !== "tool_file") return readContent(chunk);
    return [
      compact<Part & { type: "file" }>({
        type: "file",
        fileId: asLabel(fields["file_id"]),
        filename: asLabel(fields["file_name"]),
      }),
    ];
  });
}
