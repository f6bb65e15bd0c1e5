/** Reasoning text as hosts other than OpenAI send it beside `content`. */
import { asArray, asObject } from "./json.ts";
import type { JsonObject } from "./json.ts";

/**
 * The reasoning of a message or a delta, read from one field only: hosts send the same text under two names.
 * In order: `reasoning_content` (DeepSeek, xAI, Moonshot, Fireworks, …), `reasoning` (OpenRouter, Groq, Cerebras,
 * Together, vLLM), `reasoning_details` (OpenRouter).
 *
 * @returns `undefined` when there is none
 */
export function readReasoning(message: JsonObject): string | undefined {
  return (
    readReasoningValue(message["reasoning_content"]) ??
    readReasoningValue(message["reasoning"]) ??
    readReasoningValue(message["reasoning_details"]) ??
    readReasoningValue(message["reasoning_text"]) // GitHub Copilot
  );
}

/** A string, an object with a text, or a list of both; encrypted details have none. */
function readReasoningValue(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  let text = "";
  const items = Array.isArray(value) ? asArray(value) : [value];
  for (const item of items) {
    if (typeof item === "string") text += item;
    const detail = asObject(item);
    const own = detail?.["text"] ?? detail?.["summary"] ?? detail?.["content"];
    if (typeof own === "string") text += own;
  }
  return text === "" ? undefined : text;
}
