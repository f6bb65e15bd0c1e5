import { describe, expect, it } from "vitest";
import {
  isRequestHeaderKept,
  isResponseHeaderKept,
  keepRequestHeaders,
  keepResponseHeaders,
} from "../../src/providers/headers.ts";

const CREDENTIALS = [
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "x-goog-iam-authorization-token",
  "ocp-apim-subscription-key",
  "x-amz-security-token",
  "cookie",
  "set-cookie",
  "cf-aig-authorization",
  "x-portkey-api-key",
  "x-portkey-virtual-key",
  "x-portkey-config",
  "helicone-auth",
  "x-litellm-api-key",
  "x-hf-bill-to",
  "openai-organization",
  "openai-project",
  "x-goog-user-project",
  "x-vercel-oidc-token",
  "x-vercel-protection-bypass",
  "x-modal-key",
  "x-fal-token",
  "llm_provider-set-cookie",
  "x-litellm-authorization",
  "x-stainless-api-key",
  "ai-language-model-api-key",
];

describe("headers that may be recorded", () => {
  it.each(CREDENTIALS)("%s is not, in either direction", (name) => {
    expect(isRequestHeaderKept(name)).toBe(false);
    expect(isResponseHeaderKept(name)).toBe(false);
  });

  it.each([
    "content-type",
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "x-amzn-errortype",
    "x-amzn-bedrock-input-token-count",
    "x-amzn-bedrock-cache-read-input-token-count",
    "x-ratelimit-remaining-tokens",
    "anthropic-ratelimit-input-tokens-reset",
    "retry-after",
    "retry-after-ms",
    "openai-processing-ms",
    "x-litellm-response-cost",
    "x-litellm-call-id",
    "x-litellm-key-spend",
    "cf-aig-cache-status",
    "helicone-cache",
    "helicone-id",
    "x-portkey-cache-status",
    "x-portkey-trace-id",
    "mistral-correlation-id",
    "x-ds-trace-id",
    "x-groq-region",
    "cf-ray",
  ])("%s is, in responses", (name) => {
    expect(isResponseHeaderKept(name)).toBe(true);
  });

  it.each([
    "content-type",
    "accept",
    "x-stainless-retry-count",
    "idempotency-key",
    "anthropic-version",
    "anthropic-beta",
    "traceparent",
    "baggage",
    "ai-language-model-id",
    "ai-language-model-streaming",
    "ai-model-id",
    "amz-sdk-request",
  ])("%s is, in requests", (name) => {
    expect(isRequestHeaderKept(name)).toBe(true);
  });

  it("keeps values of listed names only", () => {
    expect(keepResponseHeaders({ "x-request-id": "1", "set-cookie": "a=b", "x-mine": "c" })).toEqual({
      "x-request-id": "1",
    });
    expect(keepRequestHeaders({ authorization: "Bearer x", "content-type": "application/json" })).toEqual({
      "content-type": "application/json",
    });
  });
});
