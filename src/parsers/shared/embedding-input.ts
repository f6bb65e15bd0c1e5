/** Inputs of embeddings beyond texts: Voyage's lists of content, Jina's `{text}` and `{image}`, DashScope's lists. */
import type { Part } from "../../types.ts";
import { isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { readMediaUrl } from "./media.ts";
import { textParts } from "./message-parts.ts";
import { readInputs } from "./open-request.ts";
import { readContent } from "./openai-messages.ts";

/** Texts, tokens, or objects that hold text and media, each input as parts. */
export function readEmbeddingInput(input: unknown): Part[] {
  if (isObject(input)) return readItem(input);
  if (!Array.isArray(input) || !isObject(input[0])) return readInputs(input);
  return input.flatMap((item: unknown) => (isObject(item) ? readItem(item) : readInputs(item)));
}

function readItem(item: JsonObject): Part[] {
  if (item["type"] === undefined) {
    if (item["content"] !== undefined) return readContent(item["content"]);
    // DashScope: `{texts: […]}`, `{contents: [{text}, {image}]}`.
    if (Array.isArray(item["texts"])) return readInputs(item["texts"]);
    if (Array.isArray(item["contents"])) return readContent(item["contents"]);
    if (typeof item["text"] === "string") return textParts("text", item["text"]);
    if (typeof item["image"] === "string") return [readMediaUrl(item["image"], "image")];
  }
  return readContent(item);
}
