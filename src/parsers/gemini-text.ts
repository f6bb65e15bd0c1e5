/** Chunks of a Gemini stream that only add a text, and tell what it has taken so far. */
import type { EventCounts, TextEvent } from "./parser.ts";
import { asArray, asCount, asIndex, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { listNested, listSaying } from "./shared/text-event.ts";

export interface ChunkText extends Pick<TextEvent, "text"> {
  type: "text" | "reasoning";
  candidate: number;
  /** As it stands in this chunk. */
  usage: JsonObject | undefined;
  /** What of it grows with the answer. */
  counts: EventCounts;
}

/** What a candidate says beside its text, and nobody reads. */
const quietNames: ReadonlySet<string> = new Set(["content", "safetyRatings", "citationMetadata"]);
const growing = ["candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"] as const;

/** @returns `undefined`: the chunk may say more */
export function findChunkText(chunk: JsonObject): ChunkText | undefined {
  const [candidate, ...others] = asArray(chunk["candidates"]);
  const isOther = listNested(chunk).some((name) => name !== "candidates" && name !== "usageMetadata");
  if (isOther || others.length > 0 || !isObject(candidate)) return undefined;
  const part = findOnlyPart(candidate);
  const text = part?.["text"];
  if (part === undefined || typeof text !== "string") return undefined;
  const usage = asObject(chunk["usageMetadata"]);
  return {
    type: part["thought"] === true ? "reasoning" : "text",
    text,
    candidate: asIndex(candidate["index"]) ?? 0,
    usage,
    counts: listGrowing(usage ?? {}),
  };
}

/** The part of a candidate that has no other and says nothing else. */
function findOnlyPart(candidate: JsonObject): JsonObject | undefined {
  // It may be a number.
  const isOver = candidate["finishReason"] !== undefined || candidate["finish_reason"] !== undefined;
  if (isOver || listSaying(candidate).some((name) => !quietNames.has(name))) return undefined;
  const [part, ...others] = asArray(asObject(candidate["content"])?.["parts"]);
  return others.length === 0 ? asObject(part) : undefined;
}

function listGrowing(usage: JsonObject): EventCounts {
  const counts: Record<string, number> = {};
  for (const name of growing) {
    const count = asCount(usage[name]);
    if (count !== undefined) counts[name] = count;
  }
  return counts;
}
