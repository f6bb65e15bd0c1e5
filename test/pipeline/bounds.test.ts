/** What is kept when there is too much: facts, always. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createTap } from "../../src/tap.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import type { LlmCall, Sink, TapOptions } from "../../src/types.ts";
import { makeAnswer } from "./exchanges.ts";

const url = "https://api.openai.com/v1/chat/completions";

function start(options: TapOptions = {}) {
  const sink = memorySink();
  const tap = createTap({ sinks: [sink], costTracking: false, ...options });
  const calls = async (): Promise<LlmCall[]> => {
    await tap.flush();
    return sink.records.filter((record) => record.type === "call");
  };
  return { tap, calls };
}

/** A body in chunks, the last of which waits for `end`. */
function makeResponse(body: string, contentType: string, end: Promise<void> = Promise.resolve()): Response {
  const bytes = new TextEncoder().encode(body);
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at >= bytes.byteLength) {
        await end;
        controller.close();
        return;
      }
      controller.enqueue(bytes.slice(at, at + 16_384));
      at += 16_384;
    },
  });
  return new Response(stream, { headers: { "content-type": contentType } });
}

const request = (content = "hi") => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ model: "m-1", messages: [{ role: "user", content }], temperature: 0.25 }),
});

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const delta = (content: string) =>
  event({ id: "chatcmpl-1", model: "m-1-2026", choices: [{ index: 0, delta: { content } }] });
const ending =
  event({ id: "chatcmpl-1", model: "m-1-2026", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }) +
  event({
    id: "chatcmpl-1",
    model: "m-1-2026",
    choices: [],
    usage: { prompt_tokens: 11, completion_tokens: 22, total_tokens: 33 },
  }) +
  "data: [DONE]\n\n";

const facts = {
  response: { id: "chatcmpl-1", model: "m-1-2026", choices: [{ finishReason: expect.any(String) }] },
  usage: { source: "reported", inputTokens: 11, outputTokens: 22 },
  outcome: "success",
};

describe("bounds of an exchange", () => {
  it.each([
    // Of a text that is too long its beginning would be enough; this may be JSON.
    ["a JSON body", makeAnswer(`{${"x".repeat(3_000_000)}`), "application/json"],
    ["a stream", `${delta("x".repeat(500)).repeat(3_000)}${ending}`, "text/event-stream"],
    ["a stream of one huge event", `${delta("x".repeat(2_000_000))}${ending}`, "text/event-stream"],
  ])("%s over the bound keeps its facts", async (_name, body, contentType) => {
    const { tap, calls } = start({ limits: { exchangeBytes: 256 * 1024 } });
    const fetch = tap.wrapFetch(async () => makeResponse(body, contentType));
    await (await fetch(url, request())).text();
    const [call] = await calls();
    expect(call).toMatchObject(facts);
    expect(call?.capture).toMatchObject({ content: "truncated", responseTruncated: true });
    expect(call?.response?.bytes).toBe(body.length);
    expect(JSON.stringify(call).length).toBeLessThan(300_000);
    expect(tap.stats().contentDropped).toEqual({ exchange_bytes: 1 });
  });

  it("a text whose end is not recorded anyway takes no room", async () => {
    const { tap, calls } = start({ limits: { exchangeBytes: 256 * 1024 } });
    const fetch = tap.wrapFetch(async () => makeResponse(makeAnswer("x".repeat(3_000_000)), "application/json"));
    await (await fetch(url, request("y".repeat(250_000)))).text();
    const [call] = await calls();
    expect(call).toMatchObject(facts);
    expect(call?.response?.choices[0]?.message.parts[0]).toEqual({
      type: "text",
      content: `${"x".repeat(100_000)}… [cut, 3000000 characters]`,
    });
    expect(call?.request.messages?.[0]?.parts[0]).toEqual({
      type: "text",
      content: `${"y".repeat(100_000)}… [cut, 250000 characters]`,
    });
    expect(tap.stats().contentDropped).toEqual({});
  });

  it("names of tools stay when the text before them is too much", async () => {
    const { tap, calls } = start({ limits: { exchangeBytes: 64 * 1024 } });
    const toolCall = event({
      id: "chatcmpl-1",
      choices: [
        {
          index: 0,
          delta: { tool_calls: [{ index: 0, id: "call_1", function: { name: "look_up", arguments: "{}" } }] },
        },
      ],
    });
    const body = `${delta("x".repeat(500)).repeat(500)}${toolCall}${ending}`;
    const fetch = tap.wrapFetch(async () => makeResponse(body, "text/event-stream"));
    await (await fetch(url, request())).text();
    const [call] = await calls();
    expect(call?.response?.choices[0]?.message.parts.at(-1)).toMatchObject({ type: "tool_call", name: "look_up" });
  });

  it.each([
    ["text", (body: string) => body],
    ["bytes", (body: string) => new TextEncoder().encode(body)],
  ])("a request over the bound, as %s, keeps its model and settings", async (_name, convert) => {
    const { tap, calls } = start({ limits: { exchangeBytes: 100_000 } });
    const fetch = tap.wrapFetch(async () => makeResponse(makeAnswer(), "application/json"));
    const given = request("y".repeat(1_000_000));
    await (await fetch(url, { ...given, body: convert(given.body) as never })).text();
    const [call] = await calls();
    expect(call).toMatchObject({ ...facts, request: { model: "m-1" } });
    expect(call?.request.bytes).toBe(given.body.length);
    expect(call?.capture).toMatchObject({ requestTruncated: true, content: "truncated" });
    expect(tap.stats().contentDropped).toEqual({ exchange_bytes: 1 });
  });

  it("media in whose middle something is missing say nothing of their size", async () => {
    const { tap, calls } = start({ limits: { exchangeBytes: 100_000 } });
    const data = "QUJD".repeat(250_000);
    const body = JSON.stringify({
      created: 1,
      data: [{ b64_json: data }],
      usage: { input_tokens: 1, output_tokens: 2 },
    });
    const fetch = tap.wrapFetch(async () => makeResponse(body, "application/json"));
    await (
      await fetch("https://api.openai.com/v1/images/generations", {
        ...request(),
        body: JSON.stringify({ model: "gpt-image-1", prompt: "x" }),
      })
    ).text();
    const [call] = await calls();
    expect(JSON.stringify(call)).not.toContain("QUJDQUJD");
    for (const part of call?.response?.choices[0]?.message.parts ?? []) {
      expect(part).not.toHaveProperty("bytes");
      expect(part).not.toHaveProperty("sha256");
    }
  });
});

