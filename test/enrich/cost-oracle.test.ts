/** What is left out of a price table to make it fast changes no price: the same against the whole table. */
import { calcPrice, waitForUpdate } from "@pydantic/genai-prices";
import { describe, expect, it } from "vitest";
import { priceByModel } from "../../src/enrich/price-list.ts";
import { createModelFinder } from "../../src/enrich/price-models.ts";
import { texts } from "../../src/enrich/price-source.ts";
import { toPriceUsage } from "../../src/enrich/price-usage.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";
import type { LlmCall, Usage } from "../../src/types.ts";

const usages: Usage[] = [
  { source: "reported", complete: true, inputTokens: 1200, outputTokens: 300 },
  {
    source: "reported",
    complete: true,
    inputTokens: 1200,
    outputTokens: 300,
    cacheReadTokens: 200,
    reasoningTokens: 100,
  },
  {
    source: "reported",
    complete: true,
    inputTokens: 300_000,
    outputTokens: 300,
    cacheReadTokens: 2000,
    cacheWriteTokens: 500,
  },
  { source: "reported", complete: true, inputTokens: 1200, outputTokens: 300, serverToolUses: { web_search: 3 } },
  {
    source: "reported",
    complete: true,
    inputTokens: 1200,
    outputTokens: 300,
    inputAudioTokens: 100,
    outputAudioTokens: 20,
  },
];

describe("every model of the list", () => {
  it("costs what the list says", async () => {
    const find = createModelFinder(texts);
    const timestamp = new Date(Date.UTC(2026, 5, 1));
    let compared = 0;
    for (const provider of (await waitForUpdate()) ?? []) {
      for (const model of provider.models) {
        const found = find(provider.id, model.id);
        if (found === undefined) continue;
        for (const usage of usages) {
          const call: LlmCall = { ...sampleCall(), usage };
          call.timing = { ...call.timing, startedAt: timestamp.getTime() };
          const cost = priceByModel(calcPrice, found, call);
          if (cost === undefined) continue;
          compared++;
          const expected = calcPrice(toPriceUsage(usage), model.id, { providerId: provider.id, timestamp });
          expect([provider.id, model.id, cost.totalUsd]).toEqual([
            provider.id,
            model.id,
            Math.round((expected?.total_price ?? Number.NaN) * 1e12) / 1e12,
          ]);
        }
      }
    }
    expect(compared).toBeGreaterThan(3_000);
  });
});
