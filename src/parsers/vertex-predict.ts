/**
 * Vertex AI `:predict`: embeddings, Imagen, and the text of models on one's own endpoint.
 *
 * @see https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
 * @see https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api
 */
import type { Message, Operation, Part, Usage } from "../types.ts";
import { openaiChatParser } from "./openai-chat.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, notApplicableUsage } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold } from "./shared/fold-parser.ts";
import { addKnown, asArray, asCount, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { modalityOf, readBase64Media, readMediaUrl } from "./shared/media.ts";
import { createMessage, textParts } from "./shared/message-parts.ts";
import { readContent } from "./shared/openai-messages.ts";
import { judgeUsage } from "./shared/operation-usage.ts";
import { readSettings } from "./shared/settings.ts";
import { createSwitchParser } from "./shared/switch-parser.ts";
import type { SwitchState } from "./shared/switch-parser.ts";
import { createUsage } from "./shared/usage.ts";
import { measureVector } from "./shared/vectors.ts";

const contentKeys: ReadonlySet<string> = new Set(["instances"]);

/** Fields of a prediction that hold a vector: multimodal embeddings have one for each modality. */
const vectorFields = ["textEmbedding", "imageEmbedding"] as const;

const nativeParser = createFoldParser({ api: "vertex-predict", readRequest, start: createPredictionFold });

/** The parser of `vertex-predict`. A model server on one's own endpoint may answer like Chat Completions. */
export const vertexPredictParser: Parser<SwitchState> = createSwitchParser({
  api: "vertex-predict",
  readRequest,
  openFrame(frame) {
    const predictions = frame.kind === "body" ? asObject(frame.value)?.["predictions"] : undefined;
    return Array.isArray(asObject(predictions)?.["choices"]) ? { kind: "body", value: predictions } : frame;
  },
  choose: (value) => (Array.isArray(asObject(value)?.["choices"]) ? openaiChatParser : nativeParser),
});

function readRequest(input: RequestInput): ParsedRequest {
  const body = asObject(input.body) ?? {};
  const instances = asArray(body["instances"]).filter(isObject);
  const system = instances.flatMap((instance) => textParts("text", instance["context"]));
  const messages = instances.flatMap((instance) => [
    createMessage("user", readInstance(instance)),
    ...readTurns(instance),
  ]);
  return compact<ParsedRequest>({
    model: input.route.pathModel,
    parameters: readSettings(body, contentKeys, "parameters"),
    system: system.length === 0 ? undefined : system,
    messages: Array.isArray(body["instances"]) ? messages.filter(hasParts) : undefined,
    operation: readOperation(instances[0], input.route.operation),
  });
}

function hasParts(message: Message): boolean {
  return message.parts.length > 0;
}

/** `content` and `text` are embedded, a `prompt` becomes an image unless the model's name says otherwise. */
function readOperation(instance: JsonObject | undefined, routed: Operation): Operation | undefined {
  if (instance === undefined) return undefined;
  if (Array.isArray(instance["messages"])) return "chat";
  if (instance["content"] !== undefined || instance["text"] !== undefined) return "embeddings";
  if (instance["prompt"] !== undefined) return routed === "embeddings" ? "image_generation" : undefined;
  return instance["image"] === undefined || routed !== "image_generation" ? undefined : "embeddings";
}

/** Chat: PaLM's messages have an `author`, those of models on one's own endpoint a `role`. */
function readTurns(instance: JsonObject): Message[] {
  return asArray(instance["messages"])
    .filter(isObject)
    .map((turn) => {
      const author = asLabel(turn["role"]) ?? asLabel(turn["author"]);
      return createMessage(author === "bot" ? "assistant" : author, readContent(turn["content"]));
    });
}

function readInstance(instance: JsonObject): Part[] {
  const title = textParts("text", instance["title"]);
  const text = textParts("text", instance["content"] ?? instance["text"] ?? instance["prompt"]);
  const images = [instance["image"], ...asArray(instance["referenceImages"]), instance["mask"], instance["video"]];
  return [...title, ...text, ...images.flatMap((image) => readMedia(asObject(image)))];
}

/** Inline or in Cloud Storage; a reference image wraps it once more. */
function readMedia(given: JsonObject | undefined): Part[] {
  const media = asObject(given?.["referenceImage"]) ?? asObject(given?.["image"]) ?? given;
  const mimeType = asLabel(media?.["mimeType"]);
  const data = asString(media?.["bytesBase64Encoded"]);
  const modality = mimeType === undefined ? "image" : modalityOf(mimeType);
  if (data !== undefined) return [readBase64Media(data, modality, mimeType)];
  const uri = asString(media?.["gcsUri"]);
  if (uri === undefined) return [];
  return [{ ...readMediaUrl(uri, modality), ...(mimeType !== undefined && { mimeType }) }];
}

function createPredictionFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let vectors = 0;
  let dimensions: number | undefined;
  let inputTokens: number | undefined;
  let outputTokens: number | undefined;
  let images = 0;
  let metadata: JsonObject | undefined;
  /** Predictions that were withheld. */
  const filtered = new Set<number>();

  function readPrediction(prediction: JsonObject, index: number): void {
    const embeddings = asObject(prediction["embeddings"]);
    readVector(embeddings?.["values"]);
    for (const field of vectorFields) readVector(prediction[field]);
    const tokens = asCount(asObject(embeddings?.["statistics"])?.["token_count"]);
    if (tokens !== undefined) inputTokens = (inputTokens ?? 0) + tokens;
    for (const part of readMedia(prediction)) {
      images++;
      choices.addPart(index, part);
    }
    if (asString(prediction["raiFilteredReason"]) !== undefined) {
      choices.addText(index, "refusal", prediction["raiFilteredReason"]);
      filtered.add(index);
    }
    choices.addText(index, "text", prediction["content"]);
    // Chat models of the PaLM family.
    asArray(prediction["candidates"]).forEach((candidate, position) => {
      choices.addText(index + position, "text", asObject(candidate)?.["content"]);
    });
  }

  /** PaLM: `metadata.tokenMetadata`. */
  function readTokenMetadata(): void {
    const counted = asObject(metadata?.["tokenMetadata"]);
    inputTokens = asCount(asObject(counted?.["inputTokenCount"])?.["totalTokens"]) ?? inputTokens;
    outputTokens = asCount(asObject(counted?.["outputTokenCount"])?.["totalTokens"]);
  }

  function readVector(values: unknown): void {
    if (!Array.isArray(values)) return;
    // Of a big body only the first has its numbers.
    vectors++;
    dimensions ??= measureVector(values);
  }

  function readUsage(): Usage | undefined {
    const usage = createUsage(
      {
        inputTokens,
        outputTokens,
        characters: asCount(metadata?.["billableCharacterCount"]),
        imageCount: images === 0 ? undefined : images,
      },
      metadata,
    );
    if (usage === undefined || inputTokens !== undefined) return usage;
    // Images are paid by number.
    return { ...notApplicableUsage(), ...usage, source: "not_applicable" };
  }

  function findOperation(): Operation | undefined {
    if (vectors > 0) return "embeddings";
    if (images > 0) return "image_generation";
    const asked = input.request.operation;
    return choices.hasOutput() && filtered.size === 0 && asked !== "chat" ? "text_completion" : undefined;
  }

  return {
    readBody(value) {
      metadata = asObject(value["metadata"]);
      readTokenMetadata();
      asArray(value["predictions"]).forEach((prediction, index) => {
        if (isObject(prediction)) readPrediction(prediction, index);
        else choices.addText(index, "text", prediction);
      });
    },
    readEvent: () => FRAME_NOTHING,
    isFinished: () => false,
    hasOutput: () => choices.hasOutput() || vectors > 0,
    build(situation) {
      const answer = buildAnswer(choices, situation, readUsage(), { zeroMeansMissing: false });
      for (const choice of answer.choices) if (filtered.has(choice.index)) choice.finishReason = "content_filter";
      const operation = findOperation();
      const embeddings = vectors === 0 ? undefined : compact({ count: vectors, dimensions });
      return addKnown(answer, { usage: judgeUsage(answer.usage, input, operation), operation, embeddings });
    },
  };
}
