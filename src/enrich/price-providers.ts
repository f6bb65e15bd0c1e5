/** Which list of prices a call is billed by: our provider ids → those of `@pydantic/genai-prices`. */
import type { LlmCall } from "../types.ts";

export const priceProviders: Readonly<Record<string, string>> = {
  anthropic: "anthropic",
  arcee: "arcee",
  avian: "avian",
  "aws.bedrock": "aws",
  "azure.ai.inference": "azure",
  "azure.ai.openai": "azure",
  baseten: "baseten",
  cerebras: "cerebras",
  cloudflare: "cloudflare",
  cohere: "cohere",
  deepseek: "deepseek",
  doubleword: "doubleword",
  fireworks: "fireworks",
  "gcp.gemini": "google",
  "gcp.gen_ai": "google",
  "gcp.vertex_ai": "google",
  groq: "groq",
  minimax: "minimax",
  mistral_ai: "mistral",
  moonshot_ai: "moonshotai",
  novita: "novita",
  openai: "openai",
  openrouter: "openrouter",
  ovhcloud: "ovhcloud",
  perplexity: "perplexity",
  together: "together",
  voyage: "voyageai",
  x_ai: "x-ai",
  zhipu: "zhipuai",
};

/** Names under which gateways speak of providers, beyond the ids on both sides of the table above. */
const otherNames: Readonly<Record<string, string>> = {
  azure: "azure",
  "azure-openai": "azure",
  bedrock: "aws",
  "aws-bedrock": "aws",
  "amazon bedrock": "aws",
  gemini: "google",
  google: "google",
  "google-ai-studio": "google",
  "google-vertex-ai": "google",
  vertex: "google",
  "vertex-ai": "google",
  vertex_ai: "google",
  grok: "x-ai",
  "x-ai": "x-ai",
  xai: "x-ai",
  mistral: "mistral",
  "fireworks-ai": "fireworks",
  fireworks_ai: "fireworks",
  "together-ai": "together",
  together_ai: "together",
  "perplexity-ai": "perplexity",
  moonshotai: "moonshotai",
};

/** They pass the bill of the provider behind them on; `openrouter` has prices of its own. */
const passThroughGateways: ReadonlySet<string> = new Set([
  "cloudflare.ai_gateway",
  "helicone",
  "litellm",
  "portkey",
  "pydantic_gateway",
  "vercel",
]);

export interface PriceKey {
  /** Id of a provider in the price list. */
  provider: string;
  model: string;
}

/** Where to look up the price of a model; `undefined` when no list applies. */
export function findPriceKey(call: LlmCall, model: string): PriceKey | undefined {
  const { provider } = call;
  const name = model.replace(/^(?:models\/|.*\/models\/(?=[^/]+$))/, "");
  if (passThroughGateways.has(provider)) return findBehindGateway(call.response?.upstreamProvider, name);
  if (provider === "huggingface") return findBehindHuggingFace(call.response?.upstreamProvider, name);
  const list = own(priceProviders, provider);
  if (list === undefined) return undefined;
  if (list === "fireworks") return { provider: list, model };
  // `arn:aws:bedrock:…:inference-profile/us.anthropic.claude-…`
  if (list === "aws") return { provider: list, model: name.slice(name.lastIndexOf("/") + 1) };
  if (list === "zhipuai" && call.request.host.endsWith("z.ai")) return { provider: "zai", model: name };
  return { provider: list, model: name };
}

function findBehindGateway(upstream: string | undefined, model: string): PriceKey | undefined {
  const slash = model.indexOf("/");
  const prefix = slash === -1 ? undefined : findByAnyName(model.slice(0, slash));
  const provider = upstream === undefined ? prefix : findByAnyName(upstream);
  if (provider === undefined) return undefined;
  return { provider, model: prefix === undefined ? model : model.slice(slash + 1) };
}

/** The router bills at the price of whoever serves: `org/model:provider`, or the header that says so. */
function findBehindHuggingFace(upstream: string | undefined, model: string): PriceKey | undefined {
  const colon = model.lastIndexOf(":");
  const server = upstream ?? (colon === -1 ? undefined : model.slice(colon + 1));
  if (server === undefined) return undefined;
  return { provider: `huggingface_${server.toLowerCase()}`, model: colon === -1 ? model : model.slice(0, colon) };
}

function findByAnyName(name: string): string | undefined {
  const lower = name.toLowerCase();
  return own(otherNames, lower) ?? own(priceProviders, lower);
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
