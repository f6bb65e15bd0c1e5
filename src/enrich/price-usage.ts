/** What of a call's usage is billed, in the units of the price list, and whether it is known well enough. */
import type { LlmCall, Usage } from "../types.ts";

/** Operations whose answer is not billed by tokens. */
const inputOnlyOperations: ReadonlySet<string> = new Set(["embeddings", "rerank", "moderation", "transcription"]);

/**
 * Usage that a price can be computed from: reported and complete. A lower bound is no cost, and neither is half a call:
 * tokens of one direction only.
 */
export function isBillable(call: LlmCall): boolean {
  const { usage } = call;
  // Where tokens do not apply, pages and seconds may.
  if ((usage.source !== "reported" && usage.source !== "not_applicable") || !usage.complete) return false;
  // Replayed by a gateway with the usage of the call that filled its cache; nobody was billed for it again.
  if (call.response?.cacheHit === true) return false;
  if (usage.inputTokens === undefined) return (usage.audioSeconds ?? usage.pages) !== undefined;
  return (
    usage.outputTokens !== undefined ||
    usage.totalTokens === usage.inputTokens ||
    inputOnlyOperations.has(call.operation)
  );
}

/** Tokens written to the provider's cache, however finely they were reported. */
export function cacheWritesOf(usage: Usage): number {
  return usage.cacheWriteTokens ?? (usage.cacheWrite5mTokens ?? 0) + (usage.cacheWrite1hTokens ?? 0);
}

/** `undefined` where there is nothing: the price list tells "not reported" from 0 in its checks. */
export function toPriceUsage(usage: Usage): Record<string, number> {
  const counts: Record<string, number | undefined> = {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: cacheWritesOf(usage),
    cache_write_1h_tokens: usage.cacheWrite1hTokens,
    output_reasoning_tokens: usage.reasoningTokens,
    input_audio_tokens: usage.inputAudioTokens,
    output_audio_tokens: usage.outputAudioTokens,
    cache_audio_read_tokens: usage.cacheReadAudioTokens,
    input_image_tokens: usage.inputImageTokens,
    output_image_tokens: usage.outputImageTokens,
    web_searches: countToolUses(usage, ["web_search", "web_search_requests", "web_search_call"]),
    storage_searches: countToolUses(usage, ["file_search", "file_search_call"]),
  };
  if (usage.inputTokens === undefined) {
    counts["audio_seconds"] = usage.audioSeconds;
    counts["input_audio_seconds"] = usage.audioSeconds;
    counts["input_document_pages"] = usage.pages;
  }
  const billed: Record<string, number> = {};
  for (const [key, count] of Object.entries(counts)) if (count !== undefined && count > 0) billed[key] = count;
  return billed;
}

function countToolUses(usage: Usage, names: readonly string[]): number {
  let count = 0;
  for (const name of names) count += usage.serverToolUses?.[name] ?? 0;
  return count;
}

/** Service tiers whose price is not the standard one; the price list knows no other. */
const OTHER_PRICE = /batch|flex|priority|scale|reserved|provisioned|fast/;

/** The call ran under terms that the price list does not cover. */
export function hasSpecialTerms(call: LlmCall): boolean {
  const { parameters } = call.request;
  const tier = serviceTierOf(call);
  // Groq bills `flex` as it bills `on_demand`.
  if (tier !== undefined && OTHER_PRICE.test(tier) && call.provider !== "groq") return true;
  const raw = (call.usage.raw ?? {}) as Record<string, unknown>;
  // Anthropic: fast mode, and a surcharge for inference in one region.
  if ((raw["speed"] ?? parameters["speed"]) === "fast" || raw["inference_geo"] === "us") return true;
  return hasTokensBeside(raw["iterations"]);
}

/** Anthropic: compactions and another model's advice are billed, but are not in the totals. */
function hasTokensBeside(iterations: unknown): boolean {
  if (!Array.isArray(iterations)) return false;
  return iterations.some((iteration: { type?: unknown } | null) => {
    const type = iteration?.type;
    return type === "compaction" || type === "advisor_message";
  });
}

/** The tier that the call ran on, in lower case; what was asked for where the answer does not say. */
export function serviceTierOf({ request: { parameters }, response }: LlmCall): string | undefined {
  const tier = response?.serviceTier ?? readTier(parameters["service_tier"] ?? parameters["serviceTier"]);
  return tier?.toLowerCase();
}

function readTier(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const type = (value as { type?: unknown } | undefined)?.type;
  return typeof type === "string" ? type : undefined;
}

/** To a millionth of a millionth: what is beyond is the noise of binary fractions. */
export function roundUsd(usd: number): number {
  return Math.round(usd * 1e12) / 1e12;
}
