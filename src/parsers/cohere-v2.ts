/**
 * Cohere v2: chat as JSON and as events, and embed. The model's plan before its tool calls is kept as reasoning.
 *
 * @see https://docs.cohere.com/v2/reference/chat
 * @see https://docs.cohere.com/v2/reference/embed
 */
import type { Message, Part, Usage } from "../types.ts";
import type { ParsedError, ParsedRequest, Parser, RequestInput, ResponseInput, TextEvent } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { readCohereUsage, readCohereVectors } from "./shared/cohere-answer.ts";
import { documentParts, readEmbedInput } from "./shared/cohere-request.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asLabel, asObject, asString, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { addMessages, readConversation, readToolDefinitions } from "./shared/openai-messages.ts";
import { createTextEvent } from "./shared/text-event.ts";
import type { VectorShape } from "./shared/vectors.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "documents",
  "tools",
  "texts",
  "images",
  "inputs",
  "stream",
]);

/** The parser of `cohere-v2`. */
export const cohereV2Parser: Parser<FoldState> = createFoldParser({
  api: "cohere-v2",
  readRequest,
  messageList: { field: "messages", read: addCohereMessages },
  start: createAnswerFold,
});

function readRequest({ route, body, known }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const conversation = readConversation(fields["messages"], known, addCohereMessages);
  const system: Part[] = [...(conversation.system ?? []), ...documentParts(fields["documents"])];
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? route.pathModel,
    parameters: omitKeys(fields, contentKeys),
    system: system.length === 0 ? undefined : system,
    messages: conversation.messages ?? readEmbedInput(fields),
    tools: readToolDefinitions(fields["tools"]),
    stream: typeof fields["stream"] === "boolean" ? fields["stream"] : undefined,
  });
}

/** Adds the messages of an array to those before them. */
function addCohereMessages(items: readonly unknown[], messages: Message[]): Message[] {
  return addMessages(items.map(adaptMessage), messages);
}

/** Brings what only Cohere has in a message into the shape that all chat APIs share. */
function adaptMessage(message: unknown): unknown {
  if (!isObject(message)) return message;
  if (message["role"] === "tool") return { ...message, content: readToolResult(message["content"]) };
  const plan = asString(message["tool_plan"]);
  return plan === undefined ? message : { ...message, reasoning_content: plan };
}

/** A tool's result is a text or a list of documents; a single document is the result itself. */
function readToolResult(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  const results = content.map((item: unknown) => {
    const part = asObject(item);
    return part?.["type"] === "document" ? (asObject(part["document"])?.["data"] ?? part["document"]) : item;
  });
  const [first] = results;
  return results.length === 1 && first !== content[0] ? first : results;
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let id: string | undefined;
  let model: string | undefined;
  let usage: Usage | undefined;
  let embeddings: VectorShape | undefined;
  let error: ParsedError | undefined;

  function addText(text: unknown): boolean {
    return choices.addText(0, "text", text);
  }

  function addThought(text: unknown): boolean {
    return choices.addText(0, "reasoning", text);
  }

  function readContentBlock(content: JsonObject | undefined): boolean {
    if (content === undefined) return false;
    const thought = addThought(content["thinking"]);
    return addText(content["text"]) || thought;
  }

  /** An answer or a thought; a block that holds both is parsed. */
  function findBlockText({ thinking, text }: JsonObject): TextEvent | undefined {
    if (asString(thinking) === undefined) return createTextEvent("text", text, addText);
    return asString(text) === undefined ? createTextEvent("thinking", thinking, addThought) : undefined;
  }

  /** A piece of a call that was named before. */
  function findArguments(call: JsonObject, index: unknown): TextEvent | undefined {
    const called = asObject(call["function"]);
    const isNamed = call["id"] !== undefined || called?.["name"] !== undefined;
    if (isNamed || (typeof index === "object" && index !== null)) return undefined;
    return createTextEvent("arguments", called?.["arguments"], (added) => {
      choices.addToolCall(0, { index, arguments: added });
    });
  }

  function readToolCall(call: JsonObject | undefined, index: unknown): boolean {
    if (call === undefined) return false;
    const called = asObject(call["function"]);
    return choices.addToolCall(0, { index, id: call["id"], name: called?.["name"], arguments: called?.["arguments"] });
  }

  function readMessage(message: JsonObject | undefined): void {
    if (message === undefined) return;
    choices.setRole(0, message["role"]);
    addThought(message["tool_plan"]);
    if (typeof message["content"] === "string") addText(message["content"]);
    for (const block of asArray(message["content"])) {
      choices.breakText(0);
      readContentBlock(asObject(block));
    }
    for (const [position, call] of asArray(message["tool_calls"]).entries()) readToolCall(asObject(call), position);
  }

  /** The end of a message, in a body and in the last event of a stream. */
  function readEnd(end: JsonObject): void {
    choices.setFinishReason(0, end["finish_reason"]);
    usage = readCohereUsage(end["usage"]) ?? usage;
    if (end["error"] !== undefined) error ??= readErrorBody(end);
  }

  return {
    readBody(body) {
      id = asLabel(body["id"]);
      model = asLabel(body["model"]);
      readMessage(asObject(body["message"]));
      readEnd({ finish_reason: body["finish_reason"], usage: body["usage"] ?? body["meta"] });
      embeddings = readCohereVectors(body["embeddings"]);
    },

    readEvent(event, name) {
      const delta = asObject(event["delta"]) ?? {};
      const message = asObject(delta["message"]);
      switch (event["type"] ?? name) {
        case "message-start":
          id = asLabel(event["id"]);
          choices.setRole(0, message?.["role"]);
          return FRAME_NOTHING;
        case "content-start":
          choices.breakText(0);
          return readContentBlock(asObject(message?.["content"])) ? FRAME_OUTPUT : FRAME_NOTHING;
        case "content-delta":
          return readContentBlock(asObject(message?.["content"])) ? FRAME_OUTPUT : FRAME_NOTHING;
        case "tool-plan-delta":
          return addThought(message?.["tool_plan"]) ? FRAME_OUTPUT : FRAME_NOTHING;
        case "tool-call-start":
        case "tool-call-delta":
          return readToolCall(openCall(message), event["index"]) ? FRAME_OUTPUT : FRAME_NOTHING;
        case "message-end":
          id ??= asLabel(event["id"]);
          readEnd(delta);
          return FRAME_TERMINAL;
        default:
          return FRAME_NOTHING;
      }
    },

    findText(event) {
      const message = asObject(asObject(event["delta"])?.["message"]) ?? {};
      switch (event["type"]) {
        case "content-delta":
          return findBlockText(asObject(message["content"]) ?? {});
        case "tool-plan-delta":
          return createTextEvent("tool_plan", message["tool_plan"], addThought);
        case "tool-call-delta":
          return findArguments(openCall(message) ?? {}, event["index"]);
        default:
          return undefined;
      }
    },

    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    findError: () => error,
    build: (situation) => addKnown(buildAnswer(choices, situation, usage), { id, model, embeddings }),
  };
}

/** The call of an event: an object; the reference also shows a list. */
function openCall(message: JsonObject | undefined): JsonObject | undefined {
  const calls = message?.["tool_calls"];
  return asObject(Array.isArray(calls) ? calls[0] : calls);
}
