/** Usage as the AI SDK's specifications have it, and what Vercel's gateway adds to an answer. */
import type { Usage } from "../types.ts";
import { asCount, asLabel, asObject, compact } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";

/**
 * Version 3: `{inputTokens: {total, cacheRead, cacheWrite}, outputTokens: {total, reasoning}}`. Version 2:
 * `{inputTokens, outputTokens, totalTokens, reasoningTokens, cachedInputTokens}`. Embeddings: `{tokens}`.
 */
export function readVercelUsage(raw: unknown): Usage | undefined {
  const usage = asObject(raw);
  if (usage === undefined) return undefined;
  const input = asObject(usage["inputTokens"]);
  const output = asObject(usage["outputTokens"]);
  return createUsage(
    {
      inputTokens:
        asCount(input?.["total"]) ??
        asCount(usage["inputTokens"]) ??
        asCount(usage["promptTokens"]) ??
        asCount(usage["tokens"]),
      outputTokens: asCount(output?.["total"]) ?? asCount(usage["outputTokens"]) ?? asCount(usage["completionTokens"]),
      totalTokens: asCount(usage["totalTokens"]),
      cacheReadTokens: asCount(input?.["cacheRead"]) ?? asCount(usage["cachedInputTokens"]),
      cacheWriteTokens: asCount(input?.["cacheWrite"]),
      reasoningTokens: asCount(output?.["reasoning"]) ?? asCount(usage["reasoningTokens"]),
    },
    raw,
  );
}

/** What `providerMetadata.gateway` tells. */
export interface GatewayMetadata {
  generationId?: string;
  /** Who answered in the end. */
  provider?: string;
  costUsd?: number;
}

/** Reads `providerMetadata`. */
export function readGatewayMetadata(metadata: unknown): GatewayMetadata {
  const gateway = asObject(asObject(metadata)?.["gateway"]);
  if (gateway === undefined) return {};
  const routing = asObject(gateway["routing"]);
  return compact<GatewayMetadata>({
    generationId: asLabel(gateway["generationId"]),
    provider: asLabel(routing?.["finalProvider"]) ?? asLabel(routing?.["resolvedProvider"]),
    costUsd: readCost(gateway),
  });
}

/** What the gateway bills. With the caller's own key that is nothing, and the provider's bill is unknown here. */
function readCost(gateway: JsonObject): number | undefined {
  const cost = asUsd(gateway["cost"]);
  const isOwnKey = cost === 0 && (asUsd(gateway["marketCost"]) ?? 0) > 0;
  return isOwnKey ? undefined : cost;
}

/** A decimal number as text. */
function asUsd(value: unknown): number | undefined {
  return asCount(typeof value === "string" && value !== "" ? Number(value) : value);
}
