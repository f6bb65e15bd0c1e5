/** What response headers say about a call: ids, limits, times, cost, cache. Pure. */
import type { RateLimit } from "../types.ts";
import { isOfRateLimit, readCount, readRateLimits } from "./rate-limits.ts";

export interface HeaderFacts {
  requestId?: string | undefined;
  rateLimit?: Record<string, RateLimit> | undefined;
  /** How long to wait before the next try. */
  retryAfterMs?: number | undefined;
  /** What the provider says it took. */
  processingMs?: number | undefined;
  /** A gateway answered from its cache. */
  cacheHit?: boolean | undefined;
  reportedCostUsd?: number | undefined;
  /** Behind a gateway: who answered. */
  upstreamProvider?: string | undefined;
  serviceTier?: string | undefined;
  /** AWS names its errors here, not in the body. */
  errorType?: string | undefined;
  /** Bedrock's counts for models whose body has none; input without what was cached. */
  tokenCounts?: TokenCounts | undefined;
}

export interface TokenCounts {
  input?: number | undefined;
  output?: number | undefined;
  cacheRead?: number | undefined;
  cacheWrite?: number | undefined;
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

const tokenHeaders = [
  "x-amzn-bedrock-input-token-count",
  "x-amzn-bedrock-output-token-count",
  "x-amzn-bedrock-cache-read-input-token-count",
  "x-amzn-bedrock-cache-write-input-token-count",
] as const;

/** What a header may tell of, as bits: a response has a dozen headers, and most of these facts in none of them. */
const Tells = {
  requestId: 1,
  rateLimit: 2,
  retryAfter: 4,
  processing: 8,
  cache: 16,
  cost: 32,
  upstream: 64,
  tier: 128,
  tokens: 256,
} as const;

const tellsByHeader: ReadonlyMap<string, number> = new Map(
  [
    { bit: Tells.requestId, names: requestIdHeaders },
    { bit: Tells.retryAfter, names: ["retry-after-ms", "x-ms-retry-after-ms", "retry-after"] },
    { bit: Tells.processing, names: [...processingHeaders.map(([name]) => name), "server-timing"] },
    { bit: Tells.cache, names: [...cacheHeaders, "x-litellm-cache-key"] },
    { bit: Tells.cost, names: costHeaders },
    { bit: Tells.upstream, names: [...upstreamHeaders, upstreamUrlHeader] },
    { bit: Tells.tier, names: tierHeaders },
    { bit: Tells.tokens, names: tokenHeaders },
  ].flatMap(({ bit, names }) => names.map((name): [string, number] => [name, bit])),
);

function findWhatTheyTell(headers: Headers): number {
  let bits = 0;
  for (const name in headers) bits |= tellsByHeader.get(name) ?? (isOfRateLimit(name) ? Tells.rateLimit : 0);
  return bits;
}

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
  const told = findWhatTheyTell(headers);
  const cacheHit = (told & Tells.cache) === 0 ? undefined : readCacheHit(headers);
  return {
    requestId: (told & Tells.requestId) === 0 ? undefined : firstText(headers, requestIdHeaders),
    rateLimit: (told & Tells.rateLimit) === 0 ? undefined : readRateLimits(headers, respondedAt),
    retryAfterMs: (told & Tells.retryAfter) === 0 ? undefined : readRetryAfter(headers, respondedAt),
    processingMs: (told & Tells.processing) === 0 ? undefined : readProcessing(headers),
    cacheHit,
    // LiteLLM repeats the cost of the call that filled its cache; nobody pays it again.
    reportedCostUsd: (told & Tells.cost) === 0 || cacheHit === true ? undefined : readCost(headers),
    upstreamProvider: (told & Tells.upstream) === 0 ? undefined : readUpstream(headers, findProvider),
    serviceTier: (told & Tells.tier) === 0 ? undefined : firstText(headers, tierHeaders),
    errorType: headers["x-amzn-errortype"]?.split(":", 1)[0]?.slice(0, 256),
    tokenCounts: (told & Tells.tokens) === 0 ? undefined : readTokenCounts(headers),
  };
}

function readUpstream(headers: Headers, findProvider?: (url: string) => string | undefined): string | undefined {
  const url = headers[upstreamUrlHeader];
  return firstText(headers, upstreamHeaders) ?? (url === undefined ? undefined : findProvider?.(url));
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

function readTokenCounts(headers: Headers): TokenCounts | undefined {
  const [input, output, cacheRead, cacheWrite] = tokenHeaders.map((name) => readCount(headers[name]));
  const isKnown = (input ?? output ?? cacheRead ?? cacheWrite) !== undefined;
  return isKnown ? { input, output, cacheRead, cacheWrite } : undefined;
}

function firstText(headers: Headers, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = headers[name]?.trim();
    if (value !== undefined && value !== "") return value.slice(0, 256);
  }
  return undefined;
}
