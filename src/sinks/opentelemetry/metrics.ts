/** `gen_ai.client.*` metrics of calls. */
import type { Attributes, Context, Counter, Histogram, Meter } from "@opentelemetry/api";
import type { LlmCall, Usage } from "../../types.ts";
import { errorTypeOf, metricAttributes, timeToFirstChunk } from "./attributes.ts";
import { ATTRIBUTE, DURATION_BUCKETS, METRIC, type Semconv, TOKEN_BUCKETS } from "./names.ts";

/** Records one call; `context` holds its span, for exemplars. */
export type RecordMetrics = (call: LlmCall, context: Context) => void;

interface Instruments {
  seconds(name: string, description: string): Histogram;
  tokens(name: string, description: string): Histogram;
  count(name: string, description: string): Counter;
}

export function createMetrics(meter: Meter, semconv: Semconv): RecordMetrics {
  const instruments = createInstruments(meter);
  return semconv === "latest" ? createLatestMetrics(instruments) : createMetrics141(instruments);
}

/** Made when first used: an app that embeds nothing has no metrics of embeddings. */
function createInstruments(meter: Meter): Instruments {
  const made = new Map<string, Histogram | Counter>();
  function once<Instrument extends Histogram | Counter>(name: string, make: () => Instrument): Instrument {
    const known = made.get(name);
    if (known !== undefined) return known as Instrument;
    const instrument = make();
    made.set(name, instrument);
    return instrument;
  }
  const histogram = (name: string, description: string, unit: string, boundaries: readonly number[]): Histogram =>
    once(name, () =>
      meter.createHistogram(name, { description, unit, advice: { explicitBucketBoundaries: [...boundaries] } }),
    );
  return {
    seconds: (name, description) => histogram(name, description, "s", DURATION_BUCKETS),
    tokens: (name, description) => histogram(name, description, "{token}", TOKEN_BUCKETS),
    count: (name, description) => once(name, () => meter.createCounter(name, { description, unit: "{token}" })),
  };
}

function withError(call: LlmCall): Attributes {
  const errorType = errorTypeOf(call);
  const attributes = metricAttributes(call);
  return errorType === undefined ? attributes : { ...attributes, [ATTRIBUTE.errorType]: errorType };
}

const DURATION = "Duration of the operation.";
const FIRST_CHUNK = "Time until the first output of a stream.";

function createMetrics141({ seconds, tokens }: Instruments): RecordMetrics {
  return (call, context) => {
    const attributes = metricAttributes(call);
    const duration = call.timing.durationMs / 1000;
    seconds(METRIC.operationDuration, DURATION).record(duration, withError(call), context);
    const firstChunk = timeToFirstChunk(call);
    if (firstChunk !== undefined) {
      seconds(METRIC.operationTimeToFirstChunk, FIRST_CHUNK).record(firstChunk, attributes, context);
    }
    // Tokens that were not reported must not be recorded.
    const counts = [
      ["input", call.usage.inputTokens],
      ["output", call.usage.outputTokens],
    ] as const;
    for (const [type, count] of counts) {
      if (count === undefined) continue;
      const typed = { ...attributes, [ATTRIBUTE.tokenType]: type };
      tokens(METRIC.tokenUsage, "Tokens used.").record(count, typed, context);
    }
  };
}

/** They infer nothing: their metrics keep the names of all operations. */
const NO_INFERENCE: ReadonlySet<string> = new Set(["rerank", "moderation", "count_tokens"]);

function createLatestMetrics(instruments: Instruments): RecordMetrics {
  const { seconds, tokens } = instruments;
  return (call, context) => {
    const attributes = metricAttributes(call);
    const duration = call.timing.durationMs / 1000;
    const { inputTokens, outputTokens } = call.usage;
    if (call.operation === "embeddings") {
      seconds(METRIC.embeddingsDuration, DURATION).record(duration, withError(call), context);
      if (inputTokens !== undefined) {
        tokens(METRIC.embeddingsInputTokens, "Input tokens of an operation.").record(inputTokens, attributes, context);
      }
      return;
    }
    if (NO_INFERENCE.has(call.operation)) {
      seconds(METRIC.operationDuration, DURATION).record(duration, withError(call), context);
      return;
    }
    seconds(METRIC.inferenceDuration, DURATION).record(duration, withError(call), context);
    const firstChunk = timeToFirstChunk(call);
    if (firstChunk !== undefined) {
      seconds(METRIC.inferenceTimeToFirstChunk, FIRST_CHUNK).record(firstChunk, attributes, context);
    }
    if (inputTokens !== undefined) {
      tokens(METRIC.inferenceInputTokens, "Input tokens of an operation.").record(inputTokens, attributes, context);
    }
    if (outputTokens !== undefined) {
      tokens(METRIC.inferenceOutputTokens, "Output tokens of an operation.").record(outputTokens, attributes, context);
    }
    countUsage(instruments, call.usage, attributes, context);
  };
}

/** Without usage the conventions want a zero of unknown modality: that a call was made, and nothing is known of it. */
function countUsage({ count }: Instruments, usage: Usage, attributes: Attributes, context: Context): void {
  const input = count(METRIC.usageInputTokens, "Input tokens used.");
  const output = count(METRIC.usageOutputTokens, "Output tokens used.");
  const add = (counter: Counter, tokens: number, modality: string): void =>
    counter.add(tokens, { ...attributes, [ATTRIBUTE.tokenModality]: modality }, context);
  const inputs = splitByModality(usage.inputTokens, usage.inputAudioTokens, usage.inputImageTokens);
  const outputs = splitByModality(usage.outputTokens, usage.outputAudioTokens, usage.outputImageTokens);
  for (const [modality, tokens] of inputs) add(input, tokens, modality);
  for (const [modality, tokens] of outputs) add(output, tokens, modality);
  const parts = [
    [METRIC.usageCacheReadTokens, "Input tokens read from a cache.", usage.cacheReadTokens],
    [METRIC.usageCacheWriteTokens, "Input tokens written to a cache.", usage.cacheWriteTokens],
    [METRIC.usageReasoningTokens, "Output tokens used for reasoning.", usage.reasoningTokens],
  ] as const;
  for (const [name, description, tokens] of parts) {
    if (tokens !== undefined) add(count(name, description), tokens, "unknown");
  }
}

/** What is neither audio nor an image is text only where the provider told them apart. */
function splitByModality(
  total: number | undefined,
  audio: number | undefined,
  image: number | undefined,
): [modality: string, tokens: number][] {
  if (total === undefined) return [["unknown", 0]];
  if (audio === undefined && image === undefined) return [["unknown", total]];
  const split: [string, number][] = [["text", Math.max(0, total - (audio ?? 0) - (image ?? 0))]];
  if (audio !== undefined && audio > 0) split.push(["audio", audio]);
  if (image !== undefined && image > 0) split.push(["image", image]);
  return split;
}
