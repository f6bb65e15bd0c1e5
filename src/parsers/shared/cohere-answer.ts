/** What the Cohere APIs of both versions report alike: usage in billed and consumed units, vectors by type. */
import type { Usage } from "../../types.ts";
import { asCount, asObject, isObject } from "./json.ts";
import { createUsage } from "./usage.ts";
import { measureVectors } from "./vectors.ts";
import type { VectorShape } from "./vectors.ts";

/** Cohere's names for element types, in the order in which they are looked for, with dimensions for each element. */
const vectorTypes: readonly (readonly [type: string, scale: number])[] = [
  ["float", 1],
  ["int8", 1],
  ["uint8", 1],
  ["base64", 1],
  ["binary", 8],
  ["ubinary", 8],
];

/**
 * Usage of `usage` (v2) or `meta` (v1). Billed tokens come before consumed ones, as OTel asks: the prompt that Cohere
 * itself adds is consumed but not billed. Cached tokens are counted among the consumed ones, so that they may be more
 * than the input that was billed; then the usage is marked `inconsistent`.
 *
 * @see https://docs.cohere.com/docs/how-does-cohere-pricing-work
 */
export function readCohereUsage(raw: unknown): Usage | undefined {
  const meta = asObject(raw);
  if (meta === undefined) return undefined;
  const billed = asObject(meta["billed_units"]) ?? {};
  const consumed = asObject(meta["tokens"]) ?? {};
  const cacheReadTokens = asCount(meta["cached_tokens"]);
  const textTokens = asCount(billed["input_tokens"]) ?? asCount(consumed["input_tokens"]);
  const imageTokens = asCount(billed["image_tokens"]) ?? asCount(consumed["image_tokens"]);
  // More images than input can only be counted beside it.
  const isApart = (imageTokens ?? 0) > (textTokens ?? 0);
  const usage = createUsage(
    {
      inputTokens: isApart ? (textTokens ?? 0) + (imageTokens ?? 0) : textTokens,
      outputTokens: asCount(billed["output_tokens"]) ?? asCount(consumed["output_tokens"]),
      cacheReadTokens,
      reasoningTokens: asCount(consumed["reasoning_tokens"]),
      inputImageTokens: imageTokens,
      imageCount: asCount(billed["images"]),
      searchUnits: asCount(billed["search_units"]),
      pages: asCount(billed["pages"]),
    },
    raw,
  );
  if (usage?.inputTokens !== undefined && (cacheReadTokens ?? 0) > usage.inputTokens) usage.inconsistent = true;
  return usage;
}

/** Vectors as a list (v1 without `embedding_types`) or by element type; of several types the first is measured. */
export function readCohereVectors(embeddings: unknown): VectorShape | undefined {
  if (!isObject(embeddings)) return measureVectors(embeddings);
  for (const [type, scale] of vectorTypes) {
    const shape = measureVectors(embeddings[type], scale);
    if (shape !== undefined) return shape;
  }
  return undefined;
}
