/** Small rules over parts that the APIs with typed content blocks share. */
import type { Message, Part } from "../../types.ts";

/** Text content as a part; nothing for an empty or missing text. */
export function textParts(type: "text" | "reasoning" | "refusal", text: unknown): Part[] {
  return typeof text === "string" && text !== "" ? [{ type, content: text }] : [];
}

/** A tool result: text where it is only text, else its parts, so that media in it is found as media. */
export function simplifyParts(parts: Part[]): string | Part[] {
  let text = "";
  for (const part of parts) {
    if (part.type !== "text") return parts;
    text += part.content;
  }
  return text;
}

/**
 * A message with the common role names: `model` is `assistant`; a message of nothing but tool results is the tool's,
 * whatever role the API has them sent under.
 */
export function createMessage(role: string | undefined, parts: Part[]): Message {
  const onlyResults = parts.length > 0 && parts.every((part) => part.type === "tool_call_response");
  if (onlyResults || role === "function") return { role: "tool", parts };
  return { role: role === "model" ? "assistant" : (role ?? "user"), parts };
}

/** A source that the model cites for the text before it, as the provider describes it. */
export function citationPart(citation: unknown): Part {
  return { type: "other", kind: "citation", content: citation };
}
