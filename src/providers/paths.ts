/**
 * Which path of a provider is which API and operation: data only (`match-path.ts` interprets it). Rules match on path
 * suffix, case-sensitive, the longest first; everything that no rule names (models, files, batches, …) is no inference.
 */
import type { Api, Operation } from "../types.ts";
import type { PathRulesName } from "./hosts.ts";

export interface PathRule {
  /** Ends the path. `""` matches any ending and needs `after`. */
  suffix: string;
  /** Must come before the suffix; what stands between the two is the model or deployment. */
  after?: string;
  api: Api;
  /** Absent: told by the model's name, see `operationOfModel`. */
  operation?: Operation;
  /** What stands between `after` and `suffix` is no model. */
  anonymous?: true;
  /** A path that contains this is something else. */
  not?: string;
}

const rule = (suffix: string, api: Api, operation: Operation): PathRule => ({ suffix, api, operation });

/** Paths of OpenAI and of everyone who copied them, with the Anthropic path that most gateways speak too. */
const OPENAI_PATHS: readonly PathRule[] = [
  rule("/chat/completions", "openai-chat", "chat"),
  rule("/text/chatcompletion_v2", "openai-chat", "chat"),
  rule("/responses", "openai-responses", "chat"),
  rule("/responses/compact", "openai-responses", "chat"),
  rule("/responses/input_tokens", "openai-responses", "count_tokens"),
  rule("/completions", "openai-completions", "text_completion"),
  rule("/embeddings", "openai-embeddings", "embeddings"),
  rule("/embeddings/multimodal", "openai-embeddings", "embeddings"),
  rule("/multimodalembeddings", "openai-embeddings", "embeddings"),
  rule("/contextualizedembeddings", "openai-embeddings", "embeddings"),
  rule("/images/generations", "openai-images", "image_generation"),
  rule("/images/edits", "openai-images", "image_generation"),
  rule("/images/variations", "openai-images", "image_generation"),
  rule("/image/generate", "openai-images", "image_generation"),
  rule("/audio/transcriptions", "openai-audio", "transcription"),
  rule("/audio/translations", "openai-audio", "transcription"),
  rule("/audio/speech", "openai-audio", "text_to_speech"),
  rule("/moderations", "openai-moderation", "moderation"),
  rule("/rerank", "rerank", "rerank"),
  rule("/reranking", "rerank", "rerank"),
  { suffix: "/runs", after: "/threads/", anonymous: true, api: "openai-threads", operation: "chat" },
  { suffix: "/submit_tool_outputs", after: "/threads/", anonymous: true, api: "openai-threads", operation: "chat" },
  rule("/threads/runs", "openai-threads", "chat"),
  { suffix: "/messages", api: "anthropic-messages", operation: "chat", not: "/threads/" },
  rule("/messages/count_tokens", "anthropic-messages", "count_tokens"),
];

const BEDROCK_PATHS: readonly PathRule[] = [
  { suffix: "/converse", after: "/model/", api: "bedrock-converse", operation: "chat" },
  { suffix: "/converse-stream", after: "/model/", api: "bedrock-converse", operation: "chat" },
  { suffix: "/count-tokens", after: "/model/", api: "bedrock-converse", operation: "count_tokens" },
  { suffix: "/invoke", after: "/model/", api: "bedrock-invoke" },
  { suffix: "/invoke-with-response-stream", after: "/model/", api: "bedrock-invoke" },
];

const OLLAMA_PATHS: readonly PathRule[] = [
  rule("/api/chat", "ollama", "chat"),
  rule("/api/generate", "ollama", "text_completion"),
  rule("/api/embed", "ollama", "embeddings"),
  rule("/api/embeddings", "ollama", "embeddings"),
];

const TGI_PATHS: readonly PathRule[] = [
  rule("/generate", "tgi", "text_completion"),
  rule("/generate_stream", "tgi", "text_completion"),
];

const COHERE_PATHS: readonly PathRule[] = [
  rule("/v1/chat", "cohere-v1", "chat"),
  rule("/v1/generate", "cohere-v1", "text_completion"),
  rule("/v1/summarize", "cohere-v1", "text_completion"),
  rule("/v1/classify", "cohere-v1", "text_completion"),
  rule("/v1/embed", "cohere-v1", "embeddings"),
  rule("/v2/chat", "cohere-v2", "chat"),
  rule("/v2/embed", "cohere-v2", "embeddings"),
];

