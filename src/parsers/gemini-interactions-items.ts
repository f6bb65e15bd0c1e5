/**
 * Steps and contents of the Gemini Interactions API. A step is what someone did (said, thought, called, returned); a
 * content is a text or media. Older versions of the API have contents only and lists them as `outputs`.
 */
import type { Message, Modality, Part } from "../types.ts";
import { asArray, asLabel, asObject, asString, isObject, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { modalityOf, readBase64Media, readMediaUrl } from "./shared/media.ts";
import { citationPart, createMessage, simplifyParts, textParts } from "./shared/message-parts.ts";

const modalities: ReadonlyMap<unknown, Modality> = new Map([
  ["image", "image"],
  ["audio", "audio"],
  ["video", "video"],
  ["document", "document"],
]);

/** What a call asks for and who runs it: `function_call` is the app's, `google_search_call` and the like Google's. */
export function readCallType(type: unknown): "tool_call" | "server_tool_call" | undefined {
  if (type === "function_call") return "tool_call";
  return typeof type === "string" && type.endsWith("_call") ? "server_tool_call" : undefined;
}

/** The tool that a call or a result is of: its own name, else that in the type: `google_search_call`. */
export function readToolName(item: JsonObject): string | undefined {
  const type = asLabel(item["type"]);
  return asLabel(item["name"]) ?? (type?.startsWith("function_") ? undefined : type?.replace(/_(call|result)$/, ""));
}

/** One step or content as parts; what has no part of its own is kept as it is. */
export function readItem(item: JsonObject): Part[] {
  const type = asLabel(item["type"]);
  const callType = readCallType(type);
  if (callType !== undefined) return [readCall(item, callType)];
  if (type?.endsWith("_result")) return [readResult(item, type === "function_result")];
  if (type === "thought") return textParts("reasoning", readSummary(item));
  if (type === "user_input" || type === "model_output") return readContents(item["content"]);
  return readContent(item);
}

/** A text, one content, or a list of them. */
export function readContents(value: unknown): Part[] {
  if (typeof value === "string") return textParts("text", value);
  if (isObject(value)) return readContent(value);
  return asArray(value)
    .filter(isObject)
    .flatMap((content) => readContent(content));
}

/** The summary of a thought: a list of contents, or a single one. */
export function readSummary(thought: JsonObject): string {
  const summary = thought["summary"] ?? thought["content"] ?? thought["text"];
  let text = "";
  for (const part of readContents(summary)) if (part.type === "text") text += part.content;
  return text;
}

/** Media inline or by reference; `undefined` when the content is neither. */
export function readMedia(content: JsonObject): Part | undefined {
  const modality = modalities.get(content["type"]);
  if (modality === undefined) return undefined;
  const mimeType = asLabel(content["mime_type"]);
  const data = asString(content["data"]);
  if (data !== undefined) return readBase64Media(data, modality, mimeType);
  const uri = asString(content["uri"]);
  if (uri === undefined) return undefined;
  const part = readMediaUrl(uri, mimeType === undefined ? modality : modalityOf(mimeType));
  if (mimeType !== undefined) part.mimeType = mimeType;
  return part;
}

/** The `input` of a request: a text, contents of the user, steps, or turns with a role. */
export function readInput(input: unknown): Message[] | undefined {
  if (typeof input === "string") return [createMessage("user", textParts("text", input))];
  if (!Array.isArray(input) && !isObject(input)) return undefined;
  const groups: { role: string; parts: Part[] }[] = [];
  for (const item of Array.isArray(input) ? input : [input]) {
    const turn = typeof item === "string" ? { role: "user", parts: textParts("text", item) } : readTurn(asObject(item));
    if (turn === undefined) continue;
    const last = groups.at(-1);
    // A turn of the model is a list of steps, one of the user a list of contents.
    if (last?.role === turn.role) for (const part of turn.parts) last.parts.push(part);
    else groups.push(turn);
  }
  return groups.map(({ role, parts }) => createMessage(role, parts));
}

function readTurn(item: JsonObject | undefined): { role: string; parts: Part[] } | undefined {
  if (item === undefined) return undefined;
  const role = asLabel(item["role"]);
  if (role !== undefined) return { role, parts: readTurnContents(item["content"]) };
  const type = asLabel(item["type"]);
  // Contents of `user_input` may be results of functions too.
  if (type === "user_input") {
    const parts = readTurnContents(item["content"]);
    return { role: parts.some(isResult) ? "tool" : "user", parts };
  }
  const parts = readItem(item);
  if (type === "function_result") return { role: "tool", parts };
  const isModels = type === "model_output" || type === "thought" || /_(call|result)$/.test(type ?? "");
  return { role: isModels ? "assistant" : "user", parts };
}

function readTurnContents(content: unknown): Part[] {
  if (!Array.isArray(content)) return readContents(content);
  return content.filter(isObject).flatMap((item) => readItem(item));
}

function isResult(part: Part): boolean {
  return part.type === "tool_call_response";
}

function readContent(content: JsonObject): Part[] {
  if (typeof content["text"] === "string") {
    const citations = asArray(content["annotations"]).map((annotation) => citationPart(annotation));
    return [...textParts("text", content["text"]), ...citations];
  }
  const media = readMedia(content);
  if (media !== undefined) return [media];
  return [{ type: "other", kind: asLabel(content["type"]) ?? "unknown", content }];
}

function readCall(call: JsonObject, type: "tool_call" | "server_tool_call"): Part {
  const id = asLabel(call["id"]);
  const name = readToolName(call) ?? "";
  return { type, ...(id !== undefined && { id }), name, arguments: readArguments(call["arguments"]) };
}

function readResult(result: JsonObject, isApps: boolean): Part {
  const id = asLabel(result["call_id"]) ?? asLabel(result["id"]);
  const name = readToolName(result);
  const given = result["result"];
  const response = Array.isArray(given) && isApps ? simplifyParts(readContents(given)) : given;
  return {
    type: isApps ? "tool_call_response" : "server_tool_call_response",
    ...(id !== undefined && { id }),
    ...(name !== undefined && { name }),
    ...(response !== undefined && response !== null && { response }),
  };
}
