import { context, diag, metrics, trace } from "@opentelemetry/api";
import { logs } from "@opentelemetry/api-logs";
import { AlwaysOffSampler } from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadApi } from "../../../src/sinks/opentelemetry/load-api.ts";
import { opentelemetrySink, type OpentelemetrySinkOptions, watchGenAiSpans } from "../../../src/sinks/opentelemetry.ts";
import {
  sampleCall,
  sampleErrorCall,
  sampleMetadataCall,
  sampleRecords,
  sampleSpan,
} from "../../../src/testing/sample-records.ts";
import type { DeliveryResult, LlmCall, TapRecord } from "../../../src/types.ts";
import { type Encoding, type Stack, startStack } from "./stack.ts";

let stack: Stack;
const warnings: string[] = [];
const onWarning = (message: string): void => void warnings.push(message);

beforeEach(async () => {
  warnings.length = 0;
  stack = await startStack();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await stack.close();
  trace.disable();
  metrics.disable();
  logs.disable();
  context.disable();
  diag.disable();
});

async function send(
  records: readonly TapRecord[],
  options: OpentelemetrySinkOptions = {},
  signal = new AbortController().signal,
): Promise<DeliveryResult[]> {
  const sink = stack.createSink({ onWarning, ...options });
  return (await sink.write(records, { signal })).results;
}

const nanoseconds = (milliseconds: number): bigint => BigInt(milliseconds) * 1_000_000n;
const traceId = "0af7651916cd43dd8448eb211c80319c";

describe.each<Encoding>(["json", "protobuf"])("spans over %s", (encoding) => {
  it("carry the names of the conventions, attribute by attribute", async () => {
    await stack.close();
    stack = await startStack({ encoding });
    const call = sampleCall();
    expect(await send([call])).toEqual(["delivered"]);
    expect([...stack.server.contentTypes].join()).toContain(encoding === "json" ? "json" : "x-protobuf");
    expect(stack.server.spans).toEqual([
      {
        traceId: call.trace.traceId,
        spanId: call.trace.spanId,
        name: "chat gpt-5-mini",
        kind: 3,
        start: nanoseconds(call.timing.startedAt),
        end: nanoseconds(call.timing.startedAt + 1420),
        status: expect.not.objectContaining({ code: 2 }) as unknown,
        scope: expect.objectContaining({ name: "llm-tap" }) as unknown,
        attributes: {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "openai",
          "gen_ai.request.model": "gpt-5-mini",
          "gen_ai.request.stream": true,
          "gen_ai.request.temperature": 0.2,
          "gen_ai.request.max_tokens": 500,
          "gen_ai.response.id": call.response!.id,
          "gen_ai.response.model": "gpt-5-mini-2025-08-07",
          "gen_ai.response.finish_reasons": ["stop"],
          "gen_ai.response.time_to_first_chunk": 0.216,
          "gen_ai.usage.input_tokens": 100,
          "gen_ai.usage.output_tokens": 50,
          "gen_ai.usage.cache_read.input_tokens": 80,
          "gen_ai.usage.reasoning.output_tokens": 20,
          "server.address": "api.openai.com",
          "server.port": 443,
          "openai.api.type": "chat_completions",
          "openai.response.service_tier": "default",
          "http.response.status_code": 200,
          "user.id": "user-1001",
          "session.id": "s-9",
          "llm_tap.api": "openai-chat",
          "llm_tap.outcome": "success",
          "llm_tap.usage.source": "reported",
          "llm_tap.cost.total_usd": 0.0012,
          "llm_tap.cost.source": "computed",
          "llm_tap.request.id": call.response!.requestId,
          "llm_tap.turn": 1,
          "llm_tap.record.id": call.id,
        },
      },
    ]);
  });

  it("find their parents, in whatever order they come", async () => {
    await stack.close();
    stack = await startStack({ encoding });
    const agent = sampleSpan({ kind: "agent", name: "planner", trace: { traceId, spanId: "aaaaaaaaaaaaaaaa" } });
    const call = sampleCall({ trace: { traceId, spanId: "bbbbbbbbbbbbbbbb", parentSpanId: "aaaaaaaaaaaaaaaa" } });
    const tool = sampleSpan({ trace: { traceId, spanId: "cccccccccccccccc", parentSpanId: "bbbbbbbbbbbbbbbb" } });
    expect(await send([tool, call, agent])).toEqual(["delivered", "delivered", "delivered"]);
    expect(stack.server.spans).toMatchObject([
      {
        traceId,
        spanId: "cccccccccccccccc",
        parentSpanId: "bbbbbbbbbbbbbbbb",
        name: "execute_tool get_weather",
        kind: 1,
      },
      { traceId, spanId: "bbbbbbbbbbbbbbbb", parentSpanId: "aaaaaaaaaaaaaaaa", name: "chat gpt-5-mini", kind: 3 },
      { traceId, spanId: "aaaaaaaaaaaaaaaa", name: "invoke_agent planner", kind: 1 },
    ]);
    expect(stack.server.spans[2]).not.toHaveProperty("parentSpanId");
    expect(stack.server.spans[0]!.attributes).toMatchObject({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "get_weather",
      "gen_ai.tool.call.id": tool.tool!.callId,
      "llm_tap.span.source": "observe",
    });
  });
});

