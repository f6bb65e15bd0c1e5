/** Which path of which provider is what. */
import type { Api, Operation } from "../../types.ts";
import { renderAnthropicMessages, renderAnthropicTokenCount } from "./anthropic-messages.ts";
import { renderGeminiContent, renderGeminiEmbeddings, renderGeminiStream, renderGeminiTokenCount } from "./gemini.ts";
import { renderOpenAiChat } from "./openai-chat.ts";
import { renderOpenAiEmbeddings } from "./openai-embeddings.ts";
import { renderOpenAiResponses } from "./openai-responses.ts";
import type { MockProvider, RenderReply } from "./types.ts";

export interface Dialect {
  /** `POST` to this path; a group named `model` is the model. */
  path: RegExp;
  api: Api;
  operation: Operation;
  render: RenderReply;
}

interface ProviderFace {
  /** As a record names it. */
  provider: string;
  /** What an SDK's base URL ends with. */
  basePath: string;
  /** Sent with every response, as the real one does. */
  headers: (requestId: string) => Record<string, string>;
  requestIdHeader: string;
  dialects: readonly Dialect[];
}

const gemini = (verb: string) => new RegExp(`/v1(?:beta|alpha)?/models/(?<model>[^/:]+):(?:${verb})(?:\\?|$)`);

export const PROVIDERS: Readonly<Record<MockProvider, ProviderFace>> = {
  openai: {
    provider: "openai",
    basePath: "/v1",
    requestIdHeader: "x-request-id",
    headers: (requestId) => ({
      "x-request-id": requestId,
      "openai-processing-ms": "42",
      "openai-version": "2020-10-01",
      "x-ratelimit-limit-requests": "500",
      "x-ratelimit-remaining-requests": "499",
      "x-ratelimit-reset-requests": "120ms",
    }),
    dialects: [
      { path: /\/chat\/completions(\?|$)/, api: "openai-chat", operation: "chat", render: renderOpenAiChat },
      { path: /\/responses(\?|$)/, api: "openai-responses", operation: "chat", render: renderOpenAiResponses },
      { path: /\/embeddings(\?|$)/, api: "openai-embeddings", operation: "embeddings", render: renderOpenAiEmbeddings },
    ],
  },
  anthropic: {
    provider: "anthropic",
    basePath: "",
    requestIdHeader: "request-id",
    headers: (requestId) => ({
      "request-id": requestId,
      "anthropic-ratelimit-requests-limit": "50",
      "anthropic-ratelimit-requests-remaining": "49",
    }),
    dialects: [
      { path: /\/v1\/messages(\?|$)/, api: "anthropic-messages", operation: "chat", render: renderAnthropicMessages },
      {
        path: /\/v1\/messages\/count_tokens(\?|$)/,
        api: "anthropic-messages",
        operation: "count_tokens",
        render: renderAnthropicTokenCount,
      },
    ],
  },
  gemini: {
    provider: "gcp.gemini",
    basePath: "",
    // Google names no request id that a client would quote.
    requestIdHeader: "",
    headers: () => ({ "server-timing": "gfet4t7; dur=42" }),
    dialects: [
      { path: gemini("generateContent"), api: "gemini", operation: "chat", render: renderGeminiContent },
      { path: gemini("streamGenerateContent"), api: "gemini", operation: "chat", render: renderGeminiStream },
      {
        path: gemini("embedContent|batchEmbedContents"),
        api: "gemini",
        operation: "embeddings",
        render: renderGeminiEmbeddings,
      },
      { path: gemini("countTokens"), api: "gemini", operation: "count_tokens", render: renderGeminiTokenCount },
    ],
  },
};
