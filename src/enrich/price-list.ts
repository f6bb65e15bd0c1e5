/** Cost by the price list of `@pydantic/genai-prices`. */
import type { Cost, LlmCall, Usage } from "../types.ts";
import type { FoundModel } from "./price-models.ts";
import { pickPlainPrices, rateAt, type Sums, sumPlainPrices } from "./price-plain.ts";
import type { Calculate, ModelPrice, PricedModel } from "./price-source.ts";
import { cacheWritesOf, roundUsd, toPriceUsage } from "./price-usage.ts";

/** The version that `package.json` pins: the package does not export its own. */
export const PRICES_VERSION = "genai-prices@0.1.8";

type Prices = PricedModel["prices"];

export function priceByModel(calculate: Calculate, found: FoundModel, call: LlmCall): Cost | undefined {
  const { prices, isRegional } = found.model;
  if (isRegional === true && REGIONAL_HOST.test(call.request.host)) return undefined;
  const plain = pickPlainPrices(prices, call.timing.startedAt);
  const sums = plain === undefined ? undefined : sumPlainPrices(plain, call.usage);
  if (plain === undefined || sums === undefined) return priceByCalculator(calculate, found, call);
  return toCost(call.usage, sums, plain);
}

/** The price list's own way. */
export function priceByCalculator(
  calculate: Calculate,
  { provider, model: { id, prices } }: FoundModel,
  call: LlmCall,
): Cost | undefined {
  const usage = toPriceUsage(call.usage);
  const model = { id, match: { equals: id }, prices: pricesInUse(prices, usage) };
  try {
    const result = calculate(usage, id, {
      provider: { id: provider, name: provider, api_pattern: "", models: [model] },
      timestamp: new Date(call.timing.startedAt),
    });
    if (result === null || !isCovered(result.model_price, usage, provider, id)) return undefined;
    return toCost(call.usage, result, result.model_price);
  } catch {
    // The counts contradict each other (more cached than sent), or the list lacks a price that they would need.
    return undefined;
  }
}

function toCost(usage: Usage, sums: Sums, prices: ModelPrice): Cost {
  const cost: Cost = { totalUsd: roundUsd(sums.total_price), source: "computed", pricesVersion: PRICES_VERSION };
  if (usage.inputTokens !== undefined) cost.inputUsd = roundUsd(sums.input_price);
  if (usage.outputTokens !== undefined) cost.outputUsd = roundUsd(sums.output_price);
  priceCache(cost, usage, prices);
  return cost;
}

/** Vertex outside its global endpoint. */
const REGIONAL_HOST = /^(?:[\w-]+-aiplatform\.googleapis\.com|aiplatform\.\w+\.rep\.googleapis\.com)$/;

/** A list of prices holds those of different times; the price list picks one by the time of the call. */
function pricesInUse(prices: Prices, usage: Record<string, number>): Prices {
  if (!Array.isArray(prices)) return withoutUnused(prices, usage);
  return prices.map((entry) => ({ ...entry, prices: withoutUnused(entry.prices, usage) }));
}

const alwaysPriced: ReadonlySet<string> = new Set(["input", "output", "requests"]);

/** The list checks every pair of prices for consistency, which is most of the time that it takes. */
function withoutUnused(prices: ModelPrice, usage: Record<string, number>): ModelPrice {
  const units = Object.keys(usage);
  if (units.some((unit) => /audio|image/.test(unit))) return prices;
  const used: ModelPrice = {};
  for (const [key, price] of Object.entries(prices)) {
    const unit = key.slice(0, key.lastIndexOf("_"));
    if (alwaysPriced.has(unit) || units.some((name) => name.startsWith(unit))) used[key] = price;
  }
  return used;
}

/** Every kind of unit that was used has a price, rather than none that would count as free. */
function isCovered(prices: ModelPrice, usage: Record<string, number>, provider: string, model: string): boolean {
  if (Object.keys(prices).length === 0) return model.endsWith(":free");
  const has = (unit: string): boolean => (usage[unit] ?? 0) > 0;
  if (has("input_tokens") && prices["input_mtok"] === undefined) return false;
  if (has("output_tokens") && prices["output_mtok"] === undefined) return false;
  if (has("audio_seconds") && prices["audio_hours"] === undefined) return false;
  if (has("input_document_pages") && prices["input_document_kpages"] === undefined) return false;
  if (has("web_searches") && prices["web_searches_kcount"] === undefined) return false;
  if (has("storage_searches") && prices["storage_searches_kcount"] === undefined) return false;
  if (has("cache_write_1h_tokens") && prices["cache_write_1h_mtok"] === undefined) return false;
  // OpenAI's audio tokens are never billed as text; elsewhere a missing price means the same price.
  const audioCostsMore = provider === "openai" || provider === "azure";
  if (audioCostsMore && has("input_audio_tokens") && prices["input_audio_mtok"] === undefined) return false;
  return !(audioCostsMore && has("output_audio_tokens") && prices["output_audio_mtok"] === undefined);
}

function priceCache(cost: Cost, usage: Usage, prices: ModelPrice): void {
  const input = usage.inputTokens ?? 0;
  if (usage.cacheReadTokens !== undefined && (usage.cacheReadAudioTokens ?? 0) === 0) {
    const read = rateAt(prices["cache_read_mtok"] ?? prices["input_mtok"], input);
    if (read !== undefined) cost.cacheReadUsd = roundUsd((usage.cacheReadTokens * read) / 1e6);
  }
  const written = cacheWritesOf(usage);
  if (usage.cacheWriteTokens === undefined && written <= 0) return;
  const long = Math.min(usage.cacheWrite1hTokens ?? 0, written);
  const price = prices["cache_write_mtok"] ?? prices["input_mtok"];
  const write = rateAt(price, input);
  const writeLong = rateAt(prices["cache_write_1h_mtok"] ?? price, input);
  if (write !== undefined && writeLong !== undefined) {
    cost.cacheWriteUsd = roundUsd(((written - long) * write + long * writeLong) / 1e6);
  }
}
