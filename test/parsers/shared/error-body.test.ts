import { describe, expect, it } from "vitest";
import { findErrorInSuccess, readErrorBody, readErrorText } from "../../../src/parsers/shared/error-body.ts";
import type { ParsedError } from "../../../src/parsers/parser.ts";

const shapes: [string, unknown, ParsedError][] = [
  [
    "OpenAI",
    { error: { message: "No key", type: "invalid_request_error", param: null, code: "invalid_api_key" } },
    { type: "invalid_request_error", code: "invalid_api_key", message: "No key" },
  ],
  [
    "Anthropic",
    { type: "error", error: { type: "overloaded_error", message: "Busy" } },
    { type: "overloaded_error", message: "Busy" },
  ],
  [
    "Google",
    { error: { code: 400, message: "Bad", status: "INVALID_ARGUMENT", details: [] } },
    { type: "INVALID_ARGUMENT", code: "400", message: "Bad" },
  ],
  [
    "Google in a stream",
    [{ error: { code: 429, message: "Slow", status: "RESOURCE_EXHAUSTED" } }],
    { type: "RESOURCE_EXHAUSTED", code: "429", message: "Slow" },
  ],
  [
    "Mistral, vLLM",
    { object: "error", message: "Invalid model", type: "invalid_model", param: null, code: "1500" },
    { type: "invalid_model", code: "1500", message: "Invalid model" },
  ],
  [
    "Mistral, message in message",
    { object: "error", message: { detail: "Nope" }, type: "x" },
    { type: "x", message: "Nope" },
  ],
  ["a string", { error: "Model not found" }, { message: "Model not found" }],
  [
    "xAI",
    { code: "Client specified an invalid argument", error: "Incorrect API key" },
    { code: "Client specified an invalid argument", message: "Incorrect API key" },
  ],
  ["FastAPI", { detail: "Not supported" }, { message: "Not supported" }],
  [
    "FastAPI validation",
    {
      detail: [
        { type: "missing", loc: ["body", "model"], msg: "Field required" },
        { loc: ["body", 0], msg: "Bad" },
      ],
    },
    { message: "body.model: Field required; body.0: Bad" },
  ],
  [
    "AWS",
    { __type: "com.amazon.coral#ThrottlingException", message: "Rate exceeded" },
    { type: "ThrottlingException", message: "Rate exceeded" },
  ],
  ["AWS with a capital", { Message: "Denied" }, { message: "Denied" }],
  ["Cohere", { message: "invalid api token" }, { message: "invalid api token" }],
  [
    "Cloudflare",
    { success: false, errors: [{ code: 10000, message: "Auth" }], result: null },
    { code: "10000", message: "Auth" },
  ],
  [
    "OpenRouter",
    { error: { code: 402, message: "No credits", metadata: { provider_name: "x" } } },
    { code: "402", message: "No credits" },
  ],
  [
    "a flat event",
    { type: "error", code: "rate_limit_exceeded", message: "Slow", param: null, sequence_number: 1 },
    { code: "rate_limit_exceeded", message: "Slow" },
  ],
  ["wrapped twice", { error: { error: { type: "t", message: "Deep" } } }, { type: "t", message: "Deep" }],
  ["MiniMax", { base_resp: { status_code: 1004, status_msg: "login fail" } }, { code: "1004", message: "login fail" }],
  ["Baidu", { error_code: 336003, error_msg: "bad messages" }, { code: "336003", message: "bad messages" }],
  ["DeepInfra", { detail: { error: "Model is busy" } }, { message: "Model is busy" }],
  ["Hugging Face", { error: ["Input is too long", "and wrong"] }, { message: "Input is too long; and wrong" }],
  ["Replicate", { title: "Unprocessable", detail: "version: required", status: 422 }, { message: "version: required" }],
];

describe("readErrorBody", () => {
  it.each(shapes)("%s", (_name, body, expected) => {
    expect(readErrorBody(body)).toEqual(expected);
  });

  it("has a message even when the provider has none", () => {
    expect(readErrorBody({ error: { type: "server_error" } })).toEqual({
      type: "server_error",
      message: "server_error",
    });
    expect(readErrorBody({ error: { status_code: 500 } })?.message).not.toBe("");
  });

  it.each([undefined, null, 0, true, "", [], {}, { object: "list" }])("finds no error in %j", (body) => {
    expect(readErrorBody(body)).toBeUndefined();
  });

  it("cuts a message that has no end", () => {
    expect(readErrorBody({ error: "x".repeat(1_000_000) })?.message).toHaveLength(10_000);
  });
});

describe("findErrorInSuccess", () => {
  it.each(
    shapes.filter(([name]) =>
      [
        "OpenAI",
        "Anthropic",
        "Google",
        "Google in a stream",
        "Mistral, vLLM",
        "a string",
        "Cloudflare",
        "a flat event",
      ].includes(name),
    ),
  )("knows %s", (_name, body, expected) => {
    expect(findErrorInSuccess(body)).toEqual(expected);
  });

  it.each([
    { message: "Hello", type: "message" },
    { error: null, message: "x" },
    { error: "", choices: [] },
    { error: {}, choices: [] },
    { error: false },
    { detail: "high" },
    { success: true, errors: [] },
    { choices: [], base_resp: { status_code: 0, status_msg: "" } },
    { code: 1, message: { role: "assistant" } },
    [1, 2, 3],
    "error",
    null,
  ])("does not take %j for one", (body) => {
    expect(findErrorInSuccess(body)).toBeUndefined();
  });
});

describe("readErrorText", () => {
  it("keeps the beginning of a page", () => {
    expect(readErrorText("  upstream connect error\n")).toEqual({ message: "upstream connect error" });
    expect(readErrorText("x".repeat(5000))?.message).toHaveLength(1000);
    expect(readErrorText("  ")).toBeUndefined();
  });
});
