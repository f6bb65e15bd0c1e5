/** HTTP errors in each provider's own shape. */
import type { ExpectedFacts, MockHttpError, MockProvider, Plan } from "./types.ts";
import { jsonPlan } from "./wire.ts";

type Shape = (
  error: Required<Pick<MockHttpError, "status" | "type" | "message">> & { code: string | undefined },
) => unknown;

const SHAPES: Readonly<Record<MockProvider, Shape>> = {
  openai: ({ type, code, message }) => ({ error: { message, type, param: null, code: code ?? null } }),
  anthropic: ({ type, message }) => ({ type: "error", error: { type, message }, request_id: "req_mock" }),
  gemini: ({ status, type, message }) => ({ error: { code: status, message, status: type } }),
};

const TYPES: Readonly<Record<MockProvider, Readonly<Record<number, string>>>> = {
  openai: { 400: "invalid_request_error", 401: "invalid_request_error", 429: "rate_limit_error", 500: "server_error" },
  anthropic: {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
  },
  gemini: {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
  },
};

export function renderHttpError(provider: MockProvider, error: MockHttpError, requestModel: string): Plan {
  const { status } = error;
  const type = error.type ?? TYPES[provider][status] ?? "api_error";
  const message = error.message ?? `The mock was told to answer ${status}.`;
  // Only OpenAI has a code of its own; Gemini's repeats the status.
  const code = provider === "openai" ? (error.code ?? (status === 429 ? "rate_limit_exceeded" : undefined)) : undefined;
  const facts: ExpectedFacts = {
    outcome: "error",
    requestModel,
    error: { kind: "http", status, type, message, ...(code === undefined ? {} : { code }) },
    usage: { source: "missing" },
  };
  if (error.retryAfterSeconds !== undefined)
    facts.error = { ...facts.error, retryAfterMs: error.retryAfterSeconds * 1_000 };
  const plan = jsonPlan(SHAPES[provider]({ status, type, message, code }), facts, status);
  if (error.retryAfterSeconds !== undefined) plan.headers["retry-after"] = String(error.retryAfterSeconds);
  return plan;
}
