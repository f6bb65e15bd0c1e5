/** Cost by the price list of `@pydantic/genai-prices`. */
import type { Cost, LlmCall, Usage } from "../types.ts";
import { type Sums, sumPlainPrices } from "./price-plain.ts";
import { cacheWritesOf, roundUsd, toPriceUsage } from "./price-usage.ts";

/** The version that `package.json` pins: the package does not export its own. */
export const PRICES_VERSION = "genai-prices@0.1.8";

export type PriceList = typeof import("@pydantic/genai-prices");
export type PriceProvider = NonNullable<NonNullable<Parameters<PriceList["calcPrice"]>[2]>["provider"]>;
type Prices = PriceProvider["models"][number]["prices"];
type ModelPrice = Exclude<Prices, readonly unknown[]>;

/** A provider with that one model in it; `undefined` for a model that the list does not know. */
export function findPriceProvider(list: PriceList, providerId: string, model: string): PriceProvider | undefined {
  try {
    const found = list.calcPrice({}, model, { providerId });
    // A provider of a similar name is not the one that was asked for.
    if (found === null || found.provider.id !== providerId) return undefined;
    const { id, name, api_pattern } = found.provider;
    return { id, name, api_pattern, models: [{ ...found.model, match: { equals: found.model.id } }] };
  } catch {
    return undefined;
  }
}

/** @param provider - of one model, from `findPriceProvider` */
export function priceByModel(list: PriceList, provider: PriceProvider, call: LlmCall): Cost | undefined {
  const model = provider.models[0];
  if (model === undefined || isDearerHere(model, call.request.host)) return undefined;
  const sums = Array.isArray(model.prices) ? undefined : sumPlainPrices(model.prices, call.usage);
  if (sums === undefined) return priceByCalculator(list, provider, call);
  return toCost(call.usage, sums, model.prices as ModelPrice);
}

/** The price list's own way. */
export function priceByCalculator(list: PriceList, provider: PriceProvider, call: LlmCall): Cost | undefined {
  const model = provider.models[0];
  if (model === undefined) return undefined;
  const usage = toPriceUsage(call.usage);
  try {
    const result = list.calcPrice(usage, model.id, {
      provider: { ...provider, models: [{ ...model, prices: pricesInUse(model.prices, usage) }] },
      timestamp: new Date(call.timing.startedAt),
    });
    if (result === null || !isCovered(result.model_price, usage, provider.id, model.id)) return undefined;
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

/** Vertex charges a premium for some models outside its global endpoint, which the list says in words only. */
function isDearerHere({ price_comments: comments }: PriceProvider["models"][number], host: string): boolean {
  if (!host.endsWith(".googleapis.com") || comments === undefined) return false;
  const isRegional = /^[\w-]+-aiplatform\.googleapis\.com$|^aiplatform\.\w+\.rep\.googleapis\.com$/.test(host);
  return isRegional && /\bregional\b.{0,40}\bpremium\b/i.test(comments);
}

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

/** USD per million; long prompts cost more with some models, and then all of the prompt does. */
function rateAt(price: unknown, inputTokens: number): number | undefined {
  if (typeof price === "number") return price;
  const tiered = price as { base?: unknown; tiers?: readonly { start: number; price: number }[] } | undefined;
  let rate = typeof tiered?.base === "number" ? tiered.base : undefined;
  let highest = -1;
  for (const tier of tiered?.tiers ?? []) {
    if (inputTokens > tier.start && tier.start > highest) {
      rate = tier.price;
      highest = tier.start;
    }
  }
  return rate;
}
