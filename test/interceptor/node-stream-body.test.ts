/** The body of a fetch like node-fetch: a Node stream, tapped without a listener of ours on it. */
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createTap } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";

const URL_OF_CHAT = "https://api.openai.com/v1/chat/completions";
const ANSWER = JSON.stringify({
  model: "gpt-4.1-mini",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
});

async function callWith(body: Readable, read: (body: Readable) => Promise<unknown>, given?: BodyInit) {
  const memory = memorySink();
  const tap = createTap({ sinks: [memory], limits: { exchangeBytes: 64 * 1024 } });
  const response = { status: 200, headers: new Map([["content-type", "application/json"]]), body };
  const fetch = tap.wrapFetch((() => Promise.resolve(response)) as unknown as typeof globalThis.fetch);
  const request = given ?? JSON.stringify({ model: "gpt-4.1-mini", messages: [] });
  const { body: seen } = await fetch(URL_OF_CHAT, { method: "POST", body: request });
  expect(seen).toBe(body);
  expect(body.listenerCount("error") + body.listenerCount("close")).toBe(0);
  const result = await read(body);
  await tap.close();
  return { result, call: memory.calls[0] };
}

const collect = async (body: Readable): Promise<string> => {
  let text = "";
  for await (const chunk of body) text += String(chunk);
  return text;
};

describe("a Node stream as a body", () => {
  it("is read by the app as it was, and recorded", async () => {
    const { result, call } = await callWith(Readable.from([Buffer.from(ANSWER)]), collect);
    expect(result).toBe(ANSWER);
    expect(call).toMatchObject({ outcome: "success", usage: { inputTokens: 3, outputTokens: 1 } });
  });

  it("that breaks keeps its error, which nobody of us handles", async () => {
    const broken = new Error("socket hang up");
    const body = new Readable({ read() {} });
    const { result, call } = await callWith(body, async () => {
      body.push(Buffer.from(ANSWER.slice(0, 40)));
      body.destroy(broken);
      return collect(body).catch((error: unknown) => error);
    });
    expect(result).toBe(broken);
    expect(call).toMatchObject({ outcome: "truncated", error: { kind: "network" } });
  });

  it("that the app leaves is a cancelled call", async () => {
    const body = new Readable({ read() {} });
    const { call } = await callWith(body, async () => {
      body.push(Buffer.from(ANSWER.slice(0, 40)));
      for await (const _chunk of body) break;
    });
    expect(call?.outcome).toBe("cancelled");
  });
});

describe("request bytes over the bound", () => {
  it("are kept at both ends only, and not shared with the app", async () => {
    const messages = [{ role: "user", content: "x".repeat(3_000_000) }];
    const bytes = new TextEncoder().encode(JSON.stringify({ model: "gpt-4.1-mini", messages, temperature: 0.5 }));
    const { call } = await callWith(
      Readable.from([Buffer.from(ANSWER)]),
      (body) => {
        bytes.fill(0);
        return collect(body);
      },
      bytes,
    );
    expect(call?.request).toMatchObject({
      model: "gpt-4.1-mini",
      parameters: { temperature: 0.5 },
      bytes: bytes.byteLength,
    });
    expect(call?.capture.requestTruncated).toBe(true);
  });
});
