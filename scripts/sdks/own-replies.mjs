/**
 * Answers of APIs that the mock providers don't speak, written by hand from their references, each with what a record of
 * it must say. Keyed by the client's `replies` and the name of the flow.
 */
const TEXT = ["The Limmat", " flows through", " Zürich."];
const whole = TEXT.join("");
const json = { "content-type": "application/json" };
const sse = { "content-type": "text/event-stream" };
const event = (data, name) => `${name ? `event: ${name}\n` : ""}data: ${JSON.stringify(data)}\n\n`;
const chat = { operation: "chat", outcome: "success", status: 200, toolCalls: [], text: whole, finishReason: "stop" };

const openAiBody = (model, usage, choice) => ({
  id: "gen-1790000000-a1b2c3",
  object: "chat.completion",
  created: 1790000000,
  model,
  choices: [{ index: 0, finish_reason: "stop", ...choice }],
  usage,
});

const openAiChunks = (model, usage, extra = {}) => [
  ...TEXT.map((content) =>
    event({
      id: "gen-1790000000-d4e5f6",
      object: "chat.completion.chunk",
      created: 1790000000,
      model,
      ...extra,
      choices: [{ index: 0, delta: { role: "assistant", content }, finish_reason: null }],
    }),
  ),
  event({
    id: "gen-1790000000-d4e5f6",
    object: "chat.completion.chunk",
    created: 1790000000,
    model,
    ...extra,
    choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: "stop" }],
    usage,
  }),
  "data: [DONE]\n\n",
];

const mistralUsage = { prompt_tokens: 21, completion_tokens: 9, total_tokens: 30 };
const openRouterUsage = {
  prompt_tokens: 33,
  completion_tokens: 12,
  total_tokens: 45,
  cost: 0.00012,
  prompt_tokens_details: { cached_tokens: 16 },
  completion_tokens_details: { reasoning_tokens: 0 },
};
const cohereUsage = {
  billed_units: { input_tokens: 11, output_tokens: 7 },
  tokens: { input_tokens: 77, output_tokens: 9 },
};
// What is billed, as OpenTelemetry has it.
const cohereTokens = { source: "reported", inputTokens: 11, outputTokens: 7 };
const ollamaEnd = {
  model: "llama3.2",
  created_at: "2026-09-21T12:00:00Z",
  done: true,
  done_reason: "stop",
  total_duration: 812_000_000,
  load_duration: 11_000_000,
  prompt_eval_count: 38,
  prompt_eval_duration: 90_000_000,
  eval_count: 11,
  eval_duration: 600_000_000,
};
const ollamaTokens = { source: "reported", inputTokens: 38, outputTokens: 11 };

