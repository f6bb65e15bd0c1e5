import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { LlmCall, Sink, TapOptions, TapStats } from "../../src/index.ts";
import { createTap, outputText } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest, type LoopbackServer, startServer } from "./helpers.ts";

let server: LoopbackServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  await server.close();
});

function makeTap(options: TapOptions = {}) {
  const sink = memorySink();
  const tap = createTap({ sinks: [sink], ...options });
  return { sink, tap };
}

function expectBalanced(stats: TapStats): void {
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0);
  expect(stats.seen).toBe(stats.recorded + stats.sampledOut + sum(stats.dropped) + sum(stats.ignored) + stats.inFlight);
}

async function chat(fetch: typeof globalThis.fetch, path = "/v1/chat/completions", init = chatRequest()) {
  const response = await fetch(server.origin + path, init);
  return (await response.json()) as typeof CHAT_ANSWER;
}

describe("which hosts count", () => {
  it("records a call to an unknown host whose path and body are those of a call", async () => {
    const { sink, tap } = makeTap();
    expect(await chat(tap.fetch)).toEqual(CHAT_ANSWER);
    await tap.flush();
    expect(sink.calls).toHaveLength(1);
    expect(sink.calls[0]).toMatchObject({ provider: "custom", api: "openai-chat", outcome: "success" });
    expectBalanced(tap.stats());
    await tap.close();
  });

  it.each([
    ["an app's own POST /messages", "/messages", { text: "hello" }],
    ["a chat path without a model", "/v1/chat/completions", { model: undefined }],
    ["a path that only ends alike", "/my-chat/completions-list", {}],
  ])("leaves %s alone", async (_name, path, fields) => {
    const { sink, tap } = makeTap();
    await chat(tap.fetch, path, path === "/messages" ? { method: "POST", body: '{"text":"hi"}' } : chatRequest(fields));
    await tap.flush();
    expect(sink.calls).toHaveLength(0);
    expectBalanced(tap.stats());
    await tap.close();
  });

  it("counts what a declared host serves besides inference, and records nothing", async () => {
    const { sink, tap } = makeTap({ hosts: { [server.host]: { provider: "openai" } } });
    await (await tap.fetch(`${server.origin}/v1/models`)).text();
    await tap.flush();
    expect(sink.calls).toHaveLength(0);
    expect(tap.stats()).toMatchObject({ seen: 1, ignored: { not_inference: 1 } });
    await tap.close();
  });

  it("never looks at a host that was ruled out", async () => {
    const { sink, tap } = makeTap({ hosts: { [server.host]: false } });
    await chat(tap.fetch);
    await tap.flush();
    expect(sink.calls).toHaveLength(0);
    expect(tap.stats().seen).toBe(0);
    await tap.close();
  });

  it("lets the body decide where a path may be that of any model", async () => {
    const { sink, tap } = makeTap();
    const fetch = tap.wrapFetch(async () => Response.json({ predictions: ["a"] }));
    const url = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/7:predict";
    for (const instances of [[[1, 2]], [{ prompt: "hi" }]]) {
      await (await fetch(url, { method: "POST", body: JSON.stringify({ instances }) })).json();
    }
    await tap.flush();
    expect(sink.calls).toMatchObject([{ provider: "gcp.vertex_ai", operation: "text_completion" }]);
    expect(tap.stats()).toMatchObject({ seen: 2, recorded: 1, ignored: { not_a_call: 1 } });
    await tap.close();
  });

  it("with install(), looks at known and declared hosts only, unless told to sniff", async () => {
    const first = makeTap();
    const restore = first.tap.install();
    await chat(globalThis.fetch);
    restore();
    await first.tap.flush();
    expect(first.sink.calls).toHaveLength(0);
    await first.tap.close();

    const second = makeTap({ sniffUnknownHosts: true });
    const restoreSecond = second.tap.install();
    await chat(globalThis.fetch);
    restoreSecond();
    await second.tap.flush();
    expect(second.sink.calls).toHaveLength(1);
    await second.tap.close();
  });
});

