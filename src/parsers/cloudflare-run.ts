/**
 * Cloudflare Workers AI, `/ai/run/{model}`: `{result, success, errors}` around what the model's task answers, or events
 * with pieces of text. Newer models answer like Chat Completions or Responses inside.
 *
 * @see https://developers.cloudflare.com/api/resources/ai/methods/run/
 */
import type { Modality, Operation, Usage } from "../types.ts";
import { readCloudflareRequest } from "./cloudflare-run-request.ts";
import { openaiChatParser } from "./openai-chat.ts";
import { openaiResponsesParser } from "./openai-responses.ts";
import type { Frame, Parser, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold } from "./shared/fold-parser.ts";
import { asArray, asCount, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { writeJson } from "./shared/json-text.ts";
import { LIST_KEY } from "./shared/list-body.ts";
import { modalityOf, readBase64Media } from "./shared/media.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { judgeUsage } from "./shared/operation-usage.ts";
import { createSwitchParser } from "./shared/switch-parser.ts";
import type { SwitchState } from "./shared/switch-parser.ts";
import { createUsage } from "./shared/usage.ts";
import { measureVectors } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";

/** Where the tasks put their text. */
const textKeys = ["text", "translated_text", "summary", "description"] as const;

/** The key under which a body of plain bytes reaches the fold. */
const BINARY_KEY = "binary";

const nativeParser = createFoldParser({
  api: "cloudflare-run",
  readRequest: readCloudflareRequest,
  start: createAnswerFold,
});

/** The parser of `cloudflare-run`. */
export const cloudflareRunParser: Parser<SwitchState> = createSwitchParser({
  api: "cloudflare-run",
  readRequest: readCloudflareRequest,
  openFrame,
  choose: chooseParser,
});

function openFrame(frame: Frame, { status }: ResponseInput): Frame {
  if (status >= 400) return frame;
  if (frame.kind === "binary") return { kind: "body", value: { [BINARY_KEY]: frame } };
  if (frame.kind !== "body" || !isObject(frame.value)) return frame;
  const { result, success } = frame.value;
  if (result === undefined || result === null || success === false) return frame;
  return { kind: "body", value: isObject(result) ? result : { [LIST_KEY]: result } };
}

function chooseParser(value: unknown): Parser {
  if (!isObject(value)) return nativeParser;
  if (Array.isArray(value["choices"])) return openaiChatParser;
  const isResponses = value["object"] === "response" || asString(value["type"])?.startsWith("response.") === true;
  return isResponses ? openaiResponsesParser : nativeParser;
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let embeddings: VectorShape | undefined;
  let usage: JsonObject | undefined;
  let operation: Operation | undefined;
  let audioSeconds: number | undefined;
  let imageCount: number | undefined;

  /** Text, but also a number where the text is one, and an object where the model was asked for JSON. */
  function readResponse(response: unknown): boolean {
    if (response === undefined || response === null) return false;
    if (Array.isArray(response) && asObject(response[0])?.["score"] !== undefined) {
      operation = "rerank";
      return false;
    }
    return choices.addText(0, "text", typeof response === "string" ? response : writeJson(response));
  }

  /** `{name, arguments}`, or as Chat Completions have it; the last event repeats the index with nothing in it. */
  function readToolCalls(calls: unknown): boolean {
    let output = false;
    for (const [position, item] of asArray(calls).entries()) {
      const call = asObject(item);
      const called = asObject(call?.["function"]) ?? call;
      if (call === undefined || called === undefined) continue;
      const index = call["index"] ?? position;
      const delta = { index, id: call["id"], name: called["name"], arguments: called["arguments"] };
      output = choices.addToolCall(0, delta) || output;
    }
    return output;
  }

  function read(value: JsonObject): boolean {
    let output = readResponse(value["response"]);
    if (value["tool_calls"] !== undefined) output = readToolCalls(value["tool_calls"]) || output;
    choices.setFinishReason(0, value["finish_reason"]);
    usage = asObject(value["usage"]) ?? usage;
    return output;
  }

  function readMedia(data: unknown, modality: Modality): void {
    if (typeof data !== "string") return;
    choices.addPart(0, readBase64Media(data, modality));
    if (modality === "image") imageCount = 1;
  }

  function readBinary(bytes: number, mimeType: string | undefined): void {
    const modality = modalityOf(mimeType);
    choices.addPart(0, { type: "blob", modality, bytes, ...(mimeType !== undefined && { mimeType }) });
    if (modality === "image") imageCount = 1;
  }

  return {
    readBody(body) {
      read(body);
      for (const key of textKeys) choices.addText(0, "text", body[key]);
      readMedia(body["image"], "image");
      readMedia(body["audio"], "audio");
      const binary = asObject(body[BINARY_KEY]);
      if (binary !== undefined) readBinary(asCount(binary["bytes"]) ?? 0, asLabel(binary["mimeType"]));
      audioSeconds = asCount(asObject(body["transcription_info"])?.["duration"]);
      const items = body[LIST_KEY];
      if (items !== undefined) choices.addPart(0, { type: "other", kind: "results", content: items });
      if (Array.isArray(body["shape"])) embeddings = measureVectors(body["data"]);
      if (embeddings !== undefined) operation = "embeddings";
    },
    readEvent: (event) => (read(event) ? FRAME_OUTPUT : FRAME_NOTHING),
    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    build: (situation) => {
      const reported = readOpenAiUsage(usage) ?? createUsage({ audioSeconds }, undefined);
      const answer = buildAnswer(choices, situation, reported);
      const judged = judgeUsage(answer.usage, input, operation);
      return compact({ ...answer, usage: compact<Usage>({ ...judged, imageCount }), embeddings, operation });
    },
  };
}
