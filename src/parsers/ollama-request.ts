/** Requests of Ollama: chat, generate, embed. */
import type { KnownMessages } from "../known-messages.ts";
import type { Message, Part } from "../types.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { asArray, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readBase64Media } from "./shared/media.ts";
import { textParts } from "./shared/message-parts.ts";
import { addMessages, readContent, readConversation, readToolDefinitions } from "./shared/openai-messages.ts";
import type { Conversation } from "./shared/openai-messages.ts";
import { readSettings } from "./shared/settings.ts";

/** `context` is the conversation so far, in tokens: content, and no one can read it. */
const contentKeys: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "prompt",
  "suffix",
  "system",
  "images",
  "context",
  "input",
  "tools",
  "stream",
]);

/** Chat and generate stream unless the request says no; embed never does. */
export function readOllamaRequest({ route, body, known }: RequestInput): ParsedRequest {
  const fields = asObject(body);
  if (fields === undefined) return compact<ParsedRequest>({ model: route.pathModel, parameters: {} });
  const conversation = readInput(fields, known);
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? route.pathModel,
    parameters: readSettings(fields, contentKeys, "options"),
    system: conversation.system,
    messages: conversation.messages,
    tools: readToolDefinitions(fields["tools"]),
    stream: route.operation === "embeddings" ? undefined : fields["stream"] !== false,
  });
}

/** Adds the messages of an array to those before them. */
export function addOllamaMessages(items: readonly unknown[], messages: Message[]): Message[] {
  return addMessages(items.map(adaptMessage), messages);
}

function readInput(fields: JsonObject, known: KnownMessages | undefined): Conversation {
  if (Array.isArray(fields["messages"])) return readConversation(fields["messages"], known, addOllamaMessages);
  const system = textParts("text", fields["system"]);
  const parts: Part[] = [
    ...readContent(fields["prompt"] ?? fields["input"]),
    ...textParts("text", fields["suffix"]),
    ...readImages(fields["images"]),
  ];
  const messages: Message[] = [{ role: "user", parts }];
  return compact<Conversation>({
    system: system.length === 0 ? undefined : system,
    messages: parts.length === 0 ? undefined : messages,
  });
}

/** Brings what only Ollama has in a message into the shape that all chat APIs share. */
function adaptMessage(message: unknown): unknown {
  if (!isObject(message)) return message;
  const thinking = asString(message["thinking"]);
  const toolName = asLabel(message["tool_name"]);
  const images = asArray(message["images"]);
  const adapted: JsonObject = { ...message };
  if (thinking !== undefined) adapted["reasoning_content"] = thinking;
  if (toolName !== undefined) adapted["name"] = toolName;
  if (images.length > 0) {
    const imageParts = images.map((image) => ({ type: "image_url", image_url: toDataUrl(image) }));
    adapted["content"] = [{ type: "text", text: message["content"] }, ...imageParts];
  }
  return adapted;
}

/** Images are bare base64. */
function toDataUrl(image: unknown): string {
  return typeof image === "string" ? `data:;base64,${image}` : "";
}

function readImages(images: unknown): Part[] {
  return asArray(images).flatMap((image) => (typeof image === "string" ? [readBase64Media(image, "image")] : []));
}