describe("one record however many taps are stacked", () => {
  it.each<[string, (tap: ReturnType<typeof createTap>) => typeof globalThis.fetch]>([
    ["fetch in fetch", (tap) => tap.wrapFetch(tap.fetch)],
    ["fetch over install()", (tap) => tap.fetch],
    ["fetch over a wrapped mock", (tap) => tap.wrapFetch(tap.wrapFetch(async () => Response.json(CHAT_ANSWER)))],
  ])("%s", async (_name, pick) => {
    const { sink, tap } = makeTap();
    const restore = tap.install();
    expect(await chat(pick(tap))).toEqual(CHAT_ANSWER);
    restore();
    await tap.flush();
    expect(sink.calls).toHaveLength(1);
    expectBalanced(tap.stats());
    await tap.close();
  });

  it("gives two taps a record each, with the same id", async () => {
    const one = makeTap();
    const two = makeTap();
    await chat(one.tap.wrapFetch(two.tap.fetch));
    await one.tap.flush();
    await two.tap.flush();
    expect(one.sink.calls).toHaveLength(1);
    expect(two.sink.calls[0]?.id).toBe(one.sink.calls[0]?.id);
    await one.tap.close();
    await two.tap.close();
  });
});

describe("tap.fetch as the global fetch", () => {
  it("calls the fetch that was there before, also with two taps", async () => {
    const original = globalThis.fetch;
    try {
      const one = makeTap();
      globalThis.fetch = one.tap.fetch;
      const two = makeTap();
      globalThis.fetch = two.tap.fetch;
      expect(await chat(globalThis.fetch)).toEqual(CHAT_ANSWER);
      expect(await chat(one.tap.fetch)).toEqual(CHAT_ANSWER);
      await Promise.all([one.tap.flush(), two.tap.flush()]);
      expect(two.sink.calls).toHaveLength(1);
      expect(one.sink.calls).toHaveLength(2);
      await Promise.all([one.tap.close(), two.tap.close()]);
    } finally {
      globalThis.fetch = original;
    }
  });
});

describe("context", () => {
  it("takes run over with over context() over header, and the strictest privacy", async () => {
    const { sink, tap } = makeTap({ context: () => ({ userId: "from-option", env: "test", deviceId: "d-option" }) });
    const headers = { "x-llm-tap-user-id": "from-header", "x-llm-tap-session-id": encodeURIComponent("张三") };
    await chat(tap.fetch, undefined, chatRequest({}, headers));
    await chat(tap.with({ userId: "from-with" }).fetch);
    await tap.run({ userId: "from-run", properties: { a: 1 } }, () =>
      tap.run({ properties: { b: 2 } }, () => chat(tap.with({ userId: "from-with" }).fetch)),
    );
    await chat(tap.fetch, undefined, chatRequest({}, { "X-LLM-Tap-Privacy-Mode": "1" }));
    await tap.flush();
    const contexts = sink.calls.map((call) => call.context);
    expect(contexts[0]).toEqual({ userId: "from-option", env: "test", deviceId: "d-option", sessionId: "张三" });
    expect(contexts[1]?.userId).toBe("from-with");
    expect(contexts[2]).toMatchObject({ userId: "from-run", properties: { a: 1, b: 2 } });
    expect(JSON.stringify(sink.calls[3])).not.toMatch(/the question|the answer/);
    expect(JSON.stringify(server.requests.map(({ headers: sent }) => sent))).not.toContain("x-llm-tap");
    await tap.close();
  });

  it("ignores what run() says to ignore, and a header only where it is trusted", async () => {
    const { sink, tap } = makeTap();
    await tap.run({ ignore: true }, () => chat(tap.fetch));
    await chat(tap.fetch, undefined, chatRequest({}, { "x-llm-tap-ignore": "1" }));
    await tap.flush();
    expect(sink.calls).toHaveLength(1);
    expect(tap.stats().ignored).toEqual({ opt_out: 1 });
    await tap.close();

    const trusting = makeTap({ headerOverrides: { ignore: true } });
    await chat(trusting.tap.fetch, undefined, chatRequest({}, { "x-llm-tap-ignore": "1" }));
    await trusting.tap.flush();
    expect(trusting.sink.calls).toHaveLength(0);
    await trusting.tap.close();
  });

  it("removes override headers for hosts that are none of its business", async () => {
    const { tap } = makeTap({ hosts: { [server.host]: false }, headerOverrides: false });
    const headers = { "X-LLM-Tap-User-Id": "u-1", accept: "text/plain" };
    await (await tap.fetch(`${server.origin}/other`, { headers })).text();
    expect(server.requests[0]?.headers).toMatchObject({ accept: "text/plain" });
    expect(Object.keys(server.requests[0]?.headers ?? {})).not.toContain("x-llm-tap-user-id");
    expect(headers).toHaveProperty("X-LLM-Tap-User-Id");
    await tap.close();
  });
});

