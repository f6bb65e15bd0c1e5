/**
 * Anthropic Messages API, as JSON and as events, wherever it is served: Anthropic, Vertex `rawPredict`, Bedrock
 * `invoke`, Azure Foundry, gateways. Also `count_tokens`.
 *
 * @see https://docs.anthropic.com/en/api/messages
 * @see https://docs.anthropic.com/en/api/messages-streaming
 */
import { addAnthropicMessages, readAnthropicTools, readContent, readContentBlock } from "./anthropic-content.ts";
import { readAnthropicUsage } from "./anthropic-usage.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { createCountFold } from "./shared/count-fold.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asLabel, asObject, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readReportedCost } from "./shared/openai-usage.ts";
import { createMergedFields } from "./shared/merged-fields.ts";
import { readList } from "./shared/message-list.ts";
import { citationPart } from "./shared/message-parts.ts";
import { listIgnored, listNested, listSaying } from "./shared/text-event.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "system", "messages", "tools", "mcp_servers", "stream"]);

const toolTypes: ReadonlyMap<unknown, "tool_call" | "server_tool_call"> = new Map([
  ["tool_use", "tool_call"],
  ["server_tool_use", "server_tool_call"],
  ["mcp_tool_use", "server_tool_call"],
]);

/** Where deltas that are text and nothing else have it. */
const textKeys: ReadonlyMap<unknown, string> = new Map([
  ["text_delta", "text"],
  ["thinking_delta", "thinking"],
  ["input_json_delta", "partial_json"],
]);

/** Where zeros are zeros; elsewhere zeros next to an answer are a server that does not count. */
const countingProviders: ReadonlySet<string> = new Set(["anthropic", "aws.bedrock", "gcp.vertex_ai"]);

/** The parser of `anthropic-messages`. */
export const anthropicMessagesParser: Parser<FoldState> = createFoldParser({
  api: "anthropic-messages",
  readRequest,
  messageList: { field: "messages", read: addAnthropicMessages },
  start: (input) =>
    (input.request.operation ?? input.route.operation) === "count_tokens"
      ? createCountFold()
      : createMessageFold(input),
});

/** The model may be in the path only, and so may the wish for a stream. */
function readRequest(input: RequestInput): ParsedRequest {
  const body = asObject(input.body) ?? {};
  const system = readContent(body["system"]);
  return compact<ParsedRequest>({
    model: asLabel(body["model"]) ?? input.route.pathModel,
    parameters: omitKeys(body, contentKeys),
    system: system.length === 0 ? undefined : system,
    messages: readList(body["messages"], addAnthropicMessages, input.known),
    tools: readAnthropicTools(body["tools"], body["mcp_servers"]),
    stream: typeof body["stream"] === "boolean" ? body["stream"] : isStreamPath(input.path) || undefined,
  });
}

/** Vertex and Bedrock have a path of their own for streams. */
function isStreamPath(path: string): boolean {
  return path.includes(":streamRawPredict") || path.includes("/invoke-with-response-stream");
}

function createMessageFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  const usage = createMergedFields();
  let id: string | undefined;
  let model: string | undefined;
  let upstreamProvider: string | undefined;
  let stopped = false;
  let fellBack = false;

  function readHead(message: JsonObject): void {
    id ??= asLabel(message["id"]);
    model ??= asLabel(message["model"]);
    upstreamProvider ??= asLabel(message["provider"]);
    choices.setRole(0, message["role"]);
    usage.merge(message["usage"]);
  }

  /** A whole block, or the first event of one, whose text or input is empty and follows in deltas. */
  function readBlock(block: JsonObject, index: unknown): number {
    choices.breakText(0);
    const { type } = block;
    if (type === "text" || type === "thinking") {
      const said = choices.addText(0, type === "text" ? "text" : "reasoning", block[type]);
      for (const citation of asArray(block["citations"])) choices.addPart(0, citationPart(citation));
      return said ? FRAME_OUTPUT : FRAME_NOTHING;
    }
    const toolType = toolTypes.get(type);
    if (toolType !== undefined) {
      const { id, name, input } = block;
      const whole = isEmptyObject(input) ? undefined : input;
      choices.addToolCall(0, { index, id, name, type: toolType, begins: true, arguments: whole });
      return FRAME_OUTPUT;
    }
    if (type === "fallback") {
      // What follows is another model's answer.
      model = asLabel(asObject(block["to"])?.["model"]) ?? model;
      fellBack = true;
      return FRAME_NOTHING;
    }
    // What a compaction comes to is known only at its end.
    if (type === "compaction" && block["content"] === null) return FRAME_NOTHING;
    for (const part of readContentBlock(block)) choices.addPart(0, part);
    return type === "redacted_thinking" ? FRAME_OUTPUT : FRAME_NOTHING;
  }

  function readDelta(delta: JsonObject, index: unknown): number {
    switch (delta["type"]) {
      case "text_delta":
        return choices.addText(0, "text", delta["text"]) ? FRAME_OUTPUT : FRAME_NOTHING;
      case "thinking_delta":
        return choices.addText(0, "reasoning", delta["thinking"]) ? FRAME_OUTPUT : FRAME_NOTHING;
      case "input_json_delta":
        return choices.addToolCall(0, { index, arguments: delta["partial_json"] }) ? FRAME_OUTPUT : FRAME_NOTHING;
      case "citations_delta":
        choices.addPart(0, citationPart(delta["citation"]));
        return FRAME_NOTHING;
      case "compaction_delta":
        for (const part of readContentBlock({ ...delta, type: "compaction" })) choices.addPart(0, part);
        return FRAME_OUTPUT;
      default:
        return FRAME_NOTHING;
    }
  }

  function readStop(message: JsonObject): number {
    const reason = asLabel(message["stop_reason"]);
    if (reason === undefined) return FRAME_NOTHING;
    choices.setFinishReason(0, reason);
    if (reason !== "refusal") return FRAME_TERMINAL;
    const refused = choices.addText(0, "refusal", asObject(message["stop_details"])?.["explanation"]);
    return refused ? FRAME_OUTPUT | FRAME_TERMINAL : FRAME_TERMINAL;
  }

  function readMessage(message: JsonObject): void {
    readHead(message);
    const { content } = message;
    // What stands in front of another API may answer with a plain text.
    if (typeof content === "string") choices.addText(0, "text", content);
    asArray(content).forEach((block, index) => {
      if (isObject(block)) readBlock(block, index);
    });
    readStop(message);
  }

  return {
    readBody: readMessage,

    readEvent(value, name) {
      // Some proxies send no `event:` line, others no `type`.
      switch (value["type"] ?? name) {
        // A gateway that can't stream sends the whole as one event.
        case "message":
          readMessage(value);
          return choices.hasOutput() ? FRAME_OUTPUT | FRAME_TERMINAL : FRAME_TERMINAL;
        case "message_start":
          readHead(asObject(value["message"]) ?? {});
          return FRAME_NOTHING;
        case "content_block_start":
          return readBlock(asObject(value["content_block"]) ?? {}, value["index"]);
        case "content_block_delta":
          return readDelta(asObject(value["delta"]) ?? {}, value["index"]);
        case "message_delta":
          usage.merge(value["usage"]);
          return readStop(asObject(value["delta"]) ?? {});
        case "message_stop":
          stopped = true;
          return FRAME_TERMINAL;
        default:
          return FRAME_NOTHING;
      }
    },

    findText(value) {
      const { delta, type, index } = value;
      if (type !== "content_block_delta" || !isObject(delta) || listNested(value).length > 1) return undefined;
      const key = textKeys.get(delta["type"]);
      const text = key === undefined ? undefined : delta[key];
      if (key === undefined || typeof text !== "string" || listSaying(delta).length > 2 || Array.isArray(index))
        return undefined;
      return {
        key,
        text,
        ignored: listIgnored(value),
        add: (added) => void readDelta({ ...delta, [key]: added }, index),
      };
    },

    isFinished: () => stopped || choices.isFinished(),
    hasOutput: () => choices.hasOutput(),

    build(situation) {
      const raw = usage.toObject();
      const zeroMeansMissing = !countingProviders.has(input.route.provider);
      const response = buildAnswer(choices, situation, readAnthropicUsage(raw), { zeroMeansMissing });
      if (fellBack) response.notes.push("model_fallback");
      return addKnown(response, {
        id,
        model,
        upstreamProvider,
        serviceTier: asLabel(usage.get("service_tier")),
        reportedCostUsd: readReportedCost(raw),
      });
    },
  };
}

function isEmptyObject(value: unknown): boolean {
  return value === undefined || value === null || (isObject(value) && Object.keys(value).length === 0);
}
