import { calcPrice, findProvider } from "@pydantic/genai-prices";
import { describe, expect, it } from "vitest";
import { priceByCalculator, priceByModel } from "../../src/enrich/price-list.ts";
import { pickPlainPrices, sumPlainPrices } from "../../src/enrich/price-plain.ts";
import { priceProviders } from "../../src/enrich/price-providers.ts";
import type { LlmCall, Usage } from "../../src/types.ts";

const usages: Omit<Usage, "source" | "complete">[] = [
  { inputTokens: 120, outputTokens: 320 },
  { inputTokens: 12_345, outputTokens: 678, cacheReadTokens: 10_240 },
  { inputTokens: 300_000, outputTokens: 1, cacheReadTokens: 0, reasoningTokens: 1 },
  { inputTokens: 7_777, outputTokens: 3, cacheReadTokens: 1_000, cacheWriteTokens: 2_000 },
  { inputTokens: 900, outputTokens: 33, cacheWrite5mTokens: 500 },
  { inputTokens: 900, outputTokens: 33, cacheWrite1hTokens: 500, cacheWriteTokens: 700 },
  { inputTokens: 100, outputTokens: 10, cacheReadTokens: 101 },
  { inputTokens: 500, outputTokens: 20, inputAudioTokens: 100, outputAudioTokens: 10 },
  { inputTokens: 500, outputTokens: 20, inputImageTokens: 100 },
  { inputTokens: 500, outputTokens: 20, serverToolUses: { web_search: 2 } },
  { inputTokens: 500, outputTokens: 20, serverToolUses: { web_search: 0 } },
  { inputTokens: 0, outputTokens: 0 },
  { inputTokens: 0, outputTokens: 55 },
  { inputTokens: 10 },
];

/** Prices change with the year and with the hour. */
const times = [Date.UTC(2024, 0, 1), Date.UTC(2026, 2, 13), Date.UTC(2026, 10, 20, 3), Date.UTC(2026, 10, 20, 17)];

const toCall = (usage: (typeof usages)[number], startedAt: number): LlmCall =>
  ({
    request: { host: "api.example.com" },
    usage: { source: "reported", complete: true, ...usage },
    timing: { startedAt, durationMs: 1 },
  }) as unknown as LlmCall;

describe("prices that are summed up here", () => {
  it("are those of the price list, for each of its models and every kind of usage", () => {
    let plain = 0;
    let models = 0;
    for (const providerId of new Set(Object.values(priceProviders))) {
      const provider = findProvider({ providerId });
      for (const model of provider?.models ?? []) {
        models += 1;
        const one = { provider: providerId, model };
        for (const [usage, startedAt] of usages.flatMap((usage) => times.map((time) => [usage, time] as const))) {
          const call = toCall(usage, startedAt);
          expect(
            priceByModel(calcPrice, one, call),
            `${providerId} ${model.id} ${startedAt} ${JSON.stringify(usage)}`,
          ).toEqual(priceByCalculator(calcPrice, one, call));
          const prices = pickPlainPrices(model.prices, call.timing.startedAt);
          if (prices !== undefined && sumPlainPrices(prices, call.usage) !== undefined) plain += 1;
        }
      }
    }
    expect(models).toBeGreaterThan(500);
    // Most are: else this would compare the list with itself.
    expect(plain / (models * usages.length * times.length)).toBeGreaterThan(0.4);
  });
});