export const ownReplies = {
  openrouter: {
    plain: {
      headers: json,
      chunks: [
        JSON.stringify({
          ...openAiBody("openai/gpt-4.1-mini", openRouterUsage, { message: { role: "assistant", content: whole } }),
          provider: "OpenAI",
          system_fingerprint: null,
        }),
      ],
      expected: {
        ...chat,
        api: "openai-chat",
        streaming: false,
        usage: { source: "reported", inputTokens: 33, outputTokens: 12, cacheReadTokens: 16 },
      },
      cost: 0.00012,
      upstreamProvider: "OpenAI",
    },
    streamed: {
      headers: sse,
      chunks: [
        ": OPENROUTER PROCESSING\n\n",
        ...openAiChunks("openai/gpt-4.1-mini", openRouterUsage, { provider: "OpenAI" }),
      ],
      expected: {
        ...chat,
        api: "openai-chat",
        streaming: true,
        usage: { source: "reported", inputTokens: 33, outputTokens: 12, cacheReadTokens: 16 },
      },
      cost: 0.00012,
      upstreamProvider: "OpenAI",
    },
  },
  mistral: {
    plain: {
      headers: json,
      chunks: [
        JSON.stringify(
          openAiBody("mistral-small-2506", mistralUsage, { message: { role: "assistant", content: whole } }),
        ),
      ],
      expected: {
        ...chat,
        api: "openai-chat",
        streaming: false,
        responseModel: "mistral-small-2506",
        usage: { source: "reported", inputTokens: 21, outputTokens: 9 },
      },
    },
    streamed: {
      headers: sse,
      chunks: openAiChunks("mistral-small-2506", mistralUsage),
      expected: {
        ...chat,
        api: "openai-chat",
        streaming: true,
        responseModel: "mistral-small-2506",
        usage: { source: "reported", inputTokens: 21, outputTokens: 9 },
      },
    },
  },
  cohere: {
    plain: {
      headers: json,
      chunks: [
        JSON.stringify({
          id: "c1",
          finish_reason: "COMPLETE",
          message: { role: "assistant", content: [{ type: "text", text: whole }] },
          usage: cohereUsage,
        }),
      ],
      expected: { ...chat, api: "cohere-v2", streaming: false, usage: cohereTokens },
    },
    streamed: {
      headers: sse,
      chunks: [
        event(
          { id: "c2", type: "message-start", delta: { message: { role: "assistant", content: [] } } },
          "message-start",
        ),
        event(
          { type: "content-start", index: 0, delta: { message: { content: { type: "text", text: "" } } } },
          "content-start",
        ),
        ...TEXT.map((text) =>
          event({ type: "content-delta", index: 0, delta: { message: { content: { text } } } }, "content-delta"),
        ),
        event({ type: "content-end", index: 0 }, "content-end"),
        event({ type: "message-end", delta: { finish_reason: "COMPLETE", usage: cohereUsage } }, "message-end"),
      ],
      expected: { ...chat, api: "cohere-v2", streaming: true, usage: cohereTokens },
    },
    embed: {
      headers: json,
      chunks: [
        JSON.stringify({
          id: "e1",
          texts: ["Limmat", "Sihl"],
          embeddings: {
            float: [
              [0.1, 0.2, 0.3],
              [0.4, 0.5, 0.6],
            ],
          },
          meta: { api_version: { version: "2" }, billed_units: { input_tokens: 6 } },
          response_type: "embeddings_by_type",
        }),
      ],
      expected: {
        operation: "embeddings",
        outcome: "success",
        status: 200,
        toolCalls: [],
        api: "cohere-v2",
        streaming: false,
        requestModel: "embed-v4.0",
        usage: { source: "reported", inputTokens: 6 },
        embeddings: { count: 2, dimensions: 3 },
      },
    },
  },
  ollama: {
    plain: {
      headers: { "content-type": "application/json; charset=utf-8" },
      chunks: [JSON.stringify({ ...ollamaEnd, message: { role: "assistant", content: whole } })],
      expected: { ...chat, api: "ollama", streaming: false, usage: ollamaTokens },
    },
    streamed: {
      headers: { "content-type": "application/x-ndjson" },
      chunks: [
        ...TEXT.map(
          (content) =>
            `${JSON.stringify({ model: "llama3.2", created_at: "2026-09-21T12:00:00Z", message: { role: "assistant", content }, done: false })}\n`,
        ),
        `${JSON.stringify({ ...ollamaEnd, message: { role: "assistant", content: "" } })}\n`,
      ],
      expected: { ...chat, api: "ollama", streaming: true, usage: ollamaTokens },
    },
  },
  replicate: {
    plain: {
      status: 201,
      headers: json,
      chunks: [
        JSON.stringify({
          id: "rrr4z55ocneqzikepnug6xezpe",
          model: "meta/meta-llama-3-8b-instruct",
          version: "hidden",
          status: "succeeded",
          input: { prompt: "Which river flows through Zürich?" },
          output: TEXT,
          error: null,
          logs: "",
          metrics: { input_token_count: 18, output_token_count: 8, predict_time: 0.4 },
          created_at: "2026-09-21T12:00:00Z",
          urls: { get: "https://api.replicate.com/v1/predictions/rrr4z55ocneqzikepnug6xezpe" },
        }),
      ],
      expected: {
        outcome: "success",
        status: 201,
        toolCalls: [],
        api: "replicate",
        streaming: false,
        text: whole,
        usage: { source: "reported", inputTokens: 18, outputTokens: 8 },
      },
    },
  },
  voyage: {
    embed: {
      headers: json,
      chunks: [
        JSON.stringify({
          object: "list",
          data: [
            { object: "embedding", index: 0, embedding: [0.1, 0.2] },
            { object: "embedding", index: 1, embedding: [0.3, 0.4] },
          ],
          model: "voyage-3.5",
          usage: { total_tokens: 5 },
        }),
      ],
      expected: {
        operation: "embeddings",
        outcome: "success",
        status: 200,
        toolCalls: [],
        streaming: false,
        responseModel: "voyage-3.5",
        usage: { source: "reported", inputTokens: 5 },
        embeddings: { count: 2, dimensions: 2 },
      },
    },
  },
};
