import { describe, expect, it } from "vitest";
import { createPartialArguments } from "../../src/parsers/gemini-partial-args.ts";
import { geminiParser } from "../../src/parsers/gemini.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../../src/parsers/parser.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames, routeFor } from "./run.ts";

describeParserContract({
  parser: geminiParser,
  route: { provider: "gcp.gemini" },
  samples: [
    { candidates: [{ groundingMetadata: { webSearchQueries: ["a"], groundingChunks: [{ web: { uri: "u" } }] } }] },
  ],
});

const answer = (extra: object): unknown => ({ candidates: [{ content: { parts: [{ text: "Hi" }] } }], ...extra });

describe("usage", () => {
  it.each([
    ["thoughts beside the candidates", { thoughtsTokenCount: 30, totalTokenCount: 60 }, 50],
    ["thoughts among the candidates", { thoughtsTokenCount: 15, totalTokenCount: 30 }, 20],
    ["thoughts without a total", { thoughtsTokenCount: 30 }, 50],
    [
      "thoughts among the candidates beside tool use",
      { thoughtsTokenCount: 15, toolUsePromptTokenCount: 5, totalTokenCount: 35 },
      20,
    ],
    ["no thoughts", { totalTokenCount: 30 }, 20],
  ])("counts %s", (_name, extra, outputTokens) => {
    const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 20, ...extra };
    const parsed = parseFrames(geminiParser, [{ kind: "body", value: answer({ usageMetadata }) }]);
    expect(parsed.usage.outputTokens).toBe(outputTokens);
  });

  it("adds tool-use prompts to the input", () => {
    const usageMetadata = {
      promptTokenCount: 10,
      toolUsePromptTokenCount: 4,
      candidatesTokenCount: 1,
      totalTokenCount: 15,
    };
    const { usage } = parseFrames(geminiParser, [{ kind: "body", value: answer({ usageMetadata }) }]);
    expect(usage).toMatchObject({ inputTokens: 14, outputTokens: 1, totalTokens: 15 });
    expect(usage.inconsistent).toBeUndefined();
  });

  it("takes the last value of each field of a stream, and never adds", () => {
    const chunks = [
      { promptTokenCount: 7, totalTokenCount: 7 },
      { promptTokenCount: 7, candidatesTokenCount: 3, totalTokenCount: 10 },
      { candidatesTokenCount: 5, totalTokenCount: 12 },
    ];
    const frames = chunks.map((usageMetadata) => ({ kind: "event" as const, value: answer({ usageMetadata }) }));
    expect(parseFrames(geminiParser, frames).usage).toMatchObject({ inputTokens: 7, outputTokens: 5, totalTokens: 12 });
  });

  it("knows no output of a prompt that was blocked", () => {
    const value = {
      promptFeedback: { blockReason: "SAFETY" },
      usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
    };
    expect(parseFrames(geminiParser, [{ kind: "body", value }]).usage.outputTokens).toBeUndefined();
  });
});

describe("finish reasons", () => {
  it.each([
    ["STOP", "stop", "gcp.gemini"],
    ["MODEL_ARMOR", "content_filter", "gcp.vertex_ai"],
    ["MALFORMED_FUNCTION_CALL", "error", "gcp.gemini"],
    [2, "length", "gcp.gemini"],
    [6, "content_filter", "gcp.gemini"],
    [9, "content_filter", "gcp.gemini"],
    [9, "error", "gcp.vertex_ai"],
    [99, "other", "gcp.gemini"],
  ])("%s is %s on %s", (finishReason, expected, provider) => {
    const value = { candidates: [{ content: { parts: [{ text: "a" }] }, finishReason }] };
    const parsed = parseFrames(geminiParser, [{ kind: "body", value }], { route: { provider } });
    expect(parsed.choices[0]?.finishReason).toBe(expected);
  });
});

