import { expect, it } from "vitest";
import { readReasoning } from "../../../src/parsers/shared/reasoning.ts";

it.each([
  [{ reasoning_content: "a", reasoning: "a" }, "a"],
  [{ reasoning_content: "", reasoning: "b" }, "b"],
  [{ reasoning_content: null, reasoning: { content: "c" } }, "c"],
  [{ reasoning: { summary: [{ type: "summary_text", text: "d" }, { text: "e" }] } }, "de"],
  [{ reasoning: { output_text: "f" } }, "f"],
  [{ reasoning: ["g", { text: "h" }] }, "gh"],
  [
    {
      reasoning_details: [
        { type: "reasoning.text", text: "i" },
        { type: "reasoning.encrypted", data: "x" },
      ],
    },
    "i",
  ],
  [{ reasoning_details: [{ type: "reasoning.summary", summary: "j" }] }, "j"],
  [{ reasoning_text: "k" }, "k"],
  [{ thinking: "l" }, "l"],
  [{ thinking_content: "m" }, "m"],
  [
    {
      thinking_blocks: [
        { type: "thinking", thinking: "n", signature: "s" },
        { type: "redacted_thinking", data: "x" },
      ],
    },
    "n",
  ],
  [{ content_blocks: [{ type: "text", text: "answer" }, { delta: { thinking: "o" } }, { thinking: "p" }] }, "op"],
  [{ content: "answer" }, undefined],
  [{ reasoning: { effort: "high" } }, undefined],
  [{ reasoning: [[[[[[["deep"]]]]]]] }, undefined],
  [{ reasoning_content: 7, reasoning: true }, undefined],
])("%j thinks %s", (message, text) => {
  expect(readReasoning(message)).toBe(text);
});
