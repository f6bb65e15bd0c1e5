/**
 * Replicate: predictions, which may be finished when the response comes (`Prefer: wait`) or go on as a job. Also the
 * event stream of a prediction, whose `output` events are plain text.
 *
 * @see https://replicate.com/docs/reference/http#predictions.create
 */
import type { Modality, Operation, Usage } from "../types.ts";
import type { Frame, ParsedError, Parser, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { readReplicateRequest } from "./replicate-request.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asCount, asLabel, asObject, asString } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { writeJson } from "./shared/json-text.ts";
import { readMediaUrl } from "./shared/media.ts";
import { judgeUsage } from "./shared/operation-usage.ts";
import { createUsage } from "./shared/usage.ts";

const MILLISECONDS_PER_SECOND = 1000;

/** The work goes on, and usage comes with a later poll. */
const openStatuses: ReadonlySet<unknown> = new Set(["starting", "processing", "queued"]);

const parser: Parser<FoldState> = createFoldParser({
  api: "replicate",
  readRequest: readReplicateRequest,
  start: createAnswerFold,
  readEventError,
});

/** The parser of `replicate`. */
export const replicateParser: Parser<FoldState> = {
  ...parser,
  chunk: (state: FoldState, frame: Frame) =>
    parser.chunk(state, frame.kind === "body" ? openBody(frame) : openEvent(frame)),
};

/** A prediction that failed still has an id and a status: its error goes where it does not hide them. */
function openBody(frame: Frame & { kind: "body" }): Frame {
  const prediction = asObject(frame.value);
  const isFailed = asString(prediction?.["status"]) !== undefined && asString(prediction?.["error"]) !== undefined;
  return isFailed ? { kind: "body", value: { ...prediction, error: null, failure: prediction?.["error"] } } : frame;
}

/** Events carry text. Where a piece happens to be JSON (`1`, `true`, `{`…`}`) it is text all the same. */
function openEvent(frame: Frame): Frame {
  if (frame.kind === "event-text") return { ...frame, kind: "event", value: { text: frame.text } };
  if (frame.kind === "event" && frame.name !== undefined) {
    const text = typeof frame.value === "string" ? frame.value : writeJson(frame.value);
    return { ...frame, value: { text, value: frame.value } };
  }
  return frame;
}

function readEventError(value: unknown, name: string | undefined): ParsedError | undefined {
  const event = asObject(value);
  const reason = asObject(event?.["value"])?.["reason"];
  if (name === "done" && reason === "error") return { message: "The prediction failed" };
  if (name !== "error") return undefined;
  const given = asObject(event?.["value"]);
  const detail = asString(given?.["detail"]);
  if (given !== undefined && detail === undefined) return readErrorBody(given);
  return { message: detail ?? asString(event?.["text"]) ?? "The prediction failed" };
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let id: string | undefined;
  let model: string | undefined;
  let usage: Usage | undefined;
  let processingMs: number | undefined;
  let deferred = false;
  let ended = false;
  let error: ParsedError | undefined;
  let operation: Operation | undefined;

  /** A text or its pieces, files by URL, or whatever structure the model has. */
  function readOutput(output: unknown): void {
    if (output === undefined || output === null) return;
    const items: readonly unknown[] = Array.isArray(output) ? output : [output];
    if (!items.every((item) => typeof item === "string")) {
      choices.addPart(0, { type: "other", kind: "output", content: output });
      return;
    }
    for (const item of items) {
      if (isUrl(item)) readFile(item);
      else choices.addText(0, "text", item);
    }
  }

  function readFile(url: string): void {
    const modality = modalityOfFile(url);
    choices.addPart(0, readMediaUrl(url, modality));
    // Only what came out tells what a model does.
    if (modality === "image") operation = "image_generation";
    else if (modality === "audio") operation ??= "text_to_speech";
  }

  function readMetrics(metrics: JsonObject | undefined): void {
    if (metrics === undefined) return;
    usage = createUsage(
      {
        inputTokens: asCount(metrics["input_token_count"]),
        outputTokens: asCount(metrics["output_token_count"]),
        imageCount: asCount(metrics["image_count"]),
      },
      metrics,
    );
    const seconds = asCount(metrics["predict_time"]);
    if (seconds !== undefined) processingMs = asCount(seconds * MILLISECONDS_PER_SECOND);
  }

  return {
    readBody(prediction) {
      id = asLabel(prediction["id"]);
      // Private models and plain versions have no name here.
      model = asLabel(prediction["model"]) ?? asLabel(prediction["version"]);
      deferred = openStatuses.has(prediction["status"]);
      readOutput(prediction["output"]);
      readMetrics(asObject(prediction["metrics"]));
      error = readErrorBody(prediction["failure"]);
      if (!deferred) choices.setFinishReason(0, prediction["status"]);
    },

    readEvent(event, name) {
      if (name === "done") {
        ended = true;
        return FRAME_TERMINAL;
      }
      return name === "output" && choices.addText(0, "text", event["text"]) ? FRAME_OUTPUT : FRAME_NOTHING;
    },

    isFinished: () => ended,
    hasOutput: () => choices.hasOutput(),
    findError: () => error,
    build: (situation) => {
      const answer = buildAnswer(choices, situation, usage, { deferred });
      const judged = judgeUsage(answer.usage, input, operation);
      return addKnown(answer, { usage: judged, operation, id, jobId: id, model, processingMs });
    },
  };
}

function isUrl(item: string): boolean {
  return /^(?:https?|data):/i.test(item.slice(0, 6));
}

const modalities: readonly (readonly [pattern: RegExp, modality: Modality])[] = [
  [/\.(?:png|jpe?g|webp|gif|svg)$/i, "image"],
  [/\.(?:mp4|webm|mov)$/i, "video"],
  [/\.(?:mp3|wav|flac|ogg|m4a)$/i, "audio"],
];

/** By the ending of the file's name, which is the last that a URL of Replicate's says. */
function modalityOfFile(url: string): Modality | undefined {
  const ending = url.slice(-8);
  return modalities.find(([pattern]) => pattern.test(ending))?.[1];
}
