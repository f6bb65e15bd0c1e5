/** With OpenTelemetry's own API and SDK: its ids become ours, at the moment of the dispatch. */
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { chatRequest, type LoopbackServer, startServer } from "../tap/helpers.ts";

let server: LoopbackServer;
beforeAll(async () => {
  server = await startServer();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new BasicTracerProvider());
});
afterAll(async () => {
  context.disable();
  trace.disable();
  await server.close();
});

const tracer = () => trace.getTracer("test");

function start(options: TapOptions = {}) {
  const sink = memorySink();
  const tap = createTap({ sinks: [sink], ...options });
  const chat = async (headers: Record<string, string> = {}): Promise<void> => {
    await (await tap.fetch(`${server.origin}/v1/chat/completions`, chatRequest({}, headers))).text();
  };
  return { sink, tap, chat };
}

describe("an active span", () => {
  it("is the parent of calls inside, after an await too", async () => {
    const { sink, tap, chat } = start();
    const ids = await tracer().startActiveSpan("request", async (span) => {
      await chat();
      span.end();
      return span.spanContext();
    });
    await chat();
    await tap.close();
    expect(sink.calls[0]?.trace).toMatchObject({
      traceId: ids.traceId,
      parentSpanId: ids.spanId,
      linkedBy: "otel",
    });
    expect(sink.calls[1]?.trace).not.toHaveProperty("linkedBy");
  });

  it("comes after what the app says, and before the header that goes out", async () => {
    const { sink, tap, chat } = start();
    const header = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    const ids = await tracer().startActiveSpan("request", async (span) => {
      await tap.run({ traceId: "mine" }, () => chat());
      await chat(header);
      return span.spanContext();
    });
    await chat(header);
    await tap.close();
    expect(sink.calls.map(({ trace: { traceId, linkedBy } }) => [traceId, linkedBy])).toEqual([
      ["mine", "context"],
      [ids.traceId, "otel"],
      ["0af7651916cd43dd8448eb211c80319c", "otel"],
    ]);
    expect(sink.calls[0]?.trace).not.toHaveProperty("parentSpanId");
  });

  it("and spans of ours nest in each other as they were opened", async () => {
    const { sink, tap, chat } = start();
    await tracer().startActiveSpan("outer", async (outer) => {
      await tap.span("ours", async (ours) => {
        await chat();
        await tracer().startActiveSpan("inner", async (inner) => {
          await chat();
          await tap.span("innermost", () => chat());
          expect(ours.traceId).toBe(outer.spanContext().traceId);
          await tap.flush();
          const [first, second, third] = sink.calls.map((call) => call.trace.parentSpanId);
          expect([first, second]).toEqual([ours.spanId, inner.spanContext().spanId]);
          const innermost = sink.spans.find(({ name }) => name === "innermost");
          expect(innermost?.trace.parentSpanId).toBe(inner.spanContext().spanId);
          expect(third).toBe(innermost?.trace.spanId);
        });
      });
      await tap.flush();
      const ours = sink.spans.find(({ name }) => name === "ours");
      expect(ours?.trace).toMatchObject({ parentSpanId: outer.spanContext().spanId, linkedBy: "otel" });
    });
    await tap.close();
  });
});

describe("active baggage", () => {
  it("says who asked, by the allow-list", async () => {
    const { sink, tap, chat } = start({ baggageKeys: ["user.id", "plan"] });
    const baggage = propagation.createBaggage({
      "user.id": { value: "ann" },
      plan: { value: "pro" },
      secret: { value: "s" },
    });
    await context.with(propagation.setBaggage(context.active(), baggage), () => chat());
    await tap.close();
    expect(sink.calls[0]?.context).toEqual({ userId: "ann", properties: { plan: "pro" } });
  });
});
