/** Content blocks, messages and tools of the Bedrock Converse API, which Nova speaks as its own format too. */
import type { Modality, Part, ToolDefinition } from "../types.ts";
import { asArray, asLabel, asObject, asString, isObject, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readBase64Media, readMediaUrl } from "./shared/media.ts";
import { type AddMessages, createAdder } from "./shared/message-list.ts";
import { citationPart, simplifyParts, textParts } from "./shared/message-parts.ts";

/** A document or a tool result holds blocks; deeper than this nothing real is nested. */
const MAX_NESTING = 8;

/** The type of a tool use that the provider runs itself. */
const SERVER_TOOL_USE = "server_tool_use";

type BlockReader = (value: JsonObject, depth: number) => Part[];

/** A block is a union: an object with one of these fields. */
const readers: ReadonlyMap<string, BlockReader> = new Map<string, BlockReader>([
  ["toolUse", (value) => [readToolUse(value)]],
  ["toolResult", (value, depth) => [readToolResult(value, depth)]],
  ["reasoningContent", readReasoning],
  ["image", (value, depth) => readMedia(value, "image", depth)],
  ["document", (value, depth) => readMedia(value, "document", depth)],
  ["video", (value, depth) => readMedia(value, "video", depth)],
  ["audio", (value, depth) => readMedia(value, "audio", depth)],
  ["citationsContent", readCitations],
  ["guardContent", readGuarded],
  // Marks a place, says nothing.
  ["cachePoint", () => []],
]);

/**
 * One content block as parts; what has no part of its own is kept as it is, under the name of its field.
 *
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
 */
export function readConverseBlock(block: JsonObject, depth = 0): Part[] {
  if (typeof block["text"] === "string") return textParts("text", block["text"]);
  if (depth < MAX_NESTING) {
    for (const [field, reader] of readers) {
      const value = block[field];
      if (isObject(value)) return reader(value, depth);
    }
  }
  const kind = Object.keys(block).find((key) => block[key] !== null && key !== "type");
  return kind === undefined ? [] : [{ type: "other", kind: kind === "" ? "unknown" : kind, content: block[kind] }];
}

/** A list of blocks; Nova also takes a plain text. */
export function readConverseContent(content: unknown, depth = 0): Part[] {
  if (typeof content === "string") return textParts("text", content);
  return asArray(content)
    .filter(isObject)
    .flatMap((block) => readConverseBlock(block, depth));
}

/** Of `messages`. */
export const addConverseMessages: AddMessages = createAdder((message) => readConverseContent(message["content"]));

/** `toolConfig.tools`: functions of the app (`toolSpec`) and tools of the provider (`systemTool`). */
export function readConverseTools(tools: unknown): ToolDefinition[] | undefined {
  if (!Array.isArray(tools)) return undefined;
  const definitions: ToolDefinition[] = [];
  for (const tool of tools.filter(isObject)) {
    const spec = asObject(tool["toolSpec"]);
    const system = asObject(tool["systemTool"]);
    if (spec !== undefined) definitions.push(readToolSpec(spec));
    else if (system !== undefined) definitions.push({ type: asLabel(system["name"]) ?? "system" });
  }
  return definitions;
}

/** Who runs a tool: the app, unless the use says otherwise. */
export function readToolUseType(use: JsonObject): "tool_call" | "server_tool_call" {
  return use["type"] === SERVER_TOOL_USE ? "server_tool_call" : "tool_call";
}

function readToolUse(use: JsonObject): Part {
  const id = asLabel(use["toolUseId"]);
  const name = asLabel(use["name"]) ?? "";
  return { type: readToolUseType(use), ...(id !== undefined && { id }), name, arguments: readArguments(use["input"]) };
}

/** The result of a tool of the provider has a type: `nova_code_interpreter_result`. */
export function readToolResult(result: JsonObject, depth = 0): Part {
  const id = asLabel(result["toolUseId"]);
  const type = asLabel(result["type"]);
  const isServers = type !== undefined && type !== "tool_result";
  const name = isServers ? asLabel(type.replace(/_result$/, "")) : undefined;
  const response = readResultContent(asArray(result["content"]), depth);
  return {
    type: isServers ? "server_tool_call_response" : "tool_call_response",
    ...(id !== undefined && { id }),
    ...(name !== undefined && { name }),
    ...(response !== undefined && { response }),
    ...(!isServers && result["status"] === "error" && { isError: true }),
  };
}

/** One JSON value or text is the result itself; more are parts. */
function readResultContent(content: readonly unknown[], depth: number): unknown {
  const [first] = content;
  if (content.length === 1 && isObject(first) && first["json"] !== undefined) return first["json"];
  return content.length === 0 ? undefined : simplifyParts(readConverseContent(content, depth + 1));
}

function readReasoning(reasoning: JsonObject): Part[] {
  if (reasoning["redactedContent"] !== undefined) return [{ type: "other", kind: "redacted_reasoning" }];
  return textParts("reasoning", asObject(reasoning["reasoningText"])?.["text"]);
}

/** Text with its sources. */
function readCitations(cited: JsonObject, depth: number): Part[] {
  const citations = asArray(cited["citations"]).map((citation) => citationPart(citation));
  return [...readConverseContent(cited["content"], depth + 1), ...citations];
}

function readGuarded(guarded: JsonObject, depth: number): Part[] {
  const text = asObject(guarded["text"]);
  return text === undefined ? readConverseBlock(guarded, depth + 1) : textParts("text", text["text"]);
}

const documentTypes: ReadonlyMap<string, string> = new Map([
  ["pdf", "application/pdf"],
  ["csv", "text/csv"],
  ["html", "text/html"],
  ["txt", "text/plain"],
  ["md", "text/markdown"],
]);

/** Media inline, in S3, or a document as text or blocks. */
function readMedia(media: JsonObject, modality: Modality, depth: number): Part[] {
  const source = asObject(media["source"]) ?? {};
  const format = asLabel(media["format"]);
  const mimeType = modality === "document" ? documentTypes.get(format ?? "") : format && `${modality}/${format}`;
  const bytes = asString(source["bytes"]);
  if (bytes !== undefined) return [readBase64Media(bytes, modality, mimeType)];
  const uri = asString(asObject(source["s3Location"])?.["uri"]);
  if (uri !== undefined) return [{ ...readMediaUrl(uri, modality), ...(mimeType !== undefined && { mimeType }) }];
  if (source["text"] !== undefined) return textParts("text", source["text"]);
  if (Array.isArray(source["content"])) return readConverseContent(source["content"], depth + 1);
  return [{ type: "other", kind: modality, content: media }];
}

function readToolSpec(spec: JsonObject): ToolDefinition {
  const definition: ToolDefinition = { type: "function" };
  const name = asLabel(spec["name"]);
  const description = asString(spec["description"]);
  const parameters = asObject(spec["inputSchema"])?.["json"];
  if (name !== undefined) definition.name = name;
  if (description !== undefined) definition.description = description;
  if (isObject(parameters)) definition.parameters = parameters;
  return definition;
}
