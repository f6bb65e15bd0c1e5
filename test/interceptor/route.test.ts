import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authorityOf, createRouter, hasCallShape } from "../../src/interceptor/route.ts";
import type { RouteInfo } from "../../src/parsers/parser.ts";
import type { Api, Operation, TapOptions } from "../../src/types.ts";

const router = createRouter(undefined);

function route(
  url: string,
  hosts?: TapOptions["hosts"],
  headers: Record<string, string> = {},
): RouteInfo | null | undefined {
  const used = hosts === undefined ? router : createRouter(hosts);
  const entry = used.lookUp(authorityOf(url) ?? "");
  if (entry === null || entry === undefined) return entry;
  return used.route(entry, "POST", url.replace(/^https?:\/\/[^/]*/, ""), (name) => headers[name]);
}

describe("paths of known hosts", () => {
  const cases: [url: string, provider: string, api: Api, operation: Operation, more?: Partial<RouteInfo>][] = [
    ["https://api.openai.com/v1/chat/completions", "openai", "openai-chat", "chat"],
    ["https://api.openai.com/v1/chat/completions?x=1", "openai", "openai-chat", "chat"],
    ["https://api.openai.com/v1/chat/completions/", "openai", "openai-chat", "chat"],
    ["https://api.openai.com/v1//chat/completions#f", "openai", "openai-chat", "chat"],
    ["https://api.openai.com/v1/responses", "openai", "openai-responses", "chat"],
    ["https://api.openai.com/v1/responses/input_tokens", "openai", "openai-responses", "count_tokens"],
    ["https://api.openai.com/v1/completions", "openai", "openai-completions", "text_completion"],
    [
      "https://api.openai.com/v1/engines/davinci/completions",
      "openai",
      "openai-completions",
      "text_completion",
      { pathModel: "davinci" },
    ],
    ["https://api.openai.com/v1/embeddings", "openai", "openai-embeddings", "embeddings"],
    ["https://api.openai.com/v1/images/edits", "openai", "openai-images", "image_generation"],
    ["https://api.openai.com/v1/audio/transcriptions", "openai", "openai-audio", "transcription"],
    ["https://api.openai.com/v1/audio/speech", "openai", "openai-audio", "text_to_speech"],
    ["https://api.openai.com/v1/moderations", "openai", "openai-moderation", "moderation"],
    ["https://api.openai.com/v1/threads/thread_1/runs", "openai", "openai-threads", "chat"],
    ["https://api.openai.com/v1/threads/runs", "openai", "openai-threads", "chat"],
    ["https://api.openai.com/v1/threads/t/runs/r/submit_tool_outputs", "openai", "openai-threads", "chat"],
    ["https://chatgpt.com/backend-api/codex/responses", "openai", "openai-responses", "chat"],
    [
      "https://r.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=1",
      "azure.ai.openai",
      "openai-chat",
      "chat",
      { pathModel: "my gpt" },
    ],
    ["https://r.openai.azure.com/openai/v1/responses", "azure.ai.openai", "openai-responses", "chat"],
    [
      "https://r.services.ai.azure.com/models/chat/completions?api-version=1",
      "azure.ai.inference",
      "openai-chat",
      "chat",
    ],
    [
      "https://r.services.ai.azure.com/models/images/embeddings",
      "azure.ai.inference",
      "openai-embeddings",
      "embeddings",
    ],
    ["https://r.services.ai.azure.com/anthropic/v1/messages", "anthropic", "anthropic-messages", "chat"],
    ["https://api.anthropic.com/v1/messages?beta=true", "anthropic", "anthropic-messages", "chat"],
    ["https://api.anthropic.com/v1/messages/count_tokens", "anthropic", "anthropic-messages", "count_tokens"],
    ["https://api.anthropic.com/v1/complete", "anthropic", "anthropic-complete", "text_completion"],
    [
      "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse-stream",
      "aws.bedrock",
      "bedrock-converse",
      "chat",
      { pathModel: "us.amazon.nova-lite-v1:0" },
    ],
    [
      "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse",
      "aws.bedrock",
      "bedrock-converse",
      "chat",
      { pathModel: "arn:aws:bedrock:us-east-1:1:inference-profile/x" },
    ],
    [
      "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.titan-embed-text-v2:0/invoke",
      "aws.bedrock",
      "bedrock-invoke",
      "embeddings",
      { pathModel: "amazon.titan-embed-text-v2:0" },
    ],
    [
      "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-haiku/invoke-with-response-stream",
      "aws.bedrock",
      "bedrock-invoke",
      "chat",
      { pathModel: "anthropic.claude-3-haiku" },
    ],
    [
      "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/count-tokens",
      "aws.bedrock",
      "bedrock-converse",
      "count_tokens",
      { pathModel: "m" },
    ],
    ["https://bedrock-mantle.us-east-1.api.aws/openai/v1/responses", "aws.bedrock", "openai-responses", "chat"],
    [
      "https://generativelanguage.googleapis.com/v1beta/models/gemini-3:streamGenerateContent?alt=sse&key=k",
      "gcp.gemini",
      "gemini",
      "chat",
      { pathModel: "gemini-3" },
    ],
    [
      "https://generativelanguage.googleapis.com/v1beta/models/e:batchEmbedContents",
      "gcp.gemini",
      "gemini",
      "embeddings",
      { pathModel: "e" },
    ],
    [
      "https://generativelanguage.googleapis.com/v1beta/models/g:countTokens",
      "gcp.gemini",
      "gemini",
      "count_tokens",
      { pathModel: "g" },
    ],
    ["https://generativelanguage.googleapis.com/v1beta/interactions", "gcp.gemini", "gemini-interactions", "chat"],
    ["https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", "gcp.gemini", "openai-chat", "chat"],
    [
      "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/claude-4@1:streamRawPredict",
      "gcp.vertex_ai",
      "anthropic-messages",
      "chat",
      { pathModel: "claude-4@1" },
    ],
    [
      "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
      "gcp.vertex_ai",
      "anthropic-messages",
      "count_tokens",
    ],
    [
      "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large:rawPredict",
      "gcp.vertex_ai",
      "openai-chat",
      "chat",
      { pathModel: "mistral-large" },
    ],
    [
      "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/imagen-4:predict",
      "gcp.vertex_ai",
      "vertex-predict",
      "image_generation",
      { pathModel: "imagen-4" },
    ],
    [
      "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
      "gcp.vertex_ai",
      "vertex-predict",
      "embeddings",
      { pathModel: "text-embedding-005" },
    ],
    [
      "https://aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
      "gcp.vertex_ai",
      "openai-chat",
      "chat",
    ],
    ["https://api.cohere.com/v1/chat", "cohere", "cohere-v1", "chat"],
    ["https://api.cohere.com/v1/generate", "cohere", "cohere-v1", "text_completion"],
    ["https://api.cohere.com/v1/summarize", "cohere", "cohere-v1", "text_completion"],
    ["https://api.cohere.com/v1/classify", "cohere", "cohere-v1", "text_completion"],
    ["https://ai-gateway.vercel.sh/v3/ai/speech-model", "vercel", "vercel-ai", "text_to_speech"],
    ["https://ai-gateway.vercel.sh/v3/ai/transcription-model", "vercel", "vercel-ai", "transcription"],
    ["https://api.cohere.com/v2/chat", "cohere", "cohere-v2", "chat"],
    ["https://api.cohere.com/v2/embed", "cohere", "cohere-v2", "embeddings"],
    ["https://api.cohere.com/v2/rerank", "cohere", "rerank", "rerank"],
    ["https://api.cohere.ai/compatibility/v1/chat/completions", "cohere", "openai-chat", "chat"],
    ["https://api.mistral.ai/v1/fim/completions", "mistral_ai", "openai-chat", "text_completion"],
    ["https://api.mistral.ai/v1/agents/completions", "mistral_ai", "openai-chat", "chat"],
    ["https://api.mistral.ai/v1/conversations", "mistral_ai", "mistral-conversations", "chat"],
    ["https://api.mistral.ai/v1/conversations/conv_1", "mistral_ai", "mistral-conversations", "chat"],
    ["https://api.mistral.ai/v1/conversations/conv_1/restart", "mistral_ai", "mistral-conversations", "chat"],
    ["https://api.mistral.ai/v1/ocr", "mistral_ai", "mistral-ocr", "transcription"],
    ["https://api.deepseek.com/chat/completions", "deepseek", "openai-chat", "chat"],
    ["https://api.deepseek.com/anthropic/v1/messages", "deepseek", "anthropic-messages", "chat"],
    ["https://us-south.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=1", "ibm.watsonx.ai", "watsonx", "chat"],
    [
      "https://us-south.ml.cloud.ibm.com/ml/v1/text/generation?version=1",
      "ibm.watsonx.ai",
      "watsonx",
      "text_completion",
    ],
    ["http://localhost:11434/api/chat", "ollama", "ollama", "chat"],
    ["http://127.0.0.1:11434/api/embed", "ollama", "ollama", "embeddings"],
    ["http://localhost:11434/v1/chat/completions", "ollama", "openai-chat", "chat"],
    ["http://localhost:1234/api/v0/chat/completions", "lmstudio", "openai-chat", "chat"],
    ["https://router.huggingface.co/v1/chat/completions", "huggingface", "openai-chat", "chat"],
    [
      "https://router.huggingface.co/together/v1/chat/completions",
      "huggingface",
      "openai-chat",
      "chat",
      { upstreamProvider: "together" },
    ],
    [
      "https://router.huggingface.co/hf-inference/models/org/m/pipeline/feature-extraction",
      "huggingface",
      "hf-task",
      "embeddings",
      { pathModel: "org/m" },
    ],
    [
      "https://api-inference.huggingface.co/models/gpt2",
      "huggingface",
      "hf-task",
      "text_completion",
      { pathModel: "gpt2" },
    ],
    ["https://x.endpoints.huggingface.cloud/", "huggingface", "hf-task", "text_completion"],
    ["https://x.endpoints.huggingface.cloud/generate_stream", "huggingface", "tgi", "text_completion"],
    [
      "https://api.replicate.com/v1/models/meta/llama/predictions",
      "replicate",
      "replicate",
      "text_completion",
      { pathModel: "meta/llama" },
    ],
    ["https://api.replicate.com/v1/predictions", "replicate", "replicate", "text_completion"],
    [
      "https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/meta/llama-3",
      "cloudflare",
      "cloudflare-run",
      "text_completion",
      { pathModel: "@cf/meta/llama-3" },
    ],
    [
      "https://api.cloudflare.com/client/v4/accounts/a/ai/v1/embeddings",
      "cloudflare",
      "openai-embeddings",
      "embeddings",
    ],
    [
      "https://gateway.ai.cloudflare.com/v1/acct/gw/openai/chat/completions",
      "cloudflare.ai_gateway",
      "openai-chat",
      "chat",
      { upstreamProvider: "openai" },
    ],
    [
      "https://gateway.ai.cloudflare.com/v1/acct/gw/azure-openai/res/dep/chat/completions?api-version=1",
      "cloudflare.ai_gateway",
      "openai-chat",
      "chat",
      { upstreamProvider: "azure.ai.openai", pathModel: "dep" },
    ],
    [
      "https://gateway.ai.cloudflare.com/v1/acct/gw/aws-bedrock/bedrock-runtime/us-east-1/model/m/invoke",
      "cloudflare.ai_gateway",
      "bedrock-invoke",
      "chat",
      { upstreamProvider: "aws.bedrock", pathModel: "m" },
    ],
    [
      "https://gateway.ai.cloudflare.com/v1/acct/gw/google-ai-studio/v1/models/gemini-3:generateContent",
      "cloudflare.ai_gateway",
      "gemini",
      "chat",
      { upstreamProvider: "gcp.gemini", pathModel: "gemini-3" },
    ],
    [
      "https://gateway.ai.cloudflare.com/v1/acct/gw/workers-ai/@cf/baai/bge-m3",
      "cloudflare.ai_gateway",
      "cloudflare-run",
      "embeddings",
      { upstreamProvider: "cloudflare", pathModel: "@cf/baai/bge-m3" },
    ],
    [
      "https://gateway.ai.cloudflare.com/v1/acct/gw/compat/chat/completions",
      "cloudflare.ai_gateway",
      "openai-chat",
      "chat",
    ],
    ["https://gateway.ai.cloudflare.com/v1/acct/gw", "cloudflare.ai_gateway", "openai-chat", "chat"],
    ["https://oai.helicone.ai/v1/chat/completions", "helicone", "openai-chat", "chat", { upstreamProvider: "openai" }],
    [
      "https://groq.helicone.ai/openai/v1/responses",
      "helicone",
      "openai-responses",
      "chat",
      { upstreamProvider: "groq" },
    ],
    ["https://ai-gateway.helicone.ai/v1/chat/completions", "helicone", "openai-chat", "chat"],
    [
      "https://huggingface.co/api/inference-proxy/together/v1/chat/completions",
      "huggingface",
      "openai-chat",
      "chat",
      { upstreamProvider: "together" },
    ],
    [
      "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant?access_token=x",
      "baidu",
      "openai-chat",
      "chat",
      { pathModel: "eb-instant" },
    ],
    ["https://api.perplexity.ai/async/chat/completions", "perplexity", "openai-chat", "chat"],
    [
      "https://x.cloud.databricks.com/serving-endpoints/my-llama/invocations",
      "databricks",
      "model-serving",
      "chat",
      { pathModel: "my-llama" },
    ],
    [
      "https://dashscope-intl.aliyuncs.com/api/v1/services/aigc/text-generation/generation",
      "dashscope",
      "dashscope",
      "chat",
    ],
    [
      "https://dashscope.aliyuncs.com/api/v1/services/embeddings/text-embedding/text-embedding",
      "dashscope",
      "dashscope",
      "embeddings",
    ],
    [
      "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/20231130/actions/chat",
      "oci",
      "oci-generative-ai",
      "chat",
    ],
    ["https://api.jina.ai/v1/multi-vector", "jina", "openai-embeddings", "embeddings"],
    ["https://x.us-east-1.aws.endpoints.huggingface.cloud/embed", "huggingface", "hf-task", "embeddings"],
    ["https://o-a.snowflakecomputing.com/api/v2/cortex/inference:complete", "snowflake", "openai-chat", "chat"],
    ["https://openrouter.ai/api/v1/images", "openrouter", "openai-images", "image_generation"],
    ["https://ark.cn-beijing.volces.com/api/v3/embeddings/multimodal", "volcengine", "openai-embeddings", "embeddings"],
    ["https://dashscope.aliyuncs.com/compatible-api/v1/reranks", "dashscope", "rerank", "rerank"],
    ["https://openrouter.ai/api/v1/messages", "openrouter", "anthropic-messages", "chat"],
    ["https://api.voyageai.com/v1/multimodalembeddings", "voyage", "openai-embeddings", "embeddings"],
  ];
  it.each(cases)("%s", (url, provider, api, operation, more) => {
    expect(route(url)).toEqual({ provider, api, operation, ...more });
  });

  it("reads the model of the Vercel gateway's own protocol from a header, and only there", () => {
    const url = "https://ai-gateway.vercel.sh/v3/ai/language-model";
    expect(route(url, undefined, { "ai-language-model-id": "openai/gpt-5" })).toEqual({
      provider: "vercel",
      api: "vercel-ai",
      operation: "chat",
      pathModel: "openai/gpt-5",
    });
    expect(route(url)).toEqual({ provider: "vercel", api: "vercel-ai", operation: "chat" });
    const entry = router.lookUp("api.openai.com");
    if (entry === undefined || entry === null) throw new Error("unknown host");
    router.route(entry, "POST", "/v1/chat/completions", () => {
      throw new Error("read a header");
    });
  });

  it.each([
    "https://api.openai.com/v1/models",
    "https://api.openai.com/v1/files",
    "https://api.openai.com/v1/batches",
    "https://api.openai.com/v1/conversations",
    "https://api.openai.com/v1/threads",
    "https://api.openai.com/v1/threads/thread_1/messages",
    "https://api.openai.com/v1/responses/resp_1/cancel",
    "https://api.openai.com/v1/vector_stores/v/files",
    "https://api.openai.com/v1/traces/ingest",
    "https://api.openai.com/",
    "https://api.anthropic.com/v1/messages/batches",
    "https://api.cohere.com/v1/tokenize",
    "https://generativelanguage.googleapis.com/v1beta/cachedContents",
    "https://generativelanguage.googleapis.com/v1beta/models/m:batchGenerateContent",
    "https://generativelanguage.googleapis.com/v1beta/models/m:constructor",
    "https://generativelanguage.googleapis.com/upload/v1beta/fileSearchStores/s:uploadToFileSearchStore",
    "https://bedrock-runtime.us-east-1.amazonaws.com/guardrail/g/version/1/apply",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model//converse",
    "https://api.cloudflare.com/client/v4/zones",
    "https://gateway.ai.cloudflare.com/v1/acct/gw/openai/files",
    "https://gateway.ai.cloudflare.com/v1/acct",
    "https://huggingface.co/api/models/org/m/discussions",
    "https://ollama.com/api/pull",
  ])("%s is no inference", (url) => {
    expect(route(url)).toBeUndefined();
  });

  it.each<[url: string, headers: Record<string, string>, upstream: string | undefined]>([
    ["https://api.portkey.ai/v1/chat/completions", { "x-portkey-provider": "mistral" }, "mistral_ai"],
    ["https://api.portkey.ai/v1/chat/completions", { "x-portkey-provider": "@ours" }, "ours"],
    ["https://api.portkey.ai/v1/chat/completions", {}, undefined],
    ["https://gateway.helicone.ai/v1/chat/completions", { "helicone-target-url": "https://api.x.ai" }, "x_ai"],
    [
      "https://gateway.helicone.ai/v1/chat/completions",
      { "helicone-target-url": "https://llm.example.com" },
      undefined,
    ],
  ])("%s with %j is answered by %s", (url, headers, upstream) => {
    expect(route(url, undefined, headers)?.upstreamProvider).toBe(upstream);
  });

  it.each<[url: string, jobId?: string, api?: Api]>([
    ["https://api.openai.com/v1/responses/resp_1", "resp_1", "openai-responses"],
    ["https://api.openai.com/v1/responses/resp_1?stream=true", "resp_1", "openai-responses"],
    ["https://r.openai.azure.com/openai/v1/responses/resp%5F1", "resp_1", "openai-responses"],
    ["https://api.replicate.com/v1/predictions/p1", "p1", "replicate"],
    ["https://api.perplexity.ai/async/chat/completions/job-1", "job-1", "openai-chat"],
    ["https://api.openai.com/v1/threads/thread_1/runs/run_1", "run_1", "openai-threads"],
    ["https://api.openai.com/v1/threads/thread_1/runs/run_1/steps"],
    ["https://api.openai.com/v1/threads/thread_1/runs"],
    ["https://api.openai.com/v1/threads/thread_1/messages/msg_1"],
    ["https://api.openai.com/v1/chat/completions/chatcmpl-1"],
    ["https://api.openai.com/v1/responses/resp_1/input_items"],
    ["https://api.openai.com/v1/responses/%"],
    ["https://api.openai.com/v1/responses"],
    ["https://api.openai.com/v1/models/gpt-5"],
    ["https://api.replicate.com/v1/predictions"],
    ["https://us-central1-aiplatform.googleapis.com/v1/predictions/p1"],
  ])("%s: the state of a job, or nothing", (url, jobId, api) => {
    const entry = router.lookUp(authorityOf(url) ?? "");
    if (entry === undefined || entry === null) throw new Error("unknown host");
    const path = url.replace(/^https?:\/\/[^/]*/, "");
    const poll = router.routePoll(entry, "GET", path);
    expect([poll?.jobId, poll?.route.api]).toEqual([jobId, api]);
    expect(router.routePoll(entry, "POST", path)).toBeUndefined();
  });

  it("is only about POST", () => {
    const entry = router.lookUp("api.openai.com");
    if (entry === undefined || entry === null) throw new Error("unknown host");
    expect(router.route(entry, "GET", "/v1/chat/completions")).toBeUndefined();
    expect(router.route(entry, "DELETE", "/v1/responses")).toBeUndefined();
    expect(router.route(entry, "post", "/v1/responses")?.api).toBe("openai-responses");
  });

  it("never throws on any path", () => {
    const segment = fc.constantFrom(
      "model",
      "converse",
      "%",
      "%zz",
      ":predict",
      "publishers",
      "deployments",
      "",
      "..",
      "v1",
      "ai",
      "run",
      "__proto__",
      "constructor",
    );
    const hosts = [
      "api.openai.com",
      "bedrock-runtime.eu-west-1.amazonaws.com",
      "gateway.ai.cloudflare.com",
      "router.huggingface.co",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...hosts), fc.array(fc.oneof(segment, fc.string())), (host, segments) => {
        const entry = router.lookUp(host);
        if (entry === undefined || entry === null) throw new Error("unknown host");
        expect(() => router.route(entry, "POST", `/${segments.join("/")}`)).not.toThrow();
        expect(() => router.sniff("POST", `/${segments.join("/")}`)).not.toThrow();
      }),
    );
  });
});

