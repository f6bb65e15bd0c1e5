import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
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

it("a call inside a span of the app is its child; one inside a span for the same call is left to it", async () => {
  const tap = createTap({ hosts: mock.hosts, sinks: [opentelemetrySink({ skipUnder: watcher })] });
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
});
