/** Messages as the JSON schemas of OpenTelemetry's GenAI conventions have them. */
import type { Choice, LlmCall, Message, Part, ToolDefinition } from "../../types.ts";
import type { Semconv } from "./names.ts";

type OtelPart = Record<string, unknown>;

/** Content of a call, as plain data; what is not there is left out. */
export interface CallContent {
  inputMessages?: unknown[];
  outputMessages?: unknown[];
  systemInstructions?: unknown[];
  toolDefinitions?: unknown[];
}

export function readContent({ request, response }: LlmCall, semconv: Semconv): CallContent {
  const choices = response?.choices.filter(({ message }) => message.parts.length > 0) ?? [];
  const content: CallContent = {};
  if (request.messages !== undefined) content.inputMessages = request.messages.map(toMessage);
  if (choices.length > 0) content.outputMessages = choices.map((choice) => toOutputMessage(choice, semconv));
  const system = request.system?.filter((part) => part.type === "text") ?? [];
  if (system.length > 0) content.systemInstructions = system.map(toPart);
  if (request.tools !== undefined && request.tools.length > 0) content.toolDefinitions = request.tools.map(toTool);
  return content;
}

function toMessage({ role, name, parts }: Message): Record<string, unknown> {
  return compact({ role, name, parts: parts.map(toPart) });
}

/** The finish reason is a field of the message in one generation, and deprecated in the other. */
function toOutputMessage(choice: Choice, semconv: Semconv): Record<string, unknown> {
  const message = toMessage(choice.message);
  if (semconv === "1.41") message["finish_reason"] = finishReasonOf(choice);
  return message;
}

/** The word of the conventions; the singular of ours where the model wants tools to be run. */
export function finishReasonOf({ finishReason, rawFinishReason }: Choice): string {
  if (finishReason === "tool_calls") return "tool_call";
  if (finishReason === undefined || finishReason === "other") return rawFinishReason ?? finishReason ?? "error";
  return finishReason;
}

function toTool({ type, name, description, parameters }: ToolDefinition): Record<string, unknown> {
  return compact({ type, name, description, parameters });
}

function toPart(part: Part): OtelPart {
  switch (part.type) {
    case "blob": {
      const { modality, mimeType, bytes, sha256, content, transcript } = part;
      return compact({ type: "blob", modality, mime_type: mimeType, content, transcript, bytes, sha256 });
    }
    case "file":
      return compact({
        type: "file",
        modality: part.modality,
        mime_type: part.mimeType,
        file_id: part.fileId,
        filename: part.filename,
      });
    case "uri":
      return compact({ type: "uri", modality: part.modality, mime_type: part.mimeType, uri: part.uri });
    case "server_tool_call": {
      const { id, name, arguments: given } = part;
      return compact({ type: part.type, id, name, server_tool_call: compact({ type: name, arguments: given }) });
    }
    case "server_tool_call_response": {
      const { id, name, response } = part;
      return compact({ type: part.type, id, server_tool_call_response: compact({ type: name, response }) });
    }
    case "other":
      return compact({ type: part.kind, content: part.content });
    default:
      return compact({ ...part });
  }
}

function compact(fields: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) kept[name] = value;
  return kept;
}
