import { describe, expect, it } from "vitest";
import { PROVIDER_HOSTS } from "../../src/providers/hosts.ts";
import { findPathRules, hostnameOf, matchHost } from "../../src/providers/match-host.ts";

describe("the host table", () => {
  it.each([
    ["api.openai.com", "openai"],
    ["us.api.openai.com", "openai"],
    ["chatgpt.com", "openai"],
    ["my-resource.openai.azure.com", "azure.ai.openai"],
    ["my-resource.cognitiveservices.azure.com", "azure.ai.openai"],
    ["my-resource.services.ai.azure.com", "azure.ai.openai"],
    ["models.inference.ai.azure.com", "azure.ai.inference"],
    ["phi.eastus2.models.ai.azure.com", "azure.ai.inference"],
    ["api.anthropic.com", "anthropic"],
    ["x.azure.anthropic.com", "anthropic"],
    ["aws-external-anthropic.us-east-1.api.aws", "anthropic"],
    ["bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"],
    ["bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "aws.bedrock"],
    ["bedrock-runtime.cn-north-1.amazonaws.com.cn", "aws.bedrock"],
    ["bedrock-runtime.eu-west-1.api.aws", "aws.bedrock"],
    ["vpce-0a1b-c2d3.bedrock-runtime.us-east-1.vpce.amazonaws.com", "aws.bedrock"],
    ["bedrock-mantle.us-east-1.api.aws", "aws.bedrock"],
    ["generativelanguage.googleapis.com", "gcp.gemini"],
    ["us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"],
    ["aiplatform.googleapis.com", "gcp.vertex_ai"],
    ["aiplatform.eu.rep.googleapis.com", "gcp.vertex_ai"],
    ["api.cohere.ai", "cohere"],
    ["api.deepseek.com", "deepseek"],
    ["api.groq.com", "groq"],
    ["us-south.ml.cloud.ibm.com", "ibm.watsonx.ai"],
    ["api.mistral.ai", "mistral_ai"],
    ["api.perplexity.ai", "perplexity"],
    ["us-east-1.api.x.ai", "x_ai"],
    ["api.moonshot.cn", "moonshot_ai"],
    ["openrouter.ai", "openrouter"],
    ["api.together.xyz", "together"],
    ["router.huggingface.co", "huggingface"],
    ["abc.us-east-1.aws.endpoints.huggingface.cloud", "huggingface"],
    ["ark.cn-beijing.volces.com", "volcengine"],
    ["ark.ap-southeast.bytepluses.com", "volcengine"],
    ["adb-1.2.azuredatabricks.net", "databricks"],
    ["org-account.snowflakecomputing.com", "snowflake"],
    ["inference.generativeai.us-chicago-1.oci.oraclecloud.com", "oci"],
    ["gateway.ai.cloudflare.com", "cloudflare.ai_gateway"],
    ["oai.helicone.ai", "helicone"],
    ["eu.gateway.helicone.ai", "helicone"],
    ["api.individual.githubcopilot.com", "github_copilot"],
    ["us.inference.heroku.com", "heroku"],
    ["localhost:11434", "ollama"],
    ["[::1]:11434", "ollama"],
    ["127.0.0.1:1234", "lmstudio"],
  ])("knows %s", (host, provider) => {
    expect(matchHost(host)?.provider).toBe(provider);
  });

  it("ignores the port of a hosted provider", () => {
    expect(matchHost("api.openai.com:8443")?.provider).toBe("openai");
  });

  it.each([
    "example.com",
    "openai.com",
    "api.openai.com.evil.example",
    "xapi.openai.com",
    "evil-openai.azure.com",
    "openai.azure.com",
    "bedrock-runtime.us-east-1.amazonaws.com.evil.example",
    "bedrock-agent-runtime.us-east-1.amazonaws.com",
    "s3.us-east-1.amazonaws.com",
    "storage.googleapis.com",
    "localhost",
    "localhost:8080",
    "127.0.0.1:8000",
    "",
    "[::1]",
    "a.b.c.d.e.f.g",
  ])("does not know %j", (host) => {
    expect(matchHost(host)).toBeUndefined();
  });

  it("has well-formed rows: lower case, one port at most, no host twice", () => {
    const seen = new Set<string>();
    for (const { provider, hosts } of PROVIDER_HOSTS) {
      expect(provider).toMatch(/^[a-z0-9_]+(?:\.[a-z0-9_]+)*$/);
      for (const host of hosts) {
        expect(host).toMatch(/^(?:\*\.)?(?:[a-z0-9-]|\{[a-z]+\}|\.|\[::1\])+(?::\d+)?$/);
        expect(seen.has(host), host).toBe(false);
        seen.add(host);
      }
    }
  });

  it("finds every row by a host made from its pattern", () => {
    for (const { provider, hosts } of PROVIDER_HOSTS) {
      for (const host of hosts) {
        const example = host.replace(/^\*\./, "a-1.").replaceAll(/\{[a-z]+\}/g, "eu-west-1");
        expect(matchHost(example)?.provider, example).toBe(provider);
      }
    }
  });
});

describe("its helpers", () => {
  it("cuts the port", () => {
    expect(hostnameOf("a.b:80")).toBe("a.b");
    expect(hostnameOf("a.b")).toBe("a.b");
    expect(hostnameOf("[::1]:80")).toBe("[::1]");
    expect(hostnameOf("[::1]")).toBe("[::1]");
  });

  it("knows the path rules of a provider", () => {
    expect(findPathRules("mistral_ai")).toBe("mistral");
    expect(findPathRules("groq")).toBe("openai");
    expect(findPathRules("nobody")).toBeUndefined();
  });
});
