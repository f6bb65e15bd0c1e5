/** What every JSON and SSE answer of the OpenAI family has beside its choices: id, model, usage, an error, an end. */
import type { Choice, Usage } from "../../types.ts";
import type { Frame, ParsedError, ParsedResponse, ResponseInput } from "../parser.ts";
import { FRAME_NOTHING, FRAME_TERMINAL } from "../parser.ts";
import { findErrorInSuccess, readErrorBody, readErrorText } from "./error-body.ts";
import { asLabel, asObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { readReportedCost, readTokenCount } from "./openai-usage.ts";

/** Mutable: one of these lives as long as the response flows. */
export interface ResponseFold {
  readonly input: ResponseInput;
  id: string | undefined;
  model: string | undefined;
  serviceTier: string | undefined;
  upstreamProvider: string | undefined;
  /** The last usage object that holds a count; never a sum. */
  usage: JsonObject | undefined;
  /** USD that the provider says the call cost. */
  costUsd: number | undefined;
  error: ParsedError | undefined;
  /** A whole body, an error or the end mark was seen. */
  ended: boolean;
  /** Made when there is one. */
  notes: Set<string> | undefined;
}

export function createResponseFold(input: ResponseInput): ResponseFold {
  return {
    input,
    id: undefined,
    model: undefined,
    serviceTier: undefined,
    upstreamProvider: undefined,
    usage: undefined,
    costUsd: undefined,
    error: undefined,
    ended: false,
    notes: undefined,
  };
}

/**
 * Opens a frame: finds the error in it and the end mark `[DONE]`.
 *
 * @returns the object to fold on with, or the `FRAME_*` bits of a frame that holds nothing more
 */
export function openFrame(fold: ResponseFold, frame: Frame): JsonObject | number {
  if (frame.kind === "body" || frame.kind === "event") return openJson(fold, frame);
  const failed = fold.input.status >= 400;
  if (frame.kind === "binary") {
    if (!failed) addNote(fold, "unexpected_binary");
    return FRAME_NOTHING;
  }
  const isEnd = frame.kind === "event-text" && frame.text.startsWith("[DONE]");
  const isError = failed || (frame.kind === "event-text" && frame.name === "error");
  if (isError && !isEnd) fold.error ??= readErrorText(frame.text);
  else if (!isEnd) addNote(fold, "unexpected_text");
  if (isEnd || isError || frame.kind === "text") fold.ended = true;
  return fold.ended ? FRAME_TERMINAL : FRAME_NOTHING;
}

function addNote(fold: ResponseFold, note: string): void {
  (fold.notes ??= new Set()).add(note);
}

function openJson(
  fold: ResponseFold,
  frame: { kind: "body" | "event"; value: unknown; name?: string },
): JsonObject | number {
  const isError = fold.input.status >= 400 || (frame.kind === "event" && frame.name === "error");
  const error = isError ? readErrorBody(frame.value) : findErrorInSuccess(frame.value);
  if (error !== undefined) fold.error ??= error;
  if (error !== undefined || frame.kind === "body") fold.ended = true;
  return asObject(frame.value) ?? (fold.ended ? FRAME_TERMINAL : FRAME_NOTHING);
}

/** `id` and `model`: the first that is not empty; service tier and upstream provider: the last. */
export function foldHead(fold: ResponseFold, value: JsonObject): void {
  fold.id ??= asLabel(value["id"]);
  fold.model ??= asLabel(value["model"]);
  const serviceTier = value["service_tier"];
  if (typeof serviceTier === "string") fold.serviceTier = asLabel(serviceTier) ?? fold.serviceTier;
  const provider = value["provider"];
  if (typeof provider === "string") fold.upstreamProvider = asLabel(provider) ?? fold.upstreamProvider;
}

/**
 * Keeps a usage object when it holds a count, and its price when it holds one.
 *
 * @returns whether it held a count
 */
export function foldUsage(fold: ResponseFold, usage: unknown): boolean {
  const object = asObject(usage);
  if (object === undefined) return false;
  const counts = hasCount(object);
  if (counts) fold.usage = keepSides(object, fold.usage);
  fold.costUsd = readReportedCost(object) ?? fold.costUsd;
  return counts;
}

/**
 * A later usage object counts instead of an earlier one; what it says nothing of, or null, stays as it was: some gateways
 * tell the input at the beginning of a stream and the output at its end.
 */
function keepSides(usage: JsonObject, before: JsonObject | undefined): JsonObject {
  if (before === undefined) return usage;
  const missing: JsonObject = {};
  for (const names of sides) {
    if (names.some((name) => readTokenCount(usage[name]) !== undefined)) continue;
    const known = names.find((name) => readTokenCount(before[name]) !== undefined);
    if (known !== undefined) missing[known] = before[known];
  }
  return Object.keys(missing).length === 0 ? usage : { ...usage, ...missing };
}

const sides = [
  ["prompt_tokens", "input_tokens", "promptTokens"],
  ["completion_tokens", "output_tokens", "completionTokens"],
] as const;

const countFields = [
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "input_tokens",
  "output_tokens",
  "seconds",
  "promptTokens",
  "completionTokens",
  "totalTokens",
] as const;

function hasCount(usage: JsonObject): boolean {
  for (const field of countFields) if (readTokenCount(usage[field]) !== undefined) return true;
  return false;
}

function joinNotes(first: ReadonlySet<string> | undefined, second: readonly string[] | undefined): string[] {
  if (first === undefined && (second === undefined || second.length === 0)) return [];
  return [...(first ?? []), ...(second ?? [])];
}

/** The head of a finished response; what a parser adds comes over it. */
export function buildResponse(
  fold: ResponseFold,
  answer: { choices: Choice[]; usage: Usage; finished: boolean; truncated?: boolean; notes?: readonly string[] },
): ParsedResponse {
  const response: ParsedResponse = {
    choices: answer.choices,
    usage: answer.usage,
    finished: answer.finished,
    notes: joinNotes(fold.notes, answer.notes),
  };
  if (fold.id !== undefined) response.id = fold.id;
  if (fold.model !== undefined) response.model = fold.model;
  if (fold.serviceTier !== undefined) response.serviceTier = fold.serviceTier;
  if (fold.upstreamProvider !== undefined) response.upstreamProvider = fold.upstreamProvider;
  if (fold.costUsd !== undefined) response.reportedCostUsd = fold.costUsd;
  if (fold.error !== undefined) response.error = fold.error;
  if (answer.truncated === true) response.contentTruncated = true;
  return response;
}