describe("privacy and tracking, per tap and per call", () => {
  it.each<[string, TapOptions, Partial<Record<"question" | "answer", boolean>>]>([
    ["nothing set", {}, { question: true, answer: true }],
    ["privacyMode", { privacyMode: true }, {}],
    ["excludeInput", { excludeInput: true }, { answer: true }],
    ["excludeOutput", { excludeOutput: true }, { question: true }],
    ["capture", { capture: () => "metadata" }, {}],
    [
      "a capture that throws",
      {
        capture: () => {
          throw new Error("no");
        },
      },
      {},
    ],
  ])("%s", async (_name, options, kept) => {
    const { sink, tap } = makeTap(options);
    await chat(tap.fetch);
    await tap.flush();
    const text = JSON.stringify(sink.calls[0]);
    expect(text.includes("the question")).toBe(kept.question === true);
    expect(text.includes("the answer")).toBe(kept.answer === true);
    expect(sink.calls[0]?.usage).toMatchObject({ inputTokens: 12, outputTokens: 3, totalTokens: 15 });
    await tap.close();
  });

  it("gives a metadata sink no content while another sink gets it", async () => {
    const full = memorySink();
    const metadata: Sink = { ...memorySink(), name: "bare", content: "metadata" };
    const written: unknown[] = [];
    metadata.write = (records) => {
      written.push(...records);
      return Promise.resolve({ results: records.map(() => "delivered" as const) });
    };
    const tap = createTap({ sinks: [full, metadata] });
    await chat(tap.fetch);
    await tap.flush();
    expect(outputText(full.calls[0] as LlmCall)).toBe("the answer");
    expect(JSON.stringify(written)).not.toMatch(/the question|the answer/);
    expect((written[0] as LlmCall).capture.content).toBe("metadata");
    await tap.close();
  });

  it("computes a cost for known prices only, and none without tokens", async () => {
    const { sink, tap } = makeTap({ prices: { "small-model-2": { inputPerMillion: 1, outputPerMillion: 10 } } });
    await chat(tap.fetch);
    await tap.run({ tokenTracking: false }, () => chat(tap.fetch));
    await tap.run({ costTracking: false }, () => chat(tap.fetch));
    await tap.flush();
    expect(sink.calls[0]?.cost?.totalUsd).toBeCloseTo((12 * 1 + 3 * 10) / 1e6, 12);
    expect(sink.calls[1]?.usage).toEqual({ source: "missing", missingReason: "token_tracking_off", complete: false });
    expect(sink.calls[1]?.cost).toBeUndefined();
    expect(sink.calls[2]?.usage.inputTokens).toBe(12);
    expect(sink.calls[2]?.cost).toBeUndefined();
    await tap.close();
  });
});

