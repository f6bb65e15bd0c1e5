/**
 * Who answers at which host: data only. A row says which provider a host belongs to and which set of path rules
 * (`paths.ts`) its URLs follow. Adding a provider that speaks a known API is one row here.
 *
 * `provider` is the OTel `gen_ai.provider.name` value where one exists, else a name of our own in the same style.
 */

/** Names of the path rule sets; see `paths.ts`. */
export type PathRulesName =
  | "openai"
  | "anthropic"
  | "azure"
  | "bedrock"
  | "google"
  | "cohere"
  | "mistral"
  | "ollama"
  | "huggingface"
  | "replicate"
  | "watsonx"
  | "cloudflare"
  | "cloudflare-gateway"
  | "vercel"
  | "databricks"
  | "dashscope"
  | "writer"
  | "openrouter"
  | "portkey"
  | "oracle";

export interface ProviderHosts {
  provider: string;
  /**
   * Host names. `*.` in front stands for one label or more, `{name}` for a run of letters, digits and dashes. A port in
   * the pattern must be there in the URL too; without one, any port matches.
   */
  hosts: readonly string[];
  /** Default `openai`: the paths that most providers share. */
  paths?: PathRulesName;
  /** For a gateway whose host name says which provider it stands in front of. */
  upstreamProvider?: string;
}