export const PATH_RULES: Readonly<Record<PathRulesName, readonly PathRule[]>> = {
  openai: [
    ...OPENAI_PATHS,
    rule("/complete", "openai-completions", "text_completion"),
    rule("/multi-vector", "openai-embeddings", "embeddings"), // Jina
    { suffix: "", after: "/wenxinworkshop/chat/", api: "openai-chat", operation: "chat" },
  ],
  anthropic: [...OPENAI_PATHS, rule("/v1/complete", "anthropic-complete", "text_completion")],
  azure: [...OPENAI_PATHS, rule("/images/embeddings", "openai-embeddings", "embeddings"), ...COHERE_PATHS],
  bedrock: [...BEDROCK_PATHS, ...OPENAI_PATHS],
  google: [...OPENAI_PATHS, rule("/interactions", "gemini-interactions", "chat")],
  cohere: [...COHERE_PATHS, ...OPENAI_PATHS],
  mistral: [
    ...OPENAI_PATHS,
    rule("/fim/completions", "openai-chat", "text_completion"),
    rule("/agents/completions", "openai-chat", "chat"),
    rule("/chat/classifications", "openai-moderation", "moderation"),
    rule("/classifications", "openai-moderation", "moderation"),
    rule("/conversations", "mistral-conversations", "chat"),
    { suffix: "/restart", after: "/conversations/", anonymous: true, api: "mistral-conversations", operation: "chat" },
    { suffix: "", after: "/conversations/", anonymous: true, api: "mistral-conversations", operation: "chat" },
    rule("/ocr", "mistral-ocr", "transcription"),
  ],
  ollama: [...OLLAMA_PATHS, ...OPENAI_PATHS],
  huggingface: [
    ...OPENAI_PATHS,
    ...TGI_PATHS,
    { suffix: "/pipeline/feature-extraction", after: "/models/", api: "hf-task", operation: "embeddings" },
    { suffix: "/pipeline/sentence-similarity", after: "/models/", api: "hf-task", operation: "embeddings" },
    { suffix: "", after: "/pipeline/feature-extraction/", api: "hf-task", operation: "embeddings" },
    { suffix: "", after: "/pipeline/", api: "hf-task", operation: "text_completion" },
    // The router passes these on to the provider named in front.
    { suffix: "/predictions", after: "/replicate/v1/models/", api: "replicate" },
    rule("/embed", "hf-task", "embeddings"), // Text Embeddings Inference
    { suffix: "", after: "/models/", api: "hf-task" },
    rule("/", "hf-task", "text_completion"),
  ],
  replicate: [
    rule("/v1/predictions", "replicate", "text_completion"),
    { suffix: "/predictions", after: "/models/", api: "replicate" },
    { suffix: "/predictions", after: "/deployments/", api: "replicate" },
    ...OPENAI_PATHS,
  ],
  watsonx: [
    rule("/text/chat", "watsonx", "chat"),
    rule("/text/chat_stream", "watsonx", "chat"),
    rule("/text/generation", "watsonx", "text_completion"),
    rule("/text/generation_stream", "watsonx", "text_completion"),
    rule("/generation/text", "watsonx", "text_completion"),
    rule("/generation/text_stream", "watsonx", "text_completion"),
    rule("/text/embeddings", "watsonx", "embeddings"),
    rule("/text/rerank", "rerank", "rerank"),
    ...OPENAI_PATHS,
  ],
  cloudflare: [...OPENAI_PATHS, { suffix: "", after: "/ai/run/", api: "cloudflare-run" }],
  "cloudflare-gateway": [],
  vercel: [
    rule("/ai/language-model", "vercel-ai", "chat"),
    rule("/ai/embedding-model", "vercel-ai", "embeddings"),
    rule("/ai/image-model", "vercel-ai", "image_generation"),
    rule("/ai/reranking-model", "vercel-ai", "rerank"),
    rule("/ai/speech-model", "vercel-ai", "text_to_speech"),
    rule("/ai/transcription-model", "vercel-ai", "transcription"),
    ...OPENAI_PATHS,
  ],
  databricks: [
    { suffix: "/invocations", after: "/serving-endpoints/", api: "model-serving", operation: "chat" },
    rule("/cortex/inference:complete", "openai-chat", "chat"),
    rule("/cortex/inference:embed", "openai-embeddings", "embeddings"),
    ...OPENAI_PATHS,
  ],
  dashscope: [
    rule("/text-generation/generation", "dashscope", "chat"),
    rule("/multimodal-generation/generation", "dashscope", "chat"),
    rule("/text-embedding/text-embedding", "dashscope", "embeddings"),
    rule("/multimodal-embedding/multimodal-embedding", "dashscope", "embeddings"),
    rule("/text-rerank/text-rerank", "rerank", "rerank"),
    rule("/reranks", "rerank", "rerank"),
    ...OPENAI_PATHS,
  ],
  writer: [rule("/v1/chat", "openai-chat", "chat"), ...OPENAI_PATHS],
  openrouter: [...OPENAI_PATHS, rule("/images", "openai-images", "image_generation")],
  portkey: [
    { suffix: "/completions", after: "/prompts/", anonymous: true, api: "openai-chat", operation: "chat" },
    ...OPENAI_PATHS,
  ],
  oracle: [
    rule("/actions/chat", "oci-generative-ai", "chat"),
    rule("/actions/embedText", "oci-generative-ai", "embeddings"),
    ...OPENAI_PATHS,
  ],
};

