/** Cost by the `prices` option. */
import type { Cost, LlmCall, PriceOverride, TokenPrices, Usage } from "../types.ts";
import { cacheWritesOf, roundUsd, serviceTierOf } from "./price-usage.ts";

/** The prices of the call's service tier, where the user has given some. */
export function pickTier(prices: PriceOverride, call: LlmCall): TokenPrices {
  const tier = serviceTierOf(call);
  return tier !== undefined && prices.tiers !== undefined && Object.hasOwn(prices.tiers, tier)
    ? (prices.tiers[tier] as TokenPrices)
    : prices;
}

/** Tokens times the user's own prices. `undefined` where a price that is needed is not among them. */
export function priceByOverride(usage: Usage, prices: TokenPrices): Cost | undefined {
  const input = splitInput(usage, prices);
  const output = splitOutput(usage, prices);
  const { inputPerMillion, outputPerMillion } = prices;
  const write = prices.cacheWritePerMillion ?? inputPerMillion;
  const cacheReadUsd = multiply(input.read, prices.cacheReadPerMillion ?? inputPerMillion);
  const cacheWriteUsd = add(
    multiply(input.written, write),
    multiply(input.writtenLong, prices.cacheWrite1hPerMillion ?? write),
  );
  const inputUsd = add(
    multiply(input.plain, inputPerMillion),
    multiply(input.audio, prices.inputAudioPerMillion),
    multiply(input.image, prices.inputImagePerMillion),
    cacheReadUsd,
    cacheWriteUsd,
  );
  const outputUsd = add(
    multiply(output.plain, outputPerMillion),
    multiply(output.audio, prices.outputAudioPerMillion),
    multiply(output.image, prices.outputImagePerMillion),
  );
  if (inputUsd === undefined || outputUsd === undefined) return undefined;
  return {
    totalUsd: roundUsd(inputUsd + outputUsd),
    inputUsd: roundUsd(inputUsd),
    ...(usage.outputTokens !== undefined && { outputUsd: roundUsd(outputUsd) }),
    ...(usage.cacheReadTokens !== undefined && { cacheReadUsd: roundUsd(cacheReadUsd ?? 0) }),
    ...(usage.cacheWriteTokens !== undefined && { cacheWriteUsd: roundUsd(cacheWriteUsd ?? 0) }),
    source: "computed",
    pricesVersion: "custom",
  };
}

/** Each token once: what has no price of its own counts as plain. */
function splitInput(
  usage: Usage,
  prices: TokenPrices,
): Record<"plain" | "audio" | "image" | "read" | "written" | "writtenLong", number> {
  let left = usage.inputTokens ?? 0;
  const take = (count: number | undefined): number => {
    const taken = Math.min(Math.max(0, count ?? 0), left);
    left -= taken;
    return taken;
  };
  const read = take(usage.cacheReadTokens);
  const allWritten = take(cacheWritesOf(usage));
  const writtenLong = Math.min(usage.cacheWrite1hTokens ?? 0, allWritten);
  const audioRead = usage.cacheReadAudioTokens ?? 0;
  const audio = prices.inputAudioPerMillion === undefined ? 0 : take((usage.inputAudioTokens ?? 0) - audioRead);
  const image = prices.inputImagePerMillion === undefined ? 0 : take(usage.inputImageTokens);
  return { plain: left, audio, image, read, written: allWritten - writtenLong, writtenLong };
}

function splitOutput(usage: Usage, prices: TokenPrices): Record<"plain" | "audio" | "image", number> {
  const all = usage.outputTokens ?? 0;
  const audio = prices.outputAudioPerMillion === undefined ? 0 : Math.min(usage.outputAudioTokens ?? 0, all);
  const image = prices.outputImagePerMillion === undefined ? 0 : Math.min(usage.outputImageTokens ?? 0, all - audio);
  return { plain: all - audio - image, audio, image };
}

/** Nothing costs nothing, whatever its price. */
function multiply(tokens: number, perMillion: number | undefined): number | undefined {
  if (tokens === 0) return 0;
  return perMillion === undefined ? undefined : (tokens * perMillion) / 1e6;
}

function add(...amounts: (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const amount of amounts) {
    if (amount === undefined) return undefined;
    sum += amount;
  }
  return sum;
}
