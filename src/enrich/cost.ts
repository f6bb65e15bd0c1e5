/**
 * What a call cost, in USD: what the provider or gateway reported, else the user's prices, else tokens times the price
 * list of `@pydantic/genai-prices`. Unknown price, unknown usage or special terms (batch, flex, priority): no cost.
 *
 * `inputUsd` holds `cacheReadUsd` and `cacheWriteUsd`, as `inputTokens` holds their tokens. `totalUsd` may be more than
 * input and output: fees per request or search.
 */
import type { Cost, LlmCall, PriceOverride } from "../types.ts";
import { priceByModel } from "./price-list.ts";
import { createModelFinder, type FindModel, type FoundModel } from "./price-models.ts";
import { pickTier, priceByOverride } from "./price-override.ts";
import { findPriceKey } from "./price-providers.ts";
import type { PriceKey } from "./price-providers.ts";
import type { Calculate } from "./price-source.ts";
import { hasSpecialTerms, isBillable } from "./price-usage.ts";

export type PriceSource = typeof import("./price-source.ts");

export interface CostCalculatorOptions {
  /** Prices by model id, or by `provider/model`; they win over the price list. */
  prices?: Record<string, PriceOverride>;
  /** Told once when the price list can't be loaded; then only `prices` and reported costs are left. */
  onError?: (error: unknown) => void;
}

export interface CostCalculator {
  /** Loads the price list, once. Never rejects. Before it resolves, the list counts as unknown. */
  ready(): Promise<void>;
  /** The same where there is no time to wait. Nothing is loaded that is there. @param load - may throw */
  readyNow(load: () => PriceSource): void;
  /**
   * `call.cost` stays where it was reported. `undefined`: not known; a call that is billed by usage that is known gets the
   * note `price_unknown`.
   */
  price(call: LlmCall): Cost | undefined;
}

/** The note of a call whose tokens are known and whose price is not, so that gaps in a sum of costs can be counted. */
export const PRICE_UNKNOWN = "price_unknown";

/** Models whose look-up is remembered; the list has about 1,500. */
const MAX_CACHED = 2_000;

export function createCostCalculator({ prices = {}, onError }: CostCalculatorOptions = {}): CostCalculator {
  let list: { find: FindModel; calculate: Calculate } | undefined;
  let loading: Promise<void> | undefined;
  const overrides = new Map(Object.entries(prices));
  /** By the provider's id, then by model. */
  const cache = new Map<string, Map<string, FoundModel | undefined>>();
  let cached = 0;

  function open({ texts, openCalculator }: PriceSource): void {
    let calculator: Calculate | undefined;
    list = {
      find: createModelFinder(texts),
      calculate: (...given) => (calculator ??= openCalculator())(...given),
    };
  }

  /** Not at import, and not for those who track no cost. */
  async function load(): Promise<void> {
    try {
      open(await import("./price-source.ts"));
    } catch (error) {
      onError?.(error);
    }
  }

  function ready(): Promise<void> {
    loading ??= load();
    return loading;
  }

  function price(call: LlmCall): Cost | undefined {
    if (call.cost?.source === "reported") return call.cost;
    if (!isBillable(call)) return undefined;
    const override = overrides.size === 0 ? undefined : findOverride(call);
    const cost =
      override === undefined
        ? hasSpecialTerms(call)
          ? undefined
          : priceByList(call)
        : priceByOverride(call.usage, pickTier(override, call));
    if (cost === undefined && !call.capture.notes.includes(PRICE_UNKNOWN)) call.capture.notes.push(PRICE_UNKNOWN);
    return cost;
  }

  function findOverride(call: LlmCall): PriceOverride | undefined {
    for (const model of [call.response?.model, call.request.model]) {
      if (model === undefined) continue;
      const override = overrides.get(`${call.provider}/${model}`) ?? overrides.get(model);
      if (override !== undefined) return override;
    }
    return undefined;
  }

  function priceByList(call: LlmCall): Cost | undefined {
    for (const model of modelsOf(call)) {
      const key = findPriceKey(call, model);
      const found = key === undefined ? undefined : findModel(key);
      if (list !== undefined && found !== undefined) return priceByModel(list.calculate, found, call);
    }
    return undefined;
  }

  /** The look-up through up to 700 models' patterns is made once. */
  function findModel({ provider, model }: PriceKey): FoundModel | undefined {
    if (list === undefined) return undefined;
    const known = cache.get(provider);
    const seen = known?.get(model);
    if (seen !== undefined || known?.has(model) === true) return seen;
    const found = list.find(provider, model);
    if (cached >= MAX_CACHED) {
      cache.clear();
      cached = 0;
    }
    cached += 1;
    const models = cache.get(provider);
    if (models === undefined) cache.set(provider, new Map([[model, found]]));
    else models.set(model, found);
    return found;
  }

  function readyNow(loadNow: () => PriceSource): void {
    try {
      if (list === undefined) open(loadNow());
    } catch {
      // Where modules can't be loaded at once, the prices stay unknown.
    }
  }

  return { ready, readyNow, price };
}

/** Variants of OpenRouter's with a price of their own; the answer names the model without them. */
const PRICED_VARIANT = /:(?:batch|flex|free)$/;

/** What was served, then what was asked for where that is the same model under its short name (`gpt-5` → `gpt-5-2025-…`). */
function modelsOf(call: LlmCall): string[] {
  const served = call.response?.model;
  const requested = call.request.model;
  // Bedrock's price depends on the scope that the requested id names (`global.`, `us.`), which the answer leaves out.
  if (requested !== undefined && (call.provider === "aws.bedrock" || PRICED_VARIANT.test(requested)))
    return [requested];
  if (served === undefined) return requested === undefined ? [] : [requested];
  return requested === undefined || requested === served || !served.startsWith(requested)
    ? [served]
    : [served, requested];
}