describe("life of a tap", () => {
  it("tells listeners of each call, until they unsubscribe", async () => {
    const { tap } = makeTap();
    const seen: string[] = [];
    const off = tap.on("call", (call) => seen.push(call.id));
    await chat(tap.fetch);
    await tap.flush();
    off();
    await chat(tap.fetch);
    await tap.flush();
    expect(seen).toHaveLength(1);
    await tap.close();
  });

  it("passes through after close(), and counts nothing more", async () => {
    const { sink, tap } = makeTap();
    const restore = tap.install();
    await chat(tap.fetch);
    const result = await tap.close();
    expect(result).toMatchObject({ delivered: 1, pending: 0, dropped: 0, unknown: 0 });
    expect(await chat(tap.fetch)).toEqual(CHAT_ANSWER);
    expect(await chat(globalThis.fetch)).toEqual(CHAT_ANSWER);
    expect(tap.stats().seen).toBe(1);
    expect(sink.calls).toHaveLength(1);
    restore();
    expect(await tap.close()).toBe(result);
  });

  it("leaves no trace after restore()", async () => {
    const { fetch } = globalThis;
    const { tap } = makeTap();
    const restore = tap.install();
    expect(globalThis.fetch).not.toBe(fetch);
    expect(globalThis.fetch.name).toBe(fetch.name);
    restore();
    restore();
    expect(globalThis.fetch).toBe(fetch);
    await tap.close();
  });

  it("records undici.request through a composed dispatcher", async () => {
    const { sink, tap } = makeTap();
    const dispatcher = new Agent().compose(tap.interceptor);
    const { method, headers, body } = chatRequest();
    const response = await request(`${server.origin}/v1/chat/completions`, {
      dispatcher,
      method: method as "POST",
      headers: headers as Record<string, string>,
      body: body as string,
    });
    expect(await response.body.json()).toEqual(CHAT_ANSWER);
    await tap.flush();
    expect(sink.calls[0]).toMatchObject({ capture: { via: "dispatcher" }, response: { model: "small-model-2" } });
    await dispatcher.close();
    await tap.close();
  });

  it("says once, for each sink that sends content away, that it does", async () => {
    const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      const sink: Sink = { ...memorySink(), name: "elsewhere" };
      createTap({ sinks: [sink, { ...sink }, { ...sink, name: "bare", content: "metadata" }] });
      expect(written.mock.calls.map(([line]) => line)).toEqual([
        "llm-tap: content: on → elsewhere\n",
        "llm-tap: content: on → elsewhere#2\n",
        "llm-tap: content: off → bare\n",
      ]);
    } finally {
      written.mockRestore();
    }
  });
});

describe("sinks that fail", () => {
  it("gives a record again until the sink takes it, and tells flush() the truth", async () => {
    let attempts = 0;
    const failing: Sink = {
      name: "failing",
      write(records) {
        attempts += 1;
        if (attempts === 1) return Promise.reject(new Error("not now"));
        if (attempts === 2) return Promise.resolve({ results: records.map(() => "retry" as const) });
        return Promise.resolve({ results: records.map(() => "delivered" as const) });
      },
    };
    const errors: Error[] = [];
    const tap = createTap({ sinks: [failing], onError: (error) => errors.push(error) });
    await chat(tap.fetch);
    expect(await tap.flush({ timeoutMs: 0 })).toMatchObject({ delivered: 0 });
    expect(await tap.flush()).toMatchObject({ delivered: 1, pending: 0 });
    expect(attempts).toBe(3);
    expect(errors.map((error) => (error as { code?: string }).code)).toContain("sink_failed");
    await tap.close();
  });

  it("counts what was refused, what is unknown, and what still waits", async () => {
    const answers = ["rejected", "unknown", "retry"] as const;
    let index = 0;
    const sink: Sink = {
      name: "picky",
      write: (records) => Promise.resolve({ results: records.map(() => answers[index++ % 3] ?? "retry") }),
    };
    const tap = createTap({ sinks: [sink] });
    for (let count = 0; count < 3; count += 1) await chat(tap.fetch);
    const report = await tap.flush({ timeoutMs: 300 });
    expect(report.dropped + report.unknown + report.pending + report.delivered).toBe(3);
    expect(report.dropped).toBeGreaterThanOrEqual(1);
    await tap.close({ timeoutMs: 50 });
  });

  it("does not tap a sink's own traffic", async () => {
    const sent: string[] = [];
    const { tap, sink: memory } = makeTap();
    const talking: Sink = {
      name: "talking",
      async write(records) {
        await chat(other.fetch);
        sent.push(...records.map((record) => record.id));
        return { results: records.map(() => "delivered") };
      },
    };
    const other = createTap({ sinks: [talking, memory] });
    await chat(other.fetch);
    expect(await other.flush()).toMatchObject({ pending: 0 });
    expect(sent).toHaveLength(1);
    expect(memory.calls).toHaveLength(1);
    await other.close();
    await tap.close();
  });
});

