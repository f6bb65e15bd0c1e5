import { GoogleGenAI } from "@google/genai";
import { describe, expect } from "vitest";
import type { ExpectedCall, MockReply } from "../../src/testing/mock/types.ts";
import { type Behaviour, describeDifferential, readAll, readSome } from "./differential.ts";

const model = "gemini-2.5-flash";
const plain = { model, contents: "What is the weather in Zürich and 東京?" };

const twoTools: MockReply = {
  text: "I will look both up.",
  reasoning: "two cities, two calls",
  toolCalls: [
    { name: "get_weather", arguments: { city: "Zürich", units: "°C" } },
    { name: "get_weather", arguments: { city: "東京", days: [1, 2] } },
  ],
  usage: { inputTokens: 2_310, outputTokens: 140, cacheReadTokens: 1_024, reasoningTokens: 64 },
};
const slow: MockReply = { text: "slowly it comes, piece by piece by piece", pieces: 8, timing: { chunkMs: 15 } };
const cutShort = { text: "one two three four five six", pieces: 6, timing: { chunkMs: 5 } } satisfies MockReply;

/** A response without its own class and the headers that say the time of day. */
function plainResponse(response: object): unknown {
  const copy = structuredClone(JSON.parse(JSON.stringify(response))) as {
    sdkHttpResponse?: { headers?: Record<string, string> };
  };
  if (copy.sdkHttpResponse?.headers) delete copy.sdkHttpResponse.headers["date"];
  return copy;
}

async function readStream(
  client: GoogleGenAI,
  onItem: (text: string | undefined) => void = () => {},
): Promise<unknown> {
  const stream = await client.models.generateContentStream(plain);
  const { items, ...rest } = await readAll(stream, (response) =>
    onItem(response.candidates?.[0]?.content?.parts?.[0]?.text),
  );
  return { ...rest, items: items.map(plainResponse) };
}

const behaviours: Behaviour<GoogleGenAI>[] = [
  { name: "plain", reply: twoTools, run: async (client) => plainResponse(await client.models.generateContent(plain)) },
  {
    name: "plain with a system instruction and tools",
    run: async (client) =>
      plainResponse(
        await client.models.generateContent({
          ...plain,
          config: {
            systemInstruction: "Be brief.",
            temperature: 0.2,
            tools: [
              {
                functionDeclarations: [
                  {
                    name: "get_weather",
                    parametersJsonSchema: { type: "object", properties: { city: { type: "string" } } },
                  },
                ],
              },
            ],
          },
        }),
      ),
    check: ([call]) => {
      expect(call?.request.tools?.[0]?.name).toBe("get_weather");
      expect(call?.request.system?.[0]).toMatchObject({ type: "text", content: "Be brief." });
    },
  },
  { name: "streamed", reply: twoTools, run: (client) => readStream(client) },
  {
    name: "late first token",
    reply: { timing: { headersMs: 100, firstTokenMs: 450, chunkMs: 5 } },
    timed: true,
    run: (client, clock) => readStream(client, (text) => text !== undefined && clock.firstToken()),
  },
  {
    name: "streamed in bytes that end anywhere",
    reply: { ...twoTools, bytesPerWrite: 11 },
    run: (client) => readStream(client),
  },
  { name: "cut at the output limit", reply: { finish: "length" }, run: (client) => readStream(client) },
  {
    name: "break",
    reply: slow,
    // This SDK only lets go of the reader; what is on its way still comes, and was a complete answer.
    runsOn: true,
    run: async (client) => (await readSome(await client.models.generateContentStream(plain), 3)).map(plainResponse),
  },
  {
    name: "break after the finish reason",
    reply: { ...slow, timing: { chunkMs: 25 } },
    run: async (client) => {
      for await (const response of await client.models.generateContentStream(plain)) {
        if (response.candidates?.[0]?.finishReason) return plainResponse(response);
      }
      return undefined;
    },
    adjust: (expected: ExpectedCall) => {
      const { partial: _partial, ...rest } = expected;
      return { ...rest, outcome: "success" };
    },
  },
  {
    name: "socket error mid-stream",
    reply: { ...cutShort, fault: { kind: "reset", afterOutputs: 3 } },
    run: (client) => readStream(client),
  },
  {
    name: "stream that ends without a finish",
    reply: { ...cutShort, fault: { kind: "truncated", afterOutputs: 2 } },
    run: (client) => readStream(client),
  },
  {
    name: "error mid-stream",
    reply: { ...cutShort, fault: { kind: "error_event", afterOutputs: 2 } },
    run: (client) => readStream(client),
  },
  {
    name: "aborted by a signal mid-stream",
    reply: slow,
    run: async (client) => {
      const abort = new AbortController();
      const stream = await client.models.generateContentStream({ ...plain, config: { abortSignal: abort.signal } });
      let count = 0;
      const { items, ...rest } = await readAll(stream, () => ++count === 2 && abort.abort());
      return { ...rest, items: items.map(plainResponse) };
    },
  },
  { name: "429", reply: { error: { status: 429 } }, run: (client) => client.models.generateContent(plain) },
  {
    name: "503, streamed",
    reply: { error: { status: 503, message: "overloaded" } },
    run: (client) => readStream(client),
  },
  {
    name: "no response at all",
    reply: { fault: { kind: "no_response" } },
    run: (client) => client.models.generateContent(plain),
  },
  {
    name: "chat with history",
    run: async (client) => {
      const chat = client.chats.create({ model });
      const first = await chat.sendMessage({ message: "hello" });
      const second = await chat.sendMessage({ message: "and now?" });
      return [plainResponse(first), plainResponse(second), chat.getHistory()];
    },
    check: (calls) => expect(calls[1]?.request.messages).toHaveLength(3),
  },
  {
    name: "embeddings",
    run: async (client) =>
      plainResponse(await client.models.embedContent({ model: "gemini-embedding-001", contents: ["one", "two"] })),
  },
  { name: "countTokens", run: async (client) => plainResponse(await client.models.countTokens(plain)) },
  {
    name: "per-request headers",
    run: async (client) =>
      plainResponse(
        await client.models.generateContent({ ...plain, config: { httpOptions: { headers: { "x-trace": "abc" } } } }),
      ),
  },
];

describe("@google/genai", () => {
  describeDifferential({
    provider: "gemini",
    makeClient: ({ baseURL, fetch }) =>
      new GoogleGenAI({ apiKey: "not-a-key", httpOptions: { baseUrl: baseURL, ...(fetch ? { fetch } : {}) } }),
    behaviours,
  });
});
