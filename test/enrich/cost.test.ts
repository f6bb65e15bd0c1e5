import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { createCostCalculator } from "../../src/enrich/cost.ts";
import type { CostCalculator } from "../../src/enrich/cost.ts";
import { PRICES_VERSION } from "../../src/enrich/price-list.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";
import type { LlmCall, Operation, PriceOverride, Usage } from "../../src/types.ts";

interface Case {
  host?: string;
  provider?: string;
  operation?: Operation;
  model: string;
  served?: string;
  usage: Partial<Usage>;
  response?: Partial<NonNullable<LlmCall["response"]>>;
  parameters?: Record<string, unknown>;
  cost?: LlmCall["cost"];
}

function makeCall({
  provider = "openai",
  operation = "chat",
  model,
  served,
  usage,
  response,
  parameters,
  cost,
  host,
}: Case): LlmCall {
  const call = sampleCall();
  delete call.cost;
  delete call.response?.serviceTier;
  call.provider = provider;
  call.operation = operation;
  call.request = { ...call.request, model, parameters: parameters ?? {}, ...(host && { host }) };
  if (call.response !== undefined) call.response = { ...call.response, model: served ?? model, ...response };
  call.usage = { source: "reported", complete: true, ...usage };
  // Prices change with time; these examples are of one day.
  call.timing.startedAt = Date.UTC(2026, 0, 15);
  if (cost !== undefined) call.cost = cost;
  return call;
}

let costs: CostCalculator;
beforeAll(async () => {
  costs = createCostCalculator();
  await costs.ready();
});

