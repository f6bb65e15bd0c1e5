/** Items of the Responses API, in `input` and in `output`: messages, reasoning, calls and their results. */
import type { Part } from "../types.ts";
import { asArray, asLabel, asObject, asString, isObject, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readBase64Media } from "./shared/media.ts";
import { readContent, simplifyResult } from "./shared/openai-messages.ts";

export interface ItemOptions {
  /** xAI runs some tools itself but reports them as custom tool calls. */
  provider?: string;
}

type ItemReader = (item: JsonObject, options: ItemOptions) => Part[];

/** Tools that the app runs, by item type: the name that the model knows them by and where their arguments are. */
const clientTools: ReadonlyMap<string, { name: string; fields: readonly string[] }> = new Map([
  ["computer_call", { name: "computer", fields: ["action", "actions"] }],
  ["local_shell_call", { name: "local_shell", fields: ["action"] }],
  ["shell_call", { name: "shell", fields: ["action"] }],
  ["apply_patch_call", { name: "apply_patch", fields: ["operation"] }],
  ["tool_search_call", { name: "tool_search", fields: ["arguments"] }],
]);

/** What xAI's own search tools are called when they come as `custom_tool_call`. */
const xaiServerTools: ReadonlySet<string> = new Set([
  "x_user_search",
  "x_keyword_search",
  "x_semantic_search",
  "x_thread_fetch",
  "web_search",
  "web_search_with_snippets",
  "browse_page",
  "view_image",
  "view_x_video",
  "code_execution",
]);

/** Fields of a server tool call that are neither its arguments nor its result. */
const callFrame: ReadonlySet<string> = new Set([
  "id",
  "type",
  "status",
  "call_id",
  "name",
  "result",
  "results",
  "output",
  "outputs",
  "arguments",
  "error",
  "caller",
]);

const readers: ReadonlyMap<string, ItemReader> = new Map<string, ItemReader>([
  ["message", (item) => readContent(item["content"])],
  ["output_text", (item) => readContent([item])],
  ["reasoning", readReasoningItem],
  ["function_call", (item) => [readCall(item, item["name"], readArguments(item["arguments"]))]],
  ["custom_tool_call", readCustomCall],
  ["function_call_output", (item) => [readResult(item, "output")]],
  ["custom_tool_call_output", (item) => [readResult(item, "output")]],
  ["computer_call_output", (item) => [readResult(item, "output")]],
  ["local_shell_call_output", (item) => [readResult(item, "output")]],
  ["apply_patch_call_output", (item) => [readResult(item, "output")]],
  ["shell_call_output", (item) => [readResult(item, "output")]],
  ["tool_search_output", (item) => [readResult(item, "tools")]],
  ["image_generation_call", readImageCall],
  ["compaction", () => [{ type: "other", kind: "compaction" }]],
]);

/** The parts of one item; an item of an unknown type is kept as it is. */
export function readItemParts(item: JsonObject, options: ItemOptions = {}): Part[] {
  const type = asLabel(item["type"]) ?? "message";
  const reader = readers.get(type);
  if (reader !== undefined) return reader(item, options);
  if (clientTools.has(type) && !runsOnServer(item)) return [readClientCall(type, item)];
  if (type.endsWith("_call")) return readServerCall(type, item);
  return [{ type: "other", kind: type, content: item }];
}

/** The name of the provider's own tool that this item is a run of; `undefined` for everything else. */
export function serverToolOf(item: JsonObject, options: ItemOptions = {}): string | undefined {
  const type = asLabel(item["type"]);
  if (type === undefined || !type.endsWith("_call") || type === "function_call") return undefined;
  if (type === "custom_tool_call") return isXaiServerTool(item, options) ? asLabel(item["name"]) : undefined;
  if (clientTools.has(type) && !runsOnServer(item)) return undefined;
  return type.slice(0, -"_call".length);
}

