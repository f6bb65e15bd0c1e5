/**
 * Which headers may be looked at and recorded: lists of names, so that a credential in a header that nobody thought of
 * never gets in.
 */

/** Request headers that parsers, linking and retries need. None carries a credential. */
const REQUEST_HEADERS: ReadonlySet<string> = new Set([
  "accept",
  "content-type",
  "content-encoding",
  "content-length",
  "user-agent",
  "idempotency-key",
  "prefer",
  "traceparent",
  "tracestate",
  "baggage",
  "x-request-id",
  "x-client-request-id",
  "anthropic-version",
  "anthropic-beta",
  "openai-beta",
  "x-goog-api-client",
  "x-goog-user-agent",
  "amz-sdk-invocation-id",
  "amz-sdk-request",
  "x-amzn-trace-id",
  "x-amzn-bedrock-accept",
  "x-amzn-bedrock-guardrailidentifier",
  "x-amzn-bedrock-guardrailversion",
  "x-amzn-bedrock-performanceconfig-latency",
  "x-amzn-bedrock-service-tier",
  "x-amzn-bedrock-trace",
  "extra-parameters",
  "x-fern-sdk-name",
  "x-fern-sdk-version",
  "x-portkey-trace-id",
  "x-portkey-provider",
  "helicone-session-id",
  "helicone-request-id",
  "cf-aig-event-id",
  "x-claude-code-session-id",
  "x-claude-code-agent-id",
  "x-ms-client-request-id",
]);
const REQUEST_PREFIXES = [
  "x-stainless-",
  "ai-language-model-",
  "ai-embedding-model-",
  "ai-image-model-",
  "ai-reranking-model-",
] as const;
const REQUEST_MORE: ReadonlySet<string> = new Set([
  "ai-model-id",
  "ai-gateway-protocol-version",
  "ai-o11y-deployment-id",
]);

/** Response headers worth recording. */
const RESPONSE_HEADERS: ReadonlySet<string> = new Set([
  "content-type",
  "content-encoding",
  "content-length",
  "date",
  "server",
  "via",
  "age",
  "x-cache",
  // Which request this was.
  "x-request-id",
  "request-id",
  "apim-request-id",
  "x-ms-client-request-id",
  "x-ms-request-id",
  "x-amzn-requestid",
  "x-amzn-trace-id",
  "mistral-correlation-id",
  "x-kong-request-id",
  "x-debug-trace-id",
  "x-ds-trace-id",
  "x-global-transaction-id",
  "x-generation-id",
  "inference-id",
  "x-inference-request-id",
  "x-correlation-id",
  "x-trace-id",
  "x-cloud-trace-context",
  "x-vercel-id",
  "x-dashscope-request-id",
  "x-tt-logid",
  "x-log-id",
  "cf-ray",
  "nvcf-reqid",
  "traceparent",
  "traceresponse",
  // Limits and retries.
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
  "x-ms-retry-after-ms",
  "x-endpoint-monthly-call-limit",
  "x-trial-endpoint-call-limit",
  "x-trial-endpoint-call-remaining",
  // How long, how much, by whom.
  "openai-processing-ms",
  "openai-version",
  "openai-model",
  "server-timing",
  "x-envoy-upstream-service-time",
  "x-kong-upstream-latency",
  "x-kong-proxy-latency",
  "anthropic-organization-id",
  "anthropic-workspace-id",
  "azureml-model-session",
  "ms-azureml-model-time",
  "x-ms-region",
  "x-ms-deployment-name",
  "x-ms-is-spilled-over",
  "x-ms-rai-invoked",
  "x-amzn-errortype",
  "x-gemini-service-tier",
  "x-groq-region",
  "x-api-warning",
  "num_chars",
  "num_tokens",
  "x-inference-provider",
  "x-inference-time",
  "x-queue-time",
  "x-time-per-token",
  "x-total-time",
  "x-validation-time",
  "x-prompt-tokens",
  "x-generated-tokens",
  "x-compute-characters",
  "x-compute-time",
  "x-compute-type",
  "x-model-used",
  "x-served-by",
  "pydantic-ai-gateway-price-estimate",
  "preference-applied",
  // AI gateways: cost, cache, call ids.
  "helicone-id",
  "helicone-cache",
  "helicone-status",
  "x-requesty-cost",
  "x-bifrost-provider",
  "ngrok-aig-request-id",
]);
const RESPONSE_PREFIXES = [
  "x-ratelimit-",
  "x-ratelimitbysize-",
  "ratelimitbysize-",
  "ratelimit-",
  "anthropic-ratelimit-",
  "anthropic-priority-",
  "anthropic-fast-",
  "x-amzn-bedrock-",
  "x-litellm-",
  "llm_provider-",
  "cf-aig-",
  "helicone-cache-",
  "x-portkey-",
  "x-openrouter-",
  "x-fireworks-",
  "fireworks-",
] as const;

/** What a gateway may echo that is nobody's business. */
const NEVER = /api-?key|authoriz|secret|token$|credential|cookie|virtual-key|-config$/;
/** `…-token` names that are counts, not credentials. */
const isSafe = (name: string): boolean => !NEVER.test(name);

/** Whether a request header may be read. @param name Lower-case. */
export function isRequestHeaderKept(name: string): boolean {
  return REQUEST_HEADERS.has(name) || REQUEST_MORE.has(name) || (hasPrefix(name, REQUEST_PREFIXES) && isSafe(name));
}

/** Whether a response header may be recorded. @param name Lower-case. */
export function isResponseHeaderKept(name: string): boolean {
  return (
    RESPONSE_HEADERS.has(name) ||
    name === "ratelimit" ||
    name === "x-ratelimit" ||
    (hasPrefix(name, RESPONSE_PREFIXES) && isSafe(name))
  );
}

/** Of headers with lower-case names, those that may be read. */
export function keepRequestHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return keep(headers, isRequestHeaderKept);
}

/** Of headers with lower-case names, those that may be recorded. */
export function keepResponseHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return keep(headers, isResponseHeaderKept);
}

function keep(headers: Readonly<Record<string, string>>, isKept: (name: string) => boolean): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value !== undefined && isKept(name)) kept[name] = value;
  }
  return kept;
}

function hasPrefix(name: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => name.startsWith(prefix));
}