describe("looking up a host", () => {
  it("drops the default port and remembers", () => {
    const entry = router.lookUp("api.openai.com");
    expect(entry).toBeDefined();
    expect(router.lookUp("api.openai.com")).toBe(entry);
    expect(router.lookUp("api.openai.com:443")).toEqual(entry);
    expect(router.lookUp("example.com")).toBeUndefined();
  });

  it("forgets rather than grows", () => {
    const many = createRouter(undefined);
    for (let at = 0; at < 5000; at++) expect(many.lookUp(`host-${at}.example.com`)).toBeUndefined();
    expect(many.lookUp("api.openai.com")).toBeDefined();
  });
});

describe("the user's own hosts", () => {
  it("gives a gateway the paths of its provider", () => {
    const hosts = { "llm.example.com": { provider: "mistral_ai" } };
    expect(route("https://llm.example.com/v1/fim/completions", hosts)).toEqual({
      provider: "mistral_ai",
      api: "openai-chat",
      operation: "text_completion",
    });
    expect(route("https://llm.example.com/v1/models", hosts)).toBeUndefined();
  });

  it("takes a provider that no table knows", () => {
    expect(
      route("http://localhost:4000/v1/chat/completions", { "localhost:4000": { provider: "litellm" } }),
    ).toMatchObject({
      provider: "litellm",
      api: "openai-chat",
    });
    expect(
      route("http://localhost:4001/v1/chat/completions", { "localhost:4000": { provider: "litellm" } }),
    ).toBeUndefined();
  });

  it("counts each POST of a host that is tied to one API, but not what is plainly something else", () => {
    const hosts = { "https://llm.example.com/proxy": { provider: "corp", api: "openai-chat" as const } };
    expect(route("https://llm.example.com/proxy/ask", hosts)).toEqual({
      provider: "corp",
      api: "openai-chat",
      operation: "chat",
    });
    expect(route("https://llm.example.com/proxy", hosts)).toMatchObject({ api: "openai-chat" });
    expect(route("https://llm.example.com/proxy/v1/embeddings", hosts)).toMatchObject({ api: "openai-embeddings" });
    expect(route("https://llm.example.com/proxy/v1/models/x", hosts)).toBeUndefined();
    expect(route("https://llm.example.com/other", hosts)).toBeUndefined();
    expect(route("https://llm.example.com/proxyother/ask", hosts)).toBeUndefined();
  });

  it("reads ambiguous paths by the API", () => {
    const hosts = { "llm.example.com": { provider: "corp", api: "ollama" as const } };
    expect(route("https://llm.example.com/api/generate", hosts)).toMatchObject({
      api: "ollama",
      operation: "text_completion",
    });
  });

  it("never looks where the user said so", () => {
    expect(route("https://api.openai.com/v1/responses", { "api.openai.com": false })).toBeNull();
    expect(route("https://api.openai.com/v1/responses", { "https://api.openai.com": false })).toBeNull();
    expect(
      route("https://api.openai.com/v1/private/responses", { "https://api.openai.com/v1/private": false }),
    ).toBeUndefined();
    expect(route("https://api.openai.com/v1/responses", { "https://api.openai.com/v1/private": false })).toMatchObject({
      provider: "openai",
    });
  });

  it("prefers the longest prefix", () => {
    const hosts = {
      "https://llm.example.com": false as const,
      "https://llm.example.com/a": { provider: "a" },
      "https://llm.example.com/a/b/": { provider: "b" },
    };
    expect(route("https://llm.example.com/a/v1/responses", hosts)).toMatchObject({ provider: "a" });
    expect(route("https://llm.example.com/a/b/v1/responses", hosts)).toMatchObject({ provider: "b" });
    expect(route("https://llm.example.com/v1/responses", hosts)).toBeUndefined();
  });

  it.each([
    [[], /`hosts` must be an object/],
    [{ "": { provider: "x" } }, /neither a host/],
    [{ "ftp://x": { provider: "x" } }, /only http: and https:/],
    [{ "a.example": true }, /must be \{ provider: string, api\?: string \} or false/],
    [{ "a.example": "openai" }, /Did you mean \{ provider: "openai" \}/],
    [{ "a.example": { provider: "" } }, /must be \{ provider/],
    [{ "a.example": { provider: "x", api: "openai" } }, /must be one of openai-chat, /],
    [{ "a.example": { provider: "x", api: "constructor" } }, /must be one of/],
  ])("refuses %j and says what to do", (hosts, message) => {
    expect(() => createRouter(hosts as unknown as TapOptions["hosts"])).toThrow(TypeError);
    expect(() => createRouter(hosts as unknown as TapOptions["hosts"])).toThrow(message);
  });
});

describe("hosts that no table knows", () => {
  const calls: [path: string, body: Record<string, unknown>, api: Api][] = [
    ["/v1/chat/completions", { model: "m", messages: [{ role: "user", content: "hi" }] }, "openai-chat"],
    ["/openai/deployments/d/chat/completions", { messages: [{ role: "user", content: "hi" }] }, "openai-chat"],
    ["/v1/responses", { model: "m", input: "hi" }, "openai-responses"],
    ["/v1/completions", { model: "m", prompt: "hi" }, "openai-completions"],
    ["/v1/embeddings", { model: "m", input: ["a"] }, "openai-embeddings"],
    ["/v1/messages", { model: "m", messages: [{ role: "user", content: "hi" }], max_tokens: 1 }, "anthropic-messages"],
    ["/anthropic/v1/messages", { model: "m", messages: [{ role: "user", content: "hi" }] }, "anthropic-messages"],
    ["/gemini/v1beta/models/g:generateContent", { contents: [{ parts: [{ text: "hi" }] }] }, "gemini"],
    ["/bedrock/model/m/converse", { messages: [{ role: "user", content: [] }] }, "bedrock-converse"],
    ["/model/m/invoke", { anthropic_version: "x", messages: [] }, "bedrock-invoke"],
    ["/api/chat", { model: "m", messages: [{ role: "user", content: "hi" }] }, "ollama"],
    ["/api/generate", { model: "m", prompt: "hi" }, "ollama"],
    ["/v1/rerank", { model: "m", query: "q", documents: [] }, "rerank"],
    ["/v1/images/generations", { model: "m", prompt: "a cat" }, "openai-images"],
    ["/v1/audio/transcriptions", { file: { filename: "a.wav", bytes: 3 } }, "openai-audio"],
    ["/v1/audio/speech", { model: "m", input: "hi", voice: "x" }, "openai-audio"],
    ["/v2/chat", { model: "m", messages: [{ role: "user", content: "hi" }] }, "cohere-v2"],
    ["/generate", { inputs: "hi", parameters: {} }, "tgi"],
  ];
  it.each(calls)("takes %s %j for a call", (path, body, api) => {
    const sniffed = router.sniff("POST", path);
    expect(sniffed).toMatchObject({ provider: "custom", api });
    expect(sniffed !== undefined && hasCallShape(sniffed, body)).toBe(true);
  });

  it.each([
    ["/messages", { to: "me", text: "hello" }],
    ["/v1/messages", { messages: ["hello"] }],
    ["/v1/messages", { model: "car", messages: ["hello"] }],
    ["/v1/chat/completions", { messages: [{ role: "user", content: "hi" }] }],
    ["/api/chat", { message: "hi" }],
    ["/api/generate", { model: "invoice" }],
    ["/responses", { survey: 1, answers: [] }],
    ["/completions", { model: "m" }],
    ["/embeddings", { model: "m" }],
    ["/generate", { prompt: "x" }],
    ["/api/rerank", { model: "m", query: "q" }],
    ["/model/m/converse", { text: "hi" }],
    ["/v1/x:generateContent", {}],
    ["/v1/chat/completions", undefined],
    ["/v1/chat/completions", "model"],
    ["/v1/chat/completions", [{ model: "m", messages: [] }]],
    ["/v1/chat/completions", null],
  ])("does not take an app's own POST %s %j for a call", (path, body) => {
    const sniffed = router.sniff("POST", path);
    expect(sniffed).toBeDefined();
    expect(sniffed !== undefined && hasCallShape(sniffed, body)).toBe(false);
  });

  it.each([
    "/",
    "/v1/models",
    "/chat",
    "/complete",
    "/search",
    "/threads/t/messages",
    "/v1/conversations",
    "/invocations",
  ])("does not even look at POST %s", (path) => {
    expect(router.sniff("POST", path)).toBeUndefined();
  });

  it("looks at POST only", () => {
    expect(router.sniff("GET", "/v1/chat/completions")).toBeUndefined();
  });
});

describe("the authority of a URL", () => {
  it.each([
    ["https://api.openai.com/v1", "api.openai.com"],
    ["https://API.OpenAI.com", "api.openai.com"],
    ["HTTPS://api.openai.com?x", "api.openai.com"],
    ["http://localhost:11434/api", "localhost:11434"],
    ["http://[::1]:11434/api", "[::1]:11434"],
    ["https://user:p%40ss@api.openai.com/v1@2", "api.openai.com"],
    ["https://a@b@api.openai.com#@x", "api.openai.com"],
    ["https://api.openai.com./v1", "api.openai.com"],
    ["https://api.openai.com\\v1", "api.openai.com"],
    ["https://", undefined],
    ["https://user@/", undefined],
    ["/v1/chat", undefined],
    ["", undefined],
    ["ftp://api.openai.com", undefined],
    ["data:text/plain,x", undefined],
    ["blob:https://x", undefined],
    ["file:///x", undefined],
    ["httpx://x", undefined],
    ["https:/x", undefined],
  ])("of %j is %j", (url, authority) => {
    expect(authorityOf(url)).toBe(authority);
  });

  it("agrees with the URL parser", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
        expect(authorityOf(url)).toBe(new URL(url).host);
      }),
    );
  });
});
