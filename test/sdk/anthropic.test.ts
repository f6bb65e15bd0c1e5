import Anthropic from "@anthropic-ai/sdk";
import { describe, expect } from "vitest";
import type { ExpectedCall, MockReply } from "../../src/testing/mock/types.ts";
import { type Behaviour, describeDifferential, describeResponse, readAll, readSome } from "./differential.ts";

const model = "claude-sonnet-4-6";
const messages = [{ role: "user" as const, content: "What is the weather in Zürich and 東京?" }];
const plain = { model, max_tokens: 500, messages };
const streamed = { ...plain, stream: true as const };

const twoTools: MockReply = {
  text: "I will look both up.",
  reasoning: "two cities, two calls",
  toolCalls: [
    { name: "get_weather", arguments: { city: "Zürich", units: "°C" } },
    { name: "get_weather", arguments: { city: "東京", days: [1, 2] } },
  ],
  usage: { inputTokens: 2_310, outputTokens: 140, cacheReadTokens: 1_024, cacheWriteTokens: 512, reasoningTokens: 64 },
};
const slow: MockReply = { text: "slowly it comes, piece by piece by piece", pieces: 8, timing: { chunkMs: 15 } };
const cutShort = { text: "one two three four five six", pieces: 6, timing: { chunkMs: 5 } } satisfies MockReply;

const finished = (expected: ExpectedCall): ExpectedCall => {
  const { partial: _partial, ...rest } = expected;
  return { ...rest, outcome: "success" };
};

