/** Nesting that no program means: it must not overflow a stack, wherever it stands and whoever reads the record. */
import { describe, expect, it } from "vitest";
import { createTap } from "../../src/index.ts";
import { consoleSink } from "../../src/sinks/console.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import type { TapOptions } from "../../src/types.ts";

const deep = `${'{"properties":['.repeat(50_000)}1${"]}".repeat(50_000)}`;
const say = '{"role":"user","content":"hi"}';
const answer =
  '{"id":"c1","model":"gpt-x-1","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}';

const requests: Record<string, string> = {
  "a parameter": `{"model":"gpt-x","messages":[${say}],"metadata":${deep}}`,
  "a tool's schema": `{"model":"gpt-x","messages":[${say}],"tools":[{"type":"function","function":{"name":"f","parameters":${deep}}}]}`,
  "a message": `{"model":"gpt-x","messages":[{"role":"user","content":${deep}}]}`,
  "the arguments of a tool call": `{"model":"gpt-x","messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":${JSON.stringify(deep)}}}]}]}`,
};
const responses: Record<string, string> = {
  "a content": answer.replace('"yes"', deep),
  "a usage object": answer.replace('"total_tokens":3', `"total_tokens":3,"details":${deep}`),
  "an error": `{"error":{"message":"no","param":${deep}}}`,
  "an event": `data: ${answer.replace('"message"', '"delta"').replace('"yes"', `"yes","extra":${deep}`)}\n\ndata: [DONE]\n\n`,
};

async function record(request: string, response: string, options: TapOptions = {}) {
  const sink = memorySink();
  const stream = { write: (_text: string, done: () => void) => done() };
  const tap = createTap({ costTracking: false, ...options, sinks: [sink, consoleSink({ content: "full", stream })] });
  const fetch = tap.wrapFetch(() => Promise.resolve(new Response(response)));
  await fetch("https://api.openai.com/v1/chat/completions", { method: "POST", body: request }).then((got) =>
    got.text(),
  );
  await tap.flush();
  expect(tap.stats()).toMatchObject({ recorded: 1, errors: {} });
  await tap.close();
  const [call] = sink.calls;
  expect(call?.capture.notes).not.toContain("parser_failed");
  expect(() => JSON.stringify(call)).not.toThrow();
  return call;
}

describe("nesting without end", () => {
  for (const options of [{}, { privacyMode: true }, { redactPii: true }] satisfies TapOptions[]) {
    const mode = Object.keys(options)[0] ?? "content on";
    it.each(Object.entries(requests))(`in %s of a request (${mode})`, async (_name, request) => {
      const call = await record(request, answer, options);
      expect(call).toMatchObject({ outcome: "success", request: { model: "gpt-x" }, usage: { totalTokens: 3 } });
    });

    it.each(Object.entries(responses))(`in %s of a response (${mode})`, async (name, response) => {
      const call = await record(`{"model":"gpt-x","messages":[${say}]}`, response, options);
      expect(call?.outcome).toBe(name === "an error" ? "error" : "success");
      expect(call?.capture.notes).toContain("json_too_deep");
    });
  }

  it("in a request of which only the beginning is kept", async () => {
    const request = requests["a parameter"] ?? "";
    const call = await record(request, answer, { limits: { exchangeBytes: 500_000 } });
    expect(call).toMatchObject({ request: { model: "gpt-x" }, capture: { requestTruncated: true } });
  });
});
