/**
 * The AI SDK's own protocol to Vercel's AI Gateway (`/v3/ai/language-model` and its siblings): the result of a model as
 * the AI SDK has it, whole or as the parts of its stream. Read from `@ai-sdk/gateway` and `@ai-sdk/provider`, of which
 * specification versions 2 and 3 differ in usage and finish reason.
 */
import type { Choice, FinishReason, Usage } from "../types.ts";
import type { Parser, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { mapFinishReason } from "./shared/finish-reason.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { asArray, asCount, asLabel, asObject, compact } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readBase64Media } from "./shared/media.ts";
import { judgeUsage } from "./shared/operation-usage.ts";
import { createUsage } from "./shared/usage.ts";
import { measureVectors } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";
import { readFilePart, readVercelRequest } from "./vercel-ai-request.ts";
import { readGatewayMetadata, readVercelUsage } from "./vercel-ai-usage.ts";
import type { GatewayMetadata } from "./vercel-ai-usage.ts";

/** More calls than an answer can have. */
const MAX_CALLS = 4096;

/** The parser of `vercel-ai`. */
export const vercelAiParser: Parser<FoldState> = createFoldParser({
  api: "vercel-ai",
  readRequest: readVercelRequest,
  start: createAnswerFold,
});

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let id: string | undefined;
  let model: string | undefined;
  let usage: Usage | undefined;
  let gateway: GatewayMetadata = {};
  let embeddings: VectorShape | undefined;
  let unifiedReason: FinishReason | undefined;
  const streamedCalls = new Set<string>();
  let lastBlock: string | undefined;
  let imageCount: number | undefined;

  /** A delta belongs to a block, which its id names. */
  function readDelta(type: "text" | "reasoning", part: JsonObject): boolean {
    const block = asLabel(part["id"]);
    if (block !== lastBlock) choices.breakText(0);
    lastBlock = block;
    // Version 1 and the first betas of version 2 called it otherwise.
    return choices.addText(0, type, part["delta"] ?? part["textDelta"] ?? part["text"]);
  }

  function readToolInput(part: JsonObject): boolean {
    const callId = asLabel(part["id"]);
    if (callId !== undefined && streamedCalls.size < MAX_CALLS) streamedCalls.add(callId);
    return choices.addToolCall(0, {
      index: callId,
      id: callId,
      name: part["toolName"],
      arguments: part["delta"],
      type: part["providerExecuted"] === true ? "server_tool_call" : "tool_call",
      freeText: part["inputEncoding"] === "text",
    });
  }

  /** A whole call. Of a call whose input was streamed it says nothing new. */
  function readToolCall(part: JsonObject): boolean {
    const callId = asLabel(part["toolCallId"]);
    if (callId !== undefined && streamedCalls.has(callId)) return false;
    return choices.addToolCall(0, {
      index: callId,
      id: callId,
      name: part["toolName"],
      arguments: part["input"] ?? part["args"],
      type: part["providerExecuted"] === true ? "server_tool_call" : "tool_call",
    });
  }

  /** A part of the content, or of a stream: those that come whole are the same in both. */
  function readPart(part: JsonObject): boolean {
    switch (part["type"]) {
      case "text":
        choices.breakText(0);
        return choices.addText(0, "text", part["text"]);
      case "reasoning":
        return choices.addText(0, "reasoning", part["text"] ?? part["textDelta"]);
      case "text-delta":
        return readDelta("text", part);
      case "reasoning-delta":
        return readDelta("reasoning", part);
      case "tool-input-start":
      case "tool-input-delta":
        return readToolInput(part);
      case "tool-call":
        return readToolCall(part);
      case "tool-result":
        // Only tools that the provider ran have a result here; a preliminary one is replaced later.
        if (part["preliminary"] === true) return false;
        choices.addPart(0, {
          type: "server_tool_call_response",
          response: part["result"],
          ...compact<{ id?: string; name?: string }>({
            id: asLabel(part["toolCallId"]),
            name: asLabel(part["toolName"]),
          }),
        });
        return false;
      case "file":
        choices.addPart(0, readFilePart(part, undefined));
        return true;
      default:
        return false;
    }
  }

  function readMetadata(value: unknown): void {
    gateway = { ...gateway, ...readGatewayMetadata(value) };
  }

  /** The end of a body and the `finish` part of a stream are alike. Version 3 tells both its own and the raw reason. */
  function readEnd(end: JsonObject): void {
    const reason = asObject(end["finishReason"]);
    const unified = asLabel(reason?.["unified"]);
    choices.setFinishReason(0, reason === undefined ? end["finishReason"] : (reason["raw"] ?? unified));
    unifiedReason = mapFinishReason(unified) ?? unifiedReason;
    usage = readVercelUsage(end["usage"]) ?? usage;
    readMetadata(end["providerMetadata"]);
  }

  function readHead(head: JsonObject | undefined): void {
    id ??= asLabel(head?.["id"]);
    model ??= asLabel(head?.["modelId"]);
  }

  return {
    readBody(body) {
      readHead(asObject(body["response"]));
      for (const part of asArray(body["content"])) readPart(asObject(part) ?? {});
      readEnd(body);
      embeddings = measureVectors(body["embeddings"]);
      readOtherModels(body);
    },

    readEvent(event) {
      if (event["providerMetadata"] !== undefined) readMetadata(event["providerMetadata"]);
      if (event["type"] === "response-metadata") {
        readHead(event);
        return FRAME_NOTHING;
      }
      if (event["type"] === "finish") {
        readEnd(event);
        return FRAME_TERMINAL;
      }
      return readPart(event) ? FRAME_OUTPUT : FRAME_NOTHING;
    },

    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    build: (situation) => {
      const answer = buildAnswer(choices, situation, usage);
      return compact({
        ...answer,
        usage: compact<Usage>({ ...judgeUsage(answer.usage, input), imageCount }),
        choices: answer.choices.map((choice) => preferUnified(choice, unifiedReason)),
        id: id ?? gateway.generationId,
        model,
        embeddings,
        upstreamProvider: gateway.provider,
        reportedCostUsd: gateway.costUsd,
      });
    },
  };

  /** Image, speech and transcription models. */
  function readOtherModels(body: JsonObject): void {
    const images = asArray(body["images"]);
    if (images.length > 0) imageCount = images.length;
    for (const image of images) if (typeof image === "string") choices.addPart(0, readBase64Media(image, "image"));
    if (typeof body["audio"] === "string") choices.addPart(0, readBase64Media(body["audio"], "audio"));
    choices.addText(0, "text", body["text"]);
    usage ??= createUsage({ audioSeconds: asCount(body["durationInSeconds"]) }, undefined);
  }
}

/** The gateway knows more raw reasons than any table. */
function preferUnified(choice: Choice, unified: FinishReason | undefined): Choice {
  return unified === undefined || choice.rawFinishReason === undefined ? choice : { ...choice, finishReason: unified };
}
