/**
 * The sums of `@pydantic/genai-prices` for the usual case: tokens in and out, read from and written to a cache. The
 * price list compares all units with each other at each call, which takes as long as to read the whole exchange, and to get
 * ready for that takes longer still. Over everything else it decides itself; a test compares the two over all of its models.
 */
import type { Usage } from "../types.ts";
import type { ModelPrice, PricedModel } from "./price-source.ts";
import { cacheWritesOf } from "./price-usage.ts";

/** As the price list returns them, USD. */
export interface Sums {
  input_price: number;
  output_price: number;
  total_price: number;
}

type Unit = "input" | "output" | "cacheRead" | "cacheWrite";

const units: Readonly<Record<string, Unit>> = {
  input_mtok: "input",
  output_mtok: "output",
  cache_read_mtok: "cacheRead",
  cache_write_mtok: "cacheWrite",
};

type Counts = Record<Unit, number>;

/** Those of a model at a time. @returns `undefined`: for the price list to decide */
export function pickPlainPrices(prices: PricedModel["prices"], time: number): ModelPrice | undefined {
  if (!Array.isArray(prices)) return prices;
  for (const { constraint, prices: conditional } of prices.toReversed()) {
    if (constraint === undefined) return conditional;
    if (constraint.type !== "start_date" || Number.isNaN(time)) return undefined;
    if (time >= Date.parse(constraint.start_date)) return conditional;
  }
  return prices[0]?.prices;
}

/** USD per million; long prompts cost more with some models, and then all of the prompt does. */
export function rateAt(price: ModelPrice[string], inputTokens: number): number | undefined {
  if (price === undefined || typeof price === "number") return price;
  let rate = price.base;
  let highest = -1;
  for (const tier of price.tiers) {
    if (inputTokens > tier.start && tier.start > highest) {
      rate = tier.price;
      highest = tier.start;
    }
  }
  return rate;
}

/** @returns `undefined`: for the price list to decide */
export function sumPlainPrices(prices: Readonly<ModelPrice>, usage: Usage): Sums | undefined {
  const counts = readCounts(usage);
  if (counts === undefined || prices["input_mtok"] === undefined) return undefined;
  if (counts.output > 0 && prices["output_mtok"] === undefined) return undefined;
  // What has no price of its own is a part of the input.
  let input = counts.input;
  if (prices["cache_read_mtok"] !== undefined) input -= counts.cacheRead;
  if (prices["cache_write_mtok"] !== undefined) input -= counts.cacheWrite;
  if (input < 0) return undefined;
  let inputPrice = 0;
  let outputPrice = 0;
  let requestPrice = 0;
  // In the order of the list: sums of fractions depend on it.
  for (const name in prices) {
    const unit = Object.hasOwn(units, name) ? units[name] : undefined;
    const price = prices[name];
    if (unit === undefined) {
      if (name.startsWith("output_reasoning")) return undefined;
      if (name !== "requests_kcount") continue;
      if (typeof price !== "number") return undefined;
      requestPrice += price / 1e3;
      continue;
    }
    const count = unit === "input" ? input : counts[unit];
    if (count === 0) continue;
    const rate = rateAt(price, counts.input);
    if (rate === undefined) return undefined;
    let sum = (rate * count) / 1e6;
    // As the list does it: not quite the same number.
    if (typeof price !== "number") sum = (sum * 1e6) / 1e6;
    if (unit === "output") outputPrice += sum;
    else inputPrice += sum;
  }
  return { input_price: inputPrice, output_price: outputPrice, total_price: inputPrice + outputPrice + requestPrice };
}

/** Everything else that usage may hold has prices of its own. */
function readCounts(usage: Usage): Counts | undefined {
  const { inputTokens, outputTokens = 0, cacheReadTokens = 0 } = usage;
  if (inputTokens === undefined) return undefined;
  if ((usage.cacheWrite1hTokens ?? 0) > 0 || (usage.cacheReadAudioTokens ?? 0) > 0) return undefined;
  if ((usage.inputAudioTokens ?? 0) > 0 || (usage.outputAudioTokens ?? 0) > 0) return undefined;
  if ((usage.inputImageTokens ?? 0) > 0 || (usage.outputImageTokens ?? 0) > 0) return undefined;
  for (const name in usage.serverToolUses) if ((usage.serverToolUses[name] ?? 0) > 0) return undefined;
  const counts = {
    input: inputTokens,
    output: outputTokens,
    cacheRead: cacheReadTokens,
    cacheWrite: cacheWritesOf(usage),
  };
  return isCount(counts.input) && isCount(counts.output) && isCount(counts.cacheRead) && isCount(counts.cacheWrite)
    ? counts
    : undefined;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
