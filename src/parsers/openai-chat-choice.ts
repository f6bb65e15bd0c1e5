/** One element of `choices` in a Chat Completions body or chunk, with the fields that vendors add to it. */
import type { ChoiceFold } from "./shared/choices.ts";
import { asArray, asObject, asString } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readMediaUrl } from "./shared/media.ts";
import { findCalled, readContent } from "./shared/openai-messages.ts";
import { readReasoning } from "./shared/reasoning.ts";

/**
 * Folds one choice.
 *
 * @param index - which of the answer's choices it is, or a piece of
 * @param whole - the choice comes from a whole body, not from a chunk
 * @returns whether it carried output of the model
 */
export function foldChatChoice(fold: ChoiceFold, choice: JsonObject, index: number, whole: boolean): boolean {
  const message = pickMessage(fold, choice, index, whole);
  let output = false;
  if (message !== undefined) output = foldChatMessage(fold, index, message, message === choice["message"]);
  else if (choice["delta"] === undefined) output = fold.addText(index, "text", choice["text"]);
  fold.setFinishReason(index, choice["finish_reason"]);
  return output;
}

/** Perplexity repeats the whole message beside each delta, so a message in a chunk counts only when it is all there is. */
function pickMessage(fold: ChoiceFold, choice: JsonObject, index: number, whole: boolean): JsonObject | undefined {
  const message = asObject(choice["message"]);
  const delta = asObject(choice["delta"]);
  if (whole) return message ?? delta;
  return delta ?? (fold.hasOutput(index) ? undefined : message);
}

/**
 * Folds a message or a delta: both have the same fields.
 *
 * @param whole - each tool call in it is a call of its own, whatever its index and id say
 */
export function foldChatMessage(fold: ChoiceFold, index: number, message: JsonObject, whole: boolean): boolean {
  if (message["role"] !== undefined) fold.setRole(index, message["role"]);
  let output = fold.addText(index, "reasoning", readReasoning(message));
  output = foldContent(fold, index, message["content"]) || output;
  output = fold.addText(index, "refusal", message["refusal"]) || output;
  if (message["images"] !== undefined) output = foldContent(fold, index, message["images"]) || output;
  const audio = asObject(message["audio"]);
  if (audio !== undefined) output = foldAudio(fold, index, audio) || output;
  if (message["tool_calls"] !== undefined) output = foldToolCalls(fold, index, message["tool_calls"], whole) || output;
  if (message["content_list"] !== undefined) output = foldSnowflake(fold, index, message) || output;
  const legacyCall = asObject(message["function_call"]);
  if (legacyCall !== undefined && asArray(message["tool_calls"]).length === 0) {
    const delta = { index: "function_call", name: legacyCall["name"], arguments: legacyCall["arguments"] };
    output = fold.addToolCall(index, delta) || output;
  }
  return output;
}

/** A string, or a list of chunks (Mistral: text and thinking). */
function foldContent(fold: ChoiceFold, index: number, content: unknown): boolean {
  if (typeof content === "string") return fold.addText(index, "text", content);
  if (typeof content !== "object" || content === null) return false;
  let output = false;
  for (const part of readContent(content)) {
    if (part.type === "text" || part.type === "reasoning" || part.type === "refusal") {
      output = fold.addText(index, part.type, part.content) || output;
    } else {
      fold.addPart(index, part);
      output = true;
    }
  }
  return output;
}

function foldAudio(fold: ChoiceFold, index: number, audio: JsonObject): boolean {
  const { data, transcript } = audio;
  const url = asString(audio["url"]);
  if (url !== undefined && typeof data !== "string") {
    fold.addPart(index, readMediaUrl(url, "audio"));
    return true;
  }
  return fold.addMedia(index, "audio", { modality: "audio", data, transcript });
}

/**
 * Snowflake repeats a text in `content_list`, and has its tool calls there alone: whole as `{tool_use: {tool_use_id,
 * name, input}}`, in pieces as the fields of a delta whose `type` says so.
 */
function foldSnowflake(fold: ChoiceFold, index: number, message: JsonObject): boolean {
  if (message["type"] === "tool_use") {
    const piece = { index: "tool_use", id: message["tool_use_id"], name: message["name"], arguments: message["input"] };
    return fold.addToolCall(index, piece);
  }
  let output = false;
  for (const item of asArray(message["content_list"])) {
    const call = asObject(asObject(item)?.["tool_use"]);
    if (call === undefined) continue;
    const whole = { index: call["tool_use_id"], id: call["tool_use_id"], name: call["name"], arguments: call["input"] };
    output = fold.addToolCall(index, whole) || output;
  }
  return output;
}

function foldToolCalls(fold: ChoiceFold, index: number, calls: unknown, whole: boolean): boolean {
  let output = false;
  for (const [position, item] of asArray(calls).entries()) {
    const call = asObject(item);
    if (call === undefined) continue;
    const { called, isCustom } = findCalled(call);
    const delta = {
      index: whole ? position : call["index"],
      id: call["id"],
      name: called["name"],
      arguments: isCustom ? called["input"] : called["arguments"],
      freeText: isCustom,
    };
    output = fold.addToolCall(index, delta) || output;
  }
  return output;
}