describe("by the price list", () => {
  // Each example is computed by hand from the published USD per million tokens.
  it.each<[string, Case, Record<string, number>]>([
    [
      "OpenAI, 400 of 1,000 cached: 600 × 0.15 + 400 × 0.075 + 100 × 0.60",
      {
        model: "gpt-4o-mini",
        served: "gpt-4o-mini-2024-07-18",
        usage: { inputTokens: 1000, outputTokens: 100, cacheReadTokens: 400 },
      },
      { totalUsd: 0.00018, inputUsd: 0.00012, outputUsd: 0.00006, cacheReadUsd: 0.00003 },
    ],
    [
      "OpenAI, reasoning is in the output: 1,000 × 1.25 + 500 × 10",
      { model: "gpt-5", usage: { inputTokens: 1000, outputTokens: 500, reasoningTokens: 400 } },
      { totalUsd: 0.00625, inputUsd: 0.00125, outputUsd: 0.005 },
    ],
    [
      "Anthropic, written for 5 minutes and an hour: 3,000 × 3 + 4,000 × 0.30 + 1,000 × 3.75 + 2,000 × 6 + 500 × 15",
      {
        provider: "anthropic",
        model: "claude-sonnet-4-5-20250929",
        usage: {
          inputTokens: 10_000,
          outputTokens: 500,
          cacheReadTokens: 4000,
          cacheWriteTokens: 3000,
          cacheWrite5mTokens: 1000,
          cacheWrite1hTokens: 2000,
        },
      },
      { totalUsd: 0.03345, inputUsd: 0.02595, outputUsd: 0.0075, cacheReadUsd: 0.0012, cacheWriteUsd: 0.01575 },
    ],
    [
      "Anthropic, two web searches at 10 per thousand: 1,000 × 3 + 100 × 15 + 0.02",
      {
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        usage: { inputTokens: 1000, outputTokens: 100, serverToolUses: { web_search: 2 } },
      },
      { totalUsd: 0.0245, inputUsd: 0.003, outputUsd: 0.0015 },
    ],
    [
      "Gemini, a short prompt: 100,000 × 1.25 + 1,000 × 10",
      { provider: "gcp.gemini", model: "gemini-2.5-pro", usage: { inputTokens: 100_000, outputTokens: 1000 } },
      { totalUsd: 0.135, inputUsd: 0.125, outputUsd: 0.01 },
    ],
    [
      "Gemini, a prompt beyond 200,000, half of it cached: 125,000 × 2.50 + 125,000 × 0.25 + 1,000 × 15",
      {
        provider: "gcp.gemini",
        model: "gemini-2.5-pro",
        usage: { inputTokens: 250_000, outputTokens: 1000, cacheReadTokens: 125_000 },
      },
      { totalUsd: 0.35875, inputUsd: 0.34375, outputUsd: 0.015, cacheReadUsd: 0.03125 },
    ],
    [
      "Vertex serves Claude at Anthropic's price",
      {
        provider: "gcp.vertex_ai",
        model: "claude-sonnet-4-5@20250929",
        usage: { inputTokens: 1000, outputTokens: 100 },
      },
      { totalUsd: 0.0045, inputUsd: 0.003, outputUsd: 0.0015 },
    ],
    [
      "Azure, by the served model, not the deployment: 1,000 × 2.50 + 100 × 10",
      {
        provider: "azure.ai.openai",
        model: "prod-chat",
        served: "gpt-4o-2024-08-06",
        usage: { inputTokens: 1000, outputTokens: 100 },
      },
      { totalUsd: 0.0035, inputUsd: 0.0025, outputUsd: 0.001 },
    ],
    [
      "Bedrock, by the profile in an ARN: 1,000 × 3.30 + 100 × 16.50",
      {
        provider: "aws.bedrock",
        model: "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        usage: { inputTokens: 1000, outputTokens: 100 },
      },
      { totalUsd: 0.00495, inputUsd: 0.0033, outputUsd: 0.00165 },
    ],
    [
      "Bedrock's global scope, which the answer does not name: 1,000 × 3 + 100 × 15",
      {
        provider: "aws.bedrock",
        model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        served: "claude-sonnet-4-5-20250929",
        usage: { inputTokens: 1000, outputTokens: 100 },
      },
      { totalUsd: 0.0045, inputUsd: 0.003, outputUsd: 0.0015 },
    ],
    [
      "OpenRouter's batch route, which the answer does not name: 1,000 × 0.05 + 100 × 0.25",
      {
        provider: "openrouter",
        model: "openai/gpt-6-luna:batch",
        served: "openai/gpt-6-luna",
        usage: { inputTokens: 1000, outputTokens: 100 },
      },
      { totalUsd: 0.000075, inputUsd: 0.00005, outputUsd: 0.000025 },
    ],
    [
      "an image: 1,000 × 0.30 + 1,290 × 30",
      {
        provider: "gcp.gemini",
        model: "gemini-2.5-flash-image",
        usage: { inputTokens: 1000, outputTokens: 1290, outputImageTokens: 1290 },
      },
      { totalUsd: 0.039, inputUsd: 0.0003, outputUsd: 0.0387 },
    ],
    [
      "Vertex's global endpoint",
      {
        provider: "gcp.vertex_ai",
        model: "claude-opus-5@20260601",
        host: "aiplatform.googleapis.com",
        usage: { inputTokens: 1000, outputTokens: 100 },
      },
      { totalUsd: 0.0075, inputUsd: 0.005, outputUsd: 0.0025 },
    ],
    [
      "embeddings: 1,000 × 0.02",
      { operation: "embeddings", model: "text-embedding-3-small", usage: { inputTokens: 1000, totalTokens: 1000 } },
      { totalUsd: 0.00002, inputUsd: 0.00002 },
    ],
    [
      "audio tokens: 500 × 2.50 + 500 × 32 + 50 × 10 + 50 × 64",
      {
        model: "gpt-audio",
        usage: { inputTokens: 1000, outputTokens: 100, inputAudioTokens: 500, outputAudioTokens: 50 },
      },
      { totalUsd: 0.02095, inputUsd: 0.01725, outputUsd: 0.0037 },
    ],
    [
      "a minute of transcription at 0.36 an hour",
      { operation: "transcription", model: "whisper-1", usage: { audioSeconds: 60 } },
      { totalUsd: 0.006 },
    ],
    [
      "three pages at 2 per thousand",
      { provider: "mistral_ai", model: "mistral-ocr-2512", usage: { pages: 3 } },
      { totalUsd: 0.006 },
    ],
    [
      "a prompt that was blocked: nothing was generated",
      { provider: "gcp.gemini", model: "gemini-2.5-pro", usage: { inputTokens: 1000, totalTokens: 1000 } },
      { totalUsd: 0.00125, inputUsd: 0.00125 },
    ],
    [
      "a snapshot that the list does not know yet, by its short name",
      { model: "gpt-4o-mini", served: "gpt-4o-mini-2099-01-01", usage: { inputTokens: 1000, outputTokens: 100 } },
      { totalUsd: 0.00021, inputUsd: 0.00015, outputUsd: 0.00006 },
    ],
    [
      "behind a gateway, by who stands behind it",
      { provider: "vercel", model: "openai/gpt-4o-mini", usage: { inputTokens: 1000, outputTokens: 100 } },
      { totalUsd: 0.00021, inputUsd: 0.00015, outputUsd: 0.00006 },
    ],
    [
      "Groq's flex costs what its standard tier costs: 1,000 × 0.59 + 100 × 0.79",
      {
        provider: "groq",
        model: "llama-3.3-70b-versatile",
        usage: { inputTokens: 1000, outputTokens: 100 },
        response: { serviceTier: "flex" },
      },
      { totalUsd: 0.000669, inputUsd: 0.00059, outputUsd: 0.000079 },
    ],
    [
      "what is free costs nothing",
      {
        provider: "openrouter",
        model: "meta-llama/llama-4-scout:free",
        usage: { inputTokens: 1000, outputTokens: 100 },
      },
      { totalUsd: 0, inputUsd: 0, outputUsd: 0 },
    ],
  ])("%s", (_name, example, expected) => {
    expect(costs.price(makeCall(example))).toEqual({ ...expected, source: "computed", pricesVersion: PRICES_VERSION });
  });

  it("takes the price of the day of the call", () => {
    const call = makeCall({ model: "gpt-5.6-luna", usage: { inputTokens: 1_000_000, outputTokens: 0 } });
    call.usage.inputTokens = 100_000;
    call.timing.startedAt = Date.UTC(2026, 6, 1);
    expect(costs.price(call)?.totalUsd).toBe(0.1);
    call.timing.startedAt = Date.UTC(2026, 8, 1);
    expect(costs.price(call)?.totalUsd).toBe(0.02);
  });
});

