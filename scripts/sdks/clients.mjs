/**
 * The SDKs of docs/sdks.md, each called the way the docs say. `load` imports a package; `fetch` is `tap.fetch`, or
 * `undefined` where the whole process is tapped or nothing is. What a call returns is what the app sees.
 */
const MESSAGES = [
  { role: "system", content: "Answer in one sentence." },
  { role: "user", content: "Which river flows through Zürich?" },
];
const QUESTION = MESSAGES[1].content;
const KEY = "test-key";

/** Of a stream of the `openai` client and its like. */
async function collect(stream) {
  let text = "";
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices?.[0]?.delta?.content ?? "";
    usage = chunk.usage ?? chunk.x_groq?.usage ?? usage;
  }
  return { text, usage };
}

function openaiLike(make) {
  return {
    async plain(context) {
      const client = await make(context);
      const { choices, usage } = await client.chat.completions.create({ model: context.model, messages: MESSAGES });
      return { text: choices[0].message.content, usage };
    },
    async streamed(context) {
      const client = await make(context);
      const request = { model: context.model, messages: MESSAGES, stream: true };
      return collect(await client.chat.completions.create({ ...request, stream_options: { include_usage: true } }));
    },
    async "left early"(context) {
      const client = await make(context);
      for await (const chunk of await client.chat.completions.create({
        model: context.model,
        messages: MESSAGES,
        stream: true,
      })) {
        if (chunk.choices?.[0]?.delta?.content) return { first: chunk.choices[0].delta.content };
      }
      return {};
    },
  };
}

function aiSdk(make) {
  return {
    async plain({ load, ...context }) {
      const { generateText } = await load("ai");
      const { text, usage } = await generateText({ model: await make({ load, ...context }), prompt: QUESTION });
      return { text, usage };
    },
    async streamed({ load, ...context }) {
      const { streamText } = await load("ai");
      const result = streamText({ model: await make({ load, ...context }), prompt: QUESTION });
      return { text: await result.text, usage: await result.usage };
    },
  };
}

function langchain(make) {
  return {
    async plain(context) {
      const { text, usage_metadata: usage } = await (await make(context)).invoke(QUESTION);
      return { text, usage };
    },
    async streamed(context) {
      let text = "";
      for await (const chunk of await (await make(context)).stream(QUESTION)) text += chunk.text;
      return { text };
    },
  };
}

/** What is given goes in, what is not stays out: the bare run is the app's own code. */
const withFetch = (fetch, options = {}) => ({ ...options, ...(fetch && { fetch }) });

/**
 * `packages` are npm names; `installOnly` takes no `fetch`, `needsFetch` takes its own unless it is given one; `host` is where the SDK calls, `provider` what a record must say; `mock` is the dialect of
 * the mock provider that answers, else `replies` of own-replies.mjs do.
 */
