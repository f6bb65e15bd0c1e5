/**
 * Gemini Interactions API, as JSON and as events: steps that start, grow by deltas and stop, or, in older versions,
 * contents that do.
 *
 * @see https://ai.google.dev/api/interactions-api
 */
import {
  readCallType,
  readInput,
  readItem,
  readMedia,
  readSummary,
  readToolName,
} from "./gemini-interactions-items.ts";
import { readInteractionUsage } from "./gemini-interactions-usage.ts";
import type { ParsedError, ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asCount, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createMergedFields } from "./shared/merged-fields.ts";
import { citationPart, textParts } from "./shared/message-parts.ts";
import { readToolDefinitions } from "./shared/openai-messages.ts";
import { readSettings } from "./shared/settings.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "agent", "input", "system_instruction", "tools", "stream"]);

/** The interaction goes on after the response. */
const openStatuses: ReadonlySet<string | undefined> = new Set(["in_progress", "queued", "requires_continuation"]);

/** The parser of `gemini-interactions`. */
export const geminiInteractionsParser: Parser<FoldState> = createFoldParser({
  api: "gemini-interactions",
  readRequest,
  start: createInteractionFold,
});

function readRequest(input: RequestInput): ParsedRequest {
  const body = asObject(input.body) ?? {};
  const system = textParts("text", body["system_instruction"]);
  return compact<ParsedRequest>({
    // An agent is asked in place of a model.
    model: asLabel(body["model"]) ?? asLabel(body["agent"]) ?? input.route.pathModel,
    parameters: readSettings(body, contentKeys, "generation_config"),
    system: system.length === 0 ? undefined : system,
    messages: readInput(body["input"]),
    tools: readToolDefinitions(body["tools"]),
    stream: typeof body["stream"] === "boolean" ? body["stream"] : undefined,
  });
}

function createInteractionFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  const usage = createMergedFields();
  let id: string | undefined;
  let model: string | undefined;
  let serviceTier: string | undefined;
  let status: string | undefined;
  let error: ParsedError | undefined;
  /** The head of the step that is open now: what its deltas belong to. */
  let open: JsonObject = {};

  function readHead(interaction: JsonObject): void {
    id ??= asLabel(interaction["id"]);
    model ??= asLabel(interaction["model"]);
    serviceTier = asLabel(interaction["service_tier"]) ?? serviceTier;
    usage.merge(interaction["usage"]);
    readStatus(interaction["status"]);
    if (status === "failed") error ??= readErrorBody(asArray(interaction["errors"])[0]);
  }

  function readStatus(value: unknown): number {
    const given = asLabel(value);
    if (given === undefined) return FRAME_NOTHING;
    status = given;
    if (openStatuses.has(given)) return FRAME_NOTHING;
    choices.setFinishReason(0, given);
    return FRAME_TERMINAL;
  }

  /** A whole step or content, or the first event of one. */
  function readStart(item: JsonObject, index: unknown): number {
    choices.breakText(0);
    const callType = readCallType(item["type"]);
    if (callType !== undefined) return readCall(item, index, item["id"], readToolName(item), callType);
    if (asLabel(item["type"])?.endsWith("_result") && item["result"] === undefined) return FRAME_NOTHING;
    if (item["error"] !== undefined && item["error"] !== null) error ??= readErrorBody(item);
    return readWhole(item);
  }

  function readWhole(item: JsonObject): number {
    let bits = FRAME_NOTHING;
    for (const part of readItem(item)) {
      if (part.type === "text" || part.type === "reasoning") choices.addText(0, part.type, part.content);
      else if (part.type === "other" && part.content === item && isHead(item)) continue;
      else choices.addPart(0, part);
      // What a tool of the provider returned is not the model's.
      if (part.type !== "server_tool_call_response") bits = FRAME_OUTPUT;
    }
    return bits;
  }

  function readCall(
    call: JsonObject,
    index: unknown,
    callId: unknown,
    name: string | undefined,
    type: "tool_call" | "server_tool_call",
  ): number {
    const given = call["arguments"];
    const isEmpty = isObject(given) && Object.keys(given).length === 0;
    const delta = { index, id: callId, name, type, ...(!isEmpty && { arguments: given }) };
    return choices.addToolCall(0, delta) ? FRAME_OUTPUT : FRAME_NOTHING;
  }

  function readDelta(delta: JsonObject, index: unknown): number {
    const type = asLabel(delta["type"]);
    switch (type) {
      case "text":
        return choices.addText(0, "text", delta["text"]) ? FRAME_OUTPUT : FRAME_NOTHING;
      case "thought_summary":
        return choices.addText(0, "reasoning", readSummary(delta)) ? FRAME_OUTPUT : FRAME_NOTHING;
      case "arguments_delta":
        return choices.addToolCall(0, { index, arguments: delta["arguments"] }) ? FRAME_OUTPUT : FRAME_NOTHING;
      case "text_annotation_delta":
        for (const annotation of asArray(delta["annotations"])) choices.addPart(0, citationPart(annotation));
        return FRAME_NOTHING;
      case "thought_signature":
      case undefined:
        return FRAME_NOTHING;
    }
    const callType = readCallType(type);
    if (callType !== undefined) {
      return readCall(delta, index, delta["id"] ?? open["id"], readToolName({ ...open, ...delta }), callType);
    }
    if (type.endsWith("_result")) return readWhole({ ...open, ...delta });
    const media = readMedia(delta);
    if (media?.type === "blob") {
      const { modality, mimeType, content } = media;
      const key = `${String(asCount(index))} ${modality}`;
      return choices.addMedia(0, key, { modality, mimeType, data: content }) ? FRAME_OUTPUT : FRAME_NOTHING;
    }
    return readWhole(delta);
  }

  return {
    readBody(value) {
      readHead(value);
      const steps = value["steps"] ?? value["outputs"];
      asArray(steps).forEach((step, index) => {
        if (isObject(step) && step["type"] !== "user_input") readStart(step, index);
      });
      if (steps === undefined) choices.addText(0, "text", value["output_text"]);
      // A status that is no end is still the last word of a whole body.
      choices.setFinishReason(0, status);
    },

    readEvent(value, name) {
      const metadata = asObject(value["metadata"]);
      if (metadata !== undefined) usage.merge(metadata["total_usage"] ?? metadata["usage"]);
      switch (asString(value["event_type"]) ?? name) {
        case "step.start":
        case "content.start":
          open = asObject(value["step"]) ?? asObject(value["content"]) ?? {};
          return readStart(open, value["index"]);
        case "step.delta":
        case "content.delta":
          return readDelta(asObject(value["delta"]) ?? {}, value["index"]);
        case "step.stop":
          usage.merge(value["usage"]);
          return FRAME_NOTHING;
        case "interaction.status_update":
          usage.merge(value["usage"]);
          return readStatus(value["status"]);
        case "interaction.created":
        case "interaction.start":
          readHead(asObject(value["interaction"]) ?? {});
          return FRAME_NOTHING;
        case "interaction.completed":
        case "interaction.complete":
          readHead(asObject(value["interaction"]) ?? {});
          choices.setFinishReason(0, status);
          return FRAME_TERMINAL;
        default:
          return FRAME_NOTHING;
      }
    },

    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    findError: () => error,

    build(situation) {
      const deferred = situation.finished && situation.error === undefined && openStatuses.has(status);
      const reported = readInteractionUsage(usage.toObject());
      const answer = buildAnswer(choices, situation, reported, { deferred, zeroMeansMissing: false });
      // The word for an answer that was cut short, which elsewhere may mean anything.
      if (status === "incomplete") for (const choice of answer.choices) choice.finishReason = "length";
      return addKnown(answer, { id, model, serviceTier, jobId: deferred ? id : undefined });
    },
  };
}

/** The head of a step without anything of it yet. */
function isHead(item: JsonObject): boolean {
  return Object.keys(item).every((key) => key === "type" || key === "signature");
}
