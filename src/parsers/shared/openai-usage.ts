/** Reads the usage object of every API that speaks OpenAI's, with the variants of its vendors. */
import { reportsWhenAsked } from "../../providers/include-usage.ts";
import type { RouteInfo, Usage } from "../../types.ts";
import type { ParsedRequest } from "../parser.ts";
import { asCount, asObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { createUsage } from "./usage.ts";

/** These count reasoning apart from `completion_tokens` when no total settles it (vendor SDKs and adapters). */
const separateReasoningProviders: ReadonlySet<string> = new Set(["x_ai", "perplexity"]);

/** xAI bills in ticks: docs.x.ai, "Cost tracking". */
const USD_PER_TICK = 1e-10;

/** Where a vendor counts the runs of its own tools. */
const serverToolFields = [
  "server_tool_use_details",
  "server_side_tool_usage_details",
  "server_tool_use",
  "tool_calls_details", // Perplexity: `{search_web: {invocation: 1}}`
] as const;

/** Their counters that are sums over the others. */
const toolTotals: ReadonlySet<string> = new Set(["tool_calls_requested", "tool_calls_executed"]);

/**
 * @param raw - the provider's `usage`, of Chat (`prompt_tokens`) or Responses (`input_tokens`) naming
 * @param provider - decides only where reasoning is counted when the numbers do not
 * @returns `undefined` when there is no count in it
 */
export function readOpenAiUsage(raw: unknown, provider?: string): Usage | undefined {
  const given = asObject(raw);
  if (given === undefined) return undefined;
  const usage = isCamelCase(given) ? toSnakeCase(given) : given;
  const input =
    asObject(usage["prompt_tokens_details"]) ??
    asObject(usage["input_tokens_details"]) ??
    asObject(usage["input_token_details"]) ?? // transcriptions, realtime
    asObject(usage["prompt_token_details"]) ?? // Mistral has both
    NOTHING;
  const output =
    asObject(usage["completion_tokens_details"]) ??
    asObject(usage["output_tokens_details"]) ??
    asObject(usage["output_token_details"]) ??
    NOTHING;

  const reported = readTokenCount(usage["prompt_tokens"]) ?? readTokenCount(usage["input_tokens"]);
  const totalTokens = readTokenCount(usage["total_tokens"]);
  const reasoningTokens = readTokenCount(output["reasoning_tokens"]) ?? readTokenCount(usage["reasoning_tokens"]);
  const cacheReadTokens =
    readTokenCount(usage["num_cached_tokens"]) ?? // Mistral
    readTokenCount(input["cached_tokens"]) ??
    readTokenCount(usage["cached_tokens"]) ?? // Moonshot, Together
    readTokenCount(usage["prompt_cache_hit_tokens"]) ?? // DeepSeek
    readTokenCount(input["cache_read_input_tokens"]) ?? // Perplexity Responses
    readTokenCount(usage["cache_read_input_tokens"]); // gateways in front of Anthropic
  const said = readTokenCount(usage["completion_tokens"]) ?? readTokenCount(usage["output_tokens"]);
  const outputTokens =
    said === undefined || reasoningTokens === undefined || reasoningTokens === 0
      ? said
      : includeReasoning({ input: reported, output: said, reasoning: reasoningTokens, total: totalTokens, provider });
  // xAI may report more cached tokens than prompt tokens: then they were counted apart.
  const cachedApart = reported !== undefined && cacheReadTokens !== undefined && cacheReadTokens > reported;

  return createUsage(
    {
      inputTokens: cachedApart ? reported + cacheReadTokens : reported,
      outputTokens,
      totalTokens,
      cacheReadTokens,
      cacheWriteTokens:
        readTokenCount(input["cache_write_tokens"]) ??
        readTokenCount(input["cache_creation_input_tokens"]) ??
        readTokenCount(input["cache_creation_tokens"]) ??
        readTokenCount(usage["cache_creation_input_tokens"]),
      reasoningTokens,
      inputAudioTokens: readTokenCount(input["audio_tokens"]),
      outputAudioTokens: readTokenCount(output["audio_tokens"]),
      inputImageTokens: readTokenCount(input["image_tokens"]) ?? readTokenCount(usage["image_tokens"]), // Cerebras: top level
      outputImageTokens: readTokenCount(output["image_tokens"]),
      acceptedPredictionTokens: readTokenCount(output["accepted_prediction_tokens"]),
      rejectedPredictionTokens: readTokenCount(output["rejected_prediction_tokens"]),
      audioSeconds: readTokenCount(usage["seconds"]) ?? readTokenCount(usage["prompt_audio_seconds"]),
      searchUnits: readTokenCount(usage["num_search_queries"]), // Perplexity
      serverToolUses: readServerToolUses(usage),
    },
    raw,
  );
}

/** The request, where a stream has usage only when the request asks for it. */
export function findOptIn(request: ParsedRequest, route: RouteInfo): ParsedRequest | undefined {
  return reportsWhenAsked(route.upstreamProvider ?? route.provider) ? request : undefined;
}

/** Providers whose zeros are zeros; elsewhere zeros next to an answer are a server that does not count. */
const countingProviders: ReadonlySet<string> = new Set(["openai", "azure.ai.openai"]);

export function isCountedByServer(provider: string): boolean {
  return countingProviders.has(provider);
}

/** USD that the provider or gateway says this call cost: OpenRouter, Vercel, Perplexity, xAI. */
export function readReportedCost(raw: unknown): number | undefined {
  const usage = asObject(raw);
  if (usage === undefined) return undefined;
  const ticks = asCount(usage["cost_in_usd_ticks"]);
  if (ticks !== undefined) return ticks * USD_PER_TICK;
  const cost = asCount(usage["cost"]);
  if (cost === undefined) return asCount(asObject(usage["cost"])?.["total_cost"]);
  // With a key of one's own the gateway charges a fee, and the provider the rest.
  const upstream = asCount(asObject(usage["cost_details"])?.["upstream_inference_cost"]);
  return usage["is_byok"] === true && upstream !== undefined ? cost + upstream : cost;
}

/** A count; some servers send its digits as text. */
export function readTokenCount(value: unknown): number | undefined {
  // Most of the names that are tried are not there.
  if (value === undefined) return undefined;
  return typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : asCount(value);
}

/** Oracle, and gateways written in languages whose fields are called so. */
function isCamelCase(usage: JsonObject): boolean {
  return (usage["promptTokens"] ?? usage["completionTokens"] ?? usage["totalTokens"] ?? undefined) !== undefined;
}

/** `promptTokensDetails: {cachedTokens}` → `prompt_tokens_details: {cached_tokens}`. */
function toSnakeCase(source: JsonObject, depth = 0): JsonObject {
  const entries = Object.entries(source).map(([key, value]): [string, unknown] => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    depth === 0 && asObject(value) !== undefined ? toSnakeCase(value as JsonObject, 1) : value,
  ]);
  return Object.fromEntries(entries.filter(([key]) => key !== "__proto__"));
}

