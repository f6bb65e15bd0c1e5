/** Input that the Cohere APIs of both versions take beside messages. */
import type { Message, OtherPart, Part } from "../../types.ts";
import { asArray, isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { readMediaUrl } from "./media.ts";
import { readContent } from "./openai-messages.ts";

/** Documents that the model may quote: input that is no message. */
export function documentParts(documents: unknown): OtherPart[] {
  if (!Array.isArray(documents) || documents.length === 0) return [];
  return [{ type: "other", kind: "documents", content: documents }];
}

/**
 * Input of embed: `texts`, `images` (data URLs) or `inputs` (`[{content: [...]}]`), each a part of one message.
 *
 * @returns `undefined` when there is none
 */
export function readEmbedInput(fields: JsonObject): Message[] | undefined {
  const parts: Part[] = readContent(fields["texts"]);
  for (const image of asArray(fields["images"])) {
    if (typeof image === "string") parts.push(readMediaUrl(image, "image"));
  }
  for (const input of asArray(fields["inputs"])) {
    parts.push(...readContent(isObject(input) ? (input["content"] ?? input) : input));
  }
  return parts.length === 0 ? undefined : [{ role: "user", parts }];
}