describe("spans", () => {
  it("say what went wrong", async () => {
    const span = sampleSpan({ error: { kind: "timeout", message: "too slow" } });
    await send([sampleErrorCall(), span, sampleCall({ outcome: "cancelled" }), sampleCall({ outcome: "truncated" })]);
    const [failed, tool, cancelled, truncated] = stack.server.spans;
    expect(failed).toMatchObject({
      status: { code: 2, message: "Rate limit reached for requests" },
      attributes: { "error.type": "rate_limit_exceeded", "http.response.status_code": 429 },
    });
    expect(tool).toMatchObject({ status: { code: 2, message: "too slow" }, attributes: { "error.type": "timeout" } });
    expect(cancelled!.attributes).toMatchObject({ "llm_tap.outcome": "cancelled" });
    expect(cancelled!.attributes).not.toHaveProperty("error.type");
    expect(truncated).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "truncated" } });
  });

  it.each([
    [{ api: "gemini", provider: "gcp.gemini" }, "generate_content", "generate_content gpt-5-mini"],
    [{ operation: "embeddings" }, "embeddings", "embeddings gpt-5-mini"],
    [{ operation: "image_generation" }, "image_generation", "image_generation gpt-5-mini"],
  ] as const)("%j is %s", async (more, operation, name) => {
    await send([sampleCall(more)]);
    expect(stack.server.spans).toMatchObject([{ name, attributes: { "gen_ai.operation.name": operation } }]);
  });

  it("keep times of before the process began", async () => {
    const call = sampleCall();
    const long = 1_000;
    await send([{ ...call, timing: { startedAt: long + 0.25, durationMs: 10.5 } }]);
    expect(stack.server.spans[0]).toMatchObject({ start: 1_000_250_000n, end: 1_010_750_000n });
  });

  it("take ids that are none of W3C's by a rule", async () => {
    const odd = { traceId: "order 17", spanId: "step 1" };
    const uuid = { traceId: "019d5f00-0000-7000-8000-000000000001", spanId: "s", parentSpanId: "step 1" };
    await send([sampleCall({ trace: odd }), sampleSpan({ trace: odd }), sampleCall({ trace: uuid })]);
    const [call, span, other] = stack.server.spans;
    expect(call!.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(span).toMatchObject({ traceId: call!.traceId, spanId: call!.spanId });
    expect(call!.attributes).toMatchObject({ "llm_tap.trace.id": "order 17" });
    expect(other).toMatchObject({ traceId: "019d5f00000070008000000000000001", parentSpanId: call!.spanId });
  });

  it("keep the SDK's id where it does not let go of it", async () => {
    const tracer = stack.tracerProvider.getTracer("test");
    const startSpan = tracer.startSpan.bind(tracer);
    tracer.startSpan = (...given) => {
      const span = startSpan(...given);
      const own = span.spanContext();
      span.spanContext = () => ({ ...own });
      return span;
    };
    const call = sampleCall();
    await send([call], { tracer });
    expect(stack.server.spans[0]!.spanId).not.toBe(call.trace.spanId);
    expect(stack.server.spans[0]!.attributes).toMatchObject({ "llm_tap.span.id": call.trace.spanId });
  });

  it("take the app's own attributes", async () => {
    await send([sampleCall(), sampleSpan()], {
      attributes: (record) => {
        if (record.type === "span") throw new Error("no idea");
        return { "user.id": "other", "gen_ai.usage.cost": record.cost!.totalUsd };
      },
    });
    expect(stack.server.spans[0]!.attributes).toMatchObject({ "user.id": "other", "gen_ai.usage.cost": 0.0012 });
    expect(stack.server.spans[1]!.name).toBe("execute_tool get_weather");
    expect(warnings).toEqual([expect.stringMatching(/`attributes` threw.*no idea/) as string]);
  });
});

