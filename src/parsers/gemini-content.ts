/** Contents, parts and tools of the Gemini API and Vertex AI, in requests and responses alike. */
import type { Message, Modality, Part, ToolDefinition } from "../types.ts";
import type { KnownMessages } from "../known-messages.ts";
import { asArray, asLabel, asObject, asString, isObject, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { modalityOf, readBase64Media, readMediaUrl } from "./shared/media.ts";
import { type AddMessages, createAdder, readList } from "./shared/message-list.ts";
import { createMessage, textParts } from "./shared/message-parts.ts";

/** What the code tool of Gemini is called in records: the API names only its code and its result. */
const CODE_TOOL = "code_execution";

/**
 * A field by its camelCase name, or by the snake_case one that the API takes as well.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
export function readField(object: JsonObject | undefined, name: string): unknown {
  return object?.[name] ?? object?.[toSnakeCase(name)];
}

const snakeCaseNames = new Map<string, string>();

function toSnakeCase(name: string): string {
  let snake = snakeCaseNames.get(name);
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    snakeCaseNames.set(name, snake);
  }
  return snake;
}

/** Media of a function result are parts within a part; deeper than this nothing real is nested. */
const MAX_NESTING = 8;

/** One part; what has no part of its own is kept as it is, under the name of its field. */
export function readGeminiPart(part: JsonObject, depth = 0): Part[] {
  if (typeof part["text"] === "string") return textParts(part["thought"] === true ? "reasoning" : "text", part["text"]);
  for (const [field, reader] of readers) {
    const value = asObject(readField(part, field));
    if (value !== undefined) return reader(value, depth);
  }
  const kind = Object.keys(part).find((key) => key !== "" && isObject(part[key]));
  return kind === undefined ? [] : [{ type: "other", kind, content: part[kind] }];
}

/** `contents`: a list of contents, one content, or a text as SDK-like servers accept it. */
export function readGeminiContents(contents: unknown, known?: KnownMessages): Message[] | undefined {
  if (typeof contents === "string") return [createMessage("user", textParts("text", contents))];
  if (!Array.isArray(contents) && !isObject(contents)) return undefined;
  return readList(Array.isArray(contents) ? contents : [contents], addGeminiContents, known);
}

/** Of `contents`. */
export const addGeminiContents: AddMessages = createAdder(readGeminiContent);

/** The parts of one content; `parts` may also be a single part. */
export function readGeminiContent(content: unknown): Part[] {
  if (typeof content === "string") return textParts("text", content);
  const parts = asObject(content)?.["parts"];
  const list = isObject(parts) ? [parts] : asArray(parts).filter(isObject);
  return list.flatMap((part) => readGeminiPart(part));
}

/** `tools`: functions of the app, and the provider's own tools by the name of their field (`googleSearch`, …). */
export function readGeminiTools(tools: unknown): ToolDefinition[] | undefined {
  const list = isObject(tools) ? [tools] : tools;
  if (!Array.isArray(list)) return undefined;
  const definitions: ToolDefinition[] = [];
  for (const tool of list.filter(isObject)) {
    for (const [key, value] of Object.entries(tool)) {
      if (key === "functionDeclarations" || key === "function_declarations") {
        definitions.push(...asArray(value).filter(isObject).map(readDeclaration));
      } else if (key !== "" && isObject(value)) definitions.push({ type: key });
    }
  }
  return definitions;
}

function readDeclaration(declaration: JsonObject): ToolDefinition {
  const definition: ToolDefinition = { type: "function" };
  const name = asLabel(declaration["name"]);
  const description = asString(declaration["description"]);
  const parameters = declaration["parameters"] ?? readField(declaration, "parametersJsonSchema");
  if (name !== undefined) definition.name = name;
  if (description !== undefined) definition.description = description;
  if (isObject(parameters)) definition.parameters = parameters;
  return definition;
}

const readers: ReadonlyMap<string, (value: JsonObject, depth: number) => Part[]> = new Map([
  ["inlineData", readInlineData],
  ["fileData", readFileData],
  ["functionCall", readFunctionCall],
  ["functionResponse", readFunctionResponse],
  ["executableCode", readExecutableCode],
  ["codeExecutionResult", readCodeResult],
  ["toolCall", readToolCall],
  ["toolResponse", readToolResponse],
]);

function readInlineData(data: JsonObject): Part[] {
  const mimeType = asLabel(readField(data, "mimeType"));
  return [readBase64Media(asString(data["data"]) ?? "", undefined, mimeType)];
}

function readFileData(data: JsonObject): Part[] {
  const mimeType = asLabel(readField(data, "mimeType"));
  const modality: Modality | undefined = mimeType === undefined ? undefined : modalityOf(mimeType);
  const part = readMediaUrl(asString(readField(data, "fileUri")) ?? "", modality);
  if (mimeType !== undefined) part.mimeType = mimeType;
  return [part];
}

function readFunctionCall(call: JsonObject): Part[] {
  const id = asLabel(call["id"]);
  const name = asLabel(call["name"]) ?? "";
  return [{ type: "tool_call", ...(id !== undefined && { id }), name, arguments: readArguments(call["args"]) }];
}

/** A result may have media beside its JSON. */
function readFunctionResponse(result: JsonObject, depth: number): Part[] {
  const part: Part = { type: "tool_call_response" };
  const id = asLabel(result["id"]);
  const name = asLabel(result["name"]);
  if (id !== undefined) part.id = id;
  if (name !== undefined) part.name = name;
  const { response } = result;
  const inner = depth < MAX_NESTING ? asArray(result["parts"]).filter(isObject) : [];
  const media = inner.flatMap((item) => readGeminiPart(item, depth + 1));
  if (media.length > 0) part.response = [{ type: "other", kind: "function_response", content: response }, ...media];
  else if (response !== undefined && response !== null) part.response = response;
  return [part];
}

function readExecutableCode(code: JsonObject): Part[] {
  const { id, ...written } = code;
  const callId = asLabel(id);
  return [
    { type: "server_tool_call", ...(callId !== undefined && { id: callId }), name: CODE_TOOL, arguments: written },
  ];
}

function readCodeResult(result: JsonObject): Part[] {
  const { id, ...response } = result;
  const callId = asLabel(id);
  return [
    { type: "server_tool_call_response", ...(callId !== undefined && { id: callId }), name: CODE_TOOL, response },
  ];
}

function readToolCall(call: JsonObject): Part[] {
  const id = asLabel(call["id"]);
  const name = asLabel(readField(call, "toolType"))?.toLowerCase() ?? "";
  return [{ type: "server_tool_call", ...(id !== undefined && { id }), name, arguments: readArguments(call["args"]) }];
}

function readToolResponse(result: JsonObject): Part[] {
  const part: Part = { type: "server_tool_call_response" };
  const id = asLabel(result["id"]);
  const name = asLabel(readField(result, "toolType"))?.toLowerCase();
  if (id !== undefined) part.id = id;
  if (name !== undefined) part.name = name;
  if (isObject(result["response"])) part.response = result["response"];
  return [part];
}
