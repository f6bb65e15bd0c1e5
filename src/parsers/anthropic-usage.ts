/**
 * Usage of the Anthropic Messages API. `input_tokens` holds neither cache reads nor cache writes; `output_tokens` holds
 * thinking. In a stream the counts are cumulative: what is not null in `message_delta` replaces what `message_start`
 * said, and nothing is ever added (the official SDK's algorithm).
 *
 * Top-level totals leave out `iterations` of the types `compaction` and `advisor_message`, which are billed apart; they
 * are not added here but stay in `raw`.
 */
import type { Usage } from "../types.ts";
import { asCount, asNumber, asObject, asString, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";

/** A usage object has about fifteen fields; a hostile stream may send a new one with each event. */
const MAX_FIELDS = 64;

export interface AnthropicUsageFold {
  /** Takes a usage object of the body, of `message_start` or of `message_delta`. */
  merge(usage: unknown): void;
  build(): Usage | undefined;
  /** `standard`, `priority`, `batch`. */
  serviceTier(): string | undefined;
  /** OpenRouter names the price of the call in its usage. */
  costUsd(): number | undefined;
}

export function createAnthropicUsageFold(): AnthropicUsageFold {
  const merged = new Map<string, unknown>();
  return {
    merge(usage) {
      if (!isObject(usage)) return;
      for (const key of Object.keys(usage)) {
        const value = usage[key];
        if (value === null || value === undefined) continue;
        if (merged.size < MAX_FIELDS || merged.has(key)) merged.set(key, value);
      }
    },
    build: () => (merged.size === 0 ? undefined : readAnthropicUsage(Object.fromEntries(merged))),
    serviceTier: () => asString(merged.get("service_tier")),
    costUsd: () => asNumber(merged.get("cost")),
  };
}

/** A complete usage object; `undefined` when it has no count. */
export function readAnthropicUsage(raw: JsonObject): Usage | undefined {
  const uncached = asCount(raw["input_tokens"]);
  const cacheReadTokens = asCount(raw["cache_read_input_tokens"]);
  const creation = asObject(raw["cache_creation"]);
  const cacheWrite5mTokens = asCount(creation?.["ephemeral_5m_input_tokens"]);
  const cacheWrite1hTokens = asCount(creation?.["ephemeral_1h_input_tokens"]);
  const cacheWriteTokens = asCount(raw["cache_creation_input_tokens"]) ?? sum(cacheWrite5mTokens, cacheWrite1hTokens);
  return createUsage(
    {
      inputTokens: uncached === undefined ? undefined : uncached + (cacheReadTokens ?? 0) + (cacheWriteTokens ?? 0),
      outputTokens: asCount(raw["output_tokens"]),
      cacheReadTokens,
      cacheWriteTokens,
      cacheWrite5mTokens,
      cacheWrite1hTokens,
      reasoningTokens: asCount(asObject(raw["output_tokens_details"])?.["thinking_tokens"]),
      serverToolUses: readServerToolUses(asObject(raw["server_tool_use"])),
    },
    raw,
  );
}

function sum(first: number | undefined, second: number | undefined): number | undefined {
  return first === undefined && second === undefined ? undefined : (first ?? 0) + (second ?? 0);
}

/** `{web_search_requests: 2}` → `{web_search: 2}`. */
function readServerToolUses(uses: JsonObject | undefined): Record<string, number> | undefined {
  if (uses === undefined) return undefined;
  const counts = Object.entries(uses)
    .map(([key, value]): [string, number | undefined] => [key.replace(/_requests$/, ""), asCount(value)])
    .filter((entry): entry is [string, number] => entry[1] !== undefined && entry[0] !== "__proto__");
  return counts.length === 0 ? undefined : Object.fromEntries(counts);
}
