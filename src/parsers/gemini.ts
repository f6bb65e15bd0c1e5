/**
 * Gemini API and Vertex AI: `generateContent`, `streamGenerateContent` (SSE, or elements of a JSON array),
 * `countTokens`, `embedContent`, `batchEmbedContents`. Each chunk of a stream is a whole response object.
 *
 * @see https://ai.google.dev/api/generate-content
 */
import type { Choice } from "../types.ts";
import { addGeminiContents, readField, readGeminiPart } from "./gemini-content.ts";
import { createPartialArguments } from "./gemini-partial-args.ts";
import type { PartialArguments } from "./gemini-partial-args.ts";
import { readGeminiRequest } from "./gemini-request.ts";
import { findChunkText } from "./gemini-text.ts";
import { readGeminiUsage } from "./gemini-usage.ts";
import type { Parser, ResponseInput, TextEvent } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL, missingUsage, notApplicableUsage } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { createCountFold } from "./shared/count-fold.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asIndex, asLabel, asObject, asString, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createMergedFields } from "./shared/merged-fields.ts";
import { textParts } from "./shared/message-parts.ts";
import { listIgnored } from "./shared/text-event.ts";
import { measureVectors } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";

/** The parser of `gemini`. */
export const geminiParser: Parser<FoldState> = createFoldParser({
  api: "gemini",
  readRequest: readGeminiRequest,
  messageList: { field: "contents", read: addGeminiContents },
  start(input) {
    const operation = input.request.operation ?? input.route.operation;
    if (operation === "count_tokens") return createCountFold();
    return operation === "embeddings" ? createEmbeddingFold() : createContentFold(input);
  },
});

/**
 * `FinishReason` by number, as `$alt=json;enum-encoding=int` sends it. The two services number differently from 6 on;
 * what is not here is kept as a number.
 */
const finishReasons: Readonly<Record<"gemini" | "vertex", readonly string[]>> = {
  gemini: [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
  ],
  vertex: [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MODEL_ARMOR",
  ],
};

/** Of the grounding: HTML of a search widget. */
const bulkyGrounding: ReadonlySet<string> = new Set(["searchEntryPoint", "search_entry_point"]);

/** More candidates than this nobody asks for. */
const MAX_CANDIDATES = 256;

/** A chunk holds some twenty tokens: most answers are over before it pays to learn what their chunks look like. */
const FIRST_LEARNT = 4;

interface OpenCall {
  id: unknown;
  name: unknown;
  arguments: PartialArguments;
}

function createContentFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  const usage = createMergedFields();
  const reasonByNumber = finishReasons[input.route.provider === "gcp.gemini" ? "gemini" : "vertex"];
  /** Function calls whose arguments are still coming, by candidate. */
  const openCalls = new Map<number, OpenCall>();
  /** The last grounding of each candidate: it is repeated as it grows. */
  const grounding = new Map<number, JsonObject>();
  let calls = 0;
  let searches = 0;
  let id: string | undefined;
  let model: string | undefined;
  let blocked: JsonObject | undefined;
  /** Chunks with output that were parsed. */
  let parsed = 0;

  function addCall(candidate: number, id: unknown, name: unknown, args: unknown): void {
    // Calls often have no id, and two may be alike: each gets a number of its own.
    choices.addToolCall(candidate, { index: calls++, id, name, arguments: args ?? {} });
  }

  function closeCall(candidate: number): void {
    const call = openCalls.get(candidate);
    if (call === undefined) return;
    openCalls.delete(candidate);
    addCall(candidate, call.id, call.name, call.arguments.build());
  }

  function readCall(candidate: number, call: JsonObject): number {
    const { id, name, args } = call;
    const pieces = readField(call, "partialArgs");
    const continues = readField(call, "willContinue") === true;
    if (asString(name) !== undefined || (args !== undefined && !openCalls.has(candidate))) {
      closeCall(candidate);
      if (!continues && pieces === undefined) {
        addCall(candidate, id, name, args);
        return FRAME_OUTPUT;
      }
      openCalls.set(candidate, { id, name, arguments: createPartialArguments(args, input.contentLimit) });
    }
    openCalls.get(candidate)?.arguments.add(pieces);
    if (!continues) closeCall(candidate);
    return FRAME_OUTPUT;
  }

  function readPart(candidate: number, part: JsonObject): number {
    if (typeof part["text"] === "string") {
      const type = part["thought"] === true ? "reasoning" : "text";
      return choices.addText(candidate, type, part["text"]) ? FRAME_OUTPUT : FRAME_NOTHING;
    }
    const call = asObject(readField(part, "functionCall"));
    if (call !== undefined) return readCall(candidate, call);
    let bits = FRAME_NOTHING;
    for (const whole of readGeminiPart(part)) {
      choices.addPart(candidate, whole);
      // What a tool of the provider returned is not the model's.
      if (whole.type !== "server_tool_call_response") bits = FRAME_OUTPUT;
    }
    return bits;
  }

  function readCandidate(candidate: JsonObject, position: number): number {
    const index = asIndex(candidate["index"]) ?? position;
    if (index >= MAX_CANDIDATES) return FRAME_NOTHING;
    const content = asObject(candidate["content"]);
    let bits = FRAME_NOTHING;
    const { parts } = content ?? {};
    for (const part of isObject(parts) ? [parts] : asArray(parts)) if (isObject(part)) bits |= readPart(index, part);
    const grounded = asObject(readField(candidate, "groundingMetadata"));
    if (grounded !== undefined && Object.keys(grounded).length > 0) grounding.set(index, grounded);
    const given = readField(candidate, "finishReason");
    const reason = typeof given === "number" ? (reasonByNumber[given] ?? String(given)) : asLabel(given);
    if (reason === undefined) return bits;
    closeCall(index);
    choices.setFinishReason(index, reason);
    return bits | FRAME_TERMINAL;
  }

  function readResponse(value: JsonObject): number {
    id ??= asLabel(readField(value, "responseId"));
    model ??= asLabel(readField(value, "modelVersion"));
    usage.merge(readField(value, "usageMetadata"));
    let bits = FRAME_NOTHING;
    asArray(value["candidates"]).forEach((candidate, position) => {
      if (isObject(candidate)) bits |= readCandidate(candidate, position);
    });
    const feedback = asObject(readField(value, "promptFeedback"));
    if (asLabel(readField(feedback, "blockReason")) !== undefined) {
      blocked = feedback;
      bits |= FRAME_TERMINAL;
      if (asString(readField(feedback, "blockReasonMessage")) !== undefined) bits |= FRAME_OUTPUT;
    }
    return bits;
  }

  function findText(chunk: JsonObject): TextEvent | undefined {
    parsed += 1;
    const found = parsed < FIRST_LEARNT ? undefined : findChunkText(chunk);
    if (found === undefined) return undefined;
    const { type, text, candidate, counts } = found;
    return {
      key: "text",
      text,
      ignored: listIgnored(chunk),
      counts,
      add(added, latest) {
        usage.merge(found.usage);
        usage.merge(latest);
        choices.addText(candidate, type, added);
      },
    };
  }

  /** Sources are kept as one part at the end, when they are complete. */
  function closeCandidates(): void {
    for (const candidate of openCalls.keys()) closeCall(candidate);
    for (const [candidate, metadata] of grounding) {
      searches += asArray(readField(metadata, "webSearchQueries")).length;
      choices.addPart(candidate, { type: "other", kind: "grounding", content: omitKeys(metadata, bulkyGrounding) });
    }
    grounding.clear();
  }

  return {
    readBody: readResponse,
    readEvent: readResponse,
    findText,
    isFinished: () => blocked !== undefined || choices.isFinished(),
    hasOutput: () =>
      choices.hasOutput() || openCalls.size > 0 || readField(blocked, "blockReasonMessage") !== undefined,
    build(situation) {
      closeCandidates();
      const raw = usage.toObject();
      // A Google endpoint that reports zeros means them.
      const answer = buildAnswer(choices, situation, readGeminiUsage(raw, searches), { zeroMeansMissing: false });
      if (blocked !== undefined && answer.choices.length === 0) answer.choices = [createBlockedChoice(blocked)];
      return addKnown(answer, { id, model, serviceTier: asLabel(readField(raw, "serviceTier")) });
    },
  };
}

/** A prompt that was not let through has no candidates: its reason stands for the finish reason. */
function createBlockedChoice(feedback: JsonObject): Choice {
  const choice: Choice = {
    index: 0,
    message: { role: "assistant", parts: textParts("refusal", readField(feedback, "blockReasonMessage")) },
    finishReason: "content_filter",
  };
  const reason = asLabel(readField(feedback, "blockReason"));
  if (reason !== undefined) choice.rawFinishReason = reason;
  return choice;
}

/** `embedContent` and `batchEmbedContents`; only newer models report usage. */
function createEmbeddingFold(): AnswerFold {
  const usage = createMergedFields();
  let embeddings: VectorShape | undefined;

  return {
    readBody(value) {
      const single = value["embedding"];
      embeddings = measureVectors(single === undefined ? value["embeddings"] : [single]);
      usage.merge(readField(value, "usageMetadata"));
    },
    readEvent: () => FRAME_NOTHING,
    isFinished: () => false,
    hasOutput: () => embeddings !== undefined,
    build(situation) {
      const reported = readGeminiUsage(usage.toObject());
      const failed = situation.error !== undefined || situation.status >= 400;
      return compact({
        choices: [],
        embeddings,
        usage: reported ?? (failed ? missingUsage("error_response") : notApplicableUsage()),
        notes: [],
      });
    },
  };
}
