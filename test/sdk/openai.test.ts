import OpenAI from "openai";
import { describe, expect } from "vitest";
import type { MockReply } from "../../src/testing/mock/types.ts";
import type { ExpectedCall } from "../../src/testing/mock/types.ts";
import {
  type Behaviour,
  describeDifferential,
  describeHeaders,
  describeResponse,
  readAll,
  readSome,
} from "./differential.ts";

const model = "gpt-5-mini";
const messages = [{ role: "user" as const, content: "What is the weather in Zürich and 東京?" }];
const plain = { model, messages };
const streamed = { ...plain, stream: true as const };
const withUsage = { ...streamed, stream_options: { include_usage: true } };

const twoTools: MockReply = {
  toolCalls: [
    { name: "get_weather", arguments: { city: "Zürich", units: "°C" } },
    { name: "get_weather", arguments: { city: "東京", days: [1, 2] } },
  ],
  usage: { inputTokens: 310, outputTokens: 140, cacheReadTokens: 256, reasoningTokens: 64 },
};
const slow: MockReply = { text: "slowly it comes, piece by piece by piece", pieces: 8, timing: { chunkMs: 15 } };
const lateToken: MockReply = { timing: { headersMs: 100, firstTokenMs: 450, chunkMs: 5 } };
const cutShort = { text: "one two three four five six", pieces: 6, timing: { chunkMs: 5 } } satisfies MockReply;

/** The app closed the stream, but the model had finished. */
const finished = (expected: ExpectedCall): ExpectedCall => {
  const { partial: _partial, usage: _usage, ...rest } = expected;
  return { ...rest, outcome: "success" };
};

