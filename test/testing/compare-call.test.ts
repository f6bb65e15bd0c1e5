import { describe, expect, it } from "vitest";
import { compareCall, factsOf } from "../../src/testing/mock/expect.ts";
import type { ExpectedCall } from "../../src/testing/mock/types.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";

const call = sampleCall({
  response: {
    status: 200,
    id: "resp-1",
    model: "served",
    requestId: "req-1",
    bytes: 10,
    chunks: 1,
    choices: [
      {
        index: 0,
        finishReason: "tool_calls",
        rawFinishReason: "tool_use",
        message: {
          role: "assistant",
          parts: [
            { type: "reasoning", content: "because" },
            { type: "text", content: "one " },
            { type: "text", content: "two" },
            { type: "tool_call", id: "call-1", name: "look", arguments: { at: "it" } },
          ],
        },
      },
    ],
  },
});
const { embeddings: _embeddings, error: _error, refusal: _refusal, ...facts } = factsOf(call);
const right: ExpectedCall = { ...facts, usage: { source: "reported", inputTokens: call.usage.inputTokens ?? -1 } };

it("finds nothing in a right record", () => {
  expect(right).toMatchObject({
    text: "one two",
    reasoning: "because",
    toolCalls: [{ name: "look", arguments: { at: "it" } }],
  });
  expect(compareCall(call, right)).toEqual([]);
});

describe("finds each fact that is wrong", () => {
  const wrong: Partial<ExpectedCall>[] = [
    { provider: "other" },
    { api: "gemini" },
    { operation: "rerank" },
    { streaming: !right.streaming },
    { outcome: "truncated" },
    { status: 201 },
    { requestModel: "other" },
    { responseModel: "other" },
    { responseId: "other" },
    { requestId: "other" },
    { text: "one two " },
    { reasoning: "other" },
    { refusal: "no" },
    { toolCalls: [] },
    { toolCalls: [{ name: "look", arguments: { at: "them" } }] },
    { finishReason: "stop" },
    { rawFinishReason: "stop" },
    { usage: { source: "missing" } },
    { usage: { source: "reported", inputTokens: -1 } },
    { embeddings: { count: 1, dimensions: 2 } },
    { error: { kind: "http" } },
  ];

  it.each(wrong)("%j", (change) => {
    const differences = compareCall(call, { ...right, ...change });
    expect(differences).toHaveLength(1);
    expect(differences[0]).toContain(`${Object.keys(change)[0]}: expected `);
  });

  it.each(["text", "reasoning"] as const)("%s that should not be there", (name) => {
    const { [name]: _absent, ...rest } = right;
    expect(compareCall(call, rest)).toEqual([expect.stringContaining(`${name}: expected nothing`)]);
  });
});

describe("when the app left early", () => {
  const left: ExpectedCall = {
    ...right,
    partial: true,
    text: "one two three",
    usage: { source: "missing" },
    toolCalls: [],
  };

  it("takes the beginning of a text, and judges no usage and no tool calls", () => {
    expect(compareCall(call, left)).toEqual([]);
  });

  it("still finds a text that was never sent, and a wrong outcome", () => {
    const differences = compareCall(call, { ...left, text: "one three", outcome: "cancelled" });
    expect(differences.map((line) => line.split(":")[0])).toEqual(["outcome", "text"]);
  });
});