/** Whether an item is the result of a call, which in a request stands for a `tool` message. */
export function isCallResult(type: string): boolean {
  return type.endsWith("_output") && readers.has(type);
}

/** A tool that can run on either side says where: in a container, or with `execution`. */
function runsOnServer(item: JsonObject): boolean {
  const environment = asLabel(asObject(item["environment"])?.["type"]);
  if (environment !== undefined) return environment !== "local";
  return item["type"] === "tool_search_call" && item["execution"] !== "client";
}

function isXaiServerTool(item: JsonObject, options: ItemOptions): boolean {
  return options.provider === "x_ai" && xaiServerTools.has(asLabel(item["name"]) ?? "");
}

function readReasoningItem(item: JsonObject): Part[] {
  const summary = joinTexts(item["summary"]);
  const content = joinTexts(item["content"]);
  const texts = summary === content ? [summary] : [summary, content];
  return texts.filter((text) => text !== "").map((text): Part => ({ type: "reasoning", content: text }));
}

function joinTexts(parts: unknown): string {
  if (typeof parts === "string") return parts;
  let text = "";
  for (const part of asArray(parts)) text += asString(asObject(part)?.["text"]) ?? "";
  return text;
}

function readCustomCall(item: JsonObject, options: ItemOptions): Part[] {
  const type = isXaiServerTool(item, options) ? "server_tool_call" : "tool_call";
  return [{ ...readCall(item, item["name"], item["input"]), type } as Part];
}

function readCall(item: JsonObject, name: unknown, args: unknown): Part {
  const part: Part = { type: "tool_call", name: asLabel(name) ?? "" };
  const id = asLabel(item["call_id"]) ?? asLabel(item["id"]);
  if (id !== undefined) part.id = id;
  if (args !== undefined && args !== null) part.arguments = args;
  return part;
}

function readClientCall(type: string, item: JsonObject): Part {
  const tool = clientTools.get(type);
  for (const field of tool?.fields ?? []) {
    if (item[field] !== undefined) return readCall(item, tool?.name, readArguments(item[field]));
  }
  return readCall(item, tool?.name, undefined);
}

function readResult(item: JsonObject, field: string): Part {
  const part: Part = { type: "tool_call_response" };
  const id = asLabel(item["call_id"]) ?? asLabel(item["id"]);
  if (id !== undefined) part.id = id;
  const result = item[field];
  if (result !== undefined && result !== null) part.response = simplifyResult(result);
  return part;
}

function readServerCall(type: string, item: JsonObject): Part[] {
  const name = asLabel(item["name"]) ?? type.slice(0, -"_call".length);
  const id = asLabel(item["id"]) ?? asLabel(item["call_id"]);
  const call: Part = { type: "server_tool_call", name };
  if (id !== undefined) call.id = id;
  call.arguments = item["arguments"] === undefined ? otherFields(item) : readArguments(item["arguments"]);
  const result = item["output"] ?? item["results"] ?? item["outputs"] ?? item["error"];
  if (result === undefined || result === null) return [call];
  const response: Part = { type: "server_tool_call_response", name, response: result };
  if (id !== undefined) response.id = id;
  return [call, response];
}

/** Its settings and the prompt that the model wrote are the arguments, the picture is media. */
function readImageCall(item: JsonObject): Part[] {
  const parts = readServerCall("image_generation_call", item);
  const result = asString(item["result"]);
  if (result === undefined) return parts;
  const format = asLabel(item["output_format"]) ?? "png";
  return [...parts, readBase64Media(result, "image", `image/${format}`)];
}

function otherFields(item: JsonObject): unknown {
  const rest = Object.entries(item).filter(([key, value]) => !callFrame.has(key) && value !== null);
  const [only] = rest;
  // `action` of a web search is the whole of its arguments.
  if (rest.length === 1 && only !== undefined && isObject(only[1])) return only[1];
  return Object.fromEntries(rest.filter(([key]) => key !== "__proto__"));
}
