import { describe, expect, it } from "vitest";
import {
  readContent,
  readConversation,
  readMessage,
  readToolDefinitions,
} from "../../../src/parsers/shared/openai-messages.ts";
import { readReasoning } from "../../../src/parsers/shared/reasoning.ts";

describe("readConversation", () => {
  it("takes only the leading instructions for the system's", () => {
    expect(
      readConversation([
        { role: "system", content: "a" },
        { role: "developer", content: "b" },
        { role: "user", content: "c" },
        { role: "system", content: "d" },
      ]),
    ).toEqual({
      system: [
        { type: "text", content: "a" },
        { type: "text", content: "b" },
      ],
      messages: [
        { role: "user", parts: [{ type: "text", content: "c" }] },
        { role: "system", parts: [{ type: "text", content: "d" }] },
      ],
    });
  });

  it.each([undefined, null, 1, {}])("there is no conversation in %j", (value) => {
    expect(readConversation(value)).toEqual({});
  });

  it("stands messages of any kind", () => {
    expect(readConversation(["Hi", null, 1, [], { content: "x" }, { role: 5 }])).toEqual({
      messages: [
        { role: "user", parts: [{ type: "text", content: "Hi" }] },
        { role: "user", parts: [{ type: "text", content: "x" }] },
        { role: "user", parts: [] },
      ],
    });
  });
});

describe("readMessage", () => {
  it("gives a tool result that holds media as parts", () => {
    const image = { type: "image_url", image_url: { url: "https://example.com/a.png" } };
    expect(readMessage({ role: "tool", tool_call_id: "a", content: [{ type: "text", text: "See" }, image] })).toEqual({
      role: "tool",
      parts: [
        {
          type: "tool_call_response",
          id: "a",
          response: [
            { type: "text", content: "See" },
            { type: "uri", modality: "image", uri: "https://example.com/a.png" },
          ],
        },
      ],
    });
  });

  it("does not invent a call from empty fields", () => {
    const message = { role: "assistant", content: "Hi", tool_calls: [], function_call: { name: "", arguments: "" } };
    expect(readMessage(message)).toEqual({ role: "assistant", parts: [{ type: "text", content: "Hi" }] });
  });
});

describe("readContent", () => {
  it.each<[string, unknown, unknown]>([
    ["text", [{ type: "text", text: "a" }], [{ type: "text", content: "a" }]],
    ["text without a type", [{ text: "a" }], [{ type: "text", content: "a" }]],
    ["text of the Assistants API", [{ type: "text", text: { value: "a" } }], [{ type: "text", content: "a" }]],
    ["one part without a list", { type: "text", text: "a" }, [{ type: "text", content: "a" }]],
    [
      "a video",
      [{ type: "video_url", video_url: { url: "https://e.com/v" } }],
      [{ type: "uri", modality: "video", uri: "https://e.com/v" }],
    ],
    [
      "an image file",
      [{ type: "image_file", image_file: { file_id: "f" } }],
      [{ type: "other", kind: "image_file", content: { type: "image_file", image_file: { file_id: "f" } } }],
    ],
    [
      "audio by URL",
      [{ type: "input_audio", input_audio: "https://e.com/a.mp3" }],
      [{ type: "uri", modality: "audio", uri: "https://e.com/a.mp3" }],
    ],
    [
      "audio as base64",
      [{ type: "input_audio", input_audio: "UklG" }],
      [{ type: "blob", modality: "audio", content: "UklG" }],
    ],
    [
      "a file by URL",
      [{ type: "input_file", file_url: "https://e.com/a.pdf" }],
      [{ type: "uri", modality: "document", uri: "https://e.com/a.pdf" }],
    ],
    ["a file by id", [{ type: "input_file", file_id: "file-1" }], [{ type: "file", fileId: "file-1" }]],
    [
      "a part of a new kind",
      [{ type: "hologram", x: 1 }],
      [{ type: "other", kind: "hologram", content: { type: "hologram", x: 1 } }],
    ],
    ["nothing", [null, 1, [], "", { type: "text", text: "" }], []],
  ])("%s", (_name, content, expected) => {
    expect(readContent(content)).toEqual(expected);
  });
});

describe("readToolDefinitions", () => {
  it("reads tools, functions and provider tools", () => {
    expect(
      readToolDefinitions(
        [
          { type: "function", function: { name: "a", description: "A", parameters: { type: "object" } } },
          { type: "function", name: "b", parameters: null },
          { type: "web_search_preview" },
          null,
        ],
        [{ name: "c" }],
      ),
    ).toEqual([
      { type: "function", name: "a", description: "A", parameters: { type: "object" } },
      { type: "function", name: "b" },
      { type: "web_search_preview" },
      { type: "function", name: "c" },
    ]);
    expect(readToolDefinitions(undefined)).toBeUndefined();
  });
});

describe("readReasoning", () => {
  it.each<[string, Record<string, unknown>, string | undefined]>([
    ["one of two names for the same text", { reasoning_content: "a", reasoning: "a" }, "a"],
    [
      "the next name when the first is empty",
      {
        reasoning_content: "",
        reasoning: null,
        reasoning_details: [{ type: "reasoning.text", text: "a" }, { summary: "b" }],
      },
      "ab",
    ],
    ["a list of strings", { reasoning: ["a", "b"] }, "ab"],
    ["an object", { reasoning: { content: "a" } }, "a"],
    ["nothing that is encrypted", { reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] }, undefined],
    ["nothing", { content: "a" }, undefined],
  ])("takes %s", (_name, message, expected) => {
    expect(readReasoning(message)).toBe(expected);
  });
});
