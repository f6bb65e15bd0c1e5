import { describe, expect, it } from "vitest";
import { createChoiceFold } from "../../../src/parsers/shared/choices.ts";
import type { ChoiceFold, ToolCallDelta } from "../../../src/parsers/shared/choices.ts";

function newFold(contentLimit = 1_000_000): ChoiceFold {
  return createChoiceFold({ contentLimit });
}

function partsOf(fold: ChoiceFold): unknown {
  return fold.build()[0]?.message.parts;
}

describe("text", () => {
  it("merges adjacent pieces of one type and keeps the order of types", () => {
    const fold = newFold();
    expect(fold.addText(0, "reasoning", "a")).toBe(true);
    fold.addText(0, "reasoning", "b");
    fold.addText(0, "text", "c");
    fold.addText(0, "reasoning", "d");
    fold.addText(0, "text", "e");
    fold.breakText(0);
    fold.addText(0, "text", "f");
    expect(partsOf(fold)).toEqual([
      { type: "reasoning", content: "ab" },
      { type: "text", content: "c" },
      { type: "reasoning", content: "d" },
      { type: "text", content: "e" },
      { type: "text", content: "f" },
    ]);
  });

  it.each(["", null, undefined, 1, {}, []])("%j is no text", (text) => {
    const fold = newFold();
    expect(fold.addText(0, "text", text)).toBe(false);
    expect(fold.hasOutput()).toBe(false);
    expect(fold.build()).toEqual([]);
  });
});

describe("choices", () => {
  it("come in order of index, with the first role and the last finish reason", () => {
    const fold = newFold();
    fold.addText(2, "text", "c");
    fold.addText(0, "text", "a");
    fold.setRole(0, "assistant");
    fold.setRole(0, "user");
    fold.setFinishReason(0, "length");
    fold.setFinishReason(0, "");
    fold.setFinishReason(0, "stop");
    expect(fold.build()).toEqual([
      {
        index: 0,
        message: { role: "assistant", parts: [{ type: "text", content: "a" }] },
        finishReason: "stop",
        rawFinishReason: "stop",
      },
      { index: 2, message: { role: "assistant", parts: [{ type: "text", content: "c" }] } },
    ]);
  });

  it.each([undefined, null, -1, 1.5, "x", {}, Number.NaN, 2 ** 60])("index %j is the first choice", (index) => {
    const fold = newFold();
    fold.addText(index, "text", "a");
    expect(fold.build().map((choice) => choice.index)).toEqual([0]);
  });

  it("are bounded in number", () => {
    const fold = newFold();
    for (let index = 0; index < 10_000; index++) fold.addText(index, "text", "a");
    expect(fold.build()).toHaveLength(256);
    expect(fold.notes()).toEqual(["too_many_choices"]);
  });
});