describe("the note price_unknown", () => {
  const tokens = { inputTokens: 1000, outputTokens: 100 };
  it.each<[string, Case, string[]]>([
    ["a price that is not known", { model: "nobody-knows-me", usage: tokens }, ["price_unknown"]],
    ["terms without a price", { model: "gpt-5", usage: tokens, response: { serviceTier: "flex" } }, ["price_unknown"]],
    ["a known price", { model: "gpt-5", usage: tokens }, []],
    ["usage that is not known", { model: "nobody-knows-me", usage: { source: "missing", complete: false } }, []],
    ["a reported cost", { model: "nobody-knows-me", usage: tokens, cost: { totalUsd: 1, source: "reported" } }, []],
  ])("%s", (_name, example, notes) => {
    const call = makeCall(example);
    costs.price(call);
    costs.price(call);
    expect(call.capture.notes).toEqual(notes);
  });
});

describe("unknown is no cost", () => {
  const tokens = { inputTokens: 1000, outputTokens: 100 };
  it.each<[string, Case]>([
    ["an unknown model", { model: "nobody-knows-me", usage: tokens }],
    ["an unknown provider", { provider: "custom", model: "gpt-4o-mini", usage: tokens }],
    ["a provider whose name contains another's", { provider: "my.openai.proxy", model: "gpt-4o-mini", usage: tokens }],
    [
      "an Azure deployment that is named like a model that it is not",
      { provider: "azure.ai.openai", model: "gpt-4o", served: "llama-9", usage: tokens },
    ],
    [
      "a profile of the app's own at Bedrock: its scope is not known",
      {
        provider: "aws.bedrock",
        model: "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
        served: "claude-sonnet-4-5-20250929",
        usage: tokens,
      },
    ],
    [
      "a regional endpoint of Vertex with a premium",
      {
        provider: "gcp.vertex_ai",
        model: "claude-opus-5@20260601",
        host: "us-east5-aiplatform.googleapis.com",
        usage: tokens,
      },
    ],
    [
      "searches without a price",
      { provider: "openai", model: "gpt-4", usage: { ...tokens, serverToolUses: { web_search: 2 } } },
    ],
    ["missing usage", { model: "gpt-4o-mini", usage: { source: "missing", complete: false } }],
    ["estimated usage", { model: "gpt-4o-mini", usage: { source: "estimated", ...tokens } }],
    ["a lower bound", { model: "gpt-4o-mini", usage: { ...tokens, complete: false } }],
    ["tokens of one direction", { model: "gpt-4o-mini", usage: { inputTokens: 1000 } }],
    ["tokens of the other", { model: "gpt-4o-mini", usage: { outputTokens: 1000 } }],
    ["more cached than sent", { model: "gpt-4o-mini", usage: { ...tokens, cacheReadTokens: 2000 } }],
    [
      "audio at a model without a price for it",
      { model: "gpt-4o-audio-preview", usage: { ...tokens, inputAudioTokens: 10 } },
    ],
    [
      "an hour's cache writes without a price for them",
      {
        provider: "aws.bedrock",
        model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
        usage: { ...tokens, cacheWriteTokens: 10, cacheWrite1hTokens: 10 },
      },
    ],
    ["the flex tier", { model: "gpt-5-nano", usage: tokens, response: { serviceTier: "flex" } }],
    ["the priority tier, asked for", { model: "gpt-5-nano", usage: tokens, parameters: { service_tier: "priority" } }],
    [
      "a batch",
      { provider: "anthropic", model: "claude-sonnet-4-5", usage: tokens, response: { serviceTier: "batch" } },
    ],
    ["fast mode", { provider: "anthropic", model: "claude-opus-4-6", usage: { ...tokens, raw: { speed: "fast" } } }],
    [
      "a compaction, whose tokens are not in the totals",
      {
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        usage: { ...tokens, raw: { iterations: [{ type: "compaction", input_tokens: 900 }, { type: "message" }] } },
      },
    ],
    [
      "another model's advice",
      {
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        usage: { ...tokens, raw: { iterations: [{ type: "message" }, { type: "advisor_message" }] } },
      },
    ],
    [
      "an answer out of a gateway's cache",
      { provider: "openrouter", model: "openai/gpt-4o", usage: tokens, response: { cacheHit: true } },
    ],
  ])("%s", (_name, example) => {
    expect(costs.price(makeCall(example))).toBeUndefined();
  });

  it("and so is everything before the list is there", () => {
    expect(createCostCalculator().price(makeCall({ model: "gpt-4o-mini", usage: tokens }))).toBeUndefined();
  });
});

