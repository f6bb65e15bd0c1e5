/** What Text Generation Inference answers with, which Hugging Face's task endpoints pass on. */
import type { Usage } from "../../types.ts";
import type { ResponseInput } from "../parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../parser.ts";
import type { ChoiceFold } from "./choices.ts";
import { asArray, asCount, asObject, compact } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { createUsage } from "./usage.ts";

/** Folds generations and stream events. */
export interface GenerationFold {
  /** A whole generation: `{generated_text, details}`. Returns whether it is one. */
  readGeneration(index: number, generation: JsonObject): boolean;
  /** An event: `{token, generated_text, details}`; returns `FRAME_*` bits. */
  readEvent(event: JsonObject): number;
  usage(): Usage | undefined;
  processingMs(): number | undefined;
}

/** @param choices - what the texts and finish reasons go into */
export function createGenerationFold(choices: ChoiceFold, { headers }: ResponseInput): GenerationFold {
  let generated: number | undefined;
  let prompt: number | undefined;
  let raw: JsonObject | undefined;
  let streamedText = false;

  function readDetails(index: number, details: JsonObject | undefined): void {
    if (details === undefined) return;
    choices.setFinishReason(index, details["finish_reason"]);
    const tokens = asCount(details["generated_tokens"]);
    if (tokens !== undefined) generated = (generated ?? 0) + tokens;
    const prefilled = asArray(details["prefill"]).length;
    const inputTokens = asCount(details["input_length"]) ?? (prefilled > 0 ? prefilled : undefined);
    if (inputTokens !== undefined) prompt = (prompt ?? 0) + inputTokens;
    const { finish_reason, generated_tokens, input_length, seed } = details;
    raw = compact<JsonObject>({ finish_reason, generated_tokens, input_length, seed });
  }

  return {
    readGeneration(index, generation) {
      if (typeof generation["generated_text"] !== "string") return false;
      choices.addText(index, "text", generation["generated_text"]);
      readDetails(index, asObject(generation["details"]));
      return true;
    },

    readEvent(event) {
      const token = asObject(event["token"]);
      // Special tokens (end of text, roles) are no part of the answer.
      let output = token?.["special"] !== true && choices.addText(0, "text", token?.["text"]);
      streamedText ||= output;
      const whole = event["generated_text"];
      if (typeof whole === "string" && !streamedText) output = choices.addText(0, "text", whole);
      readDetails(0, asObject(event["details"]));
      const bits = output ? FRAME_OUTPUT : FRAME_NOTHING;
      return typeof whole === "string" || choices.isFinished() ? bits | FRAME_TERMINAL : bits;
    },

    usage() {
      // Without `details` the counts are in the headers only.
      const inputTokens = prompt ?? readCountHeader(headers["x-prompt-tokens"]);
      const outputTokens = generated ?? readCountHeader(headers["x-generated-tokens"]);
      return createUsage({ inputTokens, outputTokens }, raw);
    },

    processingMs: () => readCountHeader(headers["x-total-time"]),
  };
}

function readCountHeader(header: string | undefined): number | undefined {
  return header === undefined || header === "" ? undefined : asCount(Number(header));
}