const content = [
  "gen_ai.input.messages",
  "gen_ai.output.messages",
  "gen_ai.system_instructions",
  "gen_ai.tool.definitions",
];

describe("content", () => {
  it.each([
    [{}, undefined, "metadata", false, false],
    [{}, "SPAN_ONLY", "full", true, false],
    [{}, "event_only", "full", false, true],
    [{}, "span_and_event", "full", true, true],
    [{}, "true", "full", true, true],
    [{}, "false", "metadata", false, false],
    [{}, "what?", "metadata", false, false],
    [{ content: "none" }, "SPAN_AND_EVENT", "metadata", false, false],
    [{ content: "span" }, undefined, "full", true, false],
    [{ content: "event" }, "NO_CONTENT", "full", false, true],
  ] as const)("%j and %s in the environment", async (options, variable, most, onSpan, onEvent) => {
    vi.stubEnv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", variable);
    expect(stack.createSink(options).content).toBe(most);
    await send([sampleCall()], options);
    const spanKeys = Object.keys(stack.server.spans[0]!.attributes);
    const eventKeys = Object.keys(stack.server.logs[0]!.attributes);
    expect(content.filter((name) => spanKeys.includes(name))).toEqual(onSpan ? content : []);
    expect(content.filter((name) => eventKeys.includes(name))).toEqual(onEvent ? content : []);
  });

  it("is text on spans and structure in events, as the schemas have it", async () => {
    const call = sampleCall();
    call.request.messages = [
      {
        role: "user",
        parts: [
          { type: "text", content: "Hi" },
          { type: "blob", modality: "image", mimeType: "image/png", bytes: 3 },
        ],
      },
      { role: "tool", parts: [{ type: "tool_call_response", id: "c1", response: { degrees: 7 } }] },
    ];
    call.response!.choices[0] = {
      index: 0,
      message: { role: "assistant", parts: [{ type: "tool_call", id: "c2", name: "f", arguments: { a: 1 } }] },
      finishReason: "tool_calls",
      rawFinishReason: "tool_calls",
    };
    const input = [
      {
        role: "user",
        parts: [
          { type: "text", content: "Hi" },
          { type: "blob", modality: "image", mime_type: "image/png", bytes: 3 },
        ],
      },
      { role: "tool", parts: [{ type: "tool_call_response", id: "c1", response: { degrees: 7 } }] },
    ];
    const output = { role: "assistant", parts: [{ type: "tool_call", id: "c2", name: "f", arguments: { a: 1 } }] };
    await send([call], { content: "span_and_event" });
    const span = stack.server.spans[0]!.attributes;
    const event = stack.server.logs[0]!.attributes;
    expect(JSON.parse(span["gen_ai.input.messages"] as string)).toEqual(input);
    expect(event["gen_ai.input.messages"]).toEqual(input);
    expect(event["gen_ai.output.messages"]).toEqual([{ ...output, finish_reason: "tool_call" }]);
    expect(span["gen_ai.response.finish_reasons"]).toEqual(["tool_calls"]);

    await send([{ ...call, id: "second" }], { content: "event", semconv: "latest" });
    expect(stack.server.logs[1]!.attributes["gen_ai.output.messages"]).toEqual([output]);
  });

  it("of tools goes on their spans", async () => {
    await send([sampleSpan()], { content: "span" });
    await send([sampleSpan()]);
    expect(stack.server.spans[0]!.attributes).toMatchObject({
      "gen_ai.tool.call.arguments": '{"city":"Oslo"}',
      "gen_ai.tool.call.result": '{"degrees":7}',
    });
    expect(stack.server.spans[1]!.attributes).not.toHaveProperty("gen_ai.tool.call.arguments");
  });
});

