/**
 * Oracle's Generative AI service: chat in its generic format and in Cohere's, and embeddings. The answer of a stream
 * comes without the envelope that a whole answer has.
 *
 * @see https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/latest/ChatResult/Chat
 */
import type { Message, Part } from "../types.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asIndex, asLabel, asObject, asString, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createMessage, textParts } from "./shared/message-parts.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { measureVectors } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "messages",
  "message",
  "chatHistory",
  "preambleOverride",
  "documents",
  "tools",
  "toolResults",
  "inputs",
  "isStream",
  "servingMode",
  "compartmentId",
  "chatRequest",
]);

const roles: ReadonlyMap<unknown, string> = new Map([
  ["USER", "user"],
  ["ASSISTANT", "assistant"],
  ["CHATBOT", "assistant"],
  ["SYSTEM", "system"],
  ["DEVELOPER", "system"],
  ["TOOL", "tool"],
]);

/** The parser of `oci-generative-ai`. */
export const ociGenerativeAiParser: Parser<FoldState> = createFoldParser({
  api: "oci-generative-ai",
  readRequest,
  start: createAnswerFold,
});

/** The model is served on demand by its id, or from an endpoint of one's own. */
function readRequest({ route, body }: RequestInput): ParsedRequest {
  const outer = asObject(body) ?? {};
  const fields = asObject(outer["chatRequest"]) ?? outer;
  const mode = asObject(outer["servingMode"]);
  const turns = [...asArray(fields["messages"]), ...asArray(fields["chatHistory"])].filter(isObject).map(readTurn);
  const said = [fields["message"], ...asArray(fields["inputs"])].flatMap((text) => textParts("text", text));
  const isSystem = (message: Message): boolean => message.role === "system";
  const system = [
    ...textParts("text", fields["preambleOverride"]),
    ...turns.filter(isSystem).flatMap(({ parts }) => parts),
  ];
  const messages = turns.filter((message) => !isSystem(message));
  if (said.length > 0) messages.push(createMessage("user", said));
  return compact<ParsedRequest>({
    model: asLabel(mode?.["modelId"]) ?? asLabel(mode?.["endpointId"]) ?? route.pathModel,
    parameters: { ...omitKeys(outer, contentKeys), ...omitKeys(fields, contentKeys) },
    system: system.length === 0 ? undefined : system,
    messages: messages.length === 0 ? undefined : messages,
    tools: readTools(fields["tools"]),
    stream: typeof fields["isStream"] === "boolean" ? fields["isStream"] : undefined,
  });
}

function readTools(tools: unknown): ParsedRequest["tools"] {
  if (!Array.isArray(tools)) return undefined;
  return tools.filter(isObject).map((tool) =>
    compact({
      type: "function",
      name: asLabel(tool["name"]),
      description: asString(tool["description"]),
      parameters: tool["parameters"] ?? tool["parameterDefinitions"] ?? undefined,
    }),
  );
}

function readTurn(turn: JsonObject): Message {
  const role = roles.get(asString(turn["role"])?.toUpperCase()) ?? asLabel(turn["role"])?.toLowerCase();
  const parts = [...readParts(turn["content"]), ...textParts("text", turn["message"])];
  const callId = asLabel(turn["toolCallId"]);
  if (role === "tool") {
    const response = parts.flatMap((part) => (part.type === "text" ? [part.content] : [])).join("");
    return { role, parts: [{ type: "tool_call_response", ...(callId !== undefined && { id: callId }), response }] };
  }
  for (const call of asArray(turn["toolCalls"])) {
    const { id, name, arguments: given, parameters } = asObject(call) ?? {};
    const label = asLabel(id);
    const part: Part = { type: "tool_call", name: asLabel(name) ?? "", arguments: given ?? parameters ?? {} };
    parts.push(label === undefined ? part : { ...part, id: label });
  }
  return createMessage(role, parts);
}

/** `[{type: "TEXT", text}, {type: "IMAGE", imageUrl: {url}}]`. */
function readParts(content: unknown): Part[] {
  if (typeof content === "string") return textParts("text", content);
  return asArray(content)
    .filter(isObject)
    .flatMap((part): Part[] => {
      if (typeof part["text"] === "string") return textParts("text", part["text"]);
      const kind = asLabel(part["type"])?.toLowerCase() ?? "unknown";
      return [{ type: "other", kind, content: part }];
    });
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let id: string | undefined;
  let model: string | undefined;
  let usage: JsonObject | undefined;
  let embeddings: VectorShape | undefined;
  let hasText = false;

  function readCalls(index: number, calls: unknown): boolean {
    let output = false;
    for (const [position, item] of asArray(calls).entries()) {
      const call = asObject(item);
      if (call === undefined) continue;
      const given = call["arguments"] ?? call["parameters"];
      const delta = { index: call["index"] ?? position, id: call["id"], name: call["name"], arguments: given };
      output = choices.addToolCall(index, delta) || output;
    }
    return output;
  }

  function readChoice(item: JsonObject, position: number): number {
    const index = asIndex(item["index"]) ?? position;
    const message = asObject(item["message"]) ?? {};
    let output = choices.addText(index, "reasoning", message["reasoningContent"]);
    for (const part of readParts(message["content"])) {
      if (part.type === "text") output = choices.addText(index, "text", part.content) || output;
      else choices.addPart(index, part);
    }
    output = readCalls(index, message["toolCalls"]) || output;
    return readReason(index, item["finishReason"]) | (output ? FRAME_OUTPUT : FRAME_NOTHING);
  }

  function readReason(index: number, reason: unknown): number {
    if (asLabel(reason) === undefined) return FRAME_NOTHING;
    choices.setFinishReason(index, reason);
    return FRAME_TERMINAL;
  }

  /** Cohere's format; the last event of a stream repeats the text. */
  function readCohere(answer: JsonObject): number {
    const isRepeated = hasText && asLabel(answer["finishReason"]) !== undefined;
    let output = !isRepeated && choices.addText(0, "text", answer["text"]);
    hasText ||= output;
    output = readCalls(0, answer["toolCalls"]) || output;
    return readReason(0, answer["finishReason"]) | (output ? FRAME_OUTPUT : FRAME_NOTHING);
  }

  function read(value: JsonObject): number {
    model ??= asLabel(value["modelId"]);
    id ??= asLabel(value["id"]);
    if (Array.isArray(value["embeddings"])) embeddings = measureVectors(value["embeddings"]);
    const answer = asObject(value["chatResponse"]) ?? value;
    usage = asObject(answer["usage"]) ?? usage;
    if (typeof answer["text"] === "string" || answer["apiFormat"] === "COHERE") return readCohere(answer);
    if (!Array.isArray(answer["choices"])) return readChoice(answer, 0);
    let bits = FRAME_NOTHING;
    answer["choices"].forEach((item: unknown, position: number) => {
      if (isObject(item)) bits |= readChoice(item, position);
    });
    return bits;
  }

  return {
    readBody: read,
    readEvent: read,
    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput() || embeddings !== undefined,
    build: (situation) => {
      const answer = buildAnswer(choices, situation, readOpenAiUsage(usage));
      const operation = embeddings === undefined ? undefined : "embeddings";
      return addKnown(answer, { id, model, operation, embeddings });
    },
  };
}
