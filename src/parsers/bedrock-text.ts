/**
 * What models on Bedrock answer in formats that exist nowhere else: text of Llama, Mistral, Titan and Jurassic,
 * embeddings of Titan and Nova, images of Titan, Nova and Stability.
 *
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
 */
import type { Choice, Usage } from "../types.ts";
import type { ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL, notApplicableUsage } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { readCohereVectors } from "./shared/cohere-answer.ts";
import { buildAnswer } from "./shared/fold-parser.ts";
import type { AnswerFold } from "./shared/fold-parser.ts";
import { addKnown, asArray, asCount, asIndex, asLabel, asObject, asString, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";
import type { VectorShape } from "./shared/vectors.ts";

/** One text of an answer, or a piece of it. */
interface Output {
  index: unknown;
  text: unknown;
  reason: unknown;
}

/** Folds answers and events of the formats that Bedrock alone has; their fields do not overlap. */
export function createBedrockTextFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let inputTokens: number | undefined;
  let outputTokens: number | undefined;
  let embeddings: VectorShape | undefined;
  let imageCount = 0;
  let id: string | undefined;

  function readUsage(value: JsonObject): void {
    // Llama says it with the first event only, Titan with the last.
    inputTokens = asCount(value["prompt_token_count"] ?? value["inputTextTokenCount"]) ?? inputTokens;
    outputTokens = asCount(value["generation_token_count"] ?? value["totalOutputTextTokenCount"]) ?? outputTokens;
    const counts = asArray(value["results"]).map((result) => asCount(asObject(result)?.["tokenCount"]));
    for (const [position, count] of counts.entries()) {
      if (count !== undefined) outputTokens = (position === 0 ? 0 : (outputTokens ?? 0)) + count;
    }
  }

  /** Stability: `artifacts` or `images`; Titan and Nova: `images`. */
  function readImages(value: JsonObject): void {
    const images = asArray(value["images"] ?? value["artifacts"]);
    for (const [index, image] of images.entries()) {
      const data = asString(image) ?? asString(asObject(image)?.["base64"]);
      if (data === undefined) continue;
      imageCount++;
      choices.addPart(index, { type: "blob", modality: "image", content: data });
      choices.setFinishReason(index, asObject(image)?.["finishReason"]);
    }
    // What was filtered out has a reason, but no image.
    for (const [index, reason] of asArray(value["finish_reasons"]).entries()) choices.setFinishReason(index, reason);
  }

  function read(value: JsonObject): number {
    id ??= asLabel(value["id"]);
    readUsage(value);
    embeddings = readVectors(value) ?? embeddings;
    readImages(value);
    let bits = FRAME_NOTHING;
    for (const { index, text, reason } of readOutputs(value)) {
      if (choices.addText(index, "text", text)) bits |= FRAME_OUTPUT;
      if (asLabel(reason) === undefined) continue;
      choices.setFinishReason(index, reason);
      bits |= FRAME_TERMINAL;
    }
    return bits;
  }

  function readReported(): Usage | undefined {
    const usage = createUsage({ inputTokens, outputTokens }, undefined);
    if (imageCount === 0) return usage;
    return { ...(usage ?? notApplicableUsage()), imageCount };
  }

  return {
    readBody: read,
    readEvent: read,
    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput() || embeddings !== undefined,
    build(situation) {
      const operation =
        embeddings === undefined ? (imageCount === 0 ? undefined : "image_generation") : ("embeddings" as const);
      // Bedrock counts: zeros are what it says.
      const answer = buildAnswer(choices, situation, readReported(), { zeroMeansMissing: false });
      for (const choice of answer.choices) mapImageReason(choice);
      return addKnown(answer, { id, operation, embeddings });
    },
  };
}

/** Stability explains where others name a reason: `Filter reason: prompt`; of an image that is there it says `SUCCESS`. */
function mapImageReason(choice: Choice): void {
  if (choice.rawFinishReason === "SUCCESS") choice.finishReason = "stop";
  if (choice.rawFinishReason?.startsWith("Filter reason")) choice.finishReason = "content_filter";
}

/** The texts of a body or an event. */
function readOutputs(value: JsonObject): Output[] {
  // Llama.
  if ("generation" in value) return [{ index: 0, text: value["generation"], reason: value["stop_reason"] }];
  // Titan's events; its bodies have `results`.
  if ("outputText" in value) {
    return [{ index: value["index"], text: value["outputText"], reason: value["completionReason"] }];
  }
  // TwelveLabs Pegasus, whole and in pieces.
  if (typeof value["message"] === "string") {
    return [{ index: 0, text: value["message"], reason: value["finishReason"] }];
  }
  const list = asArray(value["outputs"] ?? value["results"] ?? value["completions"]);
  return list.filter(isObject).map((item, position) => ({
    index: asIndex(item["index"]) ?? position,
    // Mistral, Titan, Jurassic.
    text: item["text"] ?? item["outputText"] ?? asObject(item["data"])?.["text"],
    reason: item["stop_reason"] ?? item["completionReason"] ?? asObject(item["finishReason"])?.["reason"],
  }));
}

/** Titan: `embedding`, or `embeddingsByType` alone; Nova and Cohere: `embeddings`, as a list or by element type. */
function readVectors(value: JsonObject): VectorShape | undefined {
  const { embedding, embeddings, embeddingsByType, data } = value;
  if (Array.isArray(embedding)) return readCohereVectors([embedding]);
  const byType = asObject(embeddingsByType);
  if (byType !== undefined) {
    const vector = Object.values(byType).find((item) => Array.isArray(item));
    return vector === undefined ? undefined : readCohereVectors([vector]);
  }
  // TwelveLabs Marengo: segments of a video, or one vector.
  const segments = asArray(data).filter((item) => asObject(item)?.["embedding"] !== undefined);
  return segments.length > 0 ? readCohereVectors(segments) : readCohereVectors(embeddings);
}
