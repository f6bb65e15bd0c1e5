import { describe, expect, it } from "vitest";
import { readOpenAiUsage, readReportedCost } from "../../../src/parsers/shared/openai-usage.ts";

/** What is read, without what is the same everywhere. */
function read(raw: unknown, provider?: string): Record<string, unknown> | undefined {
  const usage = readOpenAiUsage(raw, provider);
  if (usage === undefined) return undefined;
  const { source, complete, raw: kept, ...counts } = usage;
  expect(source).toBe("reported");
  expect(complete).toBe(true);
  expect(kept).toBe(raw);
  return counts;
}

describe("readOpenAiUsage", () => {
  it.each<[string, unknown, Record<string, unknown>]>([
    [
      "chat with details",
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2, audio_tokens: 1 },
        completion_tokens_details: {
          reasoning_tokens: 3,
          audio_tokens: 1,
          accepted_prediction_tokens: 1,
          rejected_prediction_tokens: 0,
        },
      },
      {
        inputTokens: 10,
        outputTokens: 5,
        totalTokens: 15,
        cacheReadTokens: 4,
        cacheWriteTokens: 2,
        inputAudioTokens: 1,
        reasoningTokens: 3,
        outputAudioTokens: 1,
        acceptedPredictionTokens: 1,
        rejectedPredictionTokens: 0,
      },
    ],
    [
      "responses",
      {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 15,
      },
      { inputTokens: 10, outputTokens: 5, totalTokens: 15, cacheReadTokens: 0, reasoningTokens: 2 },
    ],
    [
      "details that are null",
      {
        prompt_tokens: 1,
        completion_tokens: 2,
        total_tokens: 3,
        prompt_tokens_details: null,
        completion_tokens_details: null,
      },
      { inputTokens: 1, outputTokens: 2, totalTokens: 3 },
    ],
    ["no total", { prompt_tokens: 1, completion_tokens: 2 }, { inputTokens: 1, outputTokens: 2, totalTokens: 3 }],
    ["input alone", { prompt_tokens: 1 }, { inputTokens: 1 }],
    ["a total alone", { total_tokens: 12 }, { totalTokens: 12 }],
    [
      "a total that is not the sum",
      { prompt_tokens: 1, completion_tokens: 2, total_tokens: 9 },
      { inputTokens: 1, outputTokens: 2, totalTokens: 9, inconsistent: true },
    ],
    [
      "DeepSeek",
      {
        prompt_tokens: 10,
        completion_tokens: 2,
        total_tokens: 12,
        prompt_cache_hit_tokens: 6,
        prompt_cache_miss_tokens: 4,
      },
      { inputTokens: 10, outputTokens: 2, totalTokens: 12, cacheReadTokens: 6 },
    ],
    [
      "Mistral, whose own count comes first",
      {
        prompt_tokens: 10,
        completion_tokens: 2,
        total_tokens: 12,
        num_cached_tokens: 6,
        prompt_token_details: { cached_tokens: 5 },
      },
      { inputTokens: 10, outputTokens: 2, totalTokens: 12, cacheReadTokens: 6 },
    ],
    [
      "Mistral, the singular details",
      {
        prompt_tokens: 10,
        completion_tokens: 2,
        total_tokens: 12,
        prompt_tokens_details: null,
        prompt_token_details: { cached_tokens: 5 },
      },
      { inputTokens: 10, outputTokens: 2, totalTokens: 12, cacheReadTokens: 5 },
    ],
    [
      "Moonshot",
      { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, cached_tokens: 8 },
      { inputTokens: 10, outputTokens: 2, totalTokens: 12, cacheReadTokens: 8 },
    ],
    [
      "Cerebras",
      { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, image_tokens: 7 },
      { inputTokens: 10, outputTokens: 2, totalTokens: 12, inputImageTokens: 7 },
    ],
    [
      "Perplexity Responses",
      {
        input_tokens: 10,
        output_tokens: 2,
        total_tokens: 12,
        input_tokens_details: { cache_read_input_tokens: 3, cache_creation_input_tokens: 1 },
      },
      { inputTokens: 10, outputTokens: 2, totalTokens: 12, cacheReadTokens: 3, cacheWriteTokens: 1 },
    ],
    [
      "a transcription",
      {
        type: "tokens",
        input_tokens: 5,
        input_token_details: { audio_tokens: 4, text_tokens: 1 },
        output_tokens: 2,
        total_tokens: 7,
      },
      { inputTokens: 5, outputTokens: 2, totalTokens: 7, inputAudioTokens: 4 },
    ],
    ["a duration", { type: "duration", seconds: 6.5 }, { audioSeconds: 6.5 }],
    [
      "tools that the provider ran",
      {
        prompt_tokens: 1,
        completion_tokens: 1,
        server_tool_use_details: { web_search_requests: 2, tool_calls_requested: 3, __proto__x: 0 },
        server_side_tool_usage_details: { mcp_calls: 0, x_search_calls: 1 },
      },
      { inputTokens: 1, outputTokens: 1, totalTokens: 2, serverToolUses: { web_search: 2, x_search: 1 } },
    ],
  ])("%s", (_name, raw, expected) => {
    expect(read(raw)).toEqual(expected);
  });

  it.each<[string, string | undefined, Record<string, unknown>, number]>([
    ["apart, by the total", undefined, { total_tokens: 113 }, 103],
    ["inside, by the total, whoever it is", "x_ai", { total_tokens: 13 }, 3],
    ["apart at xAI when nothing settles it", "x_ai", {}, 103],
    ["apart at xAI when the total is neither", "x_ai", { total_tokens: 999 }, 103],
    ["inside elsewhere", "deepseek", {}, 3],
  ])("reasoning is counted %s", (_name, provider, more, outputTokens) => {
    const raw = {
      prompt_tokens: 10,
      completion_tokens: 3,
      completion_tokens_details: { reasoning_tokens: 100 },
      ...more,
    };
    expect(read(raw, provider)).toMatchObject({ inputTokens: 10, outputTokens, reasoningTokens: 100 });
  });

  it("adds Perplexity's reasoning, which stands beside completion_tokens", () => {
    const raw = { prompt_tokens: 10, completion_tokens: 3, reasoning_tokens: 7, num_search_queries: 2 };
    expect(read(raw, "perplexity")).toEqual({
      inputTokens: 10,
      outputTokens: 10,
      totalTokens: 20,
      reasoningTokens: 7,
      searchUnits: 2,
    });
  });

  it("takes cached tokens that exceed the prompt as counted apart", () => {
    const raw = { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 90 } };
    expect(read(raw, "x_ai")).toMatchObject({ inputTokens: 100, cacheReadTokens: 90 });
  });

  it("reads counts that come as text, and fields in camel case", () => {
    const raw = { promptTokens: "5", completionTokens: 2, promptTokensDetails: { cachedTokens: 1 } };
    expect(readOpenAiUsage(raw)).toMatchObject({
      inputTokens: 5,
      outputTokens: 2,
      totalTokens: 7,
      cacheReadTokens: 1,
      raw,
    });
  });

  it.each([
    undefined,
    null,
    1,
    "x",
    [],
    {},
    { prompt_tokens: null },
    { prompt_tokens: "5.5" },
    { prompt_tokens: "many" },
    { prompt_tokens: -1 },
    { cost: 1 },
  ])("finds nothing in %j", (raw) => {
    expect(readOpenAiUsage(raw)).toBeUndefined();
  });

  it("keeps no raw object that is larger than any usage", () => {
    expect(readOpenAiUsage({ prompt_tokens: 1, padding: "x".repeat(100_000) })).toEqual({
      source: "reported",
      complete: true,
      inputTokens: 1,
    });
  });
});

describe("readReportedCost", () => {
  it.each<[string, unknown, number | undefined]>([
    ["OpenRouter", { cost: 0.001, is_byok: false, cost_details: { upstream_inference_cost: 0.001 } }, 0.001],
    [
      "OpenRouter with one's own key",
      { cost: 0.001, is_byok: true, cost_details: { upstream_inference_cost: 0.02 } },
      0.021,
    ],
    [
      "OpenRouter with one's own key, upstream unknown",
      { cost: 0.001, is_byok: true, cost_details: { upstream_inference_cost: null } },
      0.001,
    ],
    ["Perplexity", { cost: { total_cost: 0.005 } }, 0.005],
    ["xAI", { cost_in_usd_ticks: 37_756_000 }, 0.0037756],
    ["a price of nothing", { cost: 0 }, 0],
    ["no price", { prompt_tokens: 1 }, undefined],
    ["no number", { cost: "free" }, undefined],
    ["no usage", null, undefined],
  ])("%s", (_name, raw, expected) => {
    if (expected === undefined) expect(readReportedCost(raw)).toBeUndefined();
    else expect(readReportedCost(raw)).toBeCloseTo(expected, 12);
  });
});