interface OutputCounts {
  input: number | undefined;
  output: number;
  reasoning: number;
  total: number | undefined;
  provider: string | undefined;
}

/** Output with its reasoning. The provider's own total settles whether reasoning is already in it. */
function includeReasoning({ input, output, reasoning, total, provider }: OutputCounts): number {
  if (input !== undefined && total !== undefined) {
    if (input + output === total) return output;
    if (input + output + reasoning === total) return output + reasoning;
  }
  return provider !== undefined && separateReasoningProviders.has(provider) ? output + reasoning : output;
}

function readServerToolUses(usage: JsonObject): Record<string, number> | undefined {
  let uses: Map<string, number> | undefined;
  for (const field of serverToolFields) {
    const counts = asObject(usage[field]);
    if (counts === undefined) continue;
    uses ??= new Map();
    for (const [name, value] of Object.entries(counts)) {
      const count = asCount(value) ?? asCount(asObject(value)?.["invocation"]);
      if (count === undefined || count === 0 || name === "__proto__" || uses.size >= 64) continue;
      if (!toolTotals.has(name)) uses.set(name.replace(/_(requests|calls)$/, ""), count);
    }
  }
  return uses === undefined || uses.size === 0 ? undefined : Object.fromEntries(uses);
}

const NOTHING: JsonObject = Object.freeze({});
