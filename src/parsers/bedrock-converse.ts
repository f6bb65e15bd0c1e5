/**
 * Bedrock Converse and ConverseStream, and Nova's own format, which is the same but for its event names. Also
 * CountTokens. Neither id nor model is in the body: the id is a header, the model is in the path.
 *
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
 */
import {
  readConverseBlock,
  readConverseContent,
  addConverseMessages,
  readConverseTools,
  readToolResult,
  readToolUseType,
} from "./bedrock-content.ts";
import { nameBedrockError, readBedrockEventError } from "./bedrock-errors.ts";
import { readConverseUsage } from "./bedrock-usage.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { createCountFold } from "./shared/count-fold.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asCount, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createMergedFields } from "./shared/merged-fields.ts";
import { readList } from "./shared/message-list.ts";
import { citationPart } from "./shared/message-parts.ts";
import { readSettings } from "./shared/settings.ts";
import { listIgnored, listNested } from "./shared/text-event.ts";

const contentKeys: ReadonlySet<string> = new Set(["messages", "system", "toolConfig", "modelId"]);

/** The parser of `bedrock-converse`. */
export const bedrockConverseParser: Parser<FoldState> = createFoldParser({
  api: "bedrock-converse",
  readRequest: readConverseRequest,
  messageList: { field: "messages", read: addConverseMessages },
  start: (input) =>
    (input.request.operation ?? input.route.operation) === "count_tokens"
      ? createCountFold()
      : createConverseFold(input),
  readEventError: readBedrockEventError,
  refineError: nameBedrockError,
});

/** A Converse request, or a CountTokens request, which wraps one. */
export function readConverseRequest(input: RequestInput): ParsedRequest {
  const outer = asObject(input.body) ?? {};
  const inner = asObject(asObject(outer["input"])?.["converse"]);
  const body = inner ?? outer;
  const system = readConverseContent(body["system"]);
  const toolConfig = asObject(body["toolConfig"]);
  const toolChoice = asObject(toolConfig?.["toolChoice"]);
  return compact<ParsedRequest>({
    model: input.route.pathModel ?? asLabel(body["modelId"]),
    parameters: { ...readSettings(body, contentKeys, "inferenceConfig"), ...(toolChoice && { toolChoice }) },
    system: system.length === 0 ? undefined : system,
    messages: readList(body["messages"], addConverseMessages, inner === undefined ? input.known : undefined),
    tools: readConverseTools(toolConfig?.["tools"]),
    // The path decides.
    stream: /\/(converse-stream|invoke-with-response-stream)(\?|$)/.test(input.path) || undefined,
  });
}

interface DeltaText {
  key: string;
  text: string;
  put(text: string): JsonObject;
}

function createConverseFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  const usage = createMergedFields();
  let serviceTier: string | undefined;
  let processingMs: number | undefined;
  /** The head of the tool result that is open now: its content comes in deltas. */
  let openResult: JsonObject = {};

  function readBlock(block: JsonObject, index: unknown): number {
    const use = asObject(block["toolUse"]);
    if (use !== undefined) return readToolUse(use, index);
    let bits = FRAME_NOTHING;
    for (const part of readConverseBlock(block)) {
      if (part.type === "text" || part.type === "reasoning") choices.addText(0, part.type, part.content);
      else
        choices.addPart(0, part.type === "tool_call_response" ? { ...part, type: "server_tool_call_response" } : part);
      if (part.type !== "server_tool_call_response") bits = FRAME_OUTPUT;
    }
    return bits;
  }

  function readToolUse(use: JsonObject, index: unknown): number {
    const type = readToolUseType(use);
    choices.addToolCall(0, { index, id: use["toolUseId"], name: use["name"], arguments: use["input"], type });
    return FRAME_OUTPUT;
  }

  function readStart(start: JsonObject, index: unknown): number {
    const result = asObject(start["toolResult"]);
    if (result === undefined) return readBlock(start, index);
    openResult = result;
    return FRAME_NOTHING;
  }

  function readDelta(delta: JsonObject, index: unknown): number {
    if (typeof delta["text"] === "string") {
      return choices.addText(0, "text", delta["text"]) ? FRAME_OUTPUT : FRAME_NOTHING;
    }
    const use = asObject(delta["toolUse"]);
    if (use !== undefined) {
      return choices.addToolCall(0, { index, arguments: use["input"] }) ? FRAME_OUTPUT : FRAME_NOTHING;
    }
    const reasoning = asObject(delta["reasoningContent"]);
    if (reasoning !== undefined) {
      if (reasoning["redactedContent"] !== undefined) return readBlock(delta, index);
      return choices.addText(0, "reasoning", reasoning["text"]) ? FRAME_OUTPUT : FRAME_NOTHING;
    }
    if (delta["citation"] !== undefined) {
      choices.addPart(0, citationPart(delta["citation"]));
      return FRAME_NOTHING;
    }
    if (delta["toolResult"] !== undefined) {
      const content = asArray(delta["toolResult"]);
      choices.addPart(0, { ...readToolResult({ ...openResult, content }), type: "server_tool_call_response" });
      return FRAME_NOTHING;
    }
    const image = asObject(delta["image"]);
    if (image === undefined) return FRAME_NOTHING;
    const data = asString(asObject(image["source"])?.["bytes"]);
    const format = asLabel(image["format"]);
    const mimeType = format === undefined ? undefined : `image/${format}`;
    const media = { modality: "image" as const, mimeType, data };
    return choices.addMedia(0, String(asCount(index)), media) ? FRAME_OUTPUT : FRAME_NOTHING;
  }

  function readStop(reason: unknown): number {
    choices.setFinishReason(0, reason);
    return asLabel(reason) === undefined ? FRAME_NOTHING : FRAME_TERMINAL;
  }

  function readMetadata(metadata: JsonObject): void {
    usage.merge(metadata["usage"]);
    serviceTier = asLabel(asObject(metadata["serviceTier"])?.["type"]) ?? serviceTier;
    processingMs = asCount(asObject(metadata["metrics"])?.["latencyMs"]) ?? processingMs;
  }

  function readNamed(name: string, event: JsonObject): number {
    const index = event["contentBlockIndex"];
    switch (name) {
      case "messageStart":
        choices.setRole(0, event["role"]);
        return FRAME_NOTHING;
      case "contentBlockStart":
        return readStart(asObject(event["start"]) ?? {}, index);
      case "contentBlockDelta":
        return readDelta(asObject(event["delta"]) ?? {}, index);
      case "messageStop":
        return readStop(event["stopReason"]);
      case "metadata":
        readMetadata(event);
        return FRAME_NOTHING;
      default:
        return FRAME_NOTHING;
    }
  }

  return {
    readBody(body) {
      const message = asObject(asObject(body["output"])?.["message"]);
      choices.setRole(0, message?.["role"]);
      asArray(message?.["content"]).forEach((block, index) => {
        if (isObject(block)) readBlock(block, index);
      });
      readStop(body["stopReason"]);
      readMetadata(body);
    },

    readEvent(event, name) {
      // Nova's events have no name of their own: `{"contentBlockDelta": {…}}`.
      if (name !== undefined && name !== "chunk") return readNamed(name, event);
      let bits = FRAME_NOTHING;
      for (const key of Object.keys(event)) {
        const inner = event[key];
        if (isObject(inner)) bits |= readNamed(key, inner);
      }
      return bits;
    },

    findText(event) {
      const { delta, contentBlockIndex: index } = event;
      // What comes with a delta and no block beside it, and has carried output, is named contentBlockDelta.
      if (!isObject(delta) || listNested(event).length > 1 || Array.isArray(index)) return undefined;
      const found = findDeltaText(delta);
      if (found === undefined) return undefined;
      const { key, text, put } = found;
      return { key, text, ignored: listIgnored(event), add: (added) => void readDelta(put(added), index) };
    },

    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),

    build(situation) {
      // Bedrock counts: a prompt that a guardrail blocked took no tokens.
      const answer = buildAnswer(choices, situation, readConverseUsage(usage.toObject()), { zeroMeansMissing: false });
      return addKnown(answer, { id: asLabel(input.headers["x-amzn-requestid"]), serviceTier, processingMs });
    },
  };
}

/** The text of a delta, and how to make one of another text. */
function findDeltaText({ text, toolUse, reasoningContent }: JsonObject): DeltaText | undefined {
  if (typeof text === "string") return { key: "text", text, put: (added) => ({ text: added }) };
  const { input } = asObject(toolUse) ?? {};
  if (typeof input === "string") return { key: "input", text: input, put: (added) => ({ toolUse: { input: added } }) };
  const { text: thought, redactedContent } = asObject(reasoningContent) ?? {};
  if (typeof thought !== "string" || redactedContent !== undefined || toolUse !== undefined) return undefined;
  return { key: "text", text: thought, put: (added) => ({ reasoningContent: { text: added } }) };
}
