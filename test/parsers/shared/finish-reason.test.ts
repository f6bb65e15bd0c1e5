import { describe, expect, it } from "vitest";
import { mapFinishReason } from "../../../src/parsers/shared/finish-reason.ts";

const table: [string, string[]][] = [
  [
    "stop",
    [
      "stop",
      "eos",
      "end_turn",
      "stop_sequence",
      "STOP",
      "COMPLETE",
      "STOP_SEQUENCE",
      "completed",
      "eos_token",
      "FINISH",
    ],
  ],
  [
    "length",
    [
      "length",
      "model_length",
      "max_tokens",
      "model_context_window_exceeded",
      "MAX_TOKENS",
      "ERROR_LIMIT",
      "max_output_tokens",
      "CONTINUATION",
    ],
  ],
  ["tool_calls", ["tool_calls", "function_call", "tool_use", "TOOL_CALL", "tool-calls"]],
  [
    "content_filter",
    [
      "content_filter",
      "content-filter",
      "refusal",
      "content_filtered",
      "guardrail_intervened",
      "SAFETY",
      "RECITATION",
      "BLOCKLIST",
      "PROHIBITED_CONTENT",
      "SPII",
      "IMAGE_SAFETY",
      "LANGUAGE",
      "ERROR_TOXIC",
    ],
  ],
  [
    "error",
    [
      "error",
      "ERROR",
      "TIMEOUT",
      "MALFORMED_FUNCTION_CALL",
      "UNEXPECTED_TOOL_CALL",
      "NO_IMAGE",
      "malformed_model_output",
      "insufficient_system_resource",
      "failed",
    ],
  ],
  [
    "other",
    ["pause_turn", "compaction", "OTHER", "USER_CANCEL", "queued", "in_progress", "cancelled", "something new"],
  ],
];

describe("mapFinishReason", () => {
  it.each(table.flatMap(([expected, words]) => words.map((word) => [word, expected])))("%s is %s", (word, expected) => {
    expect(mapFinishReason(word)).toBe(expected);
  });

  it("knows nothing of an absent reason", () => {
    expect(mapFinishReason(undefined)).toBeUndefined();
    expect(mapFinishReason(undefined, true)).toBeUndefined();
  });

  it("says tool_calls when a choice stopped to have its tools run", () => {
    expect(mapFinishReason("stop", true)).toBe("tool_calls");
    expect(mapFinishReason("STOP", true)).toBe("tool_calls");
    expect(mapFinishReason("length", true)).toBe("length");
  });

  it.each(["__proto__", "constructor", "toString", "\u{130}"])("is not fooled by %s", (word) => {
    expect(mapFinishReason(word)).toBe("other");
  });
});
