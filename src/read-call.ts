/** Short ways to what is asked of a call most often. */
import type { LlmCall, TextPart, ToolCallPart } from "./types.ts";

/** What the model wrote, of one choice. `undefined` where there is none, or content is off. @param index Default 0. */
export function outputText(call: LlmCall, index = 0): string | undefined {
  return joinTexts(call, "text", index);
}

/** What the model thought aloud, of one choice. @param index Default 0. */
export function reasoningText(call: LlmCall, index = 0): string | undefined {
  return joinTexts(call, "reasoning", index);
}

/** The functions that the model asked the app to run, in order. @param index Default 0. */
export function toolCalls(call: LlmCall, index = 0): ToolCallPart[] {
  return partsOf(call, index).filter((part) => part.type === "tool_call");
}

function joinTexts(call: LlmCall, type: TextPart["type"], index: number): string | undefined {
  const texts = partsOf(call, index).filter((part): part is TextPart => part.type === type);
  return texts.length === 0 ? undefined : texts.map((part) => part.content).join("");
}

function partsOf(call: LlmCall, index: number) {
  return call.response?.choices.find((choice) => choice.index === index)?.message.parts ?? [];
}
