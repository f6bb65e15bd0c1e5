import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MockProviders, startMockProviders } from "../../src/testing/mock-providers.ts";
import type { ExpectedCall, MockReply } from "../../src/testing/mock/types.ts";

/** What a client saw, in the words of `ExpectedCall`. */
type Seen = Pick<ExpectedCall, "toolCalls"> & {
  text: string;
  reasoning: string;
  inputTokens?: number;
  outputTokens?: number;
};

const tools: MockReply = {
  toolCalls: [
    { name: "get_weather", arguments: { city: "Zürich", days: 3 } },
    { name: "get_time", arguments: { zone: "Asia/東京" } },
  ],
};
const REPLIES: Record<string, MockReply> = {
  text: {},
  thinking: { reasoning: "first 🤔 then", text: "so it is" },
  tools,
  textAndTools: { ...tools, text: "Let me look." },
  anyOffset: { bytesPerWrite: 3, reasoning: "é🚀", text: "日本語 and 🚀" },
};

let mock: MockProviders;
beforeAll(async () => {
  mock = await startMockProviders({ seed: Date.now() % 100_000, replies: REPLIES });
});
afterAll(() => mock.close());

const question = [{ role: "user" as const, content: "hello" }];
const openai = (reply: string) => new OpenAI({ apiKey: "none", baseURL: mock.baseUrl("openai", reply), maxRetries: 0 });
const anthropic = (reply: string) =>
  new Anthropic({ apiKey: "none", baseURL: mock.baseUrl("anthropic", reply), maxRetries: 0 });
const gemini = (reply: string) =>
  new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl: mock.baseUrl("gemini", reply) } });

function seenChat(completion: OpenAI.ChatCompletion): Seen {
  const message = completion.choices[0]?.message;
  const calls = message?.tool_calls ?? [];
  return {
    text: message?.content ?? "",
    reasoning: (message as { reasoning_content?: string } | undefined)?.reasoning_content ?? "",
    toolCalls: calls.flatMap((call) =>
      call.type === "function"
        ? [{ name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown }]
        : [],
    ),
    ...(completion.usage && {
      inputTokens: completion.usage.prompt_tokens,
      outputTokens: completion.usage.completion_tokens,
    }),
  };
}

function seenResponse(response: OpenAI.Responses.Response): Seen {
  const { output } = response;
  return {
    text: output
      .flatMap((item) => (item.type === "message" ? item.content : []))
      .map((part) => (part.type === "output_text" ? part.text : ""))
      .join(""),
    reasoning: output
      .flatMap((item) => (item.type === "reasoning" ? item.summary : []))
      .map((part) => part.text)
      .join(""),
    toolCalls: output.flatMap((item) =>
      item.type === "function_call" ? [{ name: item.name, arguments: JSON.parse(item.arguments) as unknown }] : [],
    ),
    ...(response.usage && { inputTokens: response.usage.input_tokens, outputTokens: response.usage.output_tokens }),
  };
}

function seenMessage(message: Anthropic.Message): Seen {
  const { content, usage } = message;
  return {
    text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    reasoning: content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""),
    toolCalls: content.flatMap((block) =>
      block.type === "tool_use" ? [{ name: block.name, arguments: block.input }] : [],
    ),
    inputTokens: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
    outputTokens: usage.output_tokens,
  };
}

