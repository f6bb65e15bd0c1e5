/**
 * Alibaba's DashScope in its own format: `{model, input, parameters}` in, `{output, usage, request_id}` out; chat of text
 * and media, and embeddings. Each event of a stream repeats the answer so far, unless the request asks for increments.
 *
 * @see https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api
 * @see https://www.alibabacloud.com/help/en/model-studio/text-embedding-synchronous-api
 */
import type { Part, Usage } from "../types.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { readEmbeddingInput } from "./shared/embedding-input.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asIndex, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readMediaUrl } from "./shared/media.ts";
import { textParts } from "./shared/message-parts.ts";
import { readConversation, readToolDefinitions } from "./shared/openai-messages.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { readSettings } from "./shared/settings.ts";
import { measureVectors } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "input", "resources"]);

/** Of the parameters; they have a place of their own. */
const TOOLS = "tools";

/** While the model goes on, the reason is the text `null`. */
const NOT_FINISHED = "null";

/** The parser of `dashscope`. */
export const dashscopeParser: Parser<FoldState> = createFoldParser({
  api: "dashscope",
  readRequest,
  start: createAnswerFold,
  // An event `error` has the shape of an error body.
  readEventError: (value, name) =>
    name === "error" || isBareError(asObject(value)) ? readErrorBody(value) : undefined,
});

function isBareError(event: JsonObject | undefined): boolean {
  return asString(event?.["code"]) !== undefined && event?.["output"] === undefined;
}

function readRequest({ route, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const input = asObject(fields["input"]) ?? {};
  const conversation = readConversation(input["messages"]);
  const parts: Part[] = Array.isArray(input["messages"])
    ? []
    : [...textParts("text", input["prompt"]), ...readEmbeddingInput(fields["input"])];
  const { [TOOLS]: tools, ...parameters } = readSettings(fields, contentKeys, "parameters");
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? route.pathModel,
    parameters,
    system: conversation.system,
    messages: conversation.messages ?? (parts.length === 0 ? undefined : [{ role: "user", parts }]),
    tools: readToolDefinitions(tools),
  });
}

interface Said {
  text: string;
  reasoning: string;
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let isIncremental = input.request.parameters["incremental_output"] === true;
  /** What each choice has said so far, where events repeat it. */
  const said = new Map<number, Said>();
  /** The calls of each choice, where events repeat them: they count when they are complete. */
  const calls = new Map<number, readonly unknown[]>();
  let id: string | undefined;
  let usage: JsonObject | undefined;
  let embeddings: VectorShape | undefined;

  /** What is new in a text that may begin with all that was said before. */
  function takeNew(choice: number, key: keyof Said, text: unknown): string {
    if (typeof text !== "string" || text === "") return "";
    if (isIncremental) return text;
    const known = said.get(choice) ?? { text: "", reasoning: "" };
    said.set(choice, known);
    const before = known[key];
    known[key] = text;
    if (text.startsWith(before)) return text.slice(before.length);
    // A model that only knows increments sends them unasked.
    isIncremental = true;
    said.clear();
    return text;
  }

  function readContent(choice: number, content: unknown): boolean {
    if (!Array.isArray(content)) return choices.addText(choice, "text", takeNew(choice, "text", content));
    let output = false;
    let text = "";
    for (const item of content) {
      const part = asObject(item);
      text += asString(part?.["text"]) ?? "";
      for (const modality of ["image", "audio", "video"] as const) {
        const url = asString(part?.[modality]);
        if (url === undefined) continue;
        choices.addPart(choice, readMediaUrl(url, modality));
        output = true;
      }
    }
    return choices.addText(choice, "text", takeNew(choice, "text", text)) || output;
  }

  function readCalls(choice: number, list: readonly unknown[]): boolean {
    let output = false;
    for (const [position, item] of list.entries()) {
      const call = asObject(item);
      const called = asObject(call?.["function"]);
      if (call === undefined || called === undefined) continue;
      const index = call["index"] ?? position;
      const delta = { index, id: call["id"], name: called["name"], arguments: called["arguments"] };
      output = choices.addToolCall(choice, delta) || output;
    }
    return output;
  }

  function readChoice(item: JsonObject, position: number): number {
    const index = asIndex(item["index"]) ?? position;
    const message = asObject(item["message"]) ?? {};
    choices.setRole(index, message["role"]);
    const thought = takeNew(index, "reasoning", message["reasoning_content"]);
    let output = choices.addText(index, "reasoning", thought);
    output = readContent(index, message["content"]) || output;
    const given = asArray(message["tool_calls"]);
    if (isIncremental) output = readCalls(index, given) || output;
    else if (given.length > 0) {
      calls.set(index, given);
      output = true;
    }
    return readReason(index, item["finish_reason"]) | (output ? FRAME_OUTPUT : FRAME_NOTHING);
  }

  function readReason(index: number, reason: unknown): number {
    if (asLabel(reason) === undefined || reason === NOT_FINISHED) return FRAME_NOTHING;
    choices.setFinishReason(index, reason);
    return FRAME_TERMINAL;
  }

  function read(value: JsonObject): number {
    id = asLabel(value["request_id"]) ?? id;
    usage = asObject(value["usage"]) ?? usage;
    const output = asObject(value["output"]) ?? {};
    if (Array.isArray(output["embeddings"])) embeddings = measureVectors(output["embeddings"]);
    let bits = FRAME_NOTHING;
    asArray(output["choices"]).forEach((item, position) => {
      if (isObject(item)) bits |= readChoice(item, position);
    });
    // `result_format: "text"`, the older of the two.
    if (choices.addText(0, "text", takeNew(0, "text", output["text"]))) bits |= FRAME_OUTPUT;
    return bits | readReason(0, output["finish_reason"]);
  }

  return {
    readBody: read,
    readEvent: read,
    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput() || calls.size > 0 || embeddings !== undefined,
    build: (situation) => {
      for (const [choice, list] of calls) readCalls(choice, list);
      calls.clear();
      const answer = buildAnswer(choices, situation, readUsage(usage, embeddings !== undefined));
      const operation = embeddings === undefined ? undefined : "embeddings";
      return addKnown(answer, { id, operation, embeddings });
    },
  };
}

/** Of embeddings there is often a total alone: all of it is input. */
function readUsage(raw: JsonObject | undefined, isInput: boolean): Usage | undefined {
  const usage = readOpenAiUsage(raw);
  if (!isInput || usage?.totalTokens === undefined || usage.inputTokens !== undefined) return usage;
  return { ...usage, inputTokens: usage.totalTokens };
}
