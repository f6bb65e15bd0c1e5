/** What response headers say about a call: ids, limits, times, cost, cache. Pure. */
import type { RateLimit } from "../types.ts";
import { readCount, readRateLimits } from "./rate-limits.ts";

export interface HeaderFacts {
  requestId?: string;
  rateLimit?: Record<string, RateLimit>;
  /** How long to wait before the next try. */
  retryAfterMs?: number;
  /** What the provider says it took. */
  processingMs?: number;
  /** A gateway answered from its cache. */
  cacheHit?: boolean;
  reportedCostUsd?: number;
  /** Behind a gateway: who answered. */
  upstreamProvider?: string;
  serviceTier?: string;
  /** AWS names its errors here, not in the body. */
  errorType?: string;
  /** Bedrock's counts for models whose body has none; input without what was cached. */
  tokenCounts?: { input?: number; output?: number; cacheRead?: number; cacheWrite?: number };
}

type Headers = Readonly<Record<string, string>>;

/** First found wins: the provider's own name before those that proxies add, gateways and networks last. */
const requestIdHeaders = [
  "request-id",
  "x-amzn-requestid",
  "x-request-id",
  "apim-request-id",
  "x-ms-request-id",
  "mistral-correlation-id",
  "x-kong-request-id",
  "x-ds-trace-id",
  "x-debug-trace-id",
  "x-dashscope-request-id",
  "x-global-transaction-id",
  "nvcf-reqid",
  "x-tt-logid",
  "x-inference-request-id",
  "inference-id",
  "x-correlation-id",
  "x-generation-id",
  "x-litellm-call-id",
  "helicone-id",
  "cf-aig-log-id",
  "x-portkey-trace-id",
  "ngrok-aig-request-id",
  "cf-ray",
] as const;

const processingHeaders: readonly (readonly [header: string, unitMs: number])[] = [
  ["openai-processing-ms", 1],
  ["x-amzn-bedrock-invocation-latency", 1],
  ["x-total-time", 1],
  ["x-inference-time", 1],
  ["ms-azureml-model-time", 1],
  ["x-compute-time", 1_000],
  ["x-envoy-upstream-service-time", 1],
  ["x-kong-upstream-latency", 1],
  ["x-litellm-response-duration-ms", 1],
];

const cacheHeaders = [
  "helicone-cache",
  "x-portkey-cache-status",
  "cf-aig-cache-status",
  "x-openrouter-cache-status",
  "x-litellm-cache-hit",
] as const;

const costHeaders = ["x-litellm-response-cost", "x-requesty-cost", "pydantic-ai-gateway-price-estimate"] as const;

const upstreamHeaders = [
  "x-inference-provider",
  "x-portkey-provider",
  "cf-aig-provider",
  "x-bifrost-provider",
] as const;

/** LiteLLM names the base URL that it called. */
const upstreamUrlHeader = "x-litellm-model-api-base";

const tierHeaders = ["x-gemini-service-tier", "x-amzn-bedrock-service-tier"] as const;

/**
 * @param headers - lower-case names
 * @param respondedAt - epoch ms at which they came
 * @param findProvider - the provider whose host a URL names
 */
export function readHeaderFacts(
  headers: Headers,
  respondedAt: number,
  findProvider?: (url: string) => string | undefined,
): HeaderFacts {
  const cacheHit = readCacheHit(headers);
  const upstreamUrl = headers[upstreamUrlHeader];
  return withoutUndefined({
    requestId: firstText(headers, requestIdHeaders),
    rateLimit: readRateLimits(headers, respondedAt),
    retryAfterMs: readRetryAfter(headers, respondedAt),
    processingMs: readProcessing(headers),
    cacheHit,
    // LiteLLM repeats the cost of the call that filled its cache; nobody pays it again.
    reportedCostUsd: cacheHit === true ? undefined : readCost(headers),
    upstreamProvider:
      firstText(headers, upstreamHeaders) ?? (upstreamUrl === undefined ? undefined : findProvider?.(upstreamUrl)),
    serviceTier: firstText(headers, tierHeaders),
    errorType: headers["x-amzn-errortype"]?.split(":", 1)[0]?.slice(0, 256),
    tokenCounts: readTokenCounts(headers),
  });
}

/** `retry-after-ms` (OpenAI, Azure), else `retry-after` in seconds or as a date. */
function readRetryAfter(headers: Headers, respondedAt: number): number | undefined {
  const milliseconds = readCount(headers["retry-after-ms"]) ?? readCount(headers["x-ms-retry-after-ms"]);
  if (milliseconds !== undefined) return Math.round(milliseconds);
  const text = headers["retry-after"];
  const seconds = readCount(text);
  if (seconds !== undefined) return Math.round(seconds * 1_000);
  const date = text === undefined || !/^[A-Z][a-z]{2}, /.test(text) ? Number.NaN : Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - respondedAt);
}

function readProcessing(headers: Headers): number | undefined {
  for (const [header, unitMs] of processingHeaders) {
    const value = readCount(headers[header]);
    if (value !== undefined) return value * unitMs;
  }
  // `gfet4t7; dur=2041` (Google), `x-originResponse;dur=253` (Cloudflare)
  const duration = /^\s*(?:gfet4t7|x-originResponse)\s*;\s*dur=(\d{1,9}(?:\.\d{1,6})?)/.exec(
    headers["server-timing"] ?? "",
  );
  return readCount(duration?.[1]);
}

/** `HIT`, `SEMANTIC HIT`, `True` / `MISS`, `SEMANTIC MISS`, `False`; `DISABLED` and `REFRESH` were no look-ups that hit. */
function readCacheHit(headers: Headers): boolean | undefined {
  // LiteLLM sends the key only with an answer from its cache.
  if (headers["x-litellm-cache-key"] !== undefined) return true;
  for (const header of cacheHeaders) {
    const value = headers[header]?.toUpperCase();
    if (value === undefined) continue;
    if (/\bHIT$|^TRUE$/.test(value)) return true;
    if (/\bMISS$|^FALSE$|^REFRESH$/.test(value)) return false;
  }
  return undefined;
}

function readCost(headers: Headers): number | undefined {
  for (const header of costHeaders) {
    const cost = readCount(headers[header]?.replace(/^\$|\s*USD$/gi, ""));
    if (cost !== undefined) return cost;
  }
  return undefined;
}

function readTokenCounts(headers: Headers): HeaderFacts["tokenCounts"] {
  const counts = withoutUndefined({
    input: readCount(headers["x-amzn-bedrock-input-token-count"]),
    output: readCount(headers["x-amzn-bedrock-output-token-count"]),
    cacheRead: readCount(headers["x-amzn-bedrock-cache-read-input-token-count"]),
    cacheWrite: readCount(headers["x-amzn-bedrock-cache-write-input-token-count"]),
  });
  return Object.keys(counts).length === 0 ? undefined : counts;
}

function firstText(headers: Headers, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = headers[name]?.trim();
    if (value !== undefined && value !== "") return value.slice(0, 256);
  }
  return undefined;
}

function withoutUndefined<T extends object>(fields: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const result: { [Key in keyof T]?: Exclude<T[Key], undefined> } = {};
  for (const key in fields) {
    if (fields[key] !== undefined) result[key] = fields[key] as Exclude<T[typeof key], undefined>;
  }
  return result;
}
