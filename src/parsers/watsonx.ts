/**
 * IBM watsonx.ai: chat, which is Chat Completions but for the name of the model, and its own generation and embeddings.
 *
 * @see https://cloud.ibm.com/apidocs/watsonx-ai
 */
import type { Message, Usage } from "../types.ts";
import { openaiChatParser } from "./openai-chat.ts";
import type { Frame, ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold } from "./shared/fold-parser.ts";
import { asArray, asCount, asLabel, asObject, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readContent, readConversation, readToolDefinitions } from "./shared/openai-messages.ts";
import type { Conversation } from "./shared/openai-messages.ts";
import { readSettings } from "./shared/settings.ts";
import { createSwitchParser } from "./shared/switch-parser.ts";
import type { SwitchState } from "./shared/switch-parser.ts";
import { createUsage } from "./shared/usage.ts";
import { measureVectors } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "model_id",
  "model",
  "messages",
  "input",
  "inputs",
  "tools",
  "stream",
]);

const generationParser = createFoldParser({ api: "watsonx", readRequest, start: createGenerationFold });

/** The parser of `watsonx`. */
export const watsonxParser: Parser<SwitchState> = createSwitchParser({
  api: "watsonx",
  readRequest,
  openFrame,
  choose: (value) => (isObject(value) && Array.isArray(value["choices"]) ? openaiChatParser : generationParser),
});

/** The model is `model_id` here; an error among the events of a stream has the shape that it has in a body. */
function openFrame(frame: Frame): Frame {
  if ((frame.kind !== "body" && frame.kind !== "event") || !isObject(frame.value)) return frame;
  const { value } = frame;
  const [failure] = asArray(value["errors"]);
  if (isObject(failure)) return { ...frame, value: { ...value, error: failure } };
  if (value["model"] !== undefined || value["model_id"] === undefined) return frame;
  return { ...frame, value: { ...value, model: value["model_id"] } };
}

/** A deployment is named in the path, and its model by nobody. */
function readRequest({ route, path, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const deployment = /\/deployments\/([^/?]+)\//.exec(path)?.[1];
  const conversation = Array.isArray(fields["messages"]) ? readConversation(fields["messages"]) : readInput(fields);
  return compact<ParsedRequest>({
    model: asLabel(fields["model_id"]) ?? asLabel(fields["model"]) ?? route.pathModel ?? asLabel(deployment),
    parameters: readSettings(fields, contentKeys, "parameters"),
    system: conversation.system,
    messages: conversation.messages,
    tools: readToolDefinitions(fields["tools"]),
    stream: /_stream(?:\?|$)/.test(path) ? true : undefined,
  });
}

function readInput(fields: JsonObject): Conversation {
  const parts = readContent(fields["input"] ?? fields["inputs"]);
  const messages: Message[] = [{ role: "user", parts }];
  return parts.length === 0 ? {} : { messages };
}

/** `results` of generation and embeddings. In a stream `generated_text` is a piece. */
function createGenerationFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let model: string | undefined;
  let inputTokens: number | undefined;
  let outputTokens: number | undefined;
  let embeddings: VectorShape | undefined;

  function readResult(result: JsonObject, index: number): boolean {
    const output = choices.addText(index, "text", result["generated_text"]);
    if (result["stop_reason"] !== "not_finished") choices.setFinishReason(index, result["stop_reason"]);
    // Each event counts what there is so far; input is counted in one of them and zero in the others.
    inputTokens = larger(inputTokens, result["input_token_count"]);
    outputTokens = larger(outputTokens, result["generated_token_count"]);
    return output;
  }

  function read(body: JsonObject): number {
    model ??= asLabel(body["model"]);
    inputTokens = larger(inputTokens, body["input_token_count"]);
    const results = asArray(body["results"]);
    if (asObject(results[0])?.["embedding"] !== undefined) embeddings = measureVectors(results);
    let output = false;
    for (const [index, result] of results.entries()) output = readResult(asObject(result) ?? {}, index) || output;
    return (output ? FRAME_OUTPUT : FRAME_NOTHING) | (choices.isFinished() ? FRAME_TERMINAL : FRAME_NOTHING);
  }

  return {
    readBody: read,
    readEvent: read,
    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    build: (situation) => {
      const raw = compact<JsonObject>({ input_token_count: inputTokens, generated_token_count: outputTokens });
      const usage: Usage | undefined = createUsage({ inputTokens, outputTokens }, raw);
      // What was counted before an error is a lower bound.
      const isPartial = situation.end.streaming && !choices.isFinished();
      return compact({
        ...buildAnswer(choices, situation, usage && isPartial ? { ...usage, complete: false } : usage),
        model,
        embeddings,
      });
    },
  };
}

function larger(known: number | undefined, value: unknown): number | undefined {
  const count = asCount(value);
  return count === undefined ? known : Math.max(known ?? 0, count);
}
