/** Sizes of embedding vectors; the vectors themselves are never kept. */
import { isObject } from "./json.ts";
import { countBase64Bytes } from "../../abridged-text.ts";

/** What `ParsedResponse.embeddings` says. */
export interface VectorShape {
  count: number;
  dimensions?: number;
}

/** Bytes of a float32. */
const FLOAT_BYTES = 4;

/**
 * The shape of a list of vectors, each an array of numbers or base64 text of float32 values.
 *
 * @param vectors - the list
 * @param scale - dimensions for each element of a vector; default 1 (8 where an element packs eight bits)
 * @returns `undefined` when it is no list
 */
export function measureVectors(vectors: unknown, scale = 1): VectorShape | undefined {
  if (!Array.isArray(vectors)) return undefined;
  const dimensions = measureVector(vectors[0]);
  return dimensions === undefined
    ? { count: vectors.length }
    : { count: vectors.length, dimensions: dimensions * scale };
}

/** Dimensions of one vector; of token-level vectors (a list of vectors) those of its first. */
export function measureVector(vector: unknown): number | undefined {
  if (typeof vector === "string") return Math.floor(countBase64Bytes(vector) / FLOAT_BYTES) || undefined;
  if (isObject(vector)) return measureVector(vector["embedding"] ?? vector["values"]);
  if (!Array.isArray(vector) || vector.length === 0) return undefined;
  return Array.isArray(vector[0]) ? measureVector(vector[0]) : vector.length;
}
