/** Exchanges as the interceptor leaves them. */
import { createExchange, noteEnd, noteResponseChunk } from "../../src/interceptor/exchange.ts";
import type { Exchange } from "../../src/types.ts";

export interface ExchangeOptions {
  body?: string | Uint8Array;
  chunkBytes?: number;
  contentType?: string;
  request?: string;
  path?: string;
  api?: "openai-chat" | "openai-images" | "openai-embeddings" | "vertex-predict";
  settings?: Partial<Exchange["settings"]>;
}

export function startExchange(options: ExchangeOptions = {}): Exchange {
  const exchange = createExchange({
    id: "0198c0de-0000-7000-8000-000000000001",
    via: "fetch",
    route: { provider: "openai", api: options.api ?? "openai-chat", operation: "chat" },
    sniffed: false,
    method: "POST",
    url: `https://api.openai.com${options.path ?? "/v1/chat/completions"}`,
    host: "api.openai.com",
    path: options.path ?? "/v1/chat/completions",
    settings: {
      context: {},
      privacyMode: false,
      excludeInput: false,
      excludeOutput: false,
      tokenTracking: true,
      costTracking: true,
      ...options.settings,
    },
  });
  exchange.requestBody = options.request ?? '{"model":"m-1","messages":[{"role":"user","content":"hi"}]}';
  exchange.requestKept = exchange.requestBody.length;
  exchange.requestHeaders = { "content-type": "application/json" };
  exchange.status = 200;
  exchange.responseHeaders = { "content-type": options.contentType ?? "application/json" };
  return exchange;
}

export function addBody(exchange: Exchange, body: string | Uint8Array, chunkBytes = 16_384): void {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
    noteResponseChunk(exchange, bytes.subarray(at, at + chunkBytes));
  }
}

/** A whole one. */
export function makeExchange(options: ExchangeOptions = {}): Exchange {
  const exchange = startExchange(options);
  addBody(exchange, options.body ?? makeAnswer(), options.chunkBytes);
  noteEnd(exchange, false);
  return exchange;
}

export function makeAnswer(content = "hello"): string {
  return JSON.stringify({
    id: "chatcmpl-1",
    object: "chat.completion",
    model: "m-1-2026",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content,
          tool_calls: [{ id: "call_1", type: "function", function: { name: "look_up", arguments: '{"q":"x"}' } }],
        },
        finish_reason: "tool_calls",
      },
    ],
    usage: { prompt_tokens: 11, completion_tokens: 22, total_tokens: 33 },
  });
}
