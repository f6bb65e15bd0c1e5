/** Settings of a request, whatever the wire dialect calls them. */

/** Spellings of one setting, the usual one first. */
const SPELLINGS = {
  maxTokens: [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "maxTokens",
    "max_tokens_to_sample",
    "max_new_tokens",
    "num_predict",
  ],
  temperature: ["temperature"],
  topP: ["top_p", "topP", "p"],
  topK: ["top_k", "topK", "k"],
  frequencyPenalty: ["frequency_penalty", "frequencyPenalty"],
  presencePenalty: ["presence_penalty", "presencePenalty"],
  seed: ["seed", "random_seed"],
  choiceCount: ["n", "candidate_count", "candidateCount", "num_generations"],
} as const;

/** @returns the number that the request gave for a setting. */
export function readSetting(
  parameters: Readonly<Record<string, unknown>>,
  setting: keyof typeof SPELLINGS,
): number | undefined {
  for (const name of SPELLINGS[setting]) {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (typeof value === "number" && Number.isFinite(value)) return value;
  }
  return undefined;
}
