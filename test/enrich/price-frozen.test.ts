/** What the build ships in place of the price list is the price list. */
import { calcPrice, waitForUpdate } from "@pydantic/genai-prices";
import { expect, it } from "vitest";
import * as source from "../../src/enrich/price-source.ts";

const url = new URL("../../dist/enrich/price-source.js", import.meta.url);
const frozen = (await import(url.href)) as typeof source;

const usages: Record<string, number>[] = [
  { input_tokens: 1200, output_tokens: 300, cache_read_tokens: 100, web_searches: 3 },
  { input_tokens: 400_000, output_tokens: 300, input_audio_tokens: 100, output_audio_tokens: 20 },
  { input_tokens: 500, output_tokens: 300, cache_write_tokens: 200, cache_write_1h_tokens: 100 },
  { input_tokens: 100, cache_read_tokens: 200, output_tokens: 1 },
  { audio_seconds: 1.7, input_audio_seconds: 1.7 },
];

it("the same texts", () => {
  expect(frozen.texts).toEqual(source.texts);
});

it("the same sums", async () => {
  const calculate = frozen.openCalculator();
  const attempt = (run: () => unknown): unknown => {
    try {
      return run();
    } catch (error) {
      return String(error);
    }
  };
  let compared = 0;
  for (const { id, models } of (await waitForUpdate()) ?? []) {
    for (const { id: model, prices } of models) {
      const one = { id: model, match: { equals: model }, prices };
      const provider = { id, name: id, api_pattern: "", models: [one] };
      for (const usage of usages) {
        const options = { provider, timestamp: new Date(Date.UTC(2026, 5, 1, 17)) };
        const theirs = attempt(() => calcPrice(usage, model, options));
        expect(attempt(() => calculate(usage, model, options))).toEqual(theirs);
        if (typeof theirs === "object") compared += 1;
      }
    }
  }
  expect(compared).toBeGreaterThan(3_000);
});
