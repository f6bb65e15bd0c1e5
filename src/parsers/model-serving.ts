/**
 * Endpoints that serve whatever model was deployed there, under one path for all: Databricks Model Serving. The body is
 * that of Chat Completions, Completions or Embeddings, and tells which.
 *
 * @see https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference
 */
import { openaiChatParser } from "./openai-chat.ts";
import { openaiCompletionsParser } from "./openai-completions.ts";
import { openaiEmbeddingsParser } from "./openai-embeddings.ts";
import type { ParsedRequest, Parser, RequestInput } from "./parser.ts";
import type { Operation } from "../types.ts";
import { asArray, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createSwitchParser } from "./shared/switch-parser.ts";
import type { SwitchState } from "./shared/switch-parser.ts";

interface Dialect {
  operation: Operation;
  parser: Parser;
  asks(body: JsonObject): boolean;
  answers(value: JsonObject): boolean;
}

const chat: Dialect = {
  operation: "chat",
  parser: openaiChatParser,
  asks: (body) => Array.isArray(body["messages"]),
  answers: (value) => Array.isArray(value["choices"]),
};

/** The first that fits counts; what fits none is taken for chat. */
const dialects: readonly Dialect[] = [
  {
    operation: "text_completion",
    parser: openaiCompletionsParser,
    asks: (body) => body["prompt"] !== undefined,
    answers: (value) => typeof asObject(asArray(value["choices"])[0])?.["text"] === "string",
  },
  chat,
  {
    operation: "embeddings",
    parser: openaiEmbeddingsParser,
    asks: (body) => body["input"] !== undefined,
    answers: (value) => Array.isArray(value["data"]),
  },
];

/** The parser of `model-serving`. */
export const modelServingParser: Parser<SwitchState> = createSwitchParser({
  api: "model-serving",
  readRequest,
  choose(value, { request }) {
    const answered = isObject(value) ? dialects.find(({ answers }) => answers(value)) : undefined;
    return (answered ?? dialects.find(({ operation }) => operation === request.operation) ?? chat).parser;
  },
});

function readRequest(input: RequestInput): ParsedRequest {
  const body = asObject(input.body) ?? {};
  const { parser, operation } = dialects.find(({ asks }) => asks(body)) ?? chat;
  return { ...parser.readRequest(input), operation };
}