/** First match wins within exact names, then within suffixes, then within templates. */
export const PROVIDER_HOSTS: readonly ProviderHosts[] = [
  // The labs.
  { provider: "openai", hosts: ["api.openai.com", "{region}.api.openai.com", "chatgpt.com"] },
  {
    provider: "azure.ai.openai",
    hosts: [
      "*.openai.azure.com",
      "*.openai.azure.us",
      "*.openai.azure.cn",
      "*.cognitiveservices.azure.com",
      "*.cognitiveservices.azure.us",
      "*.services.ai.azure.com",
      "*.services.ai.azure.us",
    ],
    paths: "azure",
  },
  {
    provider: "azure.ai.inference",
    hosts: [
      "*.models.ai.azure.com",
      "*.inference.ai.azure.com",
      "models.inference.ai.azure.com",
      "*.inference.ml.azure.com",
    ],
    paths: "azure",
  },
  {
    provider: "anthropic",
    hosts: ["api.anthropic.com", "*.azure.anthropic.com", "aws-external-anthropic.{region}.api.aws"],
    paths: "anthropic",
  },
  {
    provider: "aws.bedrock",
    hosts: [
      "bedrock-runtime.{region}.amazonaws.com",
      "bedrock-runtime-fips.{region}.amazonaws.com",
      "bedrock-runtime.{region}.amazonaws.com.cn",
      "bedrock-runtime.{region}.api.aws",
      "bedrock-runtime-fips.{region}.api.aws",
      "{endpoint}.bedrock-runtime.{region}.vpce.amazonaws.com",
      "{endpoint}.bedrock-runtime-fips.{region}.vpce.amazonaws.com",
      "bedrock-mantle.{region}.api.aws",
    ],
    paths: "bedrock",
  },
  {
    provider: "gcp.gemini",
    hosts: ["generativelanguage.googleapis.com", "{region}-generativelanguage.googleapis.com"],
    paths: "google",
  },
  {
    provider: "gcp.vertex_ai",
    hosts: [
      "aiplatform.googleapis.com",
      "{location}-aiplatform.googleapis.com",
      "aiplatform.{location}.rep.googleapis.com",
      "{location}-aiplatform-restricted.p.googleapis.com",
      "*.prediction.vertexai.goog",
    ],
    paths: "google",
  },
  { provider: "cohere", hosts: ["api.cohere.com", "api.cohere.ai", "stg.api.cohere.ai"], paths: "cohere" },
  { provider: "deepseek", hosts: ["api.deepseek.com"] },
  { provider: "groq", hosts: ["api.groq.com"] },
  {
    provider: "ibm.watsonx.ai",
    hosts: ["{region}.ml.cloud.ibm.com", "{region}.ml.test.cloud.ibm.com"],
    paths: "watsonx",
  },
  {
    provider: "mistral_ai",
    hosts: ["api.mistral.ai", "codestral.mistral.ai", "api.eu.mistral.ai", "api.us.mistral.ai"],
    paths: "mistral",
  },
  { provider: "perplexity", hosts: ["api.perplexity.ai"] },
  { provider: "x_ai", hosts: ["api.x.ai", "{region}.api.x.ai"] },
  { provider: "moonshot_ai", hosts: ["api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"] },
  { provider: "ai21", hosts: ["api.ai21.com"] },
  { provider: "aleph_alpha", hosts: ["api.aleph-alpha.com", "inference-api.pharia.com"] },
  { provider: "writer", hosts: ["api.writer.com"], paths: "writer" },
  { provider: "reka", hosts: ["api.reka.ai"] },
  { provider: "inception", hosts: ["api.inceptionlabs.ai"] },
  { provider: "upstage", hosts: ["api.upstage.ai"] },
  { provider: "arcee", hosts: ["api.arcee.ai", "conductor.arcee.ai", "models.arcee.ai"] },
  { provider: "liquid", hosts: ["api.liquid.ai", "inference-1.liquid.ai"] },
  { provider: "morph", hosts: ["api.morphllm.com"] },
  { provider: "meta_llama", hosts: ["api.llama.com", "api.llama-api.com"] },
  { provider: "sarvam", hosts: ["api.sarvam.ai"] },
  { provider: "v0", hosts: ["api.v0.dev"] },

  // Embeddings, reranking.
  { provider: "voyage", hosts: ["api.voyageai.com", "ai.mongodb.com"] },
  { provider: "jina", hosts: ["api.jina.ai", "deepsearch.jina.ai"] },
  { provider: "nomic", hosts: ["api-atlas.nomic.ai"] },
  { provider: "mixedbread", hosts: ["api.mixedbread.com", "api.mixedbread.ai"] },
  { provider: "zeroentropy", hosts: ["api.zeroentropy.dev"] },
  { provider: "contextual_ai", hosts: ["api.contextual.ai"] },

  // Labs in China.
  {
    provider: "zhipu",
    hosts: ["open.bigmodel.cn", "api.z.ai"],
  },
  {
    provider: "dashscope",
    hosts: [
      "dashscope.aliyuncs.com",
      "dashscope-intl.aliyuncs.com",
      "dashscope-us.aliyuncs.com",
      "dashscope-{region}.aliyuncs.com",
      "coding.dashscope.aliyuncs.com",
      "coding-intl.dashscope.aliyuncs.com",
    ],
    paths: "dashscope",
  },
  { provider: "minimax", hosts: ["api.minimax.io", "api.minimaxi.com", "api.minimax.chat", "api.minimaxi.chat"] },
  {
    provider: "volcengine",
    hosts: ["ark.{region}.volces.com", "ark.{region}.bytepluses.com"],
  },
  { provider: "baidu", hosts: ["qianfan.baidubce.com", "aip.baidubce.com"] },
  { provider: "tencent", hosts: ["api.hunyuan.cloud.tencent.com", "api.lkeap.cloud.tencent.com"] },
  { provider: "siliconflow", hosts: ["api.siliconflow.cn", "api.siliconflow.com"] },
  { provider: "stepfun", hosts: ["api.stepfun.com", "api.stepfun.ai"] },
  { provider: "baichuan", hosts: ["api.baichuan-ai.com"] },
  { provider: "01_ai", hosts: ["api.lingyiwanwu.com", "api.01.ai"] },
  { provider: "spark", hosts: ["spark-api-open.xf-yun.com"] },
  { provider: "sensenova", hosts: ["api.sensenova.cn"] },
  { provider: "modelscope", hosts: ["api-inference.modelscope.cn", "api-inference.modelscope.ai"] },
  { provider: "longcat", hosts: ["api.longcat.chat"] },
  { provider: "xiaomi_mimo", hosts: ["api.xiaomimimo.com"] },

  // Inference clouds.
  { provider: "together", hosts: ["api.together.ai", "api.together.xyz"] },
  { provider: "fireworks", hosts: ["api.fireworks.ai", "audio-prod.api.fireworks.ai", "audio-turbo.api.fireworks.ai"] },
  { provider: "cerebras", hosts: ["api.cerebras.ai"] },
  {
    provider: "huggingface",
    hosts: ["router.huggingface.co", "api-inference.huggingface.co", "*.endpoints.huggingface.cloud"],
    paths: "huggingface",
  },
  { provider: "huggingface", hosts: ["huggingface.co"] },
  { provider: "nvidia", hosts: ["integrate.api.nvidia.com", "ai.api.nvidia.com"] },
  { provider: "replicate", hosts: ["api.replicate.com"], paths: "replicate" },
  { provider: "ollama", hosts: ["ollama.com", "api.ollama.com"], paths: "ollama" },
  { provider: "sambanova", hosts: ["api.sambanova.ai", "fast-api.snova.ai"] },
  { provider: "deepinfra", hosts: ["api.deepinfra.com"] },
  { provider: "novita", hosts: ["api.novita.ai"] },
  {
    provider: "nebius",
    hosts: [
      "api.studio.nebius.ai",
      "api.studio.nebius.com",
      "api.tokenfactory.nebius.com",
      "api.tokenfactory.{region}.nebius.com",
    ],
  },
  { provider: "hyperbolic", hosts: ["api.hyperbolic.xyz"] },
  { provider: "baseten", hosts: ["inference.baseten.co", "*.api.baseten.co"] },
  { provider: "featherless", hosts: ["api.featherless.ai"] },
  { provider: "nscale", hosts: ["inference.api.nscale.com"] },
  { provider: "ovhcloud", hosts: ["oai.endpoints.kepler.ai.cloud.ovh.net", "*.endpoints.kepler.ai.cloud.ovh.net"] },
  { provider: "scaleway", hosts: ["api.scaleway.ai", "*.ifr.fr-par.scaleway.com"] },
  { provider: "publicai", hosts: ["api.publicai.co"] },
  { provider: "wavespeed", hosts: ["api.wavespeed.ai"] },
  { provider: "fal", hosts: ["fal.run", "queue.fal.run"] },
  { provider: "lambda", hosts: ["api.lambda.ai", "api.lambdalabs.com"] },
  { provider: "lepton", hosts: ["*.lepton.run"] },
  { provider: "anyscale", hosts: ["api.endpoints.anyscale.com"] },
  { provider: "octoai", hosts: ["text.octoai.run"] },
  { provider: "predibase", hosts: ["serving.app.predibase.com"], paths: "huggingface" },
  { provider: "friendli", hosts: ["api.friendli.ai", "inference.friendli.ai"] },
  { provider: "kluster", hosts: ["api.kluster.ai"] },
  { provider: "parasail", hosts: ["api.parasail.io", "api.saas.parasail.io"] },
  { provider: "inference_net", hosts: ["api.inference.net"] },
  { provider: "chutes", hosts: ["llm.chutes.ai", "*.chutes.ai"] },
  { provider: "targon", hosts: ["api.targon.com"] },
  { provider: "gmi", hosts: ["api.gmi-serving.com"] },
  {
    provider: "crusoe",
    hosts: [
      "api.inference.crusoecloud.com",
      "inference.crusoecloud.com",
      "managed-inference-api-proxy.crusoecloud.com",
    ],
  },
  { provider: "digitalocean", hosts: ["inference.do-ai.run", "*.agents.do-ai.run"] },
  { provider: "heroku", hosts: ["{region}.inference.heroku.com", "inference.heroku.com"] },
  { provider: "vultr", hosts: ["api.vultrinference.com"] },
  { provider: "io_net", hosts: ["api.intelligence.io.solutions"] },
  { provider: "wandb", hosts: ["api.inference.wandb.ai"] },
  { provider: "coreweave", hosts: ["api.inference.coreweave.com"] },
  { provider: "cirrascale", hosts: ["ai.cirrascale.com", "aisuite.cirrascale.com"] },
  { provider: "phala", hosts: ["api.redpill.ai"] },
  { provider: "nearai", hosts: ["cloud-api.near.ai"] },
  { provider: "avian", hosts: ["api.avian.io"] },
  { provider: "doubleword", hosts: ["api.doubleword.ai"] },
  { provider: "venice", hosts: ["api.venice.ai"] },
  { provider: "ionos", hosts: ["openai.inference.{region}.ionos.com"] },
  { provider: "stackit", hosts: ["api.openai-compat.model-serving.{region}.onstackit.cloud"] },
  { provider: "infomaniak", hosts: ["api.infomaniak.com"] },
  { provider: "regolo", hosts: ["api.regolo.ai"] },
  { provider: "synthetic", hosts: ["api.synthetic.new", "api.glhf.chat", "glhf.chat"] },
  { provider: "nano_gpt", hosts: ["nano-gpt.com"] },
  { provider: "poe", hosts: ["api.poe.com"] },
  { provider: "runpod", hosts: ["api.runpod.ai"] },
  {
    provider: "databricks",
    hosts: ["*.cloud.databricks.com", "*.azuredatabricks.net", "*.gcp.databricks.com"],
    paths: "databricks",
  },
  { provider: "snowflake", hosts: ["*.snowflakecomputing.com", "*.snowflakecomputing.cn"], paths: "databricks" },
  { provider: "oci", hosts: ["inference.generativeai.{region}.oci.oraclecloud.com"], paths: "oracle" },
  {
    provider: "sap_ai_core",
    hosts: ["api.ai.{region}.ml.hana.ondemand.com", "api.ai.prod.{region}.ml.hana.ondemand.com"],
  },
  { provider: "gigachat", hosts: ["gigachat.devices.sberbank.ru"] },
  { provider: "yandex", hosts: ["llm.api.cloud.yandex.net", "ai.api.cloud.yandex.net"] },
  { provider: "clova", hosts: ["clovastudio.stream.ntruss.com"] },
  { provider: "infini_ai", hosts: ["cloud.infini-ai.com"] },
  { provider: "ppio", hosts: ["api.ppinfra.com", "api.ppio.com"] },
  { provider: "gitee_ai", hosts: ["ai.gitee.com"] },
  { provider: "qiniu", hosts: ["api.qnaigc.com", "openai.qiniu.com"] },
  { provider: "huawei_maas", hosts: ["api.modelarts-maas.com"] },
  { provider: "nous", hosts: ["inference-api.nousresearch.com"] },
  { provider: "berget", hosts: ["api.berget.ai"] },
  { provider: "cortecs", hosts: ["api.cortecs.ai"] },
  { provider: "mittwald", hosts: ["llm.aihosting.mittwald.de"] },
  { provider: "preferred_networks", hosts: ["api.platform.preferredai.jp"] },
  { provider: "sakura", hosts: ["api.ai.sakura.ad.jp"] },
  { provider: "cloudrift", hosts: ["inference.cloudrift.ai"] },
  { provider: "submodel", hosts: ["llm.submodel.ai"] },
  { provider: "arliai", hosts: ["api.arliai.com"] },
  { provider: "infermatic", hosts: ["api.totalgpt.ai"] },
  { provider: "lemonfox", hosts: ["api.lemonfox.ai"] },

  // Gateways: the provider is who is spoken to; who answered is `upstreamProvider`.
  { provider: "openrouter", hosts: ["openrouter.ai"], paths: "openrouter" },
  { provider: "vercel", hosts: ["ai-gateway.vercel.sh"], paths: "vercel" },
  { provider: "cloudflare", hosts: ["api.cloudflare.com"], paths: "cloudflare" },
  { provider: "cloudflare.ai_gateway", hosts: ["gateway.ai.cloudflare.com"], paths: "cloudflare-gateway" },
  { provider: "github", hosts: ["models.github.ai"] },
  {
    provider: "github_copilot",
    hosts: ["api.githubcopilot.com", "*.githubcopilot.com", "copilot-proxy.githubusercontent.com"],
  },
  { provider: "portkey", hosts: ["api.portkey.ai"], paths: "portkey" },
  { provider: "helicone", hosts: ["oai.helicone.ai", "oai.hconeai.com"], upstreamProvider: "openai" },
  {
    provider: "helicone",
    hosts: ["anthropic.helicone.ai", "anthropic.hconeai.com"],
    paths: "anthropic",
    upstreamProvider: "anthropic",
  },
  { provider: "helicone", hosts: ["groq.helicone.ai"], upstreamProvider: "groq" },
  { provider: "helicone", hosts: ["deepseek.helicone.ai"], upstreamProvider: "deepseek" },
  { provider: "helicone", hosts: ["openrouter.helicone.ai"], upstreamProvider: "openrouter" },
  { provider: "helicone", hosts: ["perplexity.helicone.ai"], upstreamProvider: "perplexity" },
  { provider: "helicone", hosts: ["together.helicone.ai"], upstreamProvider: "together" },
  { provider: "helicone", hosts: ["fireworks.helicone.ai"], upstreamProvider: "fireworks" },
  { provider: "helicone", hosts: ["x.helicone.ai"], upstreamProvider: "x_ai" },
  { provider: "helicone", hosts: ["mistral.helicone.ai"], paths: "mistral", upstreamProvider: "mistral_ai" },
  { provider: "helicone", hosts: ["*.helicone.ai", "*.hconeai.com"] },
  { provider: "requesty", hosts: ["router.requesty.ai", "router.eu.requesty.ai"] },
  { provider: "langdb", hosts: ["api.{region}.langdb.ai", "api.langdb.ai"] },
  { provider: "unify", hosts: ["api.unify.ai"] },
  { provider: "martian", hosts: ["withmartian.com", "api.withmartian.com"] },
  { provider: "notdiamond", hosts: ["api.notdiamond.ai"] },
  { provider: "orq", hosts: ["api.orq.ai"] },
  { provider: "glama", hosts: ["glama.ai", "gateway.glama.ai"] },
  { provider: "zenmux", hosts: ["zenmux.ai"] },
  { provider: "blackbox", hosts: ["api.blackbox.ai"] },
  { provider: "abacus", hosts: ["routellm.abacus.ai"] },
  { provider: "assemblyai", hosts: ["llm-gateway.assemblyai.com"] },
  { provider: "cline", hosts: ["api.cline.bot"] },
  { provider: "kilo", hosts: ["api.kilo.ai"] },
  { provider: "aimlapi", hosts: ["api.aimlapi.com"] },
  { provider: "eden_ai", hosts: ["api.edenai.run"] },
  { provider: "cometapi", hosts: ["api.cometapi.com"] },
  { provider: "aihubmix", hosts: ["aihubmix.com", "api.aihubmix.com"] },
  { provider: "302_ai", hosts: ["api.302.ai"] },
  { provider: "tokenrouter", hosts: ["api.tokenrouter.com"] },
  { provider: "opencode_zen", hosts: ["opencode.ai"] },
  { provider: "keywords_ai", hosts: ["api.keywordsai.co"] },
  { provider: "braintrust", hosts: ["api.braintrust.dev", "gateway.braintrust.dev"] },
  { provider: "pydantic_gateway", hosts: ["gateway.pydantic.dev", "gateway-{region}.pydantic.dev"] },

  // Servers on the developer's own machine, at their default ports.
  {
    provider: "ollama",
    hosts: [
      "localhost:11434",
      "127.0.0.1:11434",
      "[::1]:11434",
      "0.0.0.0:11434",
      "host.docker.internal:11434",
      "ollama:11434",
    ],
    paths: "ollama",
  },
  {
    provider: "lmstudio",
    hosts: ["localhost:1234", "127.0.0.1:1234", "[::1]:1234", "0.0.0.0:1234", "host.docker.internal:1234"],
  },
];