describe("tool calls", () => {
  const cases: [string, ToolCallDelta[], unknown[]][] = [
    [
      "pieces by index",
      [
        { index: 0, id: "a", name: "f", arguments: "" },
        { index: 1, id: "b", name: "g", arguments: '{"y"' },
        { index: 0, arguments: '{"x":1}' },
        { index: 1, arguments: ":2}" },
      ],
      [
        ["a", "f", { x: 1 }],
        ["b", "g", { y: 2 }],
      ],
    ],
    [
      "whole calls under one repeated index, told apart by id",
      [
        { index: 0, id: "a", name: "f", arguments: "{}" },
        { index: 0, id: "b", name: "f", arguments: "{}" },
      ],
      [
        ["a", "f", {}],
        ["b", "f", {}],
      ],
    ],
    [
      "whole calls under one repeated index, without ids",
      [
        { index: 0, name: "f", arguments: '{"x":1}' },
        { index: 0, name: "f", arguments: '{"x":2}' },
      ],
      [
        [undefined, "f", { x: 1 }],
        [undefined, "f", { x: 2 }],
      ],
    ],
    [
      "a name that is repeated with every piece",
      [
        { index: 0, name: "f", arguments: "" },
        { index: 0, name: "f", arguments: '{"x":{"y":1}' },
        { index: 0, name: "f", arguments: "}" },
      ],
      [[undefined, "f", { x: { y: 1 } }]],
    ],
    [
      "an id that comes late",
      [
        { index: 0, name: "f", arguments: "{}" },
        { index: 0, id: "a" },
      ],
      [["a", "f", {}]],
    ],
    [
      "an id that changes without a name is no new call",
      [
        { index: 0, id: "a", name: "f", arguments: '{"x":' },
        { index: 0, id: "b", arguments: "1}" },
      ],
      [["a", "f", { x: 1 }]],
    ],
    [
      "no index: by id",
      [
        { id: "a", name: "f", arguments: '{"x":' },
        { id: "b", name: "g", arguments: "{}" },
        { id: "a", arguments: "1}" },
      ],
      [
        ["a", "f", { x: 1 }],
        ["b", "g", {}],
      ],
    ],
    [
      "no index, no id: to the last call",
      [{ name: "f", arguments: '{"x":' }, { arguments: "1}" }, { name: "g", arguments: "{}" }],
      [
        [undefined, "f", { x: 1 }],
        [undefined, "g", {}],
      ],
    ],
    [
      "no index, no id, no arguments: by name",
      [{ name: "f", arguments: "" }, { name: "g" }, { arguments: "{}" }],
      [
        [undefined, "f", {}],
        [undefined, "g", {}],
      ],
    ],
    [
      "arguments as a value",
      [
        { index: 0, id: "a", name: "f", arguments: { x: 1 } },
        { index: 0, id: "b", name: "f", arguments: [1] },
      ],
      [
        ["a", "f", { x: 1 }],
        ["b", "f", [1]],
      ],
    ],
    ["no arguments", [{ index: 0, id: "a", name: "f" }], [["a", "f", {}]]],
    ["arguments that are cut off", [{ index: 0, id: "a", name: "f", arguments: '{"x":' }], [["a", "f", '{"x":']]],
    ["free text", [{ index: 0, id: "a", name: "f", arguments: "12", freeText: true }], [["a", "f", "12"]]],
    [
      "an index in digits",
      [
        { index: "3", name: "f" },
        { index: 3, arguments: "{}" },
      ],
      [[undefined, "f", {}]],
    ],
  ];

  it.each(cases)("%s", (_name, deltas, expected) => {
    const fold = newFold();
    for (const delta of deltas) expect(fold.addToolCall(0, delta)).toBe(true);
    const calls = fold
      .build()[0]
      ?.message.parts.map((part) => part.type === "tool_call" && [part.id, part.name, part.arguments]);
    expect(calls).toEqual(expected);
  });

  it("an empty piece is nothing", () => {
    const fold = newFold();
    for (const delta of [
      {},
      { index: 0 },
      { index: 0, id: "", name: "", arguments: "" },
      { index: 0, arguments: null },
    ]) {
      expect(fold.addToolCall(0, delta)).toBe(false);
    }
    expect(fold.build()).toEqual([]);
  });

  it("takes a million pieces and a million calls", () => {
    const fold = newFold(1000);
    for (let piece = 0; piece < 1_000_000; piece++)
      fold.addToolCall(0, { index: 0, id: "a", name: "f", arguments: "xxxx" });
    for (let call = 1; call < 1_000_000; call++) fold.addToolCall(0, { index: call, name: "g", arguments: "{}" });
    const parts = fold.build()[0]?.message.parts ?? [];
    expect(parts).toHaveLength(4096);
    expect(parts[0]).toMatchObject({ type: "tool_call", name: "f", arguments: "xxxx".repeat(250) });
    expect(fold.notes()).toEqual(["too_many_parts"]);
    expect(fold.isTruncated()).toBe(true);
  });
});

describe("the content limit", () => {
  it("is shared by all choices; names, ids and finish reasons stay", () => {
    const fold = newFold(4);
    fold.addText(0, "text", "abc");
    fold.addText(1, "text", "def");
    fold.addToolCall(1, { index: 0, id: "a", name: "f", arguments: '{"x":1}' });
    fold.addToolCall(1, { index: 1, id: "b", name: "g", arguments: { x: 1 } });
    fold.setFinishReason(1, "tool_calls");
    expect(fold.build()).toEqual([
      { index: 0, message: { role: "assistant", parts: [{ type: "text", content: "abc" }] } },
      {
        index: 1,
        message: {
          role: "assistant",
          parts: [
            { type: "text", content: "d" },
            { type: "tool_call", id: "a", name: "f" },
            { type: "tool_call", id: "b", name: "g" },
          ],
        },
        finishReason: "tool_calls",
        rawFinishReason: "tool_calls",
      },
    ]);
    expect(fold.isTruncated()).toBe(true);
    expect(fold.hasOutput()).toBe(true);
  });

  it("keeps the facts of a whole part that does not fit, and the size of its media", () => {
    const fold = newFold(10);
    fold.addPart(0, { type: "blob", modality: "image", mimeType: "image/png", content: "A".repeat(396) + "AAA=" });
    fold.addPart(0, { type: "tool_call", id: "a", name: "f", arguments: { text: "long enough to be over" } });
    fold.addPart(0, { type: "other", kind: "moderation", content: { flagged: "a text that is too long" } });
    expect(partsOf(fold)).toEqual([
      { type: "blob", modality: "image", mimeType: "image/png", bytes: 299 },
      { type: "tool_call", id: "a", name: "f" },
      { type: "other", kind: "moderation" },
    ]);
  });
});

describe("media", () => {
  it("joins the pieces of one key", () => {
    const fold = newFold();
    expect(fold.addMedia(0, "audio", { modality: "audio" })).toBe(false);
    expect(fold.addMedia(0, "audio", { modality: "audio", mimeType: "audio/wav", data: "AA", transcript: "He" })).toBe(
      true,
    );
    fold.addMedia(0, "audio", { modality: "audio", data: "BB", transcript: "llo" });
    expect(partsOf(fold)).toEqual([
      { type: "blob", modality: "audio", mimeType: "audio/wav", content: "AABB", transcript: "Hello" },
    ]);
  });
});