describe("events", () => {
  it("are of the span of their call, at its end", async () => {
    const call = sampleErrorCall();
    await send([call]);
    expect(stack.server.logs).toMatchObject([
      {
        eventName: "gen_ai.client.inference.operation.details",
        traceId: call.trace.traceId,
        spanId: call.trace.spanId,
        time: nanoseconds(call.timing.startedAt + 92),
        attributes: { "gen_ai.request.model": "gpt-5-mini", "error.type": "rate_limit_exceeded" },
      },
      {
        eventName: "gen_ai.client.operation.exception",
        severityNumber: 13,
        attributes: { "exception.type": "rate_limit_exceeded", "exception.message": "Rate limit reached for requests" },
      },
    ]);
  });

  it("and metrics can be turned off", async () => {
    expect(await send([sampleCall()], { loggerProvider: false, meterProvider: false })).toEqual(["delivered"]);
    await stack.meterProvider.forceFlush();
    expect(stack.server.logs).toEqual([]);
    expect(stack.server.points).toEqual([]);
  });
});

async function points(records: readonly TapRecord[], semconv: "1.41" | "latest"): Promise<Record<string, unknown>> {
  await send(records, { semconv });
  await stack.meterProvider.forceFlush();
  return Object.fromEntries(
    stack.server.points.map(({ metric, attributes, sum, value }) => {
      const detail = attributes["gen_ai.token.type"] ?? attributes["gen_ai.token.modality"];
      return [detail === undefined ? metric : `${metric} ${detail as string}`, sum ?? value];
    }),
  );
}

describe("metrics", () => {
  it("of 1.41", async () => {
    expect(await points([sampleCall()], "1.41")).toEqual({
      "gen_ai.client.operation.duration": 1.42,
      "gen_ai.client.operation.time_to_first_chunk": 0.216,
      "gen_ai.client.token.usage input": 100,
      "gen_ai.client.token.usage output": 50,
    });
    const duration = stack.server.points.find(({ metric }) => metric === "gen_ai.client.operation.duration");
    expect(duration).toMatchObject({
      unit: "s",
      count: 1,
      bounds: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
    });
    expect(duration!.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-5-mini",
      "gen_ai.response.model": "gpt-5-mini-2025-08-07",
      "server.address": "api.openai.com",
      "server.port": 443,
    });
  });

  it("of 1.41, without usage: no tokens, and the error", async () => {
    expect(await points([sampleErrorCall()], "1.41")).toEqual({ "gen_ai.client.operation.duration": 0.092 });
    expect(stack.server.points[0]!.attributes).toMatchObject({ "error.type": "rate_limit_exceeded" });
  });

  it("of latest", async () => {
    const call = sampleCall();
    call.usage.inputAudioTokens = 30;
    expect(await points([call], "latest")).toEqual({
      "gen_ai.client.inference.duration": 1.42,
      "gen_ai.client.inference.time_to_first_chunk": 0.216,
      "gen_ai.client.inference.operation.input_tokens": 100,
      "gen_ai.client.inference.operation.output_tokens": 50,
      "gen_ai.client.inference.usage.input_tokens text": 70,
      "gen_ai.client.inference.usage.input_tokens audio": 30,
      "gen_ai.client.inference.usage.output_tokens unknown": 50,
      "gen_ai.client.inference.usage.cache_read.input_tokens unknown": 80,
      "gen_ai.client.inference.usage.reasoning.output_tokens unknown": 20,
    });
  });

  it("of latest, without usage: a zero of unknown modality", async () => {
    expect(await points([sampleErrorCall()], "latest")).toEqual({
      "gen_ai.client.inference.duration": 0.092,
      "gen_ai.client.inference.usage.input_tokens unknown": 0,
      "gen_ai.client.inference.usage.output_tokens unknown": 0,
    });
  });

  it("of latest tell embeddings and the rest apart", async () => {
    const records = [sampleCall({ operation: "embeddings" }), sampleCall({ operation: "rerank" })];
    expect(await points(records, "latest")).toEqual({
      "gen_ai.client.embeddings.duration": 1.42,
      "gen_ai.client.embeddings.operation.input_tokens": 100,
      "gen_ai.client.operation.duration": 1.42,
    });
  });
});