const behaviours: Behaviour<Anthropic>[] = [
  { name: "plain", reply: twoTools, run: (client) => client.messages.create(plain) },
  {
    name: "plain with a system prompt and tools",
    run: (client) =>
      client.messages.create({
        ...plain,
        system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
        tools: [{ name: "get_weather", input_schema: { type: "object", properties: { city: { type: "string" } } } }],
        tool_choice: { type: "auto" },
      }),
    check: ([call]) => {
      expect(call?.request.tools?.[0]?.name).toBe("get_weather");
      expect(call?.request.system?.[0]).toMatchObject({ type: "text", content: "Be brief." });
    },
  },
  { name: "streamed", reply: twoTools, run: async (client) => readAll(await client.messages.create(streamed)) },
  {
    name: "late first token behind message_start",
    reply: { timing: { headersMs: 100, firstTokenMs: 450, chunkMs: 5 } },
    timed: true,
    run: async (client, clock) =>
      readAll(
        await client.messages.create(streamed),
        (event) => event.type === "content_block_delta" && clock.firstToken(),
      ),
  },
  {
    name: "late first thinking",
    reply: { ...twoTools, timing: { headersMs: 50, firstTokenMs: 400, chunkMs: 5 } },
    timed: true,
    run: async (client, clock) =>
      readAll(
        await client.messages.create(streamed),
        (event) => event.type === "content_block_delta" && clock.firstToken(),
      ),
  },
  {
    name: "streamed in bytes that end anywhere",
    reply: { ...twoTools, bytesPerWrite: 11 },
    run: async (client) => readAll(await client.messages.create(streamed)),
  },
  {
    name: "cut at the output limit",
    reply: { finish: "length" },
    run: async (client) => readAll(await client.messages.create(streamed)),
  },
  {
    name: "break",
    reply: slow,
    run: async (client) => {
      const stream = await client.messages.create(streamed);
      return { items: await readSome(stream, 5), aborted: stream.controller.signal.aborted };
    },
    // What message_start said is known, and that it is not all.
    check: ([call]) => {
      expect(call?.usage).toMatchObject({ source: "reported", complete: false });
      expect(call?.usage.inputTokens).toBeGreaterThan(0);
    },
  },
  {
    name: "break after the stop reason",
    reply: { ...slow, timing: { chunkMs: 25 } },
    run: async (client) => {
      for await (const event of await client.messages.create(streamed))
        if (event.type === "message_delta") return event;
      return undefined;
    },
    adjust: finished,
  },
  {
    name: "socket error mid-stream",
    reply: { ...cutShort, fault: { kind: "reset", afterOutputs: 3 } },
    run: async (client) => readAll(await client.messages.create(streamed)),
  },
  {
    name: "stream that ends without message_stop",
    reply: { ...cutShort, fault: { kind: "truncated", afterOutputs: 2 } },
    run: async (client) => readAll(await client.messages.create(streamed)),
  },
  {
    name: "error event mid-stream",
    reply: { ...cutShort, fault: { kind: "error_event", afterOutputs: 2 } },
    run: async (client) => readAll(await client.messages.create(streamed)),
  },
  {
    name: "withResponse, plain",
    reply: twoTools,
    run: async (client) => {
      const { data, response, request_id } = await client.messages.create(plain).withResponse();
      return { data, response: describeResponse(response), request_id };
    },
  },
  {
    name: "withResponse, streamed",
    reply: twoTools,
    run: async (client) => {
      const { data, response, request_id } = await client.messages.create(streamed).withResponse();
      const before = describeResponse(response);
      return { before, request_id, events: await readAll(data), bodyUsed: response.bodyUsed };
    },
  },
  {
    name: "asResponse, read by hand",
    run: async (client) => {
      const response = await client.messages.create(streamed).asResponse();
      const copy = response.clone();
      return { head: describeResponse(response), same: (await copy.text()) === (await response.text()) };
    },
  },
  {
    name: ".stream() helper",
    reply: twoTools,
    run: async (client) => {
      const seen: string[] = [];
      const stream = client.messages.stream(plain);
      stream
        .on("text", (text) => seen.push(text))
        .on("inputJson", (piece) => seen.push(piece))
        .on("thinking", (piece) => seen.push(piece));
      return { message: await stream.finalMessage(), seen };
    },
  },
  {
    name: ".stream() helper, aborted",
    reply: slow,
    run: async (client) => {
      const stream = client.messages.stream(plain);
      let count = 0;
      stream.on("text", () => ++count === 2 && stream.abort());
      return stream.finalMessage();
    },
  },
  {
    name: "429",
    reply: { error: { status: 429, retryAfterSeconds: 7 } },
    run: (client) => client.messages.create(plain),
  },
  {
    name: "529, streamed",
    reply: { error: { status: 529, message: "Overloaded" } },
    run: (client) => client.messages.create(streamed),
  },
  {
    name: "retried by the client after a 529",
    reply: [{ error: { status: 529, retryAfterSeconds: 0.02 } }, twoTools],
    run: (client) => client.messages.create(plain, { maxRetries: 1 }),
    check: (calls) => expect(calls.map((call) => call.request.attempt)).toEqual([1, 2]),
  },
  {
    name: "no response at all",
    reply: { fault: { kind: "no_response" } },
    run: (client) => client.messages.create(plain),
  },
  { name: "count_tokens", run: (client) => client.messages.countTokens({ model, messages }) },
  {
    name: "beta messages, streamed",
    reply: twoTools,
    run: async (client) => readAll(await client.beta.messages.create({ ...streamed, betas: ["some-beta-2026-01-01"] })),
  },
  {
    name: "per-request headers",
    run: (client) => client.messages.create(plain, { headers: { "x-trace": "abc", "anthropic-beta": "other-beta" } }),
  },
  {
    name: "tee",
    reply: twoTools,
    run: async (client) => {
      const [left, right] = (await client.messages.create(streamed)).tee();
      return Promise.all([readAll(left), readAll(right)]);
    },
  },
  {
    name: "toReadableStream",
    reply: twoTools,
    run: async (client) => new Response((await client.messages.create(streamed)).toReadableStream()).text(),
  },
  {
    name: "controller",
    reply: slow,
    run: async (client) => {
      const stream = await client.messages.create(streamed);
      let count = 0;
      return readAll(stream, () => ++count === 4 && stream.controller.abort());
    },
  },
];

describe("@anthropic-ai/sdk", () => {
  describeDifferential({
    provider: "anthropic",
    makeClient: (options) => new Anthropic({ apiKey: "not-a-key", maxRetries: 0, ...options }),
    behaviours,
    modes: ["fetch", "install", "interceptor"],
  });
});