export const clients = [
  {
    name: "openai",
    packages: ["openai"],
    host: "api.openai.com",
    provider: "openai",
    mock: "openai",
    model: "gpt-4.1-mini",
    flows: {
      ...openaiLike(async ({ load, fetch }) => {
        const { OpenAI } = await load("openai");
        return new OpenAI(withFetch(fetch, { apiKey: KEY, maxRetries: 0 }));
      }),
      async Responses({ load, fetch, model }) {
        const { OpenAI } = await load("openai");
        const client = new OpenAI(withFetch(fetch, { apiKey: KEY, maxRetries: 0 }));
        const { output_text: text, usage } = await client.responses.create({ model, input: QUESTION });
        return { text, usage };
      },
    },
  },
  {
    name: "groq-sdk",
    packages: ["groq-sdk"],
    host: "api.groq.com",
    provider: "groq",
    mock: "openai",
    model: "llama-3.3-70b-versatile",
    flows: openaiLike(async ({ load, fetch }) => {
      const { Groq } = await load("groq-sdk");
      return new Groq(withFetch(fetch, { apiKey: KEY, maxRetries: 0 }));
    }),
  },
  {
    name: "together-ai",
    packages: ["together-ai"],
    host: "api.together.ai",
    provider: "together",
    mock: "openai",
    model: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    flows: openaiLike(async ({ load, fetch }) => {
      const { Together } = await load("together-ai");
      return new Together(withFetch(fetch, { apiKey: KEY, maxRetries: 0 }));
    }),
  },
  {
    name: "@cerebras/cerebras_cloud_sdk",
    packages: ["@cerebras/cerebras_cloud_sdk"],
    // Without one it takes node-fetch, which is `node:http`.
    needsFetch: true,
    host: "api.cerebras.ai",
    provider: "cerebras",
    mock: "openai",
    model: "llama-3.3-70b",
    flows: openaiLike(async ({ load, fetch }) => {
      const { Cerebras } = await load("@cerebras/cerebras_cloud_sdk");
      return new Cerebras(withFetch(fetch, { apiKey: KEY, maxRetries: 0, warmTCPConnection: false }));
    }),
  },
  {
    name: "@anthropic-ai/sdk",
    packages: ["@anthropic-ai/sdk"],
    host: "api.anthropic.com",
    provider: "anthropic",
    mock: "anthropic",
    model: "claude-sonnet-4-6",
    flows: {
      async plain({ load, fetch, model }) {
        const { Anthropic } = await load("@anthropic-ai/sdk");
        const client = new Anthropic(withFetch(fetch, { apiKey: KEY, maxRetries: 0 }));
        const { content, usage } = await client.messages.create({
          model,
          max_tokens: 100,
          messages: [{ role: "user", content: QUESTION }],
        });
        return { content, usage };
      },
      async streamed({ load, fetch, model }) {
        const { Anthropic } = await load("@anthropic-ai/sdk");
        const client = new Anthropic(withFetch(fetch, { apiKey: KEY, maxRetries: 0 }));
        const stream = client.messages.stream({
          model,
          max_tokens: 100,
          messages: [{ role: "user", content: QUESTION }],
        });
        const { content, usage } = await stream.finalMessage();
        return { content, usage };
      },
    },
  },
  {
    name: "@google/genai",
    packages: ["@google/genai"],
    host: "generativelanguage.googleapis.com",
    provider: "gcp.gemini",
    mock: "gemini",
    model: "gemini-2.5-flash",
    flows: {
      async plain({ load, fetch, model }) {
        const { GoogleGenAI } = await load("@google/genai");
        const client = new GoogleGenAI({ apiKey: KEY, ...(fetch && { httpOptions: { fetch } }) });
        const { text, usageMetadata: usage } = await client.models.generateContent({ model, contents: QUESTION });
        return { text, usage };
      },
      async streamed({ load, fetch, model }) {
        const { GoogleGenAI } = await load("@google/genai");
        const client = new GoogleGenAI({ apiKey: KEY, ...(fetch && { httpOptions: { fetch } }) });
        let text = "";
        for await (const chunk of await client.models.generateContentStream({ model, contents: QUESTION })) {
          text += chunk.text ?? "";
        }
        return { text };
      },
    },
  },
  {
    name: "ai + @ai-sdk/openai",
    packages: ["ai", "@ai-sdk/openai", "zod"],
    host: "api.openai.com",
    provider: "openai",
    mock: "openai",
    model: "gpt-4.1-mini",
    flows: aiSdk(async ({ load, fetch, model }) => {
      const { createOpenAI } = await load("@ai-sdk/openai");
      return createOpenAI(withFetch(fetch, { apiKey: KEY })).chat(model);
    }),
  },
  {
    name: "ai + @ai-sdk/anthropic",
    packages: ["ai", "@ai-sdk/anthropic", "zod"],
    host: "api.anthropic.com",
    provider: "anthropic",
    mock: "anthropic",
    model: "claude-sonnet-4-6",
    flows: aiSdk(async ({ load, fetch, model }) => {
      const { createAnthropic } = await load("@ai-sdk/anthropic");
      return createAnthropic(withFetch(fetch, { apiKey: KEY }))(model);
    }),
  },
  {
    name: "ai + @ai-sdk/google",
    packages: ["ai", "@ai-sdk/google", "zod"],
    host: "generativelanguage.googleapis.com",
    provider: "gcp.gemini",
    mock: "gemini",
    model: "gemini-2.5-flash",
    flows: aiSdk(async ({ load, fetch, model }) => {
      const { createGoogleGenerativeAI } = await load("@ai-sdk/google");
      return createGoogleGenerativeAI(withFetch(fetch, { apiKey: KEY }))(model);
    }),
  },
  {
    name: "ai + @ai-sdk/groq",
    packages: ["ai", "@ai-sdk/groq", "zod"],
    host: "api.groq.com",
    provider: "groq",
    mock: "openai",
    model: "llama-3.3-70b-versatile",
    // Its streams ask for no usage: Groq reports it in a field of its own, which the mock does not send.
    ignores: ["usage"],
    flows: aiSdk(async ({ load, fetch, model }) => {
      const { createGroq } = await load("@ai-sdk/groq");
      return createGroq(withFetch(fetch, { apiKey: KEY }))(model);
    }),
  },
  {
    name: "@langchain/openai",
    packages: ["@langchain/openai", "@langchain/core"],
    host: "api.openai.com",
    provider: "openai",
    mock: "openai",
    model: "gpt-4.1-mini",
    flows: langchain(async ({ load, fetch, model }) => {
      const { ChatOpenAI } = await load("@langchain/openai");
      return new ChatOpenAI({ model, apiKey: KEY, maxRetries: 0, configuration: withFetch(fetch) });
    }),
  },
  {
    name: "@langchain/anthropic",
    packages: ["@langchain/anthropic", "@langchain/core"],
    host: "api.anthropic.com",
    provider: "anthropic",
    mock: "anthropic",
    model: "claude-sonnet-4-6",
    flows: langchain(async ({ load, fetch, model }) => {
      const { ChatAnthropic } = await load("@langchain/anthropic");
      return new ChatAnthropic({ model, apiKey: KEY, maxRetries: 0, clientOptions: withFetch(fetch) });
    }),
  },
  {
    name: "@huggingface/inference",
    packages: ["@huggingface/inference"],
    host: "router.huggingface.co",
    provider: "huggingface",
    mock: "openai",
    model: "meta-llama/Llama-3.1-8B-Instruct",
    flows: {
      async plain({ load, fetch, model }) {
        const { InferenceClient } = await load("@huggingface/inference");
        const client = new InferenceClient("hf_test", withFetch(fetch));
        const { choices, usage } = await client.chatCompletion({ model, messages: MESSAGES, provider: "auto" });
        return { text: choices[0].message.content, usage };
      },
      async streamed({ load, fetch, model }) {
        const { InferenceClient } = await load("@huggingface/inference");
        const client = new InferenceClient("hf_test", withFetch(fetch));
        return collect(
          client.chatCompletionStream({
            model,
            messages: MESSAGES,
            provider: "auto",
            stream_options: { include_usage: true },
          }),
        );
      },
    },
  },
  {
    name: "@openrouter/sdk",
    packages: ["@openrouter/sdk"],
    host: "openrouter.ai",
    provider: "openrouter",
    replies: "openrouter",
    model: "openai/gpt-4.1-mini",
    flows: {
      async plain(context) {
        const client = await makeOpenRouter(context);
        const { choices, usage } = await client.chat.send({
          chatRequest: { model: context.model, messages: MESSAGES, stream: false },
        });
        return { text: choices[0].message.content, usage };
      },
      async streamed(context) {
        const client = await makeOpenRouter(context);
        return collect(
          await client.chat.send({ chatRequest: { model: context.model, messages: MESSAGES, stream: true } }),
        );
      },
    },
  },
  {
    name: "@mistralai/mistralai",
    packages: ["@mistralai/mistralai"],
    host: "api.mistral.ai",
    provider: "mistral_ai",
    replies: "mistral",
    model: "mistral-small-latest",
    flows: {
      async plain(context) {
        const client = await makeMistral(context);
        const { choices, usage } = await client.chat.complete({ model: context.model, messages: MESSAGES });
        return { text: choices[0].message.content, usage };
      },
      async streamed(context) {
        const client = await makeMistral(context);
        let text = "";
        let usage;
        for await (const { data } of await client.chat.stream({ model: context.model, messages: MESSAGES })) {
          text += data.choices[0]?.delta.content ?? "";
          usage = data.usage ?? usage;
        }
        return { text, usage };
      },
    },
  },
  {
    name: "cohere-ai",
    packages: ["cohere-ai"],
    host: "api.cohere.com",
    provider: "cohere",
    replies: "cohere",
    model: "command-a-03-2025",
    flows: {
      async plain({ load, fetch, model }) {
        const { CohereClientV2 } = await load("cohere-ai");
        const client = new CohereClientV2(withFetch(fetch, { token: KEY, maxRetries: 0 }));
        const { message, usage } = await client.chat({ model, messages: MESSAGES });
        return { text: message.content[0].text, usage };
      },
      async streamed({ load, fetch, model }) {
        const { CohereClientV2 } = await load("cohere-ai");
        const client = new CohereClientV2(withFetch(fetch, { token: KEY, maxRetries: 0 }));
        let text = "";
        for await (const event of await client.chatStream({ model, messages: MESSAGES })) {
          if (event.type === "content-delta") text += event.delta.message.content.text;
        }
        return { text };
      },
      async embed({ load, fetch }) {
        const { CohereClientV2 } = await load("cohere-ai");
        const client = new CohereClientV2(withFetch(fetch, { token: KEY, maxRetries: 0 }));
        const { embeddings } = await client.embed({
          model: "embed-v4.0",
          inputType: "search_document",
          embeddingTypes: ["float"],
          texts: ["Limmat", "Sihl"],
        });
        return embeddings;
      },
    },
  },
  {
    name: "ollama",
    packages: ["ollama"],
    host: "127.0.0.1:11434",
    provider: "ollama",
    replies: "ollama",
    model: "llama3.2",
    flows: {
      async plain({ load, fetch, model }) {
        const { Ollama } = await load("ollama");
        const { message, eval_count } = await new Ollama(withFetch(fetch)).chat({ model, messages: MESSAGES });
        return { text: message.content, eval_count };
      },
      async streamed({ load, fetch, model }) {
        const { Ollama } = await load("ollama");
        let text = "";
        const client = new Ollama(withFetch(fetch));
        for await (const { message } of await client.chat({ model, messages: MESSAGES, stream: true })) {
          text += message.content;
        }
        return { text };
      },
    },
  },
  {
    name: "replicate",
    packages: ["replicate"],
    host: "api.replicate.com",
    provider: "replicate",
    replies: "replicate",
    model: "meta/meta-llama-3-8b-instruct",
    flows: {
      async plain({ load, fetch, model }) {
        const { default: Replicate } = await load("replicate");
        const client = new Replicate(withFetch(fetch, { auth: KEY }));
        return { output: await client.run(model, { input: { prompt: QUESTION } }) };
      },
    },
  },
  {
    name: "voyageai",
    packages: ["voyageai"],
    host: "api.voyageai.com",
    provider: "voyage",
    replies: "voyage",
    model: "voyage-3.5",
    // It takes no `fetch`.
    installOnly: true,
    flows: {
      async embed({ load, model }) {
        const { VoyageAIClient } = await load("voyageai");
        return new VoyageAIClient({ apiKey: KEY }).embed({ model, input: ["Limmat", "Sihl"] });
      },
    },
  },
];

async function makeMistral({ load, fetch }) {
  const { HTTPClient, Mistral } = await load("@mistralai/mistralai");
  return new Mistral({ apiKey: KEY, ...(fetch && { httpClient: new HTTPClient({ fetcher: fetch }) }) });
}

async function makeOpenRouter({ load, fetch }) {
  const { HTTPClient, OpenRouter } = await load("@openrouter/sdk");
  return new OpenRouter({ apiKey: KEY, ...(fetch && { httpClient: new HTTPClient({ fetcher: fetch }) }) });
}
