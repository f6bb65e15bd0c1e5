/** Who takes `stream_options.include_usage`: data for the `includeUsage` option. */
import type { RouteInfo } from "../types.ts";
import { pathnameOf } from "./match-path.ts";

/**
 * Providers that take the option as OpenAI defines it. Not here are those that always report usage and may send the extra
 * event unasked, which an app then relies on (OpenRouter, Mistral, Perplexity, xAI), those that refuse fields that they
 * do not know (Mistral, LM Studio), and everyone of whom nothing is known. The last three are names that a user gives in
 * `hosts`.
 * @see https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options
 */
const TAKES_OPTION: ReadonlySet<string> = new Set([
  "openai",
  "azure.ai.openai",
  "groq",
  "together",
  "fireworks",
  "cerebras",
  "deepseek",
  "dashscope",
  "volcengine",
  "nvidia",
  "vllm",
  "sglang",
  "litellm",
]);

/** They put usage into every stream, asked or not (their references). */
const REPORTS_UNASKED: ReadonlySet<string> = new Set([
  "mistral_ai",
  "perplexity",
  "x_ai",
  "openrouter",
  "cohere",
  "snowflake",
]);

/**
 * Whether a stream without usage has none because nobody asked for it.
 * @param provider - who reads the body: behind a gateway that passes it on, the upstream
 */
export function reportsWhenAsked(provider: string): boolean {
  return !REPORTS_UNASKED.has(provider);
}

/** Before this version Azure answers 400 to the option. */
const FIRST_AZURE_VERSION = "2024-09-01";

/** Fields beside which a provider refuses the option: Azure's "On Your Data". */
export const REFUSED_BESIDE: ReadonlySet<string> = new Set(["data_sources", "dataSources"]);

/**
 * Whether a streamed request may be given the option.
 * @param path With query, as sent.
 */
export function takesIncludeUsage(route: RouteInfo, path: string): boolean {
  if (route.api !== "openai-chat" && route.api !== "openai-completions") return false;
  // Behind a gateway that passes the path on, it is the upstream that reads the body.
  const provider = route.upstreamProvider ?? route.provider;
  if (!TAKES_OPTION.has(provider)) return false;
  if (!/\/(?:chat\/)?completions$/.test(pathnameOf(path))) return false;
  return provider !== "azure.ai.openai" || takesAzureVersion(path);
}

function takesAzureVersion(path: string): boolean {
  if (path.includes("/openai/v1/")) return true;
  const version = /[?&]api-version=(\d{4}-\d{2}-\d{2})/.exec(path)?.[1];
  return version !== undefined && version >= FIRST_AZURE_VERSION;
}
