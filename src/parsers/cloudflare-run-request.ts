/** Requests of Workers AI's `/ai/run/{model}`: what the body holds depends on the model's task. */
import type { Message, Operation, Part } from "../types.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { asArray, asLabel, asObject, asString, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readBase64Media } from "./shared/media.ts";
import { textParts } from "./shared/message-parts.ts";
import { readContent, readConversation, readToolDefinitions } from "./shared/openai-messages.ts";
import type { Conversation } from "./shared/openai-messages.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "prompt",
  "text",
  "input",
  "input_text",
  "instructions",
  "query",
  "contexts",
  "queries",
  "documents",
  "image",
  "image_b64",
  "mask",
  "audio",
  "tools",
  "functions",
  "stream",
]);

/** Chat, completion, embeddings, rerank, images, speech. */
export function readCloudflareRequest({ route, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const conversation = readInput(fields);
  return compact<ParsedRequest>({
    model: route.pathModel ?? asLabel(fields["model"]),
    parameters: omitKeys(fields, contentKeys),
    system: conversation.system,
    messages: conversation.messages,
    tools: readToolDefinitions(fields["tools"], fields["functions"]),
    stream: typeof fields["stream"] === "boolean" ? fields["stream"] : undefined,
    operation: findOperation(fields, route.operation),
  });
}

/** Names of models tell little: text models take messages or a bare prompt. */
function findOperation(fields: JsonObject, byName: Operation): Operation | undefined {
  if (byName !== "chat" && byName !== "text_completion") return undefined;
  if (Array.isArray(fields["messages"]) || fields["input"] !== undefined) return "chat";
  return typeof fields["prompt"] === "string" ? "text_completion" : undefined;
}

function readInput(fields: JsonObject): Conversation {
  const input = fields["messages"] ?? (Array.isArray(fields["input"]) ? fields["input"] : undefined);
  if (Array.isArray(input)) return readConversation(input);
  const system = textParts("text", fields["instructions"]);
  const parts: Part[] = [
    ...["prompt", "text", "input", "input_text", "query"].flatMap((key) => readContent(fields[key])),
    ...["contexts", "queries", "documents"].flatMap((key) => asArray(fields[key]).flatMap(readDocument)),
    ...readMedia(fields),
  ];
  const messages: Message[] = [{ role: "user", parts }];
  return compact<Conversation>({
    system: system.length === 0 ? undefined : system,
    messages: parts.length === 0 ? undefined : messages,
  });
}

function readDocument(item: unknown): Part[] {
  return isObject(item) ? textParts("text", item["text"]) : textParts("text", item);
}

/** Media is base64; lists of bytes, which some models take, are no content that anyone reads. */
function readMedia(fields: JsonObject): Part[] {
  const image = asString(fields["image_b64"]) ?? asString(fields["image"]);
  const audio = asString(fields["audio"]);
  return [
    ...(image === undefined ? [] : [readBase64Media(image, "image")]),
    ...(audio === undefined ? [] : [readBase64Media(audio, "audio")]),
  ];
}
