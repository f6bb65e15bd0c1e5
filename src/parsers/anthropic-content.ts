/** Content blocks, system prompts, messages and tools of the Anthropic Messages API, in requests and responses alike. */
import type {
  Modality,
  Part,
  ServerToolCallPart,
  ToolCallPart,
  ToolCallResponsePart,
  ToolDefinition,
} from "../types.ts";
import { asArray, asLabel, asObject, asString, isObject, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { modalityOf, readBase64Media, readMediaUrl } from "./shared/media.ts";
import { type AddMessages, createAdder } from "./shared/message-list.ts";
import { citationPart, simplifyParts, textParts } from "./shared/message-parts.ts";

/** A document may hold content blocks, and a tool result too; deeper than this nothing real is nested. */
const MAX_NESTING = 8;

type BlockReader = (block: JsonObject, depth: number) => Part[];

const readers: ReadonlyMap<string, BlockReader> = new Map<string, BlockReader>([
  ["text", readText],
  ["thinking", (block) => textParts("reasoning", block["thinking"])],
  // Its data is encrypted: nothing that anyone could read.
  ["redacted_thinking", () => [{ type: "other", kind: "redacted_thinking" }]],
  ["tool_use", (block) => [readToolUse(block, "tool_call")]],
  ["server_tool_use", (block) => [readToolUse(block, "server_tool_call")]],
  ["mcp_tool_use", (block) => [readToolUse(block, "server_tool_call")]],
  ["tool_result", readToolResult],
  ["image", (block, depth) => readSource(block, "image", depth)],
  ["document", (block, depth) => readSource(block, "document", depth)],
  ["container_upload", readContainerUpload],
]);

/**
 * One content block as parts; a type without a part of its own is kept as it is.
 *
 * @see https://docs.anthropic.com/en/api/messages
 */
export function readContentBlock(block: JsonObject, depth = 0): Part[] {
  const type = asLabel(block["type"]);
  if (type === undefined) return readText(block);
  const reader = readers.get(type);
  if (reader !== undefined && depth < MAX_NESTING) return reader(block, depth);
  if (type.endsWith("_tool_result")) return [readServerToolResult(block, type)];
  return [{ type: "other", kind: type, content: block["content"] ?? block }];
}

/** Content as a string, or as a list of blocks. */
export function readContent(content: unknown, depth = 0): Part[] {
  if (typeof content === "string") return textParts("text", content);
  if (isObject(content)) return readContentBlock(content, depth);
  return asArray(content).flatMap((block) =>
    isObject(block) ? readContentBlock(block, depth) : textParts("text", block),
  );
}

/** Of `messages`; a message may also have the role `system`. */
export const addAnthropicMessages: AddMessages = createAdder((message) => readContent(message["content"]));

/**
 * `tools` and the beta `mcp_servers`, of which only type and name are kept: they carry credentials.
 */
export function readAnthropicTools(tools: unknown, mcpServers?: unknown): ToolDefinition[] | undefined {
  if (!Array.isArray(tools) && !Array.isArray(mcpServers)) return undefined;
  const definitions = asArray(tools).filter(isObject).map(readToolDefinition);
  for (const server of asArray(mcpServers).filter(isObject)) {
    const definition: ToolDefinition = { type: "mcp" };
    const name = asLabel(server["name"]);
    if (name !== undefined) definition.name = name;
    definitions.push(definition);
  }
  return definitions;
}

/** The tool whose result a block type is: `web_search_tool_result` → `web_search`; unknown for MCP. */
function toolOfResult(type: string): string | undefined {
  return type === "mcp_tool_result" ? undefined : type.slice(0, -"_tool_result".length);
}

function readText(block: JsonObject): Part[] {
  const parts = textParts("text", block["text"]);
  for (const citation of asArray(block["citations"])) parts.push(citationPart(citation));
  return parts;
}

function readToolUse(block: JsonObject, type: "tool_call" | "server_tool_call"): Part {
  const part: ToolCallPart | ServerToolCallPart = {
    type,
    name: asLabel(block["name"]) ?? "",
    arguments: readArguments(block["input"]),
  };
  const id = asLabel(block["id"]);
  if (id !== undefined) part.id = id;
  return part;
}

function readToolResult(block: JsonObject, depth: number): Part[] {
  const part: ToolCallResponsePart = { type: "tool_call_response" };
  const id = asLabel(block["tool_use_id"]);
  if (id !== undefined) part.id = id;
  const { content } = block;
  if (content !== undefined && content !== null) part.response = simplifyParts(readContent(content, depth + 1));
  if (block["is_error"] === true) part.isError = true;
  return [part];
}

function readServerToolResult(block: JsonObject, type: string): Part {
  const part: Part = { type: "server_tool_call_response" };
  const id = asLabel(block["tool_use_id"]);
  const name = toolOfResult(type);
  if (id !== undefined) part.id = id;
  if (name !== undefined && name !== "") part.name = name;
  const { content } = block;
  // An MCP result has text blocks; the other tools have shapes of their own.
  if (content !== undefined && content !== null) {
    part.response = type === "mcp_tool_result" ? simplifyParts(readContent(content, 1)) : content;
  }
  return part;
}

/** `source` of an image or a document: inline, by URL, a file of the provider, plain text, or content blocks. */
function readSource(block: JsonObject, modality: Modality, depth: number): Part[] {
  const source = asObject(block["source"]) ?? {};
  const mimeType = asLabel(source["media_type"]);
  const data = asString(source["data"]);
  switch (source["type"]) {
    case "base64":
      if (data !== undefined) return [readBase64Media(data, modality, mimeType)];
      break;
    case "url": {
      const url = asString(source["url"]);
      if (url !== undefined) return [readMediaUrl(url, modality)];
      break;
    }
    case "file": {
      const fileId = asLabel(source["file_id"]);
      return [fileId === undefined ? { type: "file", modality } : { type: "file", modality, fileId }];
    }
    case "text":
      return textParts("text", data);
    case "content":
      return readContent(source["content"], depth + 1);
  }
  return [{ type: "other", kind: mimeType === undefined ? modality : modalityOf(mimeType), content: block }];
}

function readContainerUpload(block: JsonObject): Part[] {
  const fileId = asLabel(block["file_id"]);
  return [fileId === undefined ? { type: "file" } : { type: "file", fileId }];
}

/** Tools of the app have a schema; a typed tool (`web_search_20250305`, `bash_20250124`, …) keeps its type. */
function readToolDefinition(tool: JsonObject): ToolDefinition {
  const type = asLabel(tool["type"]);
  const definition: ToolDefinition = { type: type === undefined || type === "custom" ? "function" : type };
  const name = asLabel(tool["name"]) ?? asLabel(tool["mcp_server_name"]);
  const description = asString(tool["description"]);
  const parameters = tool["input_schema"];
  if (name !== undefined) definition.name = name;
  if (description !== undefined) definition.description = description;
  if (isObject(parameters)) definition.parameters = parameters;
  return definition;
}
