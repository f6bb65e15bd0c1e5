/**
 * Hugging Face's task endpoints: `{inputs, parameters}` to a model named in the path. What comes back depends on the
 * model's task: texts, vectors, or labels with scores.
 *
 * @see https://huggingface.co/docs/inference-providers/providers/hf-inference
 */
import type { Message, Part } from "../types.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { asArray, asLabel, asObject, asString, compact, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { acceptListBody, LIST_KEY } from "./shared/list-body.ts";
import { textParts } from "./shared/message-parts.ts";
import { judgeUsage } from "./shared/operation-usage.ts";
import { readSettings } from "./shared/settings.ts";
import { createGenerationFold } from "./shared/tgi-generation.ts";
import { measureVector } from "./shared/vectors.ts";
import type { VectorShape } from "./shared/vectors.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "inputs", "stream"]);

/** Where the tasks put their text: summarization, translation, speech recognition, question answering, image to text. */
const textKeys = ["generated_text", "summary_text", "translation_text", "text", "answer"] as const;

/** The parser of `hf-task`. */
export const hfTaskParser: Parser<FoldState> = acceptListBody(
  createFoldParser({ api: "hf-task", readRequest, start: createAnswerFold }),
);

function readRequest({ route, path, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? readPipelineModel(path) ?? route.pathModel,
    parameters: readSettings(fields, contentKeys, "parameters"),
    messages: readInputs(fields["inputs"]),
    stream: typeof fields["stream"] === "boolean" ? fields["stream"] : undefined,
  });
}

/** The oldest paths name the task before the model: `/pipeline/{task}/{model}`. */
function readPipelineModel(path: string): string | undefined {
  return /^\/pipeline\/[^/?]+\/([^?]+)/.exec(path)?.[1];
}

/** A text, a list of them, or an object: `{question, context}`, `{source_sentence, sentences}`, a past conversation. */
function readInputs(inputs: unknown): Message[] | undefined {
  if (inputs === undefined || inputs === null) return undefined;
  const parts: Part[] = (Array.isArray(inputs) ? inputs : [inputs]).flatMap((item: unknown): Part[] =>
    typeof item === "string" ? textParts("text", item) : [{ type: "other", kind: "inputs", content: item }],
  );
  return parts.length === 0 ? undefined : [{ role: "user", parts }];
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  const generation = createGenerationFold(choices, input);
  let embeddings: VectorShape | undefined;

  function readItem(item: unknown, index: number): boolean {
    // A batch of inputs has a list for each.
    const result = asObject(Array.isArray(item) && item.length === 1 ? item[0] : item);
    if (result === undefined) return false;
    if (generation.readGeneration(index, result)) return true;
    const key = textKeys.find((name) => asString(result[name]) !== undefined);
    return key !== undefined && choices.addText(index, "text", result[key]);
  }

  function readList(items: readonly unknown[]): void {
    embeddings = readVectors(items, input.request.messages);
    if (embeddings !== undefined || items.length === 0) return;
    let texts = 0;
    for (const [index, item] of items.entries()) if (readItem(item, index)) texts++;
    // Labels, scores, masks.
    if (texts === 0) choices.addPart(0, { type: "other", kind: "results", content: items });
  }

  return {
    readBody(body) {
      const items = body[LIST_KEY];
      if (Array.isArray(items)) readList(asArray(items));
      else if (!readItem(body, 0)) readOther(body);
    },
    readEvent: (event) => generation.readEvent(event),
    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    build: (situation) => {
      const answer = buildAnswer(choices, situation, generation.usage());
      const operation = embeddings === undefined ? undefined : "embeddings";
      const processingMs = generation.processingMs();
      return compact({
        ...answer,
        usage: judgeUsage(answer.usage, input, operation),
        operation,
        embeddings,
        processingMs,
      });
    },
  };

  function readOther(body: JsonObject): void {
    const vectors = body["embeddings"] ?? body["embedding"];
    if (Array.isArray(vectors)) embeddings = readVectors(vectors, input.request.messages);
    else if (Object.keys(body).length > 0) choices.addPart(0, { type: "other", kind: "results", content: body });
  }
}

/**
 * Numbers at the bottom of lists: one vector, one for each input, or one for each token of the inputs. The answer to an
 * input that is no text (a comparison of sentences) are scores.
 */
function readVectors(items: readonly unknown[], messages: readonly Message[] | undefined): VectorShape | undefined {
  const [first] = items;
  const inputs = messages?.[0]?.parts;
  if (inputs?.some((part) => part.type === "other") === true) return undefined;
  if (typeof first === "number") return { count: 1, dimensions: items.length };
  const dimensions = isNumeric(first) ? measureVector(first) : undefined;
  if (dimensions === undefined) return undefined;
  // One text with a vector for each of its tokens.
  return { count: inputs?.length === 1 ? 1 : items.length, dimensions };
}

function isNumeric(value: unknown): boolean {
  let bottom = value;
  for (let depth = 0; depth < 3 && Array.isArray(bottom); depth++) bottom = bottom[0] as unknown;
  return typeof bottom === "number" && !isObject(value);
}
