import { describe, expect, it } from "vitest";
import { bedrockInvokeParser } from "../../src/parsers/bedrock-invoke.ts";
import type { Operation } from "../../src/types.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames, routeFor } from "./run.ts";

describeParserContract({ parser: bedrockInvokeParser, route: { provider: "aws.bedrock" } });

describe("usage that the model does not report", () => {
  const body = { kind: "body" as const, value: { outputs: [{ text: "Hi", stop_reason: "stop" }] } };
  const headers = { "x-amzn-bedrock-input-token-count": "6", "x-amzn-bedrock-output-token-count": "4" };

  it("comes from headers", () => {
    expect(parseFrames(bedrockInvokeParser, [body], { headers }).usage).toMatchObject({
      source: "reported",
      inputTokens: 6,
      outputTokens: 4,
      totalTokens: 10,
    });
  });

  it("holds cached tokens too", () => {
    const cached = { ...headers, "x-amzn-bedrock-cache-read-input-token-count": "100" };
    expect(parseFrames(bedrockInvokeParser, [body], { headers: cached }).usage).toMatchObject({
      inputTokens: 106,
      cacheReadTokens: 100,
    });
  });

  it("stays missing when a header is no number", () => {
    const wrong = { "x-amzn-bedrock-input-token-count": "many" };
    expect(parseFrames(bedrockInvokeParser, [body], { headers: wrong }).usage).toMatchObject({ source: "missing" });
  });

  it("comes from the last event of a stream", () => {
    const metrics = { inputTokenCount: 19, outputTokenCount: 20, invocationLatency: 408 };
    const parsed = parseFrames(bedrockInvokeParser, [
      { kind: "event", value: { outputs: [{ text: "Hi", stop_reason: null }] } },
      {
        kind: "event",
        value: { outputs: [{ text: "", stop_reason: "length" }], "amazon-bedrock-invocationMetrics": metrics },
      },
    ]);
    expect(parsed.usage).toMatchObject({ inputTokens: 19, outputTokens: 20 });
    expect(parsed.processingMs).toBe(408);
  });

  it("is final once a guardrail has spoken, which is the last that comes", () => {
    const parsed = parseFrames(bedrockInvokeParser, [
      {
        kind: "event",
        value: {
          outputText: "Blocked",
          inputTextTokenCount: 6,
          totalOutputTextTokenCount: 3,
          "amazon-bedrock-guardrailAction": "INTERVENED",
        },
      },
    ]);
    expect(parsed).toMatchObject({ finished: true, usage: { complete: true, inputTokens: 6, outputTokens: 3 } });
  });

  it("does not replace what the model reports", () => {
    const value = { generation: "Hi", prompt_token_count: 8, generation_token_count: 3, stop_reason: "stop" };
    expect(parseFrames(bedrockInvokeParser, [{ kind: "body", value }], { headers }).usage.inputTokens).toBe(8);
  });
});

it("reads the answer of a model that no name tells, by its shape", () => {
  const route = { pathModel: "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc" };
  const value = { type: "message", content: [{ type: "text", text: "Hi" }], stop_reason: "end_turn", model: "claude" };
  const parsed = parseFrames(bedrockInvokeParser, [{ kind: "body", value }], { route });
  expect(parsed.choices[0]?.message.parts).toEqual([{ type: "text", content: "Hi" }]);
  expect(parsed.model).toBe("claude");
});

it.each<[string, object, Operation, Operation | undefined]>([
  ["messages", { messages: [] }, "text_completion", "chat"],
  ["a message", { message: "Hi" }, "text_completion", "chat"],
  ["a prompt to a model of unknown make", { prompt: "Hi" }, "chat", "text_completion"],
  ["a prompt to a model of images", { prompt: "Hi" }, "image_generation", undefined],
  ["a text to embed", { inputText: "Hi" }, "embeddings", undefined],
  ["a task of embedding", { singleEmbeddingParams: {} }, "chat", "embeddings"],
  ["nothing", {}, "chat", undefined],
])("tells the operation from %s", (_name, body, routed, expected) => {
  const route = routeFor(bedrockInvokeParser, { operation: routed, pathModel: "some-model" });
  expect(bedrockInvokeParser.readRequest({ route, path: "/", headers: {}, body }).operation).toBe(expected);
});

it("takes model and stream from the path, whatever the body says", () => {
  const route = routeFor(bedrockInvokeParser, { pathModel: "us.anthropic.claude-sonnet-5-v1:0" });
  const request = bedrockInvokeParser.readRequest({
    route,
    path: "/model/us.anthropic.claude-sonnet-5-v1%3A0/invoke-with-response-stream",
    headers: {},
    body: { anthropic_version: "bedrock-2023-05-31", model: "other", messages: [] },
  });
  expect(request).toMatchObject({ model: "us.anthropic.claude-sonnet-5-v1:0", stream: true });
});