type GeminiResponse = Awaited<ReturnType<GoogleGenAI["models"]["generateContent"]>>;
function seenGemini(responses: GeminiResponse[]): Seen {
  const parts = responses.flatMap((response) => response.candidates?.[0]?.content?.parts ?? []);
  const usage = responses.at(-1)?.usageMetadata;
  return {
    text: parts.map((part) => (part.thought ? "" : (part.text ?? ""))).join(""),
    reasoning: parts.map((part) => (part.thought ? (part.text ?? "") : "")).join(""),
    toolCalls: parts.flatMap((part) =>
      part.functionCall ? [{ name: part.functionCall.name ?? "", arguments: part.functionCall.args }] : [],
    ),
    inputTokens: usage?.promptTokenCount ?? 0,
    outputTokens: (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
  };
}

const CALLS: Record<string, (reply: string) => Promise<Seen>> = {
  "chat, JSON": async (reply) =>
    seenChat(await openai(reply).chat.completions.create({ model: "gpt-5-mini", messages: question })),
  "chat, stream": async (reply) =>
    seenChat(
      await openai(reply)
        .chat.completions.stream({ model: "gpt-5-mini", messages: question, stream_options: { include_usage: true } })
        .finalChatCompletion(),
    ),
  "Responses, JSON": async (reply) =>
    seenResponse(await openai(reply).responses.create({ model: "gpt-5-mini", input: "hello" })),
  "Responses, stream": async (reply) =>
    seenResponse(await openai(reply).responses.stream({ model: "gpt-5-mini", input: "hello" }).finalResponse()),
  "Messages, JSON": async (reply) =>
    seenMessage(
      await anthropic(reply).messages.create({ model: "claude-sonnet-4-6", max_tokens: 99, messages: question }),
    ),
  "Messages, stream": async (reply) =>
    seenMessage(
      await anthropic(reply)
        .messages.stream({ model: "claude-sonnet-4-6", max_tokens: 99, messages: question })
        .finalMessage(),
    ),
  "Gemini, JSON": async (reply) =>
    seenGemini([await gemini(reply).models.generateContent({ model: "gemini-2.5-flash", contents: "hello" })]),
  "Gemini, stream": async (reply) => {
    const responses: GeminiResponse[] = [];
    const stream = await gemini(reply).models.generateContentStream({ model: "gemini-2.5-flash", contents: "hello" });
    for await (const response of stream) responses.push(response);
    return seenGemini(responses);
  },
};

describe("the ground truth of a mock is what its SDK reads", () => {
  for (const [name, call] of Object.entries(CALLS)) {
    it.each(Object.keys(REPLIES))(`${name}: %s`, async (reply) => {
      const seen = await call(reply);
      const expected = await mock.requests.at(-1)?.expected;
      // The chat helper of the SDK folds no `reasoning_content`.
      if (name === "chat, stream") seen.reasoning = expected?.reasoning ?? "";
      expect(seen).toEqual({
        text: expected?.text ?? "",
        reasoning: expected?.reasoning ?? "",
        toolCalls: expected?.toolCalls,
        inputTokens: expected?.usage?.inputTokens,
        outputTokens: expected?.usage?.outputTokens,
      });
      expect(expected?.outcome).toBe("success");
    });
  }
});

describe("scripts", () => {
  const rawChat = (name: string, stream = true) =>
    fetch(`${mock.baseUrl("openai", name)}/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "gpt-5-mini", messages: question, stream }),
    });
  const lastExpected = () => mock.requests.at(-1)?.expected;

  it("gives the same bytes for the same seed and others for another", async () => {
    mock.setReply("seven", { seed: 7 });
    mock.setReply("eight", { seed: 8 });
    const seven = await (await rawChat("seven")).text();
    expect(await (await rawChat("seven")).text()).toBe(seven);
    expect(await (await rawChat("eight")).text()).not.toBe(seven);
  });

  it("answers a list of replies in turn", async () => {
    mock.setReply("turns", [{ error: { status: 429, retryAfterSeconds: 2 } }, {}]);
    const statuses = [];
    for (let turn = 0; turn < 3; turn++) {
      const response = await rawChat("turns", false);
      statuses.push(response.status);
      await response.text();
    }
    expect(statuses).toEqual([429, 200, 429]);
    expect((await lastExpected())?.error).toMatchObject({
      kind: "http",
      status: 429,
      type: "rate_limit_error",
      retryAfterMs: 2_000,
    });
  });

  it("keeps the first token back behind an early role-only chunk", async () => {
    mock.setReply("late", { timing: { headersMs: 20, firstTokenMs: 150, chunkMs: 1 } });
    const response = await rawChat("late");
    let beforeToken = "";
    for await (const chunk of response.body ?? []) {
      beforeToken ||= Buffer.from(chunk).toString();
    }
    expect(beforeToken).toContain('"role":"assistant"');
    expect(beforeToken).not.toContain('"finish_reason":"stop"');
    await lastExpected();
    const measured = mock.requests.at(-1)?.measured;
    expect(measured?.firstTokenMs).toBeGreaterThanOrEqual((measured?.headersMs ?? Infinity) + 100);
  });

  it.each([
    ["reset", true, "truncated"],
    ["reset", false, "truncated"],
    ["truncated", true, "truncated"],
    ["error_event", true, "error"],
    ["no_response", true, "error"],
  ] as const)("%s (stream: %s) ends as %s", async (kind, stream, outcome) => {
    mock.setReply("fault", { text: "one two three four", pieces: 4, fault: { kind, afterOutputs: 2 } });
    const read = async () => (await rawChat("fault", stream)).text();
    if (kind === "reset" || kind === "no_response") await expect(read()).rejects.toThrow(/terminated|fetch failed/);
    else await read();
    const expected = await lastExpected();
    expect(expected?.outcome).toBe(outcome);
    if (kind !== "no_response" && stream) expect("one two three four".startsWith(expected?.text ?? "-")).toBe(true);
    expect(expected?.text).not.toBe("one two three four");
  });

  it("sees the client leave a stream that hangs", async () => {
    mock.setReply("hang", { fault: { kind: "hang" } });
    const response = await rawChat("hang");
    await response.body?.cancel();
    expect(await lastExpected()).toMatchObject({ outcome: "cancelled", partial: true });
  });

  it("sends raw bytes as they are", async () => {
    mock.setReply("raw", {
      raw: { status: 203, headers: { "content-type": "text/html" }, chunks: ["<p>", Uint8Array.of(0xff)] },
    });
    const response = await rawChat("raw");
    expect(response.status).toBe(203);
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([60, 112, 62, 255]);
  });

  it("calls the tools that the request declares, once", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } };
    const ask = (messages: unknown[]) =>
      fetch(`${mock.baseUrl("openai")}/chat/completions`, {
        method: "POST",
        body: JSON.stringify({
          model: "m",
          messages,
          tools: [{ type: "function", function: { name: "look", parameters } }],
        }),
      }).then((response) => response.json() as Promise<OpenAI.ChatCompletion>);
    const first = seenChat(await ask(question));
    expect(first.toolCalls).toEqual([
      { name: "look", arguments: { city: expect.any(String) as string, days: expect.any(Number) as number } },
    ]);
    const second = seenChat(await ask([...question, { role: "tool", tool_call_id: "x", content: "sunny" }]));
    expect(second.toolCalls).toEqual([]);
    expect(second.text).not.toBe("");
  });

  it("gives a path that is no inference a 404 and no ground truth", async () => {
    const response = await fetch(`${mock.baseUrl("openai")}/models`);
    expect(response.status).toBe(404);
    await response.text();
    expect(await lastExpected()).toBeUndefined();
  });
});
