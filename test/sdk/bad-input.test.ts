/** What no provider should send, and what an app should not ask for: the call is untouched, the record says what was odd. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap } from "../../src/index.ts";
import { type MockProviders, startMockProviders } from "../../src/testing/mock-providers.ts";
import { compareCall } from "../../src/testing/mock/expect.ts";
import type { MockProvider } from "../../src/testing/mock/types.ts";
import type { LlmCall, TapOptions } from "../../src/types.ts";
import { badResponses, chunk, completion, done, finish, hasUsage, JSON_TYPE, SSE, usage } from "./bad-responses.ts";
import { collectCalls, describeError, describeResponse, type Fetch } from "./differential.ts";

const PATHS: Record<MockProvider, string> = {
  openai: "/chat/completions",
  anthropic: "/v1/messages",
  gemini: "/v1beta/models/gemini-2.5-flash:generateContent",
};
const BODIES: Record<MockProvider, object> = {
  openai: { model: "gpt-5-mini", messages: [{ role: "user", content: "hello" }], stream: true },
  anthropic: { model: "claude-sonnet-4-6", max_tokens: 9, messages: [{ role: "user", content: "hello" }] },
  gemini: { contents: [{ role: "user", parts: [{ text: "hello" }] }] },
};

let mock: MockProviders;
beforeAll(async () => {
  mock = await startMockProviders({ replies: { good: { text: "all is well" } } });
});
afterAll(() => mock.close());

const { sink, calls } = collectCalls();

/** A tap with the mock's hosts; `use` gets its fetch, the calls come back. */
async function tapped(use: (fetch: Fetch) => Promise<unknown>, options: TapOptions = {}): Promise<LlmCall[]> {
  calls.length = 0;
  const tap = createTap({ hosts: mock.hosts, ...options, sinks: [sink] });
  await use(tap.fetch);
  await tap.flush();
  expect(tap.stats()).toMatchObject({ inFlight: 0, errors: {} });
  await tap.close();
  return [...calls];
}

const post = (
  fetch: Fetch,
  provider: MockProvider,
  reply: string,
  body: RequestInit["body"] = JSON.stringify(BODIES[provider]),
) => fetch(mock.baseUrl(provider, reply) + PATHS[provider], { method: "POST", headers: JSON_TYPE, body });

/** Everything that the app sees of an answer. */
async function seeAnswer(request: Promise<Response>): Promise<unknown> {
  try {
    const response = await request;
    const head = describeResponse(response);
    const bytes = Buffer.from(await response.arrayBuffer());
    return { head, length: bytes.length, body: bytes.subarray(0, 10_000).toString("latin1") };
  } catch (error) {
    return { error: describeError(error) };
  }
}

describe("responses", () => {
  it.each(badResponses)("$name", async ({ name, raw, provider = "openai", fault, record, notes }) => {
    mock.setReply("bad", fault ? { raw, fault } : { raw });
    const bare = await seeAnswer(post(fetch, provider, "bad"));
    let seen: unknown;
    const recorded = await tapped(async (fetch) => {
      [seen] = await Promise.all([seeAnswer(post(fetch, provider, "bad")), seeAnswer(post(fetch, provider, "good"))]);
    });
    expect(seen).toEqual(bare);
    expect(recorded).toHaveLength(2);

    const isGood = (call: LlmCall) => call.request.url.includes("/~good/");
    const good = recorded.find(isGood) as LlmCall;
    const expected = await mock.requests.findLast((request) => request.reply === "good")?.expected;
    expect(expected && compareCall(good, expected)).toEqual([]);
    const bad = recorded.find((call) => !isGood(call)) as LlmCall;
    record?.(bad);
    if (notes !== undefined) {
      expect(bad.capture.notes, name).not.toEqual([]);
      if (notes !== "any")
        expect(
          notes.some((note) => bad.capture.notes.includes(note)),
          bad.capture.notes.join(" "),
        ).toBe(true);
    }
  });

  it("an SSE line of 50 MB: facts before and behind it stay", { timeout: 60_000 }, async () => {
    const half = "x".repeat(25 * 1024 * 1024);
    const chunks = [
      chunk({ content: "hi" }),
      'data: {"choices":[{"index":0,"delta":{"content":"',
      half,
      half,
      '"}}]}\n\n',
      finish,
      usage,
      done,
    ];
    mock.setReply("long", { raw: { headers: SSE, chunks } });
    const bytes = chunks.reduce((sum, text) => sum + text.length, 0);
    const [call] = await tapped(async (fetch) => {
      expect((await (await post(fetch, "openai", "long")).arrayBuffer()).byteLength).toBe(bytes);
    });
    hasUsage(call as LlmCall);
    expect(call?.outcome).toBe("success");
    expect(call?.response?.bytes).toBe(bytes);
    expect(call?.capture.responseTruncated).toBe(true);
    expect(call?.capture.notes).toContain("sse_line_too_long");
    expect(JSON.stringify(call).length).toBeLessThan(1_000_000);
  });

  it("a JSON body of 50 MB: usage behind the content stays", { timeout: 60_000 }, async () => {
    const half = "x".repeat(25 * 1024 * 1024);
    const at = completion.indexOf('hi"');
    mock.setReply("large", {
      raw: { headers: JSON_TYPE, chunks: [completion.slice(0, at), half, half, completion.slice(at)] },
    });
    const [call] = await tapped(async (fetch) => {
      expect(((await (await post(fetch, "openai", "large")).json()) as { id: string }).id).toBe("chatcmpl-1");
    });
    hasUsage(call as LlmCall);
    expect(call?.capture.responseTruncated).toBe(true);
  });
});

