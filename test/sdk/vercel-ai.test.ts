import { createOpenAI, type OpenAIProvider } from "@ai-sdk/openai";
import { embed, embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { describe, expect } from "vitest";
import type { MockReply } from "../../src/testing/mock/types.ts";
import { type Behaviour, describeDifferential, describeError, readAll, readSome } from "./differential.ts";

const model = "gpt-5-mini";
const prompt = "What is the weather in Zürich and 東京?";
const oneTool: MockReply = { toolCalls: [{ name: "get_weather", arguments: { city: "Zürich" } }] };
const slow: MockReply = { text: "slowly it comes, piece by piece by piece", pieces: 8, timing: { chunkMs: 15 } };
const cutShort = { text: "one two three four five six", pieces: 6, timing: { chunkMs: 5 } } satisfies MockReply;
const tools = {
  get_weather: tool({
    description: "The weather of a city",
    inputSchema: jsonSchema<{ city: string }>({
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    }),
    execute: ({ city }) => `sunny in ${city}`,
  }),
};

/** Parts of a stream without the ids and times that the AI SDK makes up. */
function plainParts(parts: readonly { type: string }[]): unknown {
  return parts.map((part) => {
    const { type, text, toolName, input, output, finishReason, usage, totalUsage, error } = part as Record<
      string,
      unknown
    >;
    return {
      type,
      text,
      toolName,
      input,
      output,
      finishReason,
      usage,
      totalUsage,
      error: error && describeError(error),
    };
  });
}

async function stream(provider: OpenAIProvider, chat: boolean, onText: () => void = () => {}): Promise<unknown> {
  const result = streamText({
    model: chat ? provider.chat(model) : provider(model),
    prompt,
    maxRetries: 0,
    onError: () => {},
  });
  const { items, error } = await readAll(result.fullStream, (part) => part.type === "text-delta" && onText());
  return { parts: plainParts(items), error };
}

const behaviours: Behaviour<OpenAIProvider>[] = [
  {
    name: "generateText, chat",
    run: async (provider) => {
      const { text, usage, finishReason } = await generateText({ model: provider.chat(model), prompt });
      return { text, usage, finishReason };
    },
  },
  {
    name: "generateText, Responses",
    run: async (provider) => {
      const { text, usage, finishReason } = await generateText({ model: provider(model), prompt });
      return { text, usage, finishReason };
    },
  },
  {
    name: "generateText with a tool, two steps",
    reply: [oneTool, { text: "It is sunny." }],
    run: async (provider) => {
      const { text, steps } = await generateText({
        model: provider.chat(model),
        prompt,
        tools,
        stopWhen: stepCountIs(3),
      });
      return { text, steps: steps.map((step) => [step.finishReason, step.toolCalls.length, step.usage]) };
    },
    check: (calls) => {
      const last = calls[1]?.request.messages?.at(-1);
      expect(last?.parts[0]).toMatchObject({ type: "tool_call_response" });
    },
  },
  { name: "streamText, chat", run: (provider) => stream(provider, true) },
  { name: "streamText, Responses", run: (provider) => stream(provider, false) },
  {
    name: "streamText, late first token",
    reply: { timing: { headersMs: 100, firstTokenMs: 450, chunkMs: 5 } },
    timed: true,
    run: (provider, clock) => stream(provider, true, clock.firstToken),
  },
  {
    name: "streamText, left early",
    reply: slow,
    run: async (provider) => {
      const abort = new AbortController();
      const result = streamText({ model: provider.chat(model), prompt, abortSignal: abort.signal, onError: () => {} });
      const items = await readSome(result.textStream, 2);
      abort.abort();
      return items;
    },
  },
  {
    name: "streamText, socket error mid-stream",
    reply: { ...cutShort, fault: { kind: "reset", afterOutputs: 3 } },
    run: (provider) => stream(provider, true),
  },
  {
    name: "streamText, error event mid-stream",
    reply: { ...cutShort, fault: { kind: "error_event", afterOutputs: 2 } },
    run: (provider) => stream(provider, true),
  },
  {
    name: "generateObject",
    reply: { text: '{"city":"Zürich","days":3}' },
    run: async (provider) => {
      const schema = jsonSchema<{ city: string }>({
        type: "object",
        properties: { city: { type: "string" }, days: { type: "number" } },
      });
      const { object } = await generateObject({ model: provider.chat(model), prompt, schema });
      return object;
    },
  },
  {
    name: "429",
    reply: { error: { status: 429, retryAfterSeconds: 7 } },
    run: (provider) => generateText({ model: provider.chat(model), prompt, maxRetries: 0 }),
  },
  {
    name: "retried after a 500",
    reply: [{ error: { status: 500 }, headers: { "retry-after-ms": "10" } }, { text: "there" }],
    run: async (provider) => (await generateText({ model: provider.chat(model), prompt, maxRetries: 1 })).text,
  },
  {
    name: "embed and embedMany",
    run: async (provider) => {
      const embedding = provider.textEmbeddingModel("text-embedding-3-small");
      const one = await embed({ model: embedding, value: "one" });
      const many = await embedMany({ model: embedding, values: ["one", "two", "three"] });
      return [one.embedding, one.usage, many.embeddings, many.usage];
    },
  },
  {
    name: "per-request headers",
    run: async (provider) =>
      (await generateText({ model: provider.chat(model), prompt, headers: { "x-trace": "abc" } })).text,
  },
];

describe("ai and @ai-sdk/openai", () => {
  describeDifferential({
    provider: "openai",
    makeClient: ({ baseURL, fetch }) => createOpenAI({ apiKey: "sk-not-a-key", baseURL, ...(fetch ? { fetch } : {}) }),
    behaviours,
  });
});
