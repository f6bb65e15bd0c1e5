/** Reasoning text as hosts other than OpenAI send it beside `content`. */
import { asArray, asObject, asString } from "./json.ts";
import type { JsonObject } from "./json.ts";

/**
 * The reasoning of a message or a delta, read from one field only: hosts send the same text under two names.
 * In order: `reasoning_content` (DeepSeek, xAI, Moonshot, Fireworks, …), `reasoning` (OpenRouter, Groq, Cerebras,
 * Together, vLLM), `reasoning_details` (OpenRouter), then names that fewer use.
 *
 * @returns `undefined` when there is none
 */
export function readReasoning(message: JsonObject): string | undefined {
  if (!mayHaveReasoning(message)) return undefined;
  for (const field of fields) {
    const value = message[field];
    const text = value === undefined || value === null ? undefined : readReasoningValue(value);
    if (text !== undefined) return text;
  }
  return message["content_blocks"] === undefined ? undefined : readBlocks(message["content_blocks"]);
}

/** Nearly no message and no chunk has one: fields asked for by name are found, or missed, far quicker than by a variable. */
function mayHaveReasoning(message: JsonObject): boolean {
  const found =
    message["reasoning_content"] ??
    message["reasoning"] ??
    message["reasoning_details"] ??
    message["reasoning_text"] ??
    message["thinking"] ??
    message["thinking_content"] ??
    message["thinking_blocks"] ??
    message["content_blocks"];
  return found !== undefined && found !== null;
}

/** Blocks in Anthropic's form, or their deltas, of which only some are thoughts. */
function readBlocks(blocks: unknown): string | undefined {
  let all = "";
  for (const block of asArray(blocks)) {
    const fields = asObject(block);
    all += asString(fields?.["thinking"]) ?? asString(asObject(fields?.["delta"])?.["thinking"]) ?? "";
  }
  return all === "" ? undefined : all;
}

const fields = [
  "reasoning_content",
  "reasoning",
  "reasoning_details",
  "reasoning_text", // GitHub Copilot
  "thinking",
  "thinking_content",
  "thinking_blocks", // LiteLLM
] as const;

/** Where an object has its text. */
const texts = ["text", "summary", "content", "thinking", "output_text"] as const;

/** Objects in lists in objects is as deep as anyone writes. */
const MAX_DEPTH = 4;

/** A string, an object with a text, or a list of both; encrypted details have none. */
function readReasoningValue(value: unknown, depth = 0): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  if (depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    let all = "";
    for (const item of value) all += readReasoningValue(item, depth + 1) ?? "";
    return all === "" ? undefined : all;
  }
  const detail = asObject(value);
  if (detail === undefined) return undefined;
  for (const field of texts) {
    const text = readReasoningValue(detail[field], depth + 1);
    if (text !== undefined) return text;
  }
  return undefined;
}
