/**
 * Usage of the Gemini API and Vertex AI. `promptTokenCount` holds cached tokens but no tool-use prompts;
 * `candidatesTokenCount` mostly holds no thoughts.
 *
 * @see https://ai.google.dev/api/generate-content#UsageMetadata
 */
import type { Usage } from "../types.ts";
import { readField } from "./gemini-content.ts";
import { asArray, asCount, asObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";

/** `Modality` by number, as `$alt=json;enum-encoding=int` sends it. */
const modalities: readonly string[] = ["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];

/**
 * @param raw - `usageMetadata`, merged when it came with several chunks: it is cumulative, but early chunks lack fields
 * @param searches - web searches that the answer was grounded in, if any
 * @returns `undefined` when it has no count
 */
export function readGeminiUsage(raw: JsonObject | undefined, searches?: number): Usage | undefined {
  if (raw === undefined) return undefined;
  const prompt = asCount(readField(raw, "promptTokenCount"));
  const toolUse = asCount(readField(raw, "toolUsePromptTokenCount")) ?? 0;
  const totalTokens = asCount(readField(raw, "totalTokenCount"));
  const reasoningTokens = asCount(readField(raw, "thoughtsTokenCount"));
  const candidates = asCount(readField(raw, "candidatesTokenCount"));
  const usage = createUsage(
    {
      inputTokens: prompt === undefined ? undefined : prompt + toolUse,
      outputTokens: sumOutput(candidates, reasoningTokens, totalTokens, prompt ?? 0, toolUse),
      totalTokens,
      cacheReadTokens: asCount(readField(raw, "cachedContentTokenCount")),
      reasoningTokens,
      inputAudioTokens: countModality(raw, ["promptTokensDetails", "toolUsePromptTokensDetails"], "AUDIO"),
      inputImageTokens: countModality(raw, ["promptTokensDetails", "toolUsePromptTokensDetails"], "IMAGE"),
      outputAudioTokens: countModality(raw, ["candidatesTokensDetails"], "AUDIO"),
      outputImageTokens: countModality(raw, ["candidatesTokensDetails"], "IMAGE"),
      cacheReadAudioTokens: countModality(raw, ["cacheTokensDetails"], "AUDIO"),
    },
    raw,
  );
  if (usage !== undefined && searches !== undefined && searches > 0) usage.serverToolUses = { google_search: searches };
  return usage;
}

/**
 * Some endpoints count thoughts among the candidates. Which ones is told by the arithmetic only: when the total leaves
 * no room for thoughts beside the candidates, they are in there.
 */
export function sumOutput(
  candidates: number | undefined,
  thoughts: number | undefined,
  total: number | undefined,
  prompt: number,
  toolUse: number,
): number | undefined {
  if (candidates === undefined || thoughts === undefined) return candidates ?? thoughts;
  const isInclusive =
    thoughts > 0 && (prompt + candidates + toolUse === total || (candidates > 0 && prompt + candidates === total));
  return isInclusive ? candidates : candidates + thoughts;
}

/** The sum over the details of this modality; `undefined` when none of them speaks of it. */
function countModality(raw: JsonObject, fields: readonly string[], modality: string): number | undefined {
  let sum: number | undefined;
  for (const field of fields) {
    for (const item of asArray(readField(raw, field))) {
      const detail = asObject(item);
      const given = detail?.["modality"];
      const name = typeof given === "number" ? modalities[given] : given;
      const count = asCount(readField(detail, "tokenCount"));
      if (name === modality && count !== undefined) sum = (sum ?? 0) + count;
    }
  }
  return sum;
}
