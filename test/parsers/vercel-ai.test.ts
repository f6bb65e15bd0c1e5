import { describe, expect, it } from "vitest";
import { vercelAiParser } from "../../src/parsers/vercel-ai.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames, routeFor } from "./run.ts";

describeParserContract({ parser: vercelAiParser, route: { provider: "vercel" } });

describe("the request line", () => {
  it.each([
    [
      "/v3/ai/language-model",
      { "ai-language-model-id": "openai/gpt-5", "ai-language-model-streaming": "true" },
      { model: "openai/gpt-5", stream: true, operation: "chat" },
    ],
    [
      "/v1/ai/language-model",
      { "ai-language-model-id": "openai/gpt-5", "ai-language-model-streaming": "false" },
      { model: "openai/gpt-5", stream: false, operation: "chat" },
    ],
    [
      "/v3/ai/embedding-model",
      { "ai-model-id": "openai/text-embedding-3-small" },
      { model: "openai/text-embedding-3-small", operation: "embeddings" },
    ],
    [
      "/v3/ai/image-model",
      { "ai-model-id": "google/imagen-4.0-generate" },
      { model: "google/imagen-4.0-generate", operation: "image_generation" },
    ],
    ["/v3/ai/speech-model", {}, { operation: "text_to_speech" }],
  ])("tells model, stream and operation on %s", (path, headers, expected) => {
    const route = routeFor(vercelAiParser);
    expect(vercelAiParser.readRequest({ route, path, headers, body: {} })).toMatchObject(expected);
  });
});

it("keeps no credentials of the caller", () => {
  const body = {
    prompt: [],
    headers: { authorization: "Bearer secret-1" },
    providerOptions: { gateway: { only: ["azure"], byok: { azure: [{ apiKey: "secret-2" }] } } },
  };
  const request = vercelAiParser.readRequest({ route: routeFor(vercelAiParser), path: "/", headers: {}, body });
  expect(JSON.stringify(request)).not.toMatch(/secret/);
  expect(request.parameters).toEqual({ providerOptions: { gateway: { only: ["azure"] } } });
});

it.each([
  ["what the gateway billed", { cost: "0.002", marketCost: "0.002" }, 0.002],
  ["nothing for a free model", { cost: "0", marketCost: "0" }, 0],
  ["unknown with the caller's own key", { cost: "0", marketCost: "0.002" }, undefined],
  ["unknown when it is no number", { cost: "free" }, undefined],
])("reports as cost %s", (_name, gateway, cost) => {
  const value = { content: [{ type: "text", text: "a" }], finishReason: "stop", providerMetadata: { gateway } };
  expect(parseFrames(vercelAiParser, [{ kind: "body", value }]).reportedCostUsd).toBe(cost);
});
