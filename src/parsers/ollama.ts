/**
 * Ollama's own API: chat, generate and embed. A stream is a line of JSON for each piece; the last one has `done: true`,
 * the counts and the durations. Tool calls come whole.
 *
 * @see https://docs.ollama.com/api
 */
import type { Part, Usage } from "../types.ts";
import { addOllamaMessages, readOllamaRequest } from "./ollama-request.ts";
import type { Parser, ResponseInput, TextEvent } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asCount, asLabel, asObject, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { listIgnored, listNested, listSaying } from "./shared/text-event.ts";
import { createUsage } from "./shared/usage.ts";
import { measureVectors } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";

const NANOSECONDS_PER_MILLISECOND = 1e6;

const textTypes: ReadonlyMap<string, "text" | "reasoning"> = new Map([
  ["content", "text"],
  ["response", "text"],
  ["thinking", "reasoning"],
]);

/** The parser of `ollama`. */
export const ollamaParser: Parser<FoldState> = createFoldParser({
  api: "ollama",
  readRequest: readOllamaRequest,
  messageList: { field: "messages", read: addOllamaMessages },
  start: createAnswerFold,
});

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let model: string | undefined;
  let usage: Usage | undefined;
  let embeddings: VectorShape | undefined;
  let processingMs: number | undefined;
  let done = false;

  /** A message of chat, or the whole line of generate, which calls its text `response`. */
  function readMessage(message: JsonObject): boolean {
    if (message["role"] !== undefined) choices.setRole(0, message["role"]);
    let output = choices.addText(0, "reasoning", message["thinking"]);
    output = choices.addText(0, "text", message["content"] ?? message["response"]) || output;
    for (const call of asArray(message["tool_calls"])) output = readToolCall(asObject(call)) || output;
    return output;
  }

  function readToolCall(call: JsonObject | undefined): boolean {
    const called = asObject(call?.["function"]);
    const name = asLabel(called?.["name"]);
    if (called === undefined || name === undefined) return false;
    const part: Part = { type: "tool_call", name, arguments: readArguments(called["arguments"]) };
    const id = asLabel(call?.["id"]);
    if (id !== undefined) part.id = id;
    choices.addPart(0, part);
    return true;
  }

  function readEnd(line: JsonObject): void {
    usage =
      createUsage(
        {
          inputTokens: asCount(line["prompt_eval_count"]),
          outputTokens: asCount(line["eval_count"]),
          cacheReadTokens: asCount(line["prompt_eval_cached_count"]),
        },
        readMetrics(line),
      ) ?? usage;
    const total = asCount(line["total_duration"]);
    if (total !== undefined) processingMs = total / NANOSECONDS_PER_MILLISECOND;
    choices.setFinishReason(0, line["done_reason"]);
  }

  function read(line: JsonObject): number {
    model ??= asLabel(line["model"]);
    const output = readMessage(asObject(line["message"]) ?? line) ? FRAME_OUTPUT : FRAME_NOTHING;
    if (line["embeddings"] !== undefined) embeddings = measureVectors(line["embeddings"]);
    else if (line["embedding"] !== undefined) embeddings = measureVectors([line["embedding"]]);
    // Counts and durations are in the last line only; embed has no `done`.
    if (line["done"] === false) return output;
    readEnd(line);
    if (line["done"] !== true) return output;
    done = true;
    return output | FRAME_TERMINAL;
  }

  function findText(line: JsonObject): TextEvent | undefined {
    const message = asObject(line["message"]) ?? line;
    const nested = [...listNested(line), ...listNested(message)];
    if (line["done"] !== false || nested.some((name) => name !== "message")) return undefined;
    const [key = "", ...others] = listSaying(message).filter((name) => textTypes.has(name));
    const type = textTypes.get(key);
    const text = message[key];
    const isOnly = others.length === 0 && (key !== "response" || message["content"] === undefined);
    if (type === undefined || typeof text !== "string" || !isOnly) return undefined;
    return { key, text, ignored: listIgnored(line), add: (added) => void choices.addText(0, type, added) };
  }

  return {
    readBody: read,
    readEvent: read,
    findText,
    isFinished: () => done,
    hasOutput: () => choices.hasOutput(),
    build: (situation) => addKnown(buildAnswer(choices, situation, usage), { model, embeddings, processingMs }),
  };
}

/** Ollama has no usage object: these fields stand beside the answer. */
function readMetrics(line: JsonObject): JsonObject {
  const metrics: JsonObject = {};
  for (const key of Object.keys(line)) {
    if ((key.endsWith("_count") || key.endsWith("_duration")) && asCount(line[key]) !== undefined)
      metrics[key] = line[key];
  }
  return metrics;
}