describe("bounds in total", () => {
  it("many bodies at once stay under the bound, and all are recorded", async () => {
    const queueBytes = 2 * 1024 * 1024;
    const count = 40;
    const { tap, calls } = start({ limits: { queueBytes }, worker: false });
    let finish = (): void => {};
    const end = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const body = makeAnswer("x".repeat(400_000));
    const fetch = tap.wrapFetch(async () => makeResponse(body, "application/json", end));
    const reading = Array.from({ length: count }, async () => (await fetch(url, request())).text());
    let most = 0;
    for (let turn = 0; turn < 30; turn += 1) {
      await delay(10);
      most = Math.max(most, tap.stats().queuedBytes);
    }
    finish();
    await Promise.all(reading);
    const records = await calls();
    // Some of each body is always kept: its beginning and its end.
    expect(most).toBeLessThan(queueBytes + count * 100_000);
    expect(records).toHaveLength(count);
    for (const call of records) expect(call).toMatchObject(facts);
    expect(tap.stats().contentDropped["queue_bytes"]).toBeGreaterThan(10);
    expect(tap.stats().queuedBytes).toBe(0);
  });

  it("records that no sink takes lose their content before their facts", async () => {
    const taken: LlmCall[] = [];
    const gate = { isOpen: false };
    const slow: Sink = {
      name: "memory",
      async write(records) {
        while (!gate.isOpen) await delay(5);
        taken.push(...(records as LlmCall[]));
        return { results: records.map(() => "delivered") };
      },
    };
    const { tap } = start({ sinks: [slow], limits: { queueBytes: 400_000 } });
    const body = makeAnswer("x".repeat(90_000));
    const fetch = tap.wrapFetch(async () => makeResponse(body, "application/json"));
    for (let count = 0; count < 20; count += 1) {
      await (await fetch(url, request())).text();
      // While the code that reads is loading, what waits is over the same bound.
      while (tap.stats().recorded <= count) await delay(1);
    }
    gate.isOpen = true;
    await tap.flush();
    expect(taken).toHaveLength(20);
    for (const call of taken) expect(call.usage.outputTokens).toBe(22);
    const dropped = taken.filter(({ capture }) => capture.content === "metadata").length;
    expect(dropped).toBeGreaterThan(10);
    expect(tap.stats().contentDropped).toEqual({ sink_bytes: dropped });
  });

  it("exchanges beyond their number are counted, and pass", async () => {
    const { tap, calls } = start({ limits: { queueExchanges: 3 } });
    const fetch = tap.wrapFetch(async () => makeResponse(makeAnswer(), "application/json", delay(50)));
    const bodies = await Promise.all(Array.from({ length: 5 }, async () => (await fetch(url, request())).text()));
    expect(bodies).toEqual(Array.from({ length: 5 }, () => makeAnswer()));
    expect(await calls()).toHaveLength(3);
    expect(tap.stats()).toMatchObject({ seen: 5, recorded: 3, dropped: { queue_full: 2 } });
  });
});
