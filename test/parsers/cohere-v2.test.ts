import { describe, expect, it } from "vitest";
import { cohereV2Parser } from "../../src/parsers/cohere-v2.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames } from "./run.ts";

describeParserContract({ parser: cohereV2Parser, route: { provider: "cohere" } });

const answer = (usage: unknown): unknown => ({
  id: "m",
  message: { role: "assistant", content: [{ type: "text", text: "Hi" }] },
  finish_reason: "COMPLETE",
  usage,
});

describe("usage", () => {
  it.each([
    [
      "billed before consumed",
      { billed_units: { input_tokens: 3 }, tokens: { input_tokens: 500, output_tokens: 2 } },
      { inputTokens: 3, outputTokens: 2, totalTokens: 5 },
    ],
    [
      "consumed alone",
      { tokens: { input_tokens: 500, output_tokens: 2 } },
      { inputTokens: 500, outputTokens: 2, totalTokens: 502 },
    ],
    [
      "more cached than billed",
      { billed_units: { input_tokens: 3, output_tokens: 2 }, cached_tokens: 448 },
      { inputTokens: 3, cacheReadTokens: 448, inconsistent: true },
    ],
    [
      "images beside the text",
      { billed_units: { input_tokens: 3, image_tokens: 280 } },
      { inputTokens: 283, inputImageTokens: 280 },
    ],
    [
      "images within the text",
      { billed_units: { input_tokens: 262 }, tokens: { input_tokens: 499, image_tokens: 259 } },
      { inputTokens: 262, inputImageTokens: 259 },
    ],
  ])("counts %s", (_name, usage, expected) => {
    const parsed = parseFrames(cohereV2Parser, [{ kind: "body", value: answer(usage) }]);
    expect(parsed.usage).toMatchObject(expected);
  });
});

it("takes tool calls in a list as well as one by one", () => {
  const call = { id: "c", type: "function", function: { name: "now", arguments: "{}" } };
  const parsed = parseFrames(cohereV2Parser, [
    { kind: "event", value: { type: "tool-call-start", index: 0, delta: { message: { tool_calls: [call] } } } },
  ]);
  expect(parsed.choices[0]?.message.parts).toEqual([{ type: "tool_call", id: "c", name: "now", arguments: {} }]);
});