/**
 * Paths that count on a host that no table knows; the body has to agree (`hasCallShape`). The verbs of Google's APIs
 * (`VERB_RULES`) count as well.
 */
export const SNIFF_RULES: readonly PathRule[] = [
  ...OPENAI_PATHS,
  ...BEDROCK_PATHS,
  ...OLLAMA_PATHS,
  ...TGI_PATHS,
  ...COHERE_PATHS.filter(({ suffix }) => suffix === "/v1/chat" || suffix === "/v2/chat" || suffix.endsWith("/embed")),
  rule("/fim/completions", "openai-chat", "text_completion"),
  rule("/embed", "hf-task", "embeddings"),
  // llama.cpp's own.
  rule("/completion", "openai-completions", "text_completion"),
];

/** Custom methods of Google's APIs: `…/models/{model}:{verb}`. */
export const VERB_RULES: Readonly<Record<string, { api: Api; operation?: Operation }>> = {
  generateContent: { api: "gemini", operation: "chat" },
  streamGenerateContent: { api: "gemini", operation: "chat" },
  countTokens: { api: "gemini", operation: "count_tokens" },
  embedContent: { api: "gemini", operation: "embeddings" },
  batchEmbedContents: { api: "gemini", operation: "embeddings" },
  predict: { api: "vertex-predict" },
  rawPredict: { api: "openai-chat", operation: "chat" },
  streamRawPredict: { api: "openai-chat", operation: "chat" },
};

/** Which API a publisher's models speak under `:rawPredict` and `:streamRawPredict` of Vertex AI. Default: OpenAI's. */
export const PUBLISHER_APIS: Readonly<Record<string, Api>> = {
  anthropic: "anthropic-messages",
  google: "gemini",
};