describe("what was reported", () => {
  it("beats every computation", () => {
    const cost = { totalUsd: 0.5, source: "reported" as const };
    const calculator = createCostCalculator({ prices: { "gpt-4o-mini": { inputPerMillion: 1, outputPerMillion: 1 } } });
    expect(
      calculator.price(makeCall({ model: "gpt-4o-mini", usage: { inputTokens: 1, outputTokens: 1 }, cost })),
    ).toEqual(cost);
  });
});

describe("the prices option", () => {
  const usage = { inputTokens: 1000, outputTokens: 100, cacheReadTokens: 200, cacheWriteTokens: 300 };
  const price: PriceOverride = {
    inputPerMillion: 10,
    outputPerMillion: 20,
    cacheReadPerMillion: 1,
    cacheWritePerMillion: 12,
  };

  it.each([
    ["by model", { "gpt-4o-mini": price }],
    [
      "by provider and model, before the model alone",
      { "openai/gpt-4o-mini": price, "gpt-4o-mini": { inputPerMillion: 0 } },
    ],
    ["by the served model", { "gpt-4o-mini-2024-07-18": price, "gpt-4o-mini": { inputPerMillion: 0 } }],
  ])("wins over the list: %s", (_name, prices) => {
    const call = makeCall({ model: "gpt-4o-mini", served: "gpt-4o-mini-2024-07-18", usage });
    // 500 × 10 + 200 × 1 + 300 × 12 + 100 × 20
    expect(createCostCalculator({ prices }).price(call)).toEqual({
      totalUsd: 0.0108,
      inputUsd: 0.0088,
      outputUsd: 0.002,
      cacheReadUsd: 0.0002,
      cacheWriteUsd: 0.0036,
      source: "computed",
      pricesVersion: "custom",
    });
  });

  it("counts each token once, at the price of its kind", () => {
    const kinds: PriceOverride = {
      ...price,
      cacheWrite1hPerMillion: 20,
      inputAudioPerMillion: 100,
      outputAudioPerMillion: 200,
      inputImagePerMillion: 50,
      outputImagePerMillion: 300,
    };
    const call = makeCall({
      model: "m",
      usage: {
        ...usage,
        cacheWrite1hTokens: 100,
        inputAudioTokens: 60,
        cacheReadAudioTokens: 10,
        inputImageTokens: 40,
        outputAudioTokens: 30,
        outputImageTokens: 20,
      },
    });
    // 200 × 1 + 200 × 12 + 100 × 20 + 50 × 100 + 40 × 50 + 410 × 10, and 30 × 200 + 20 × 300 + 50 × 20
    expect(createCostCalculator({ prices: { m: kinds } }).price(call)).toMatchObject({
      inputUsd: 0.0157,
      outputUsd: 0.013,
      totalUsd: 0.0287,
      cacheWriteUsd: 0.0044,
    });
  });

  it("takes the prices of the tier that the call ran on", () => {
    const calculator = createCostCalculator({
      prices: { m: { ...price, tiers: { flex: { inputPerMillion: 5, outputPerMillion: 10 } } } },
    });
    const plain = { inputTokens: 1000, outputTokens: 100 };
    const costOf = (example: Partial<Case>): number | undefined =>
      calculator.price(makeCall({ model: "m", usage: plain, ...example }))?.totalUsd;
    expect(costOf({})).toBe(0.012);
    expect(costOf({ response: { serviceTier: "flex" } })).toBe(0.006);
    expect(costOf({ parameters: { service_tier: "flex" } })).toBe(0.006);
    // Asked for, and not given.
    expect(costOf({ parameters: { service_tier: "flex" }, response: { serviceTier: "default" } })).toBe(0.012);
    expect(costOf({ response: { serviceTier: "constructor" } })).toBe(0.012);
  });

  it("takes the price of input for cached input that has none", () => {
    const calculator = createCostCalculator({ prices: { m: { inputPerMillion: 10, outputPerMillion: 20 } } });
    expect(calculator.price(makeCall({ model: "m", usage }))?.totalUsd).toBe(0.012);
  });

  it("is no cost where a price that is needed is not given", () => {
    const calculator = createCostCalculator({ prices: { m: { inputPerMillion: 10 } } });
    expect(calculator.price(makeCall({ model: "m", usage }))).toBeUndefined();
    expect(
      calculator.price(makeCall({ model: "m", operation: "embeddings", usage: { inputTokens: 1000 } }))?.totalUsd,
    ).toBe(0.01);
  });
});

describe("the version of the prices", () => {
  it("is the one that package.json pins", () => {
    const { devDependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      devDependencies: Record<string, string>;
    };
    expect(PRICES_VERSION).toBe(`genai-prices@${devDependencies["@pydantic/genai-prices"]}`);
  });
});
