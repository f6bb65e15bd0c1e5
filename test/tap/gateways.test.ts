/**
 * Gateways, all the way: fetched by their real URLs, answered over a loopback connection. The provider is who is spoken
 * to, `upstreamProvider` who answered; what a gateway tells in headers is in the record.
 */
import { connect } from "node:net";
import { Agent, fetch, type RequestInit as UndiciInit } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap, type LlmCall, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { type ReplayExchange, type ReplayServer, startReplayServer } from "../../src/testing/replay-server.ts";

const message = { role: "assistant", content: "Hi" };
const completion = {
  id: "c-1",
  model: "gpt-5-mini-2026-01-01",
  choices: [{ index: 0, message, finish_reason: "stop" }],
  usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
};
const stream = [
  { id: "c-1", model: "m", choices: [{ index: 0, delta: { content: "Hi" }, finish_reason: "stop" }] },
  { choices: [], usage: completion.usage },
]
  .map((value) => `data: ${JSON.stringify(value)}\n\n`)
  .join("");
const claude = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-6",
  content: [{ type: "text", text: "Hi" }],
  stop_reason: "end_turn",
  usage: { input_tokens: 11, output_tokens: 7 },
};
const gemini = {
  candidates: [{ content: { role: "model", parts: [{ text: "Hi" }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 },
};
const cloudflare = "http://gateway.ai.cloudflare.com/v1/account/gateway";

interface Case {
  name: string;
  url: string;
  hosts?: TapOptions["hosts"];
  model?: string;
  headers?: Record<string, string>;
  body?: unknown;
  expected: object;
  /** Must not be there. */
  without?: string[];
}

const cases: Case[] = [
  {
    name: "LiteLLM: cost, call id, who answered, how long",
    url: "http://litellm.internal:4000/v1/chat/completions",
    hosts: { "litellm.internal:4000": { provider: "litellm" } },
    headers: {
      "x-litellm-call-id": "call-1",
      "x-litellm-response-cost": "0.000123",
      "x-litellm-response-duration-ms": "412.5",
      "x-litellm-model-api-base": "https://api.openai.com/v1/",
      "x-litellm-key-spend": "12.5",
      "x-litellm-version": "1.80.0",
    },
    expected: {
      provider: "litellm",
      api: "openai-chat",
      cost: { totalUsd: 0.000123, source: "reported" },
      response: { requestId: "call-1", upstreamProvider: "openai", processingMs: 412.5 },
    },
  },
  {
    name: "LiteLLM's cache: a hit, and nothing to pay",
    url: "http://litellm.internal:4000/chat/completions",
    hosts: { "litellm.internal:4000": { provider: "litellm" } },
    headers: { "x-litellm-cache-key": "abc", "x-litellm-response-cost": "0.000123" },
    expected: { response: { cacheHit: true } },
    without: ["cost"],
  },
  {
    name: "LiteLLM's stream, whose cost nobody knows when its headers leave",
    url: "http://litellm.internal:4000/v1/chat/completions",
    hosts: { "litellm.internal:4000": { provider: "litellm" } },
    headers: { "content-type": "text/event-stream", "x-litellm-response-cost": "0.0" },
    body: stream,
    expected: { streaming: true, usage: { totalTokens: 18 } },
    without: ["cost"],
  },
  {
    name: "LiteLLM in the dialects of others",
    url: "http://litellm.internal:4000/anthropic/v1/messages",
    hosts: { "litellm.internal:4000": { provider: "litellm" } },
    headers: { "x-litellm-call-id": "call-2", "x-litellm-model-api-base": "https://api.anthropic.com" },
    body: claude,
    expected: {
      provider: "litellm",
      api: "anthropic-messages",
      response: { requestId: "call-2", upstreamProvider: "anthropic" },
    },
  },
  {
    name: "Cloudflare: the provider in the path",
    url: `${cloudflare}/anthropic/v1/messages`,
    headers: { "cf-aig-cache-status": "MISS", "cf-aig-log-id": "log-1", "cf-ray": "ray-1" },
    body: claude,
    expected: {
      provider: "cloudflare.ai_gateway",
      api: "anthropic-messages",
      response: { requestId: "log-1", cacheHit: false, upstreamProvider: "anthropic" },
    },
  },
  {
    name: "Cloudflare: the provider in the model's name",
    url: `${cloudflare}/compat/chat/completions`,
    model: "google-ai-studio/gemini-2.5-flash",
    headers: { "cf-aig-cache-status": "HIT", "cf-aig-log-id": "log-2" },
    expected: {
      provider: "cloudflare.ai_gateway",
      api: "openai-chat",
      request: { model: "google-ai-studio/gemini-2.5-flash" },
      response: { requestId: "log-2", cacheHit: true, upstreamProvider: "gcp.gemini" },
    },
  },
  {
    name: "Cloudflare in front of Gemini",
    model: "",
    url: `${cloudflare}/google-ai-studio/v1/models/gemini-2.5-flash:generateContent`,
    body: gemini,
    expected: {
      provider: "cloudflare.ai_gateway",
      api: "gemini",
      request: { model: "gemini-2.5-flash" },
      response: { upstreamProvider: "gcp.gemini" },
    },
  },
  {
    name: "Helicone: cache, call id, the provider in the host",
    url: "http://oai.helicone.ai/v1/chat/completions",
    headers: { "helicone-id": "h-1", "helicone-cache": "HIT", "helicone-cache-bucket-idx": "0" },
    expected: {
      provider: "helicone",
      api: "openai-chat",
      response: { requestId: "h-1", cacheHit: true, upstreamProvider: "openai" },
    },
    without: ["cost"],
  },
  {
    name: "Helicone in front of Anthropic",
    url: "http://anthropic.helicone.ai/v1/messages",
    headers: { "helicone-id": "h-2", "helicone-cache": "MISS" },
    body: claude,
    expected: {
      provider: "helicone",
      api: "anthropic-messages",
      response: { requestId: "h-2", cacheHit: false, upstreamProvider: "anthropic" },
    },
  },
  {
    name: "Portkey: cache, trace id, who answered",
    url: "http://api.portkey.ai/v1/chat/completions",
    headers: {
      "x-portkey-cache-status": "SEMANTIC HIT",
      "x-portkey-trace-id": "trace-1",
      "x-portkey-provider": "openai",
      "x-portkey-retry-attempt-count": "0",
    },
    expected: {
      provider: "portkey",
      api: "openai-chat",
      response: { requestId: "trace-1", cacheHit: true, upstreamProvider: "openai" },
    },
  },
  {
    name: "OpenRouter: cost and provider in the body, cache in a header",
    url: "http://openrouter.ai/api/v1/chat/completions",
    headers: { "x-openrouter-cache-status": "MISS", "x-generation-id": "gen-1" },
    body: { ...completion, provider: "Amazon Bedrock", usage: { ...completion.usage, cost: 0.0021 } },
    expected: {
      provider: "openrouter",
      cost: { totalUsd: 0.0021, source: "reported" },
      response: { requestId: "gen-1", cacheHit: false, upstreamProvider: "Amazon Bedrock" },
    },
  },
  {
    name: "Vercel: cost and provider in the answer",
    url: "http://ai-gateway.vercel.sh/v1/chat/completions",
    body: {
      ...completion,
      choices: [
        {
          index: 0,
          message: {
            ...message,
            provider_metadata: { gateway: { routing: { finalProvider: "vertex" }, cost: "0.0003" } },
          },
          finish_reason: "stop",
        },
      ],
    },
    expected: {
      provider: "vercel",
      cost: { totalUsd: 0.0003, source: "reported" },
      response: { upstreamProvider: "vertex" },
    },
  },
  {
    name: "Hugging Face's router: the provider in a header, before that of the model's name",
    url: "http://router.huggingface.co/v1/chat/completions",
    model: "openai/gpt-oss-120b:fireworks-ai",
    headers: { "x-inference-provider": "groq" },
    expected: { provider: "huggingface", response: { upstreamProvider: "groq" } },
  },
  {
    name: "Hugging Face's router: the provider that was asked for",
    url: "http://router.huggingface.co/v1/chat/completions",
    model: "openai/gpt-oss-120b:groq",
    expected: { provider: "huggingface", response: { upstreamProvider: "groq" } },
  },
  {
    name: "Hugging Face's router: a policy is no provider",
    url: "http://router.huggingface.co/v1/chat/completions",
    model: "openai/gpt-oss-120b:fastest",
    expected: { provider: "huggingface" },
    without: ["response.upstreamProvider"],
  },
  {
    name: "Requesty and Pydantic: cost",
    url: "http://router.requesty.ai/v1/chat/completions",
    headers: { "x-requesty-cost": "0.0007" },
    expected: { provider: "requesty", cost: { totalUsd: 0.0007, source: "reported" } },
  },
  {
    name: "a gateway that nobody named: what its headers tell is read all the same",
    url: "http://localhost:8787/v1/chat/completions",
    headers: { "x-portkey-provider": "groq", "x-portkey-trace-id": "t-9", "x-request-id": "r-9" },
    expected: { provider: "custom", response: { requestId: "r-9", upstreamProvider: "groq" } },
  },
];

describe("gateways", () => {
  const exchanges = new Map<string, ReplayExchange>();
  let server: ReplayServer;
  let dispatcher: Agent;
  beforeAll(async () => {
    server = await startReplayServer({ find: (id) => exchanges.get(id) });
    // Whatever the host, the connection goes to the server.
    dispatcher = new Agent({
      connect(_options, callback) {
        const socket = connect(server.port, "127.0.0.1");
        socket.once("connect", () => callback(null, socket)).once("error", (error) => callback(error, null));
      },
    });
  });
  afterAll(async () => {
    await dispatcher.close();
    await server.close();
  });

  it.each(cases)("$name", async ({ name, url, hosts, model = "gpt-5-mini", headers, body, expected, without }) => {
    exchanges.set(name, {
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body ?? completion),
    });
    const sink = memorySink();
    const tap = createTap({ sinks: [sink], ...(hosts && { hosts }) });
    const tapped = tap.wrapFetch(fetch as unknown as typeof globalThis.fetch);
    const init: UndiciInit = {
      method: "POST",
      dispatcher,
      headers: {
        "content-type": "application/json",
        "x-replay-id": encodeURIComponent(name),
        authorization: "Bearer secret-1",
        "x-portkey-api-key": "secret-2",
        "helicone-auth": "Bearer secret-3",
      },
      body: JSON.stringify({
        ...(model !== "" && { model }),
        messages: [{ role: "user", content: "hello" }],
        contents: [{ role: "user", parts: [{ text: "hello" }] }],
      }),
    };
    await (await tapped(url, init as RequestInit)).text();
    await tap.flush();
    await tap.close();
    const [call] = sink.calls as [LlmCall];
    expect(call).toMatchObject({ outcome: "success", usage: { inputTokens: 11, outputTokens: 7 } });
    expect(call).toMatchObject(expected);
    for (const path of without ?? []) expect(call).not.toHaveProperty(path);
    expect(JSON.stringify(call)).not.toContain("secret-");
  });
});
