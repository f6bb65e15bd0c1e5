/** Usage of the Gemini Interactions API. */
import type { Usage } from "../types.ts";
import { sumOutput } from "./gemini-usage.ts";
import { asArray, asCount, asLabel, asObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";

/**
 * Thoughts and tool use are counted beside output and input.
 *
 * @param raw - a usage object, merged when it came in several events
 * @returns `undefined` when it has no count
 */
export function readInteractionUsage(raw: JsonObject | undefined): Usage | undefined {
  if (raw === undefined) return undefined;
  const prompt = asCount(raw["total_input_tokens"]);
  const toolUse = asCount(raw["total_tool_use_tokens"]) ?? 0;
  const totalTokens = asCount(raw["total_tokens"]);
  const reasoningTokens = asCount(raw["total_thought_tokens"] ?? raw["total_reasoning_tokens"]);
  const output = asCount(raw["total_output_tokens"]);
  return createUsage(
    {
      inputTokens: prompt === undefined ? undefined : prompt + toolUse,
      outputTokens: sumOutput(output, reasoningTokens, totalTokens, prompt ?? 0, toolUse),
      totalTokens,
      cacheReadTokens: asCount(raw["total_cached_tokens"]),
      reasoningTokens,
      inputAudioTokens: countModality(raw["input_tokens_by_modality"], "audio"),
      inputImageTokens: countModality(raw["input_tokens_by_modality"], "image"),
      outputAudioTokens: countModality(raw["output_tokens_by_modality"], "audio"),
      outputImageTokens: countModality(raw["output_tokens_by_modality"], "image"),
      cacheReadAudioTokens: countModality(raw["cached_tokens_by_modality"], "audio"),
      serverToolUses: readToolUses(raw["grounding_tool_count"]),
    },
    raw,
  );
}

function countModality(details: unknown, modality: string): number | undefined {
  let sum: number | undefined;
  for (const item of asArray(details)) {
    const detail = asObject(item);
    const count = asCount(detail?.["tokens"]);
    if (detail?.["modality"] === modality && count !== undefined) sum = (sum ?? 0) + count;
  }
  return sum;
}

/** `[{type: "google_search", count: 2}]`. */
function readToolUses(counts: unknown): Record<string, number> | undefined {
  const uses = new Map<string, number>();
  for (const item of asArray(counts)) {
    const type = asLabel(asObject(item)?.["type"]);
    const count = asCount(asObject(item)?.["count"]);
    if (type !== undefined && count !== undefined) uses.set(type, count);
  }
  return uses.size === 0 ? undefined : Object.fromEntries(uses);
}
