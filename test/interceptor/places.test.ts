/** What the address of a call tells is remembered; what its headers or its query tell is read each time. */
import { expect, it } from "vitest";
import { createTap } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER } from "../tap/helpers.ts";

async function callAll(requests: { url: string; headers?: Record<string, string> }[]) {
  const sink = memorySink();
  const tap = createTap({ sinks: [sink] });
  const fetch = tap.wrapFetch(async () => Response.json(CHAT_ANSWER));
  for (const { url, headers = {} } of requests) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "m-1", messages: [{ role: "user", content: "hi" }] }),
    });
    await response.text();
  }
  await tap.close();
  return sink.calls;
}

it("asks the headers of each call who answers behind a gateway", async () => {
  const url = "https://api.portkey.ai/v1/chat/completions";
  const calls = await callAll([
    { url, headers: { "x-portkey-provider": "anthropic" } },
    { url, headers: { "x-portkey-provider": "groq" } },
    { url },
  ]);
  expect(calls.map(({ response }) => response?.upstreamProvider)).toEqual(["anthropic", "groq", undefined]);
});

it("tells calls to one path of several hosts apart, and calls to several paths of one", async () => {
  const path = "/v1/chat/completions";
  const hosts = ["https://api.openai.com", "https://api.deepseek.com", "https://api.openai.com"];
  const calls = await callAll([
    ...hosts.map((host) => ({ url: host + path })),
    { url: "https://api.openai.com/v1/responses" },
    { url: "https://api.openai.com/v1/models/m-1" },
  ]);
  expect(calls.map(({ provider, api, request }) => [provider, api, request.url])).toEqual([
    ["openai", "openai-chat", `https://api.openai.com${path}`],
    ["deepseek", "openai-chat", `https://api.deepseek.com${path}`],
    ["openai", "openai-chat", `https://api.openai.com${path}`],
    ["openai", "openai-responses", "https://api.openai.com/v1/responses"],
  ]);
});

it("records no key of a query, the second time neither", async () => {
  const url = "https://generativelanguage.googleapis.com/v1beta/models/g-1:generateContent?key=AIzaSecretSecret";
  const calls = await callAll([{ url }, { url }]);
  expect(calls.map(({ request }) => request.url)).toEqual(
    Array.from({ length: 2 }, () => url.replace("AIzaSecretSecret", "REDACTED")),
  );
});
