/** Requests of Bedrock InvokeModel: each model's own, told apart by what is in them. */
import { anthropicCompleteParser } from "./anthropic-complete.ts";
import { anthropicMessagesParser } from "./anthropic-messages.ts";
import { readConverseRequest } from "./bedrock-converse.ts";
import { cohereV1Parser } from "./cohere-v1.ts";
import { openaiChatParser } from "./openai-chat.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { rerankParser } from "./rerank.ts";
import { asArray, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readBase64Media, readMediaUrl } from "./shared/media.ts";
import { createMessage, textParts } from "./shared/message-parts.ts";
import { readSettings } from "./shared/settings.ts";
import type { Operation, Part } from "../types.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "prompt",
  "inputText",
  "inputPrompt",
  "mediaSource",
  "inputImage",
  "text_prompts",
  "textToImageParams",
  "inPaintingParams",
  "outPaintingParams",
  "imageVariationParams",
  "colorGuidedGenerationParams",
  "backgroundRemovalParams",
  "singleEmbeddingParams",
  "segmentedEmbeddingParams",
  "image",
  "images",
  "init_image",
  "mask",
  "negative_prompt",
  "stream",
]);

type RequestReader = (input: RequestInput) => ParsedRequest;

/** The first whose test holds reads the request. */
const dialects: readonly [test: (body: JsonObject, model: string) => boolean, read: RequestReader][] = [
  [(body) => "anthropic_version" in body, (input) => anthropicMessagesParser.readRequest(input)],
  [(body) => "max_tokens_to_sample" in body, (input) => anthropicCompleteParser.readRequest(input)],
  [(body) => "schemaVersion" in body || "inferenceConfig" in body, readConverseRequest],
  [(body, model) => "messages" in body && /\bnova-/.test(model), readConverseRequest],
  [
    (body, model) => "messages" in body && model.includes("anthropic."),
    (input) => anthropicMessagesParser.readRequest(input),
  ],
  [(body) => "messages" in body, (input) => openaiChatParser.readRequest(input)],
  [(body) => "query" in body && "documents" in body, (input) => rerankParser.readRequest(input)],
  [
    (body, model) => "message" in body || "texts" in body || model.includes("cohere."),
    (input) => cohereV1Parser.readRequest(input),
  ],
];

/** Reads a request of any model. */
export function readInvokeRequest(input: RequestInput): ParsedRequest {
  const body = asObject(input.body) ?? {};
  const model = input.route.pathModel ?? "";
  const read = dialects.find(([test]) => test(body, model))?.[1] ?? readNativeRequest;
  const request = read(input);
  // The path decides on both, whatever is in the body.
  if (input.route.pathModel !== undefined) request.model = input.route.pathModel;
  if (/\/invoke-with-response-stream(\?|$)/.test(input.path)) request.stream = true;
  const operation = readOperation(body, input.route.operation);
  if (operation !== undefined) request.operation = operation;
  return request;
}

/** What the body tells of the operation beyond the name of the model. */
function readOperation(body: JsonObject, routed: Operation): Operation | undefined {
  const isChat = Array.isArray(body["messages"]) || typeof body["message"] === "string" || "inferenceConfig" in body;
  if (isChat) return "chat";
  if ("singleEmbeddingParams" in body || "segmentedEmbeddingParams" in body) return "embeddings";
  if (isObject(body["textToImageParams"])) return "image_generation";
  const isText = typeof body["prompt"] === "string" || typeof body["inputText"] === "string";
  return isText && routed === "chat" ? "text_completion" : undefined;
}

/** A request in a format that Bedrock alone has: a prompt, or parameters of a task with a text in them. */
export function readNativeRequest(input: RequestInput): ParsedRequest {
  const body = asObject(input.body) ?? {};
  const parts = readParts(body);
  const container = "textGenerationConfig" in body ? "textGenerationConfig" : "imageGenerationConfig";
  return compact<ParsedRequest>({
    model: input.route.pathModel,
    parameters: readSettings(body, contentKeys, container),
    messages: parts.length === 0 ? undefined : [createMessage("user", parts)],
  });
}

function readParts(body: JsonObject): Part[] {
  const parts = textParts("text", body["prompt"] ?? body["inputText"] ?? body["inputPrompt"]);
  for (const key of ["text", "text_image"]) parts.push(...textParts("text", asObject(body[key])?.["inputText"]));
  parts.push(...readMediaSource(body["mediaSource"]));
  for (const prompt of asArray(body["text_prompts"])) parts.push(...textParts("text", asObject(prompt)?.["text"]));
  for (const key of Object.keys(body)) {
    const task = key.endsWith("Params") && contentKeys.has(key) ? asObject(body[key]) : undefined;
    if (task !== undefined) parts.push(...readTask(task));
  }
  parts.push(...readNegative(body["negative_prompt"]));
  parts.push(...readImages([body["inputImage"], body["image"], body["init_image"], body["mask"]]));
  parts.push(...readImages(asArray(body["images"])));
  return parts;
}

/** `{text: "…"}`, or `{text: {value: "…"}}` where more than text can be embedded. */
function readTask(task: JsonObject): Part[] {
  return [
    ...textParts("text", asObject(task["text"])?.["value"] ?? task["text"]),
    ...readNegative(task["negativeText"]),
    ...readImages([task["image"], task["maskImage"], ...asArray(task["images"])]),
  ];
}

/** TwelveLabs: a video or another medium, inline or in S3. */
function readMediaSource(source: unknown): Part[] {
  const data = asString(asObject(source)?.["base64String"]);
  if (data !== undefined) return [readBase64Media(data, "video")];
  const uri = asString(asObject(asObject(source)?.["s3Location"])?.["uri"]);
  return uri === undefined ? [] : [readMediaUrl(uri, "video")];
}

function readNegative(text: unknown): Part[] {
  const negative = asString(text);
  return negative === undefined ? [] : [{ type: "other", kind: "negative_prompt", content: negative }];
}

/** Base64 texts, or objects with a source like those of Converse. */
function readImages(images: readonly unknown[]): Part[] {
  const parts: Part[] = [];
  for (const image of images) {
    const holder = asObject(image);
    const data = asString(image) ?? asString(asObject(holder?.["source"])?.["bytes"]);
    const format = asLabel(holder?.["format"]);
    if (data !== undefined)
      parts.push(readBase64Media(data, "image", format === undefined ? undefined : `image/${format}`));
  }
  return parts;
}