describe("what an app leaves behind", () => {
  /** An SDK that only releases its reader neither cancels nor aborts. */
  async function readAndRelease(fetch: typeof globalThis.fetch, size: number): Promise<void> {
    const answer = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = `data: ${JSON.stringify({ model: "m", choices: [{ index: 0, delta: { content: "x".repeat(1000) } }] })}\n\n`;
      response.write(event.repeat(size));
      response.end("data: [DONE]\n\n");
    });
    await new Promise<void>((resolve) => {
      answer.listen(0, "127.0.0.1", resolve);
    });
    const { port } = answer.address() as AddressInfo;
    const { body } = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, chatRequest({ stream: true }));
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    reader.releaseLock();
    answer.close();
    closers.push(() => answer.closeAllConnections());
  }
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });

  it("records a long stream that was let go as cancelled, and a short one that came whole as success", async () => {
    const { sink, tap } = makeTap();
    await readAndRelease(tap.fetch, 5_000);
    await readAndRelease(tap.fetch, 1);
    await tap.flush();
    const [long, short] = sink.calls.toSorted((a, b) => (b.response?.bytes ?? 0) - (a.response?.bytes ?? 0));
    expect(long).toMatchObject({ outcome: "cancelled", error: { kind: "abort" } });
    expect(long?.capture.notes).toContain("body_abandoned");
    expect(short).toMatchObject({ outcome: "success" });
    expectBalanced(tap.stats());
    await tap.close();
  });

  it("removes override headers after close() too", async () => {
    const { tap } = makeTap();
    await tap.close();
    await chat(tap.fetch, undefined, chatRequest({}, { "x-llm-tap-user-id": "u-1" }));
    expect(server.requests[0]?.headers).not.toHaveProperty("x-llm-tap-user-id");
  });

  it("records what is running when the tap is closed", async () => {
    const { sink, tap } = makeTap();
    const response = await tap.fetch(`${server.origin}/v1/chat/completions`, chatRequest());
    const second = tap.wrapFetch(() => new Promise<Response>(() => {}));
    void second(`${server.origin}/v1/chat/completions`, chatRequest());
    await response.text();
    await tap.close();
    expect(sink.calls.map(({ outcome }) => outcome).toSorted()).toEqual(["cancelled", "success"]);
    expect(tap.stats().inFlight).toBe(0);
  });
});

it("counts the calls whose usage is known and whose price is not", async () => {
  const { sink, tap } = makeTap({ hosts: { [server.host]: { provider: "openai" } } });
  const priced = makeTap({ prices: { [CHAT_ANSWER.model]: { inputPerMillion: 1, outputPerMillion: 1 } } });
  await chat(tap.fetch);
  await chat(priced.tap.fetch);
  await Promise.all([tap, priced.tap].map((each) => each.flush({ timeoutMs: 60_000 })));
  expect(sink.calls[0]?.usage.source).toBe("reported");
  expect(sink.calls[0]?.cost === undefined).toBe(tap.stats().priceUnknown === 1);
  expect(priced.sink.calls[0]?.cost).toBeDefined();
  expect(priced.tap.stats().priceUnknown).toBe(0);
  const nobody = makeTap();
  await chat(nobody.tap.fetch);
  await nobody.tap.flush({ timeoutMs: 60_000 });
  // Of a host that nobody knows.
  expect(nobody.sink.calls[0]?.capture.notes).toContain("price_unknown");
  expect(nobody.tap.stats().priceUnknown).toBe(1);
  await Promise.all([tap, priced.tap, nobody.tap].map((each) => each.close()));
});
