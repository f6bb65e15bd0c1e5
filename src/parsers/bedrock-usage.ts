/**
 * Usage of Amazon Bedrock: of Converse and Nova, of the metrics that end an InvokeModel stream, and of the headers of
 * an InvokeModel answer. Everywhere the input count holds neither cache reads nor cache writes.
 */
import type { Usage } from "../types.ts";
import { asArray, asCount, asObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";

/** The four counts, as each place has its own names for them. */
interface RawCounts {
  uncached: number | undefined;
  output: number | undefined;
  cacheRead: number | undefined;
  cacheWrite: number | undefined;
}

/**
 * `usage` of a Converse or Nova answer.
 *
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
 * @returns `undefined` when it has no count
 */
export function readConverseUsage(raw: JsonObject | undefined): Usage | undefined {
  if (raw === undefined) return undefined;
  const counts: RawCounts = {
    uncached: asCount(raw["inputTokens"]),
    output: asCount(raw["outputTokens"]),
    // Nova's own format and early Converse say `…Count`.
    cacheRead: asCount(raw["cacheReadInputTokens"] ?? raw["cacheReadInputTokenCount"]),
    cacheWrite: asCount(raw["cacheWriteInputTokens"] ?? raw["cacheWriteInputTokenCount"]),
  };
  const writes = readCacheDetails(raw["cacheDetails"]);
  const cacheWrite5mTokens = writes.get("5m");
  const cacheWrite1hTokens = writes.get("1h");
  const totalTokens = asCount(raw["totalTokens"]);
  const serverToolUses = readToolUses(asObject(raw["serverToolUsage"]));
  const usage = createUsage(
    { ...toInclusive(counts), totalTokens, cacheWrite5mTokens, cacheWrite1hTokens, serverToolUses },
    raw,
  );
  // Whether the total holds cached tokens is documented nowhere: one without them is no contradiction.
  if (usage?.inconsistent && totalTokens === (counts.uncached ?? 0) + (counts.output ?? 0)) delete usage.inconsistent;
  return usage;
}

/** `amazon-bedrock-invocationMetrics` of the last event of an InvokeModel stream. */
export function readInvocationMetrics(metrics: JsonObject | undefined): Usage | undefined {
  if (metrics === undefined) return undefined;
  const counts: RawCounts = {
    uncached: asCount(metrics["inputTokenCount"]),
    output: asCount(metrics["outputTokenCount"]),
    cacheRead: asCount(metrics["cacheReadInputTokenCount"]),
    cacheWrite: asCount(metrics["cacheWriteInputTokenCount"]),
  };
  return createUsage(toInclusive(counts), metrics);
}

/** The `x-amzn-bedrock-…-token-count` headers of an InvokeModel answer. */
export function readUsageHeaders(headers: Readonly<Record<string, string>>): Usage | undefined {
  const raw: JsonObject = {};
  const read = (name: string): number | undefined => {
    const header = `x-amzn-bedrock-${name}-token-count`;
    const text = headers[header];
    if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
    raw[header] = Number(text);
    return Number(text);
  };
  const counts: RawCounts = {
    uncached: read("input"),
    output: read("output"),
    cacheRead: read("cache-read-input"),
    cacheWrite: read("cache-write-input"),
  };
  return createUsage(toInclusive(counts), raw);
}

function toInclusive({ uncached, output, cacheRead, cacheWrite }: RawCounts): {
  inputTokens: number | undefined;
  outputTokens: number | undefined;
  cacheReadTokens: number | undefined;
  cacheWriteTokens: number | undefined;
} {
  return {
    inputTokens: uncached === undefined ? undefined : uncached + (cacheRead ?? 0) + (cacheWrite ?? 0),
    outputTokens: output,
    cacheReadTokens: cacheRead,
    cacheWriteTokens: cacheWrite,
  };
}

/** Cache writes by time to live: `[{ttl: "5m", inputTokens: 7}]`. */
function readCacheDetails(details: unknown): Map<unknown, number> {
  const tokens = new Map<unknown, number>();
  for (const item of asArray(details)) {
    const ttl = asObject(item)?.["ttl"];
    const count = asCount(asObject(item)?.["inputTokens"]);
    if (count !== undefined) tokens.set(ttl, (tokens.get(ttl) ?? 0) + count);
  }
  return tokens;
}

function readToolUses(uses: JsonObject | undefined): Record<string, number> | undefined {
  const counts = Object.entries(uses ?? {}).filter(
    (entry): entry is [string, number] => asCount(entry[1]) !== undefined,
  );
  return counts.length === 0 ? undefined : Object.fromEntries(counts);
}