describe("the generation of the conventions", () => {
  const cacheWrite = (call: LlmCall): LlmCall => ({ ...call, usage: { ...call.usage, cacheWriteTokens: 5 } });
  it.each([
    [undefined, undefined, "gen_ai.usage.cache_creation.input_tokens"],
    [undefined, "http, gen_ai_latest_experimental", "gen_ai.usage.cache_write.input_tokens"],
    [undefined, "http", "gen_ai.usage.cache_creation.input_tokens"],
    ["1.41", "gen_ai_latest_experimental", "gen_ai.usage.cache_creation.input_tokens"],
    ["latest", undefined, "gen_ai.usage.cache_write.input_tokens"],
  ] as const)("option %s, environment %s", async (semconv, variable, name) => {
    vi.stubEnv("OTEL_SEMCONV_STABILITY_OPT_IN", variable);
    await send([cacheWrite(sampleCall())], semconv === undefined ? {} : { semconv });
    const names = Object.keys(stack.server.spans[0]!.attributes).filter((key) => key.includes("cache_"));
    expect(names).toEqual(["gen_ai.usage.cache_read.input_tokens", name]);
  });
});

describe("delivery", () => {
  it("says retry when the exporter fails, and counts once when it comes again", async () => {
    const records = sampleRecords(3);
    const sink = stack.createSink({ onWarning });
    const write = async (): Promise<DeliveryResult[]> =>
      (await sink.write(records, { signal: new AbortController().signal })).results;
    stack.server.fault = 500;
    expect(await write()).toEqual(["retry", "retry", "retry"]);
    expect(warnings).toEqual([expect.stringMatching(/could not export/) as string]);
    stack.server.fault = undefined;
    expect(await write()).toEqual(["delivered", "delivered", "delivered"]);
    expect(stack.server.spans.map((span) => span.spanId)).toEqual(records.map((record) => record.trace.spanId));
    await stack.meterProvider.forceFlush();
    const durations = stack.server.points.filter(({ metric }) => metric === "gen_ai.client.operation.duration");
    expect(durations.map(({ count }) => count)).toEqual([2]);
    expect(stack.server.logs).toHaveLength(2);
  });

  it("says rejected for what the receiver will never take", async () => {
    stack.server.fault = 400;
    expect(await send(sampleRecords(2))).toEqual(["rejected", "rejected"]);
  });

  it("counts what is not sampled as delivered, and its metrics", async () => {
    await stack.close();
    stack = await startStack({ sampler: new AlwaysOffSampler() });
    expect(await send([sampleCall()])).toEqual(["delivered"]);
    await stack.meterProvider.forceFlush();
    expect(stack.server.spans).toEqual([]);
    expect(stack.server.points.length).toBeGreaterThan(0);
  });

  it("can't tell with a tracer alone, or when told not to wait", async () => {
    const tracer = stack.tracerProvider.getTracer("mine");
    const alone = opentelemetrySink({ tracer, meterProvider: false, loggerProvider: false, onWarning });
    const options = { signal: new AbortController().signal };
    expect((await alone.write([sampleCall()], options)).results).toEqual(["unknown"]);
    expect(await send([sampleCall()], { confirm: false })).toEqual(["unknown"]);
    expect(stack.server.spans).toEqual([]);
    await stack.tracerProvider.forceFlush();
    expect(stack.server.spans).toHaveLength(2);
    expect(warnings).toEqual([]);
  });

  it("uses what the app has registered, also after the first record", async () => {
    const sink = opentelemetrySink({ onWarning });
    const options = { signal: new AbortController().signal };
    expect((await sink.write([sampleCall()], options)).results).toEqual(["unknown"]);
    expect(warnings).toEqual([expect.stringMatching(/no OpenTelemetry SDK is registered/) as string]);
    trace.setGlobalTracerProvider(stack.tracerProvider);
    metrics.setGlobalMeterProvider(stack.meterProvider);
    logs.setGlobalLoggerProvider(stack.loggerProvider);
    expect((await sink.write([sampleCall()], options)).results).toEqual(["delivered"]);
    expect(stack.server.spans).toHaveLength(1);
    expect(stack.server.logs).toHaveLength(1);
    await stack.meterProvider.forceFlush();
    expect(stack.server.points.length).toBeGreaterThan(0);
  });

  it("a span processor that throws costs its record only", async () => {
    await stack.close();
    let count = 0;
    const thrower = {
      onStart() {
        count += 1;
        if (count === 2) throw new Error("mine");
      },
      onEnd: () => undefined,
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
    stack = await startStack({ spanProcessors: [thrower] });
    expect(await send(sampleRecords(3))).toEqual(["delivered", "rejected", "delivered"]);
  });

  it("says what is missing", async () => {
    const failing = loadApi(() => Promise.reject(new Error("ERR_MODULE_NOT_FOUND")));
    await expect(failing).rejects.toMatchObject({
      name: "TapError",
      code: "missing_dependency",
      message: expect.stringContaining("npm install @opentelemetry/api") as string,
    });
  });

  it.each([
    [{ content: "all" }, /"content" must be/],
    [{ semconv: "1.36" }, /"semconv" must be "1.41" or "latest", got "1.36"/],
    [{ tracerProvider: {} }, /"tracerProvider" must have a method getTracer/],
    [{ meterProvider: 7 }, /"meterProvider" must have/],
    [{ tracer: false }, /"tracer" must have/],
  ])("%j is refused with advice", (wrong, message) => {
    expect(() => opentelemetrySink(wrong as unknown as OpentelemetrySinkOptions)).toThrow(message);
  });
});

describe("calls that another instrumentation has a span for", () => {
  it("are left to it; those under its agents are not", async () => {
    await stack.close();
    const watcher = watchGenAiSpans();
    stack = await startStack({ spanProcessors: [watcher] });
    const tracer = stack.tracerProvider.getTracer("opentelemetry-instrumentation-openai");
    const start = (attributes: Record<string, string>): string => {
      const span = tracer.startSpan("other", { attributes });
      span.end();
      return span.spanContext().spanId;
    };
    const late = tracer.startSpan("late");
    late.setAttribute("gen_ai.operation.name", "chat");
    late.end();
    const under = (parentSpanId: string): LlmCall =>
      sampleCall({ trace: { traceId, spanId: "1".repeat(16), parentSpanId } });
    const records = [
      under(start({ "gen_ai.operation.name": "chat" })),
      under(start({ "gen_ai.system": "openai", "gen_ai.request.model": "gpt-5" })),
      under(late.spanContext().spanId),
      under(start({ "gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-5" })),
      under(start({ "http.request.method": "POST" })),
      sampleSpan({
        trace: { traceId, spanId: "2".repeat(16), parentSpanId: start({ "gen_ai.operation.name": "chat" }) },
      }),
    ];
    expect(await send(records, { skipUnder: watcher })).toEqual(records.map(() => "delivered"));
    const ours = stack.server.spans.filter((span) => span.scope.name === "llm-tap");
    expect(ours.map((span) => span.attributes["llm_tap.record.id"])).toEqual(
      records.slice(3).map((record) => record.id),
    );
    // Our own spans are no reason to leave a call out.
    expect(ours.some((span) => watcher.has(span.spanId))).toBe(false);
  });
});

it("a call without content stays without", async () => {
  await send([sampleMetadataCall()], { content: "span_and_event" });
  const keys = [stack.server.spans[0]!, stack.server.logs[0]!].flatMap(({ attributes }) => Object.keys(attributes));
  expect(keys.filter((key) => content.includes(key))).toEqual([]);
});
