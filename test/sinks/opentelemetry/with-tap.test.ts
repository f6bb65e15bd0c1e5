import { createOpenAI } from "@ai-sdk/openai";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { generateText } from "ai";
import { afterEach, beforeEach, expect, it } from "vitest";
import { opentelemetrySink, watchGenAiSpans } from "../../../src/sinks/opentelemetry.ts";
import { startMockProviders } from "../../../src/testing/index.ts";
import { createTap } from "../../../src/tap.ts";
import { type Stack, startStack } from "./stack.ts";

let stack: Stack;
let mock: Awaited<ReturnType<typeof startMockProviders>>;
const watcher = watchGenAiSpans();

beforeEach(async () => {
  stack = await startStack({ spanProcessors: [watcher] });
  mock = await startMockProviders();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(stack.tracerProvider);
});
afterEach(async () => {
  trace.disable();
  context.disable();
  await stack.close();
  await mock.close();
});

it.each([
  ["by itself, where the span has its attributes", {}],
  ["with a watcher", { skipInstrumented: false, skipUnder: watcher }],
])(
  "a call inside a span of the app is its child; one inside a span for the same call is left to it: %s",
  async (_, options) => {
    const tap = createTap({ hosts: mock.hosts, sinks: [opentelemetrySink(options)] });
    const ask = async (): Promise<void> => {
      const response = await tap.fetch(`${mock.baseUrl("openai")}/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Hello" }] }),
      });
      await response.text();
    };
    const tracer = trace.getTracer("the app");
    await tracer.startActiveSpan("handle request", async (span) => {
      await ask();
      span.end();
    });
    await tracer.startActiveSpan("chat", { attributes: { "gen_ai.operation.name": "chat" } }, async (span) => {
      await ask();
      span.end();
    });
    expect(await tap.close()).toMatchObject({ delivered: 2, pending: 0, dropped: 0, unknown: 0 });

    const [ours, ...more] = stack.server.spans.filter(({ scope }) => scope.name === "llm-tap");
    const parent = stack.server.spans.find(({ name }) => name === "handle request")!;
    expect(more).toEqual([]);
    expect(ours).toMatchObject({ traceId: parent.traceId, parentSpanId: parent.spanId, name: "chat gpt-5-mini" });
    expect(ours!.start >= parent.start - 2_000_000n && ours!.end <= parent.end + 2_000_000n).toBe(true);
    expect(ours!.attributes).not.toHaveProperty("gen_ai.input.messages");
  },
);

it("the Vercel AI SDK's own telemetry and the tap give one gen_ai span for a call", async () => {
  const tap = createTap({ hosts: mock.hosts, sinks: [opentelemetrySink()] });
  const openai = createOpenAI({ apiKey: "none", baseURL: mock.baseUrl("openai"), fetch: tap.fetch });
  const model = openai.chat("gpt-5-mini");
  await generateText({ model, prompt: "Hello", experimental_telemetry: { isEnabled: true } });
  await generateText({ model, prompt: "Hello" });
  expect(await tap.close()).toMatchObject({ delivered: 2, pending: 0, dropped: 0, unknown: 0 });
  const isCall = ({ attributes }: { attributes: Record<string, unknown> }): boolean =>
    attributes["gen_ai.request.model"] !== undefined;
  const scopes = stack.server.spans.filter(isCall).map(({ scope }) => scope.name);
  expect(scopes.sort()).toEqual(["ai", "llm-tap"]);
});
