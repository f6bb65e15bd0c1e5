/**
 * Cohere v1: chat, generate and embed, with summarize and classify beside them. Streams are lines of JSON, each with an
 * `event_type`; the last one repeats the whole answer.
 *
 * @see https://docs.cohere.com/v1/reference/chat
 * @see https://docs.cohere.com/v1/reference/generate
 */
import type { Usage } from "../types.ts";
import { readCohereV1Request } from "./cohere-v1-request.ts";
import type { ParsedError, Parser, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { readCohereUsage, readCohereVectors } from "./shared/cohere-answer.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asIndex, asLabel, asObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createTextEvent } from "./shared/text-event.ts";
import type { VectorShape } from "./shared/vectors.ts";

/** The parser of `cohere-v1`. */
export const cohereV1Parser: Parser<FoldState> = createFoldParser({
  api: "cohere-v1",
  readRequest: readCohereV1Request,
  start: createAnswerFold,
});

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let id: string | undefined;
  let generationId: string | undefined;
  let usage: Usage | undefined;
  let embeddings: VectorShape | undefined;
  let error: ParsedError | undefined;
  let hasText = false;
  let hasToolCalls = false;
  let ended = false;

  function readText(index: unknown, text: unknown): boolean {
    const said = choices.addText(index, "text", text);
    hasText ||= said;
    return said;
  }

  /** Whole calls: `[{name, parameters}]`, without ids. */
  function readToolCalls(calls: unknown): boolean {
    let output = false;
    for (const [position, item] of asArray(calls).entries()) {
      const call = asObject(item);
      if (call === undefined) continue;
      const delta = { index: position, id: call["id"], name: call["name"], arguments: call["parameters"] };
      output = choices.addToolCall(0, delta) || output;
    }
    hasToolCalls ||= output;
    return output;
  }

  /** A whole answer: what of it the events before have told already is passed over. */
  function readAnswer(body: JsonObject): void {
    id = asLabel(body["response_id"]) ?? asLabel(body["id"]) ?? id;
    generationId ??= asLabel(body["generation_id"]);
    if (!hasText) {
      readText(0, body["text"] ?? body["summary"]);
      for (const [position, item] of asArray(body["generations"]).entries())
        readText(indexOf(item, position), asObject(item)?.["text"]);
      for (const [position, item] of asArray(body["classifications"]).entries())
        readText(position, asObject(item)?.["prediction"]);
    }
    if (!hasToolCalls) readToolCalls(body["tool_calls"]);
    for (const [position, item] of asArray(body["generations"]).entries()) {
      choices.setFinishReason(indexOf(item, position), asObject(item)?.["finish_reason"]);
    }
    choices.setFinishReason(0, body["finish_reason"]);
    usage = readCohereUsage(body["meta"]) ?? usage;
    embeddings = readCohereVectors(body["embeddings"]) ?? embeddings;
  }

  function readEnd(event: JsonObject): number {
    ended = true;
    choices.setFinishReason(event["index"], event["finish_reason"]);
    const answer = asObject(event["response"]);
    if (answer !== undefined) readAnswer(answer);
    if (event["err"] !== undefined || event["error"] !== undefined) {
      error ??= readErrorBody({ message: event["err"] ?? event["error"] });
    }
    return FRAME_TERMINAL;
  }

  function readToolCallChunk(event: JsonObject): boolean {
    const said = readText(0, event["text"]);
    const delta = asObject(event["tool_call_delta"]);
    if (delta === undefined) return said;
    const { index, name, parameters } = delta;
    const called = choices.addToolCall(0, { index, name, arguments: parameters });
    hasToolCalls ||= called;
    return called || said;
  }

  return {
    readBody: readAnswer,

    readEvent(event) {
      generationId ??= asLabel(event["generation_id"]);
      let output = false;
      switch (event["event_type"]) {
        case "text-generation":
          output = readText(event["index"], event["text"]);
          break;
        case "tool-calls-chunk":
          output = readToolCallChunk(event);
          break;
        case "tool-calls-generation":
          if (!hasText) output = readText(0, event["text"]);
          if (!hasToolCalls) output = readToolCalls(event["tool_calls"]) || output;
          break;
        case "stream-end":
        case "stream-error":
          return readEnd(event);
        case undefined:
          // Before there were event types.
          if (event["is_finished"] === true) return readEnd(event);
          output = readText(event["index"], event["text"]);
          break;
        default:
      }
      return output ? FRAME_OUTPUT : FRAME_NOTHING;
    },

    findText(event) {
      const { event_type: type, index, text } = event;
      if (type !== "text-generation" && type !== undefined) return undefined;
      return createTextEvent("text", text, (added) => readText(index, added));
    },

    isFinished: () => ended || choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    findError: () => error,
    build: (situation) => addKnown(buildAnswer(choices, situation, usage), { id: id ?? generationId, embeddings }),
  };
}

function indexOf(item: unknown, position: number): number {
  return asIndex(asObject(item)?.["index"]) ?? position;
}