/** Names of providers in the paths of gateways, and which rules apply behind them. */
export const UPSTREAMS: Readonly<Record<string, { provider: string; paths: PathRulesName }>> = {
  openai: { provider: "openai", paths: "openai" },
  "azure-openai": { provider: "azure.ai.openai", paths: "azure" },
  anthropic: { provider: "anthropic", paths: "anthropic" },
  "aws-bedrock": { provider: "aws.bedrock", paths: "bedrock" },
  "google-ai-studio": { provider: "gcp.gemini", paths: "google" },
  "google-vertex-ai": { provider: "gcp.vertex_ai", paths: "google" },
  "workers-ai": { provider: "cloudflare", paths: "cloudflare" },
  huggingface: { provider: "huggingface", paths: "huggingface" },
  cohere: { provider: "cohere", paths: "cohere" },
  mistral: { provider: "mistral_ai", paths: "mistral" },
  replicate: { provider: "replicate", paths: "replicate" },
  grok: { provider: "x_ai", paths: "openai" },
  groq: { provider: "groq", paths: "openai" },
  deepseek: { provider: "deepseek", paths: "openai" },
  "perplexity-ai": { provider: "perplexity", paths: "openai" },
  perplexity: { provider: "perplexity", paths: "openai" },
  openrouter: { provider: "openrouter", paths: "openai" },
  cerebras: { provider: "cerebras", paths: "openai" },
  baseten: { provider: "baseten", paths: "openai" },
  fal: { provider: "fal", paths: "openai" },
  together: { provider: "together", paths: "openai" },
  // Portkey's names.
  "together-ai": { provider: "together", paths: "openai" },
  "mistral-ai": { provider: "mistral_ai", paths: "mistral" },
  "x-ai": { provider: "x_ai", paths: "openai" },
  bedrock: { provider: "aws.bedrock", paths: "bedrock" },
  google: { provider: "gcp.gemini", paths: "google" },
  "vertex-ai": { provider: "gcp.vertex_ai", paths: "google" },
};

/** What a model does, by its name, where the path does not tell. First match wins; else the fallback of the caller. */
const MODEL_OPERATIONS: readonly [pattern: RegExp, operation: Operation][] = [
  [/embed|gecko|marengo|\bbge-|\be5-|\bgte-/i, "embeddings"],
  [/rerank/i, "rerank"],
  [/stability\.|stable-|titan-image|canvas|imagen|\bflux|\bsdxl|dreamshaper/i, "image_generation"],
  [/whisper/i, "transcription"],
  [/titan-text|llama|mistral-7b|mixtral|command-(?:light-)?text|\bj2-|claude-(?:v[12]|instant)/i, "text_completion"],
];

/** The operation that a model's name suggests, else `fallback`. */
export function operationOfModel(model: string | undefined, fallback: Operation): Operation {
  if (model === undefined) return fallback;
  for (const [pattern, operation] of MODEL_OPERATIONS) if (pattern.test(model)) return operation;
  return fallback;
}

/** What an API does when nothing tells more; also the fallback of `operationOfModel`. */
export const DEFAULT_OPERATIONS: Readonly<Record<Api, Operation>> = {
  "openai-chat": "chat",
  "openai-responses": "chat",
  "openai-completions": "text_completion",
  "openai-embeddings": "embeddings",
  "openai-images": "image_generation",
  "openai-audio": "transcription",
  "openai-moderation": "moderation",
  "openai-threads": "chat",
  "anthropic-messages": "chat",
  "anthropic-complete": "text_completion",
  gemini: "chat",
  "gemini-interactions": "chat",
  "vertex-predict": "image_generation",
  "bedrock-converse": "chat",
  "bedrock-invoke": "chat",
  "cohere-v1": "chat",
  "cohere-v2": "chat",
  rerank: "rerank",
  "mistral-conversations": "chat",
  "mistral-ocr": "transcription",
  ollama: "chat",
  "hf-task": "text_completion",
  tgi: "text_completion",
  replicate: "text_completion",
  watsonx: "text_completion",
  "cloudflare-run": "chat",
  "vercel-ai": "chat",
  dashscope: "chat",
  "oci-generative-ai": "chat",
  "model-serving": "chat",
};

/** The rules whose ambiguous paths (`/chat`, `/generate`, …) mean this API, for a host that the user named. */
export const RULES_OF_API: Readonly<Partial<Record<Api, PathRulesName>>> = {
  "anthropic-messages": "anthropic",
  "anthropic-complete": "anthropic",
  gemini: "google",
  "gemini-interactions": "google",
  "vertex-predict": "google",
  "bedrock-converse": "bedrock",
  "bedrock-invoke": "bedrock",
  "cohere-v1": "cohere",
  "cohere-v2": "cohere",
  "mistral-conversations": "mistral",
  "mistral-ocr": "mistral",
  ollama: "ollama",
  "hf-task": "huggingface",
  tgi: "huggingface",
  replicate: "replicate",
  watsonx: "watsonx",
  "cloudflare-run": "cloudflare",
  "vercel-ai": "vercel",
  dashscope: "dashscope",
  "oci-generative-ai": "oracle",
  "model-serving": "databricks",
};
