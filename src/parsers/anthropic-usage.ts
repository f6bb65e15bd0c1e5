/**
 * Usage of the Anthropic Messages API. `input_tokens` holds neither cache reads nor cache writes; `output_tokens` holds
 * thinking. In a stream the counts are cumulative: what is not null in `message_delta` replaces what `message_start`
 * said, and nothing is ever added (the official SDK's algorithm).
 *
 * Top-level totals leave out `iterations` of the types `compaction` and `advisor_message`, which are billed apart; they
 * are not added here but stay in `raw`.
 */
import type { Usage } from "../types.ts";
import { asCount, asObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";

/**
 * @param raw - a usage object, merged when it came in several events
 * @returns `undefined` when it has no count
 */
export function readAnthropicUsage(raw: JsonObject | undefined): Usage | undefined {
  if (raw === undefined) return undefined;
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
  const counts: [string, number][] = [];
  for (const [key, value] of Object.entries(uses)) {
    const count = asCount(value);
    if (count !== undefined) counts.push([key.replace(/_requests$/, ""), count]);
  }
  return counts.length === 0 ? undefined : Object.fromEntries(counts);
}