describe("what a chunk counts as", () => {
  it.each([
    ["text", [{ text: "a" }], FRAME_OUTPUT],
    ["a thought", [{ text: "a", thought: true }], FRAME_OUTPUT],
    ["a signature", [{ text: "", thoughtSignature: "c2ln" }], FRAME_NOTHING],
    ["code", [{ executableCode: { code: "1" } }], FRAME_OUTPUT],
    ["the result of code", [{ codeExecutionResult: { output: "1" } }], FRAME_NOTHING],
    ["a function call", [{ functionCall: { name: "n" } }], FRAME_OUTPUT],
    ["the beginning of a function call", [{ functionCall: { name: "n", willContinue: true } }], FRAME_OUTPUT],
    ["nothing", [], FRAME_NOTHING],
  ])("%s", (_name, parts, bits) => {
    const open = (): unknown =>
      geminiParser.start({
        route: routeFor(geminiParser),
        status: 200,
        headers: {},
        request: { parameters: {} },
        contentLimit: 1000,
      });
    const chunk = (candidate: object): number =>
      geminiParser.chunk(open() as never, {
        kind: "event",
        value: { candidates: [{ content: { parts }, ...candidate }] },
      });
    expect(chunk({})).toBe(bits);
    expect(chunk({ finishReason: "STOP" })).toBe(bits | FRAME_TERMINAL);
  });
});

describe("function calls in pieces", () => {
  it("flushes the call that is open when the stream ends", () => {
    const parts = [{ functionCall: { name: "book", willContinue: true } }];
    const more = [{ functionCall: { partialArgs: [{ jsonPath: "$.a", stringValue: "b" }], willContinue: true } }];
    const frames = [parts, more].map((list) => ({
      kind: "event" as const,
      value: { candidates: [{ content: { parts: list } }] },
    }));
    expect(parseFrames(geminiParser, frames).choices[0]?.message.parts).toEqual([
      { type: "tool_call", name: "book", arguments: { a: "b" } },
    ]);
  });

  it.each([
    ["nested objects and lists", "$.a.b[1].c", { a: { b: [{ c: 1 }] } }],
    ["quoted names", "$['a.b'][\"c d\"]", { "a.b": { "c d": 1 } }],
    ["escapes", "$['it\\'s']", { "it's": 1 }],
    ["an index that would fill the memory", "$.a[4000000000]", { a: [1] }],
    ["no path", "a.b", {}],
    ["an unfinished path", "$.a[", {}],
    ["no names at all", "$", {}],
  ])("understands %s", (_name, jsonPath, expected) => {
    const args = createPartialArguments(undefined, 1000);
    args.add([{ jsonPath, numberValue: 1 }]);
    expect(args.build()).toEqual(expected);
  });

  it("never touches a prototype", () => {
    const args = createPartialArguments(undefined, 1000);
    args.add([{ jsonPath: "$.__proto__.polluted", boolValue: true }]);
    args.add([{ jsonPath: "$.constructor.prototype.polluted", boolValue: true }]);
    args.build();
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("keeps a text of any number of pieces, but not any number of places", () => {
    const args = createPartialArguments(undefined, 1_000_000);
    for (let count = 0; count < 20_000; count++) args.add([{ jsonPath: "$.a", stringValue: "x", willContinue: true }]);
    for (let count = 0; count < 20_000; count++) args.add([{ jsonPath: `$.b${count}`, boolValue: true }]);
    const built = args.build();
    expect(built["a"]).toHaveLength(20_000);
    expect(Object.keys(built).length).toBeLessThanOrEqual(10_000);
  });

  it("replaces a text that was finished, and continues one that was not", () => {
    const args = createPartialArguments({ kept: 1 }, 1000);
    args.add([{ jsonPath: "$.a", stringValue: "x", willContinue: true }]);
    args.add([{ jsonPath: "$.a", stringValue: "y" }]);
    args.add([{ jsonPath: "$.b", stringValue: "x" }]);
    args.add([{ jsonPath: "$.b", stringValue: "y" }]);
    expect(args.build()).toEqual({ kept: 1, a: "xy", b: "y" });
  });
});

describe("requests", () => {
  const read = (
    body: unknown,
    path = "/v1beta/models/m:generateContent",
  ): ReturnType<typeof geminiParser.readRequest> =>
    geminiParser.readRequest({ route: routeFor(geminiParser, { pathModel: "m" }), path, headers: {}, body });

  it.each([
    ["models/gemini-3", "gemini-3"],
    ["projects/p/locations/l/publishers/google/models/gemini-3", "gemini-3"],
    ["tunedModels/mine", "tunedModels/mine"],
    [undefined, "m"],
  ])("names the model of %s", (model, expected) => {
    expect(read({ model, contents: [] }).model).toBe(expected);
  });

  it("asks for a stream by its path", () => {
    expect(read({}, "/v1beta/models/m:streamGenerateContent?alt=sse").stream).toBe(true);
    expect(read({}).stream).toBeUndefined();
  });
});