const behaviours: Behaviour<OpenAI>[] = [
  { name: "plain", reply: twoTools, run: (client) => client.chat.completions.create(plain) },
  { name: "plain with text", run: (client) => client.chat.completions.create({ ...plain, temperature: 0.5, n: 1 }) },
  {
    name: "refusal",
    reply: { refusal: "I can't help with that." },
    run: (client) => client.chat.completions.create(plain),
  },
  {
    name: "streamed with stream_options",
    reply: twoTools,
    run: async (client) => readAll(await client.chat.completions.create(withUsage)),
  },
  {
    name: "streamed without stream_options",
    reply: twoTools,
    run: async (client) => readAll(await client.chat.completions.create(streamed)),
    check: ([call]) =>
      expect(call?.usage).toMatchObject({ source: "missing", missingReason: "stream_usage_not_requested" }),
  },
  {
    name: "late first token behind a role-only chunk",
    reply: lateToken,
    timed: true,
    run: async (client, clock) =>
      readAll(
        await client.chat.completions.create(withUsage),
        (chunk) => chunk.choices[0]?.delta.content && clock.firstToken(),
      ),
  },
  {
    name: "streamed in bytes that end anywhere",
    reply: { bytesPerWrite: 5, text: "日本語 🚀 é" },
    run: async (client) => readAll(await client.chat.completions.create(withUsage)),
  },
  {
    name: "break",
    reply: slow,
    run: async (client) => {
      const stream = await client.chat.completions.create(withUsage);
      const items = await readSome(stream, 4);
      return { items, aborted: stream.controller.signal.aborted };
    },
    check: ([call], seen) => {
      const { items } = seen.value as { items: OpenAI.ChatCompletionChunk[] };
      const read = items.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
      const part = call?.response?.choices[0]?.message.parts[0];
      expect(part?.type === "text" && part.content.startsWith(read)).toBe(true);
    },
  },
  {
    name: "break after the finish reason",
    reply: { ...slow, timing: { chunkMs: 25 } },
    run: async (client) => {
      for await (const chunk of await client.chat.completions.create(withUsage)) {
        if (chunk.choices[0]?.finish_reason) return chunk;
      }
      return undefined;
    },
    adjust: finished,
  },
  {
    name: "socket error mid-stream",
    reply: { ...cutShort, fault: { kind: "reset", afterOutputs: 3 } },
    run: async (client) => readAll(await client.chat.completions.create(withUsage)),
  },
  {
    name: "stream that ends without a finish",
    reply: { ...cutShort, fault: { kind: "truncated", afterOutputs: 2 } },
    run: async (client) => readAll(await client.chat.completions.create(withUsage)),
  },
  {
    name: "error event mid-stream",
    reply: { ...cutShort, fault: { kind: "error_event", afterOutputs: 2 } },
    run: async (client) => readAll(await client.chat.completions.create(withUsage)),
  },
  {
    name: "withResponse, plain",
    reply: twoTools,
    run: async (client) => {
      const { data, response, request_id } = await client.chat.completions.create(plain).withResponse();
      return { data, response: describeResponse(response), request_id };
    },
  },
  {
    name: "withResponse, streamed",
    reply: twoTools,
    run: async (client) => {
      const { data, response, request_id } = await client.chat.completions.create(withUsage).withResponse();
      const before = describeResponse(response);
      return { before, request_id, chunks: await readAll(data), bodyUsed: response.bodyUsed };
    },
  },
  {
    name: "asResponse, read by hand",
    run: async (client) => {
      const response = await client.chat.completions.create(withUsage).asResponse();
      const copy = response.clone();
      return { head: describeResponse(response), same: (await copy.text()) === (await response.text()) };
    },
  },
  {
    name: "Responses, plain",
    reply: { ...twoTools, reasoning: "let me think" },
    run: (client) => client.responses.create({ model, input: "hello", instructions: "be brief" }),
  },
  {
    name: "Responses, streamed",
    reply: { ...twoTools, reasoning: "let me think" },
    run: async (client) => readAll(await client.responses.create({ model, input: "hello", stream: true })),
  },
  {
    name: "Responses, late first token",
    reply: lateToken,
    timed: true,
    run: async (client, clock) =>
      readAll(
        await client.responses.create({ model, input: "hello", stream: true }),
        (event) => event.type === "response.output_text.delta" && clock.firstToken(),
      ),
  },
  {
    name: "Responses, cut at the output limit",
    reply: { text: "and so on and", finish: "length" },
    run: async (client) => readAll(await client.responses.create({ model, input: "hello", stream: true })),
  },
  {
    name: "Responses, socket error mid-stream",
    reply: { ...cutShort, fault: { kind: "reset", afterOutputs: 2 } },
    run: async (client) => readAll(await client.responses.create({ model, input: "hello", stream: true })),
  },
  {
    name: "Responses, .stream() helper",
    reply: twoTools,
    run: (client) => client.responses.stream({ model, input: "hello" }).finalResponse(),
  },
  {
    name: "429",
    reply: { error: { status: 429, retryAfterSeconds: 7 } },
    run: (client) => client.chat.completions.create(plain),
  },
  {
    name: "500",
    reply: { error: { status: 500, message: "boom" } },
    run: (client) => client.chat.completions.create(withUsage),
  },
  {
    name: "retried by the client after a 429",
    reply: [{ error: { status: 429, retryAfterSeconds: 0.02 } }, twoTools],
    run: (client) => client.chat.completions.create(plain, { maxRetries: 1 }),
    check: (calls) => expect(calls.map((call) => call.request.attempt)).toEqual([1, 2]),
  },
  {
    name: "no response at all",
    reply: { fault: { kind: "no_response" } },
    run: (client) => client.chat.completions.create(plain),
  },
  {
    name: "client timeout",
    reply: { timing: { headersMs: 2_000 } },
    run: (client) => client.chat.completions.create(plain, { timeout: 60 }),
    // To the SDK its own timer is an abort; the wire says no more.
    adjust: (expected) => ({ ...expected, outcome: "cancelled" }),
  },
  {
    name: "aborted by a signal mid-stream",
    reply: slow,
    run: async (client) => {
      const abort = new AbortController();
      const stream = await client.chat.completions.create(withUsage, { signal: abort.signal });
      let count = 0;
      return readAll(stream, () => ++count === 3 && abort.abort());
    },
  },
  {
    name: ".stream() helper",
    reply: twoTools,
    run: async (client) => {
      const names: string[] = [];
      const runner = client.chat.completions.stream(withUsage);
      runner.on("tool_calls.function.arguments.done", (event) => names.push(event.name));
      const completion = await runner.finalChatCompletion();
      return { names, completion, usage: await runner.totalUsage() };
    },
  },
  {
    name: "embeddings",
    run: (client) => client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two", "drei"] }),
  },
  {
    name: "embeddings as numbers",
    run: (client) =>
      client.embeddings.create({ model: "text-embedding-3-small", input: "one", encoding_format: "float" }),
  },
  {
    name: "per-request headers",
    run: (client) =>
      client.chat.completions.create(plain, {
        headers: { "x-trace": "abc", "X-Mixed-Case": "1", "user-agent": "mine/1" },
      }),
  },
  {
    name: "tee",
    run: async (client) => {
      const [left, right] = (await client.chat.completions.create(withUsage)).tee();
      return Promise.all([readAll(left), readAll(right)]);
    },
  },
  {
    name: "toReadableStream",
    run: async (client) => new Response((await client.chat.completions.create(withUsage)).toReadableStream()).text(),
  },
  {
    name: "controller",
    reply: slow,
    run: async (client) => {
      const stream = await client.chat.completions.create(withUsage);
      let count = 0;
      return readAll(stream, () => ++count === 3 && stream.controller.abort());
    },
  },
  {
    name: "several at once",
    run: async (client) => {
      const all = await Promise.all([1, 2, 3, 4].map(() => client.chat.completions.create(plain).withResponse()));
      return all.map(({ data, response }) => [data.choices, describeHeaders(response.headers)]);
    },
  },
];

describe("openai", () => {
  describeDifferential({
    provider: "openai",
    makeClient: (options) => new OpenAI({ apiKey: "sk-not-a-key", maxRetries: 0, ...options }),
    behaviours,
    modes: ["fetch", "install", "interceptor"],
  });
});
