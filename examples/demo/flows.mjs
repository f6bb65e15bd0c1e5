/**
 * The calls of the demo: each as an app would write it, with the reply that the mock is told to give. `run` returns what
 * the app saw; `fails` says that it must see an error, `mockOnly` that a real provider can't be asked for this.
 */
const question = "What is the weather in Zürich and in Tokyo?";
const messages = [{ role: "user", content: question }];
const citySchema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const models = {
  openai: "gpt-4.1-mini",
  embedding: "text-embedding-3-small",
  anthropic: "claude-sonnet-4-6",
  gemini: "gemini-2.5-flash",
};

const chatTools = [
  { type: "function", function: { name: "get_weather", description: "Weather of a city", parameters: citySchema } },
];
const twoCities = [
  { name: "get_weather", arguments: { city: "Zürich" } },
  { name: "get_weather", arguments: { city: "東京" } },
];
const streaming = { firstTokenMs: 120, chunkMs: 8 };

export const flows = [
  {
    name: "chat, streamed text",
    via: "openai",
    provider: "openai",
    reply: { timing: { headersMs: 20, firstTokenMs: 200, chunkMs: 8 } },
    run: async ({ openai }) => {
      const stream = await openai.chat.completions.create({
        model: models.openai,
        messages,
        stream: true,
        stream_options: { include_usage: true },
      });
      return readChat(stream);
    },
  },
  {
    name: "chat, no usage asked for",
    via: "openai",
    provider: "openai",
    reply: { timing: streaming },
    run: async ({ openai }) =>
      readChat(await openai.chat.completions.create({ model: models.openai, messages, stream: true })),
  },
  {
    name: "chat, two tool calls",
    via: "openai",
    provider: "openai",
    reply: { toolCalls: twoCities, timing: streaming },
    run: async ({ openai }) => {
      const runner = openai.chat.completions.stream({
        model: models.openai,
        messages,
        tools: chatTools,
        stream_options: { include_usage: true },
      });
      const { choices, usage } = await runner.finalChatCompletion();
      const calls = choices[0].message.tool_calls ?? [];
      return { tools: calls.map((call) => [call.function.name, call.function.arguments]), ...chatTokens(usage) };
    },
  },
  {
    name: "chat, plain JSON",
    via: "openai",
    provider: "openai",
    run: async ({ openai }) => {
      const { choices, usage } = await openai.chat.completions.create({ model: models.openai, messages });
      return { text: choices[0].message.content, ...chatTokens(usage) };
    },
  },
  {
    name: "Responses, streamed",
    via: "openai",
    provider: "openai",
    reply: { timing: streaming },
    run: async ({ openai }) => {
      const response = await openai.responses.stream({ model: models.openai, input: question }).finalResponse();
      const { input_tokens: inputTokens, output_tokens: outputTokens } = response.usage;
      return { text: response.output_text, inputTokens, outputTokens };
    },
  },
  {
    name: "embeddings",
    via: "openai",
    provider: "openai",
    run: async ({ openai }) => {
      const { data, usage } = await openai.embeddings.create({
        model: models.embedding,
        input: [question, "another text"],
      });
      return { vectors: data.length, inputTokens: usage.prompt_tokens };
    },
  },
  {
    name: "rate limited (429)",
    via: "openai",
    provider: "openai",
    reply: { error: { status: 429, retryAfterSeconds: 20, message: "Rate limit reached for requests" } },
    mockOnly: true,
    fails: true,
    run: ({ openai }) => openai.chat.completions.create({ model: models.openai, messages }),
  },
  {
    name: "the app breaks out",
    via: "openai",
    provider: "openai",
    reply: {
      text: "one two three four five six seven eight nine ten eleven",
      pieces: 11,
      timing: { firstTokenMs: 60, chunkMs: 30 },
    },
    leaves: true,
    run: async ({ openai }) => {
      let pieces = 0;
      for await (const chunk of await openai.chat.completions.create({
        model: models.openai,
        messages,
        stream: true,
      })) {
        if (chunk.choices[0]?.delta.content && ++pieces === 3) break;
      }
      return { pieces };
    },
  },
  {
    name: "the stream dies",
    via: "openai",
    provider: "openai",
    reply: {
      text: "this will never be said to its end",
      pieces: 8,
      timing: streaming,
      fault: { kind: "reset", afterOutputs: 4 },
    },
    mockOnly: true,
    fails: true,
    run: async ({ openai }) =>
      readChat(await openai.chat.completions.create({ model: models.openai, messages, stream: true })),
  },
  {
    name: "messages, streamed tool use",
    via: "@anthropic-ai/sdk",
    provider: "anthropic",
    reply: { text: "Let me look that up.", reasoning: "two cities", toolCalls: twoCities, timing: streaming },
    run: async ({ anthropic }) => {
      const stream = anthropic.messages.stream({
        model: models.anthropic,
        max_tokens: 400,
        messages,
        tools: [{ name: "get_weather", description: "Weather of a city", input_schema: citySchema }],
      });
      return readMessage(await stream.finalMessage());
    },
  },
  {
    name: "messages, plain JSON",
    via: "@anthropic-ai/sdk",
    provider: "anthropic",
    run: async ({ anthropic }) =>
      readMessage(await anthropic.messages.create({ model: models.anthropic, max_tokens: 400, messages })),
  },
  {
    name: "overloaded in the stream",
    via: "@anthropic-ai/sdk",
    provider: "anthropic",
    reply: { text: "I was about to", pieces: 4, timing: streaming, fault: { kind: "error_event", afterOutputs: 2 } },
    mockOnly: true,
    fails: true,
    run: async ({ anthropic }) => {
      const stream = anthropic.messages.stream({ model: models.anthropic, max_tokens: 400, messages });
      return readMessage(await stream.finalMessage());
    },
  },
  {
    name: "generateContent, streamed",
    via: "@google/genai",
    provider: "gemini",
    reply: { timing: streaming },
    run: async ({ gemini }) => {
      let text = "";
      let usage;
      for await (const chunk of await gemini.models.generateContentStream({
        model: models.gemini,
        contents: question,
      })) {
        text += chunk.text ?? "";
        usage = chunk.usageMetadata;
      }
      return { text, ...geminiTokens(usage) };
    },
  },
  {
    name: "generateContent, function",
    via: "@google/genai",
    provider: "gemini",
    reply: { toolCalls: twoCities },
    run: async ({ gemini }) => {
      const response = await gemini.models.generateContent({
        model: models.gemini,
        contents: question,
        config: { tools: [{ functionDeclarations: [{ name: "get_weather", parametersJsonSchema: citySchema }] }] },
      });
      return {
        tools: (response.functionCalls ?? []).map((call) => [call.name, call.args]),
        ...geminiTokens(response.usageMetadata),
      };
    },
  },
  {
    name: "streamText",
    via: "ai + @ai-sdk/openai",
    provider: "openai",
    reply: { timing: streaming },
    run: async ({ vercel, ai }) => {
      const result = ai.streamText({ model: vercel.chat(models.openai), prompt: question, maxRetries: 0 });
      const text = await result.text;
      const { inputTokens, outputTokens } = await result.usage;
      return { text, inputTokens, outputTokens };
    },
  },
  {
    name: "generateText, Responses",
    via: "ai + @ai-sdk/openai",
    provider: "openai",
    run: async ({ vercel, ai }) => {
      const { text, usage } = await ai.generateText({ model: vercel(models.openai), prompt: question, maxRetries: 0 });
      return { text, inputTokens: usage.inputTokens, outputTokens: usage.outputTokens };
    },
  },
  {
    name: "raw fetch",
    via: "fetch",
    provider: "openai",
    run: async ({ fetch, baseUrl, apiKey }) => {
      const response = await fetch(`${baseUrl}/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${apiKey}` },
        body: JSON.stringify({ model: models.openai, messages }),
      });
      const { choices, usage } = await response.json();
      return { text: choices[0].message.content, ...chatTokens(usage) };
    },
  },
  {
    name: "undici.request",
    via: "undici",
    provider: "anthropic",
    // The only one that goes through the global dispatcher; see `withDispatcher` in clients.mjs.
    dispatcher: true,
    run: async ({ undici, baseUrl, apiKey }) => {
      const { body } = await undici.request(`${baseUrl}/v1/messages`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-api-key": apiKey, "anthropic-version": "2023-06-01" },
        body: JSON.stringify({ model: models.anthropic, max_tokens: 400, messages }),
      });
      return readMessage(await body.json());
    },
  },
];

async function readChat(stream) {
  let text = "";
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { text, ...(usage ? chatTokens(usage) : {}) };
}

function chatTokens(usage) {
  return { inputTokens: usage?.prompt_tokens, outputTokens: usage?.completion_tokens };
}

function readMessage({ content, usage }) {
  return {
    text: content.map((block) => block.text ?? "").join(""),
    tools: content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]),
    inputTokens: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
    outputTokens: usage.output_tokens,
  };
}

function geminiTokens(usage) {
  return {
    inputTokens: usage?.promptTokenCount,
    outputTokens: (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
  };
}
