import { expect, it } from "vitest";
import { geminiInteractionsParser } from "../../src/parsers/gemini-interactions.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames } from "./run.ts";

describeParserContract({ parser: geminiInteractionsParser, route: { provider: "gcp.gemini" } });

it.each([
  ["completed", "stop"],
  ["requires_action", "tool_calls"],
  ["incomplete", "length"],
  ["failed", "error"],
  ["cancelled", "other"],
  ["budget_exceeded", "other"],
])("an interaction that is %s ended by %s", (status, expected) => {
  const parsed = parseFrames(geminiInteractionsParser, [
    { kind: "event", value: { event_type: "interaction.completed", interaction: { id: "i", status } } },
  ]);
  expect(parsed.choices[0]?.finishReason).toBe(expected);
  expect(parsed.finished).toBe(true);
});

it("is not finished while the status says so", () => {
  const parsed = parseFrames(geminiInteractionsParser, [
    { kind: "event", value: { event_type: "interaction.status_update", status: "in_progress" } },
  ]);
  expect(parsed.finished).toBe(false);
  expect(parsed.usage.missingReason).not.toBe("deferred");
});

it("reads the text of an answer without steps", () => {
  const value = { id: "i", status: "completed", output_text: "Hi" };
  const parsed = parseFrames(geminiInteractionsParser, [{ kind: "body", value }]);
  expect(parsed.choices[0]?.message.parts).toEqual([{ type: "text", content: "Hi" }]);
});
