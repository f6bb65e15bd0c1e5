/** Content parts of Chat, Responses and Mistral messages: `{type: "text" | "image_url" | "input_audio" | …}`. */
import type { FilePart, Modality, Part } from "../../types.ts";
import { asArray, asLabel, asObject, asString, isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { readBase64Media, readMediaUrl } from "./media.ts";

type PartReader = (part: JsonObject) => Part[];

const readers: ReadonlyMap<string, PartReader> = new Map<string, PartReader>([
  ["text", readText],
  ["input_text", readText],
  ["output_text", readText],
  ["summary_text", (part) => textPart("reasoning", part["text"])],
  ["reasoning_text", (part) => textPart("reasoning", part["text"])],
  ["refusal", (part) => textPart("refusal", part["refusal"])],
  ["thinking", (part) => textPart("reasoning", readThinking(part["thinking"]))],
  // Databricks: `{summary: [{text}]}`.
  ["reasoning", (part) => textPart("reasoning", part["text"] ?? part["reasoning"] ?? readThinking(part["summary"]))],
  ["image_url", (part) => readMedia(part, "image_url", "image")],
  ["input_image", (part) => readMedia(part, "image_url", "image")],
  ["image", (part) => readMedia(part, "image", "image")],
  ["video_url", (part) => readMedia(part, "video_url", "video")],
  ["audio_url", (part) => readMedia(part, "audio_url", "audio")],
  ["document_url", (part) => readMedia(part, "document_url", "document")],
  ["input_audio", readAudio],
  ["audio", readAudio],
  ["file", readFile],
  ["input_file", readFile],
]);

/** A part with an unknown type is kept as it is; one without a type is text when it has a text. */
export function readContentPart(part: JsonObject): Part[] {
  const type = asLabel(part["type"]);
  const reader = type === undefined ? undefined : readers.get(type);
  if (reader !== undefined) return reader(part);
  if (type === undefined) {
    if (typeof part["text"] === "string") return readText(part);
    // DashScope: `{image: "url"}`.
    for (const modality of ["image", "audio", "video"] as const) {
      if (typeof part[modality] === "string") return readMedia(part, modality, modality);
    }
  }
  return [{ type: "other", kind: type ?? "unknown", content: part }];
}

/** Mistral: a list of chunks; others: the text. */
export function readThinking(thinking: unknown): string {
  if (typeof thinking === "string") return thinking;
  let text = "";
  for (const chunk of asArray(thinking))
    text += typeof chunk === "string" ? chunk : (asString(asObject(chunk)?.["text"]) ?? "");
  return text;
}

function textPart(type: "text" | "reasoning" | "refusal", text: unknown): Part[] {
  return typeof text === "string" && text !== "" ? [{ type, content: text }] : [];
}

function readText(part: JsonObject): Part[] {
  // The Assistants API wraps it: `{text: {value, annotations}}`.
  return textPart("text", asObject(part["text"])?.["value"] ?? part["text"]);
}

/** `{type, <key>: "url"}`, `{type, <key>: {url}}`, or a file of the provider. */
function readMedia(part: JsonObject, key: string, modality: Modality): Part[] {
  const holder = part[key];
  const url = asString(holder) ?? asString(asObject(holder)?.["url"]) ?? asString(part["url"]);
  if (url !== undefined) return [readMediaUrl(url, modality)];
  const file = readFileReference(isObject(holder) ? { ...part, ...holder } : part, modality);
  return file === undefined ? [{ type: "other", kind: asLabel(part["type"]) ?? modality, content: part }] : [file];
}

function readAudio(part: JsonObject): Part[] {
  const audio = part["input_audio"] ?? part["audio"] ?? part;
  if (typeof audio === "string") {
    const isReference = /^(https?|data):/i.test(audio.slice(0, 8));
    return [isReference ? readMediaUrl(audio, "audio") : readBase64Media(audio, "audio")];
  }
  const holder = asObject(audio) ?? part;
  const data = asString(holder["data"]);
  const format = asLabel(holder["format"]);
  if (data === undefined) return readMedia({ type: "audio", ...holder }, "audio", "audio");
  // Some hosts take a URL where OpenAI takes base64.
  if (/^https?:/i.test(data.slice(0, 8))) return [readMediaUrl(data, "audio")];
  return [readBase64Media(data, "audio", format === undefined ? undefined : `audio/${format}`)];
}

function readFile(part: JsonObject): Part[] {
  const holder = asObject(part["file"]) ?? part;
  const data = asString(holder["file_data"]);
  const url = asString(holder["file_url"]);
  // OpenRouter's `file_data` may be a plain URL.
  if (data !== undefined && /^(https?|data):/i.test(data.slice(0, 8))) return [readMediaUrl(data)];
  if (data !== undefined) return [readBase64Media(data, "document")];
  if (url !== undefined) return [readMediaUrl(url, "document")];
  return [readFileReference(holder, undefined) ?? { type: "file" }];
}

function readFileReference(holder: JsonObject, modality: Modality | undefined): FilePart | undefined {
  const fileId = asLabel(holder["file_id"]);
  const filename = asLabel(holder["filename"]) ?? asLabel(holder["file_name"]);
  if (fileId === undefined && filename === undefined) return undefined;
  const file: FilePart = { type: "file" };
  if (modality !== undefined) file.modality = modality;
  if (fileId !== undefined) file.fileId = fileId;
  if (filename !== undefined) file.filename = filename;
  return file;
}