describe("requests", () => {
  const bodies: [string, RequestInit["body"]][] = [
    ["no JSON", "{model: gpt"],
    ["empty", ""],
    ["null", "null"],
    ["a list", "[1,2]"],
    ["fields of every wrong type", '{"model":7,"messages":{"a":1},"tools":"x","stream":"yes","stream_options":[]}'],
    [
      "a poisoned prototype",
      '{"__proto__":{"polluted":1},"model":"gpt-5-mini","messages":[{"role":"__proto__","content":[{"type":"constructor"}]}]}',
    ],
    ["bytes that are no text", Buffer.from([0xff, 0xfe, 0x00, 0x80])],
    ["a blob", new Blob([JSON.stringify(BODIES.openai)])],
    ["a form", new URLSearchParams({ model: "gpt-5-mini" })],
    ["nested 100,000 deep", `{"model":"gpt-5-mini","messages":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
  ];

  it.each(bodies)("%s", async (_name, body) => {
    const bare = await seeAnswer(post(fetch, "openai", "good", body));
    const before = mock.requests.length;
    let seen: unknown;
    const recorded = await tapped(async (fetch) => {
      seen = await seeAnswer(post(fetch, "openai", "good", body));
      await seeAnswer(post(fetch, "openai", "good"));
    });
    expect(seen).toEqual(bare);
    const [bareRequest, tappedRequest] = [mock.requests[before - 1], mock.requests[before]];
    expect(tappedRequest?.body).toEqual(bareRequest?.body);
    expect(tappedRequest?.headers).toEqual(bareRequest?.headers);
    expect(recorded).toHaveLength(2);
    expect(recorded[1]?.request.model).toBe("gpt-5-mini");
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("callbacks and sinks that throw, hang or lie", () => {
  const boom = () => {
    throw new Error("boom");
  };
  const hostile: [string, TapOptions][] = [
    ["context", { context: boom }],
    ["redact", { redact: boom }],
    ["capture", { capture: boom }],
    ["sample", { sample: boom }],
    ["onCall", { onCall: boom }],
    ["onError", { onError: boom, onCall: boom }],
    ["a sink that throws", { sinks: [{ name: "bad", write: boom }] }],
    ["a sink that answers nonsense", { sinks: [{ name: "bad", write: () => Promise.resolve(undefined as never) }] }],
    ["a sink that never answers", { sinks: [{ name: "bad", write: () => new Promise(() => {}) }] }],
  ];

  it.each(hostile)("%s", async (_name, options) => {
    const good = collectCalls();
    const tap = createTap({ hosts: mock.hosts, ...options, sinks: [...(options.sinks ?? []), good.sink] });
    const bare = await seeAnswer(post(fetch, "openai", "good"));
    expect(await seeAnswer(post(tap.fetch, "openai", "good"))).toEqual(bare);
    await tap.flush({ timeoutMs: 200 });
    expect(good.calls).toHaveLength(1);
    await Promise.race([tap.close(), delay(2_000)]);
  });
});
