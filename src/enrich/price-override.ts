/** Cost by the `prices` option. */
import type { Cost, PriceOverride, Usage } from "../types.ts";
import { cacheWritesOf, roundUsd } from "./price-usage.ts";

/** Tokens times the user's own prices. `undefined` where a price that is needed is not among them. */
export function priceByOverride(usage: Usage, prices: PriceOverride): Cost | undefined {
  const input = usage.inputTokens ?? 0;
  const output = usage.outputTokens ?? 0;
  const read = Math.min(usage.cacheReadTokens ?? 0, input);
  const written = Math.min(cacheWritesOf(usage), input - read);
  const inputRate = prices.inputPerMillion;
  const readRate = prices.cacheReadPerMillion ?? inputRate;
  const writeRate = prices.cacheWritePerMillion ?? inputRate;
  const plainUsd = multiply(input - read - written, inputRate);
  const cacheReadUsd = multiply(read, readRate);
  const cacheWriteUsd = multiply(written, writeRate);
  const outputUsd = multiply(output, prices.outputPerMillion);
  if (plainUsd === undefined || cacheReadUsd === undefined || cacheWriteUsd === undefined || outputUsd === undefined) {
    return undefined;
  }
  const inputUsd = plainUsd + cacheReadUsd + cacheWriteUsd;
  return {
    totalUsd: roundUsd(inputUsd + outputUsd),
    inputUsd: roundUsd(inputUsd),
    ...(usage.outputTokens !== undefined && { outputUsd: roundUsd(outputUsd) }),
    ...(usage.cacheReadTokens !== undefined && { cacheReadUsd: roundUsd(cacheReadUsd) }),
    ...(usage.cacheWriteTokens !== undefined && { cacheWriteUsd: roundUsd(cacheWriteUsd) }),
    source: "computed",
    pricesVersion: "custom",
  };
}

/** Nothing costs nothing, whatever its price. */
function multiply(tokens: number, perMillion: number | undefined): number | undefined {
  if (tokens === 0) return 0;
  return perMillion === undefined ? undefined : (tokens * perMillion) / 1e6;
}
