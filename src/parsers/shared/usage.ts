/**
 * Usage: inclusive totals from whatever a provider reports, and the reason when it reports nothing.
 * The rules are those of the OTel GenAI conventions: input holds cache reads and writes, output holds reasoning.
 */
import type { MissingReason, Usage } from "../../types.ts";
import type { ParsedError, ParsedRequest, ResponseEnd } from "../parser.ts";
import { missingUsage } from "../parser.ts";
import { measureJson } from "./content-budget.ts";
import { asObject } from "./json.ts";

/** A provider's usage object is a few hundred characters; what is larger is not kept as `raw`. */
const MAX_RAW_LENGTH = 50_000;

type CountKey = Exclude<keyof Usage, "source" | "missingReason" | "complete" | "inconsistent" | "raw">;

/** Counts as a reader found them; `undefined` is not reported. */
export type UsageCounts = { [K in CountKey]?: Usage[K] | undefined };

/**
 * A reported usage object. `totalTokens` is the provider's own total, else the sum of input and output when both are
 * known; a total that is not the sum is kept and marked `inconsistent`.
 *
 * @returns `undefined` when no count is known
 */
export function createUsage(counts: UsageCounts, raw: unknown): Usage | undefined {
  const usage: Usage = { source: "reported", complete: true };
  const known = usage as unknown as Record<string, unknown>;
  let any = false;
  for (const key in counts) {
    const count = counts[key as CountKey];
    if (count === undefined) continue;
    known[key] = count;
    any = true;
  }
  if (!any) return undefined;
  const { inputTokens, outputTokens } = usage;
  if (inputTokens !== undefined && outputTokens !== undefined) {
    const sum = inputTokens + outputTokens;
    if (usage.totalTokens === undefined) usage.totalTokens = sum;
    else if (usage.totalTokens !== sum) usage.inconsistent = true;
  }
  if (measureJson(raw, MAX_RAW_LENGTH) !== undefined) usage.raw = raw;
  return usage;
}

/** Counts of tokens; everything else is a unit of its own: images, seconds, pages, search units, characters. */
const tokenCounts: readonly CountKey[] = ["inputTokens", "outputTokens", "totalTokens"];

/** The usage of an operation that is paid by another unit than tokens: its units are kept, tokens do not apply. */
export function markUnits(usage: Usage): Usage {
  if (usage.source !== "reported" || tokenCounts.some((key) => usage[key] !== undefined)) return usage;
  return { ...usage, source: "not_applicable" };
}

export interface UsageSituation {
  /** What the response reported, if anything. */
  usage: Usage | undefined;
  status: number;
  error: ParsedError | undefined;
  end: ResponseEnd;
  /** The answer was complete by its own grammar. */
  finished: boolean;
  /** The model said something. */
  hasOutput: boolean;
  /** Given where a stream reports usage only when the request asks for it (`stream_options.include_usage`). */
  optIn?: ParsedRequest | undefined;
  /** The work goes on after the response (background, queued). */
  deferred?: boolean | undefined;
  /** Zeros next to an answer are a server that does not count. Default true. */
  zeroMeansMissing?: boolean;
}

/** The usage of a call: what was reported, marked incomplete where the wire ended early, or why there is none. */
export function resolveUsage(situation: UsageSituation): Usage {
  const { usage, end, finished } = situation;
  if (usage === undefined) return missingUsage(findMissingReason(situation));
  if (situation.zeroMeansMissing !== false && situation.hasOutput && isAllZero(usage)) {
    return { ...missingUsage("zero_with_output"), raw: usage.raw };
  }
  return (end.interrupted || end.streaming) && !finished ? { ...usage, complete: false } : usage;
}

function findMissingReason(situation: UsageSituation): MissingReason {
  const { status, error, end, optIn, deferred, finished } = situation;
  if (status >= 400 || error !== undefined) return "error_response";
  if (deferred === true) return "deferred";
  if (end.streaming && optIn !== undefined && !asksForStreamUsage(optIn)) return "stream_usage_not_requested";
  return end.interrupted || (end.streaming && !finished) ? "stream_interrupted" : "not_reported";
}

function asksForStreamUsage(request: ParsedRequest): boolean {
  // OpenRouter's older spelling is `usage: { include: true }`.
  const openAi = asObject(request.parameters["stream_options"])?.["include_usage"] === true;
  return openAi || asObject(request.parameters["usage"])?.["include"] === true;
}

function isAllZero(usage: Usage): boolean {
  return usage.inputTokens === 0 && (usage.outputTokens ?? 0) === 0 && (usage.totalTokens ?? 0) === 0;
}
