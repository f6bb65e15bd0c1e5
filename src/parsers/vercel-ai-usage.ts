/** Usage as the AI SDK's specifications have it, and what Vercel's gateway adds to an answer. */
import type { Usage } from "../types.ts";
import { asCount, asLabel, asObject, compact } from "./shared/json.ts";
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

/** Reads `providerMetadata`; the cost is a decimal number as text. */
export function readGatewayMetadata(metadata: unknown): GatewayMetadata {
  const gateway = asObject(asObject(metadata)?.["gateway"]);
  if (gateway === undefined) return {};
  const routing = asObject(gateway["routing"]);
  const { cost } = gateway;
  return compact<GatewayMetadata>({
    generationId: asLabel(gateway["generationId"]),
    provider: asLabel(routing?.["finalProvider"]) ?? asLabel(routing?.["resolvedProvider"]),
    costUsd: asCount(typeof cost === "string" && cost !== "" ? Number(cost) : cost),
  });
}
