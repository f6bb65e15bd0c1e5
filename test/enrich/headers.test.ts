import { describe, expect, it } from "vitest";
import { readHeaderFacts } from "../../src/enrich/headers.ts";
import type { HeaderFacts } from "../../src/enrich/headers.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");

describe("readHeaderFacts", () => {
  it.each<[string, Record<string, string>, HeaderFacts]>([
    ["nothing", { "content-type": "application/json" }, {}],
    [
      "OpenAI",
      {
        "x-request-id": "req_1",
        "openai-processing-ms": "1404",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6m0s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "26ms",
      },
      {
        requestId: "req_1",
        processingMs: 1404,
        rateLimit: {
          requests: { limit: 10_000, remaining: 9999, resetMs: 360_000 },
          tokens: { limit: 150_000, remaining: 149_984, resetMs: 26 },
        },
      },
    ],
    [
      "Anthropic",
      {
        "request-id": "req_2",
        "x-request-id": "of a proxy",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "39000",
        "anthropic-ratelimit-input-tokens-reset": "2026-06-01T12:00:30Z",
        "anthropic-priority-output-tokens-limit": "5",
        "anthropic-organization-id": "not a limit",
      },
      {
        requestId: "req_2",
        rateLimit: {
          "input-tokens": { limit: 40_000, remaining: 39_000, resetMs: 30_000 },
          "priority-output-tokens": { limit: 5 },
        },
      },
    ],
    [
      "Azure, whose plain numbers are milliseconds",
      { "apim-request-id": "a-1", "x-ratelimit-limit-requests": "120", "x-ratelimit-reset-requests": "500" },
      { requestId: "a-1", rateLimit: { requests: { limit: 120, resetMs: 500 } } },
    ],
    [
      "Groq",
      { "x-ratelimit-reset-requests": "1m26.4s", "x-ratelimit-remaining-tokens": "5", "retry-after": "2" },
      { rateLimit: { requests: { resetMs: 86_400 }, tokens: { remaining: 5 } }, retryAfterMs: 2000 },
    ],
    [
      "Mistral",
      {
        "x-kong-request-id": "k-1",
        "ratelimitbysize-limit": "500000",
        "ratelimitbysize-reset": "46",
        "x-ratelimit-limit-tokens-minute": "2000000",
        "x-ratelimit-tokens-query-cost": "64",
      },
      {
        requestId: "k-1",
        rateLimit: { size: { limit: 500_000, resetMs: 46_000 }, "tokens-minute": { limit: 2_000_000 } },
      },
    ],
    [
      "Together and OpenRouter: seconds, or epoch milliseconds",
      { "x-ratelimit-limit": "10", "x-ratelimit-reset": String(NOW + 1500) },
      { rateLimit: { requests: { limit: 10, resetMs: 1500 } } },
    ],
    [
      "epoch seconds",
      { "x-ratelimit-reset-requests-day": String(NOW / 1000 + 5) },
      { rateLimit: { "requests-day": { resetMs: 5000 } } },
    ],
    ["a limit that is none", { "x-ratelimit-limit-requests": "-1", "x-ratelimit-reset-tokens": "soon" }, {}],
    [
      "Bedrock",
      {
        "x-amzn-requestid": "b-1",
        "x-amzn-bedrock-input-token-count": "30",
        "x-amzn-bedrock-output-token-count": "51",
        "x-amzn-bedrock-cache-read-input-token-count": "0",
        "x-amzn-bedrock-invocation-latency": "1142",
        "x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/",
      },
      {
        requestId: "b-1",
        processingMs: 1142,
        errorType: "ThrottlingException",
        tokenCounts: { input: 30, output: 51, cacheRead: 0 },
      },
    ],
    [
      "Google",
      { "server-timing": "gfet4t7; dur=2041", "x-gemini-service-tier": "standard" },
      { processingMs: 2041, serviceTier: "standard" },
    ],
    [
      "Hugging Face",
      { "x-inference-provider": "hyperbolic", "x-compute-time": "0.013", "x-compute-type": "cpu" },
      { upstreamProvider: "hyperbolic", processingMs: 13 },
    ],
    ["retry after, exactly", { "retry-after-ms": "1250", "retry-after": "2" }, { retryAfterMs: 1250 }],
    ["retry at a time", { "retry-after": "Mon, 01 Jun 2026 12:00:10 GMT" }, { retryAfterMs: 10_000 }],
    ["retry at a time that has passed", { "retry-after": "Mon, 01 Jun 2026 11:00:00 GMT" }, { retryAfterMs: 0 }],
    ["retry whenever", { "retry-after": "later" }, {}],
    ["Helicone", { "helicone-cache": "HIT", "helicone-id": "h-1" }, { cacheHit: true, requestId: "h-1" }],
    ["Portkey", { "x-portkey-cache-status": "SEMANTIC HIT" }, { cacheHit: true }],
    ["Portkey, missed", { "x-portkey-cache-status": "SEMANTIC MISS" }, { cacheHit: false }],
    ["Portkey, not asked", { "x-portkey-cache-status": "DISABLED" }, {}],
    [
      "Cloudflare",
      { "cf-aig-cache-status": "MISS", "cf-aig-log-id": "c-1", "cf-ray": "r-1" },
      { cacheHit: false, requestId: "c-1" },
    ],
    [
      "LiteLLM",
      { "x-litellm-response-cost": "0.00012", "x-litellm-call-id": "l-1" },
      { reportedCostUsd: 0.00012, requestId: "l-1" },
    ],
    [
      "LiteLLM's cache, whose cost was paid before",
      { "x-litellm-response-cost": "0.00012", "x-litellm-cache-key": "k" },
      { cacheHit: true },
    ],
    ["a cost that is none", { "x-litellm-response-cost": "None" }, {}],
  ])("%s", (_name, headers, expected) => {
    expect(readHeaderFacts(headers, NOW)).toEqual(expected);
  });

  it("bounds what a server may make it keep", () => {
    const headers = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x-ratelimit-limit-a${index}`, "1"]));
    expect(
      Object.keys(readHeaderFacts({ ...headers, "x-request-id": "x".repeat(5000) }, NOW).rateLimit ?? {}),
    ).toHaveLength(32);
    expect(readHeaderFacts({ "x-request-id": "x".repeat(5000) }, NOW).requestId).toHaveLength(256);
  });
});
