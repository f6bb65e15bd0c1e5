/**
 * What is taken from `@pydantic/genai-prices`: its calculator, and its prices as one JSON text per provider, so that no
 * more than the providers that are called is ever parsed. The build runs this file and ships what it exports
 * (`scripts/freeze-prices.mjs`): the package's own module takes 100 ms and 30 MB to load.
 */
import { calcPrice, type MatchLogic, type ModelInfo, type ModelPrice, waitForUpdate } from "@pydantic/genai-prices";

export type { MatchLogic as Match, ModelPrice };
export type Calculate = typeof calcPrice;

/** As it is in the texts. */
export interface PricedModel {
  id: string;
  /** Which names mean this model; left out where it is just the id. */
  match?: MatchLogic;
  prices: ModelInfo["prices"];
  /** Costs more outside Vertex' global endpoint. */
  isRegional?: true;
}

export interface PricedProvider {
  models: PricedModel[];
  /** Whose models it serves besides. */
  fallback?: string[];
}

/** The list says of the premium in words only. */
const REGIONAL = /\bregional\b.{0,40}\bpremium\b/i;

function toPricedModel({ id, match, prices, price_comments: comments }: ModelInfo): PricedModel {
  const isId = "equals" in match && match.equals === id;
  return { id, ...(!isId && { match }), prices, ...(REGIONAL.test(comments ?? "") && { isRegional: true }) };
}

/** A `PricedProvider` by its id. */
export const texts: Readonly<Record<string, string>> = Object.fromEntries(
  ((await waitForUpdate()) ?? []).map(({ id, models, fallback_model_providers: fallback }) => [
    id,
    JSON.stringify({ models: models.map(toPricedModel), ...(fallback !== undefined && { fallback }) }),
  ]),
);

/** To get it ready takes 30 ms. */
export function openCalculator(): Calculate {
  return calcPrice;
}
