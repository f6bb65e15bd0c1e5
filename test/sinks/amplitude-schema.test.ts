import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { baseUrlOf } from "../../src/sinks/amplitude/base-url.ts";
import { LIBRARY_VERSION } from "../../src/sinks/shared/library.ts";
import { createEventPreparer, type PrepareOptions } from "../../src/sinks/amplitude/prepare-event.ts";
import { aiSchema } from "../../src/sinks/amplitude/schema-ai.ts";
import type { AmplitudeEvent, PreparedEvent } from "../../src/sinks/amplitude/types.ts";
import { sampleCall, sampleErrorCall, sampleMetadataCall, sampleSpan } from "../../src/testing/sample-records.ts";
import type { CallContext, LlmCall, TapRecord } from "../../src/types.ts";

function toEvent(record: TapRecord, options: Partial<PrepareOptions> = {}): AmplitudeEvent {
  const prepare = createEventPreparer({
    schema: aiSchema,
    deviceId: "service-device",
    maxEventBytes: 800_000,
    ...options,
  });
  const [{ event, json, bytes }] = prepare(record) as [PreparedEvent];
  expect(JSON.parse(json)).toEqual(event);
  expect(bytes).toBe(Buffer.byteLength(json));
  return event;
}

const toProperties = (record: TapRecord): Record<string, unknown> => toEvent(record).event_properties;
const withContext = (context: CallContext): AmplitudeEvent => toEvent(sampleCall({ context }));
const join = (value: unknown): unknown => (Array.isArray(value) ? value.join("") : value);

function withMessage(content: string): LlmCall {
  const call = sampleCall();
  return { ...call, request: { ...call.request, messages: [{ role: "user", parts: [{ type: "text", content }] }] } };
}

describe("the ai schema", () => {
  it("maps a chat call, property by property", () => {
    const call = sampleCall({ trace: { traceId: "t", spanId: "s", parentSpanId: "p", turn: 3 } });
    const event = toEvent(call);
    expect(event).toEqual({
      event_type: "ai_generation",
      user_id: "user-1001",
      time: call.timing.startedAt,
      insert_id: `${call.id}:ai_generation`,
      library: `llm-tap/${LIBRARY_VERSION}`,
      event_properties: {
        ai_provider: "openai",
        ai_model: "gpt-5-mini-2025-08-07",
        ai_request_model: "gpt-5-mini",
        ai_operation: "chat",
        ai_api: "openai-chat",
        ai_base_url: "https://api.openai.com/v1",
        ai_is_streaming: true,
        ai_input_tokens: 100,
        ai_output_tokens: 50,
        ai_total_tokens: 150,
        ai_cache_read_input_tokens: 80,
        ai_reasoning_tokens: 20,
        ai_usage_source: "reported",
        ai_latency: 1.42,
        ai_time_to_first_token: 0.216,
        ai_cost: 0.0012,
        ai_input_cost: 0.0002,
        ai_output_cost: 0.001,
        ai_cost_source: "computed",
        ai_model_parameters: { temperature: 0.2, max_completion_tokens: 500 },
        ai_tools: call.request.tools,
        ai_stop_reason: "stop",
        ai_http_status: 200,
        ai_response_id: call.response?.id,
        ai_request_id: call.response?.requestId,
        ai_service_tier: "default",
        ai_attempt: 1,
        ai_outcome: "success",
        ai_input: call.request.messages,
        ai_output: (call.response!.choices[0]!.message.parts[0] as { content: string }).content,
        ai_output_choices: [
          { index: 0, role: "assistant", parts: call.response?.choices[0]?.message.parts, finish_reason: "stop" },
        ],
        ai_system: call.request.system,
        ai_is_error: false,
        ai_trace_id: "t",
        ai_span_id: "s",
        ai_parent_id: "p",
        ai_session_id: "s-9",
        ai_turn: 3,
        ai_lib: "llm-tap",
        ai_lib_version: LIBRARY_VERSION,
      },
    });
  });

  it("calls an error what it is, with all that a generation has", () => {
    const call = sampleErrorCall();
    const event = toEvent(call);
    expect(event.event_type).toBe("ai_error");
    expect(event.insert_id).toBe(`${call.id}:ai_error`);
    expect(event.event_properties).toMatchObject({
      ai_is_error: true,
      ai_error: "Rate limit reached for requests",
      ai_error_type: "rate_limit_error",
      ai_error_code: "rate_limit_exceeded",
      ai_error_kind: "http",
      ai_http_status: 429,
      ai_outcome: "error",
      ai_provider: "openai",
      ai_model: "gpt-5-mini",
      ai_input: call.request.messages,
      ai_latency: 0.092,
    });
  });

  it.each([
    ["embeddings", "success", "ai_embedding"],
    ["embeddings", "error", "ai_error"],
    ["chat", "cancelled", "ai_generation"],
    ["chat", "truncated", "ai_generation"],
    ["image_generation", "success", "ai_generation"],
    ["moderation", "success", "ai_generation"],
    ["rerank", "success", "ai_generation"],
    ["text_completion", "error", "ai_error"],
  ] as const)("%s that ends in %s is %s", (operation, outcome, type) => {
    expect(toEvent(sampleCall({ operation, outcome })).event_type).toBe(type);
  });

  it("counts embeddings", () => {
    const call = sampleCall({ operation: "embeddings" });
    const response = { ...call.response!, choices: [], embeddings: { count: 3, dimensions: 1536 } };
    const properties = toProperties({ ...call, response });
    expect(properties).toMatchObject({ ai_embedding_count: 3, ai_embedding_dimensions: 1536 });
    expect(properties).not.toHaveProperty("ai_output");
    expect(properties).not.toHaveProperty("ai_output_choices");
    expect(properties).not.toHaveProperty("ai_stop_reason");
  });

  it("says whose agent it was, and where", () => {
    const context = { agentId: "a", parentAgentId: "b", customerOrgId: "c", env: "test", tags: ["x"] };
    const expected = {
      ai_agent_id: "a",
      ai_parent_agent_id: "b",
      ai_customer_org_id: "c",
      ai_env: "test",
      ai_tags: ["x"],
    };
    expect(toProperties(sampleCall({ context }))).toMatchObject(expected);
    expect(toProperties(sampleSpan({ context }))).toMatchObject(expected);
    expect(toProperties(sampleCall({ context: { tags: [] } }))).not.toHaveProperty("ai_tags");
  });

  it("maps a span", () => {
    const span = sampleSpan({ error: { kind: "timeout", message: "too slow" } });
    expect(toEvent(span)).toMatchObject({ event_type: "ai_span", insert_id: `${span.id}:ai_span` });
    expect(toProperties(span)).toEqual({
      ai_span_name: "get_weather",
      ai_span_kind: "tool",
      ai_tool_name: "get_weather",
      ai_tool_call_id: span.tool?.callId,
      ai_latency: 0.035,
      ai_input: { city: "Oslo" },
      ai_output: { degrees: 7 },
      ai_is_error: true,
      ai_error: "too slow",
      ai_error_kind: "timeout",
      ai_trace_id: span.trace.traceId,
      ai_span_id: span.trace.spanId,
      ai_parent_id: span.trace.parentSpanId,
      ai_session_id: "s-9",
      ai_lib: "llm-tap",
      ai_lib_version: LIBRARY_VERSION,
    });
  });

  it("leaves out what is not known; a zero is known", () => {
    const {
      response: _response,
      cost: _cost,
      ...call
    } = sampleMetadataCall({
      outcome: "error",
      usage: { source: "reported", complete: true, inputTokens: 0 },
      timing: { startedAt: 1, durationMs: 0 },
      context: {},
      error: { kind: "network", message: "" },
    });
    const properties = toProperties(call);
    expect(Object.values(properties).filter((value) => value === undefined || value === null || value === "")).toEqual(
      [],
    );
    expect(properties).toMatchObject({ ai_input_tokens: 0, ai_latency: 0, ai_error_kind: "network" });
    for (const name of [
      "ai_output_tokens",
      "ai_cost",
      "ai_http_status",
      "ai_time_to_first_token",
      "ai_error",
      "ai_session_id",
    ]) {
      expect(properties).not.toHaveProperty(name);
    }
  });

  it("sends no content of a call that has none", () => {
    const properties = toProperties(sampleMetadataCall());
    for (const name of ["ai_input", "ai_output", "ai_output_choices", "ai_system", "ai_tools"]) {
      expect(properties).not.toHaveProperty(name);
    }
    expect(properties["ai_stop_reason"]).toBe("stop");
  });

  it("keeps the library's version equal to the package's", () => {
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(LIBRARY_VERSION).toBe(manifest.version);
  });

  it.each([
    ["https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"],
    ["https://api.openai.com/v1/responses/resp_1", "https://api.openai.com/v1"],
    ["https://api.anthropic.com/v1/messages?beta=true", "https://api.anthropic.com/v1"],
    [
      "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
      "https://generativelanguage.googleapis.com/v1beta",
    ],
    [
      "https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3Ab/converse",
      "https://bedrock-runtime.us-east-1.amazonaws.com",
    ],
    [
      "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
      "https://x.openai.azure.com/openai/deployments/d",
    ],
    ["http://localhost:11434/api/chat", "http://localhost:11434"],
    ["https://example.com/something/else", "https://example.com"],
    ["nonsense", undefined],
  ])("base URL of %s", (url, base) => {
    expect(baseUrlOf(url)).toBe(base);
  });
});

describe("the envelope", () => {
  it("gives calls without a user the service's device, and only them", () => {
    expect(withContext({})).toMatchObject({ device_id: "service-device" });
    expect(withContext({})).not.toHaveProperty("user_id");
    // A device that both shared would merge the anonymous calls into the first user.
    expect(withContext({ userId: "u-1" })).toMatchObject({ user_id: "u-1" });
    expect(withContext({ userId: "u-1" })).not.toHaveProperty("device_id");
    expect(withContext({ userId: "u-1", deviceId: "d-1" })).toMatchObject({ user_id: "u-1", device_id: "d-1" });
    expect(withContext({ deviceId: "d-1" })).toMatchObject({ device_id: "d-1" });
  });

  it.each([
    "anonymous",
    "Anonymous",
    " unknown ",
    "null",
    "undefined",
    "none",
    "nil",
    "n/a",
    "na",
    "{}",
    "0",
    "-1",
    "00000000-0000-0000-0000-000000000000",
    "lmy47d",
  ])("moves the refused id %j to a property", (id) => {
    const event = withContext({ userId: id, deviceId: id });
    expect(event).not.toHaveProperty("user_id");
    expect(event.device_id).toBe("service-device");
    expect(event.event_properties).toMatchObject({ ai_user_id: id, ai_device_id: id });
  });

  it("takes an empty id for none", () => {
    const event = withContext({ userId: "", deviceId: " " });
    expect(event).toMatchObject({ device_id: "service-device" });
    expect(event).not.toHaveProperty("user_id");
    expect(event.event_properties).not.toHaveProperty("ai_user_id");
  });

  it.each([
    ["1780000000000", 1_780_000_000_000],
    ["42", 42],
    ["s-9", undefined],
    ["-1", undefined],
    ["1e3", undefined],
    ["1.5", undefined],
    ["99999999999999999999", undefined],
    [" 7", undefined],
  ])("session %j", (sessionId, session) => {
    const event = withContext({ sessionId });
    expect(event.session_id).toBe(session);
    expect(event.event_properties["ai_session_id"]).toBe(sessionId);
  });

  it("takes ids that are numbers at run time", () => {
    expect(withContext({ userId: 7, sessionId: 8 } as unknown as CallContext)).toMatchObject({
      user_id: "7",
      session_id: 8,
    });
  });

  it("is short where ids are long, and whole where time is broken", () => {
    const event = toEvent(
      sampleCall({ context: { userId: "u".repeat(2_000) }, timing: { startedAt: 1.7, durationMs: 1 } }),
    );
    expect(event.user_id).toHaveLength(1_024);
    expect(event.time).toBe(2);
  });

  it("passes groups on within Amplitude's limits", () => {
    expect(withContext({ groups: { company: "acme", team: ["a", "b"] } }).groups).toEqual({
      company: "acme",
      team: ["a", "b"],
    });
    expect(withContext({ groups: {} })).not.toHaveProperty("groups");
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`g${index}`, ["1", "2", "3"]]));
    const kept = Object.values(withContext({ groups: many }).groups ?? {});
    expect(kept.length).toBeLessThanOrEqual(5);
    expect(kept.flat().length).toBeLessThanOrEqual(10);
  });

  it("merges the app's properties, which can't take a name of ours", () => {
    const { event_properties } = withContext({
      properties: { plan: "pro", ai_cost: 99, ai_error: "mine", ai_flavour: "x", nothing: undefined },
    });
    expect(event_properties).toMatchObject({ plan: "pro", ai_cost: 0.0012, ai_flavour: "x" });
    expect(event_properties).not.toHaveProperty("ai_error");
    expect(event_properties).not.toHaveProperty("nothing");
  });
});

describe("what is sent late", () => {
  it("says so, because Amplitude may have it twice by then", () => {
    const call = sampleCall();
    const late = { ...call, capture: { ...call.capture, notes: ["outbox_older_than_7_days"] } };
    expect(toProperties(late)).toHaveProperty("ai_late", true);
    expect(toProperties(call)).not.toHaveProperty("ai_late");
  });
});

describe("Amplitude's limits", () => {
  it.each([0, 1, 1_023, 1_024, 1_025, 2_048, 100_000])("content of %i characters arrives whole", (length) => {
    const text = "ab张".repeat(length).slice(0, length);
    const [message] = toProperties(withMessage(text))["ai_input"] as [{ parts: [{ content: unknown }] }];
    const { content } = message.parts[0];
    expect(join(content)).toBe(text);
    expect(Array.isArray(content)).toBe(length > 1_024);
    for (const piece of [content].flat() as string[]) expect(piece.length).toBeLessThanOrEqual(1_024);
  });

  it("never cuts a character in two", () => {
    const text = "x" + "👍".repeat(3_000);
    const [message] = toProperties(withMessage(text))["ai_input"] as [{ parts: [{ content: string[] }] }];
    const pieces = message.parts[0].content;
    expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
    expect(pieces.join("")).toBe(text);
  });

  it("cuts other strings with a marker", () => {
    const { event_properties } = withContext({ properties: { note: "n".repeat(3_000), list: ["m".repeat(3_000)] } });
    const note = event_properties["note"] as string;
    expect(note).toHaveLength(1_024);
    expect(note).toMatch(/n… \[cut: 3000 characters\]$/);
    expect((event_properties["list"] as string[])[0]).toHaveLength(1_024);
  });

  it("nests no deeper than 40 levels", () => {
    let deep: unknown = "bottom";
    for (let level = 0; level < 100; level++) deep = { deep };
    const depth = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;
    const call = sampleCall({ context: { properties: { deep } } });
    call.request.parameters = { deep };
    expect(depth(toProperties(call))).toBeLessThanOrEqual(40);
    expect(JSON.stringify(toProperties(call))).toContain("nested too deep");
  });

  it.each([2_000, 5_000, 20_000, 100_000, 800_000])(
    "an event of megabytes fits into %i bytes and says what it lost",
    (maxEventBytes) => {
      const call = withMessage("z\u0001".repeat(500_000));
      const messages = Array.from({ length: 2_000 }, (_, index) => ({
        role: "user",
        parts: [{ type: "text" as const, content: `message ${index} ${"w".repeat(500)}` }],
      }));
      const prepare = createEventPreparer({ schema: aiSchema, deviceId: "service-device", maxEventBytes });
      const [prepared] = prepare({
        ...call,
        request: { ...call.request, messages: [...call.request.messages!, ...messages] },
      });
      const { event, bytes } = prepared as PreparedEvent;
      expect(bytes).toBeLessThanOrEqual(maxEventBytes);
      expect(event.event_properties).toMatchObject({
        ai_input_tokens: 100,
        ai_latency: 1.42,
        ai_truncated: expect.any(String) as string,
      });
      if (maxEventBytes >= 20_000) {
        // The last messages are what this call is about.
        expect(JSON.stringify(event.event_properties["ai_input"])).toContain("message 1999");
        expect(event.event_properties["ai_input"]).toContainEqual({ omitted: expect.any(Number) as number });
      }
    },
  );

  it("leaves an event that fits as it is", () => {
    expect(toProperties(withMessage("x".repeat(100_000)))).not.toHaveProperty("ai_truncated");
  });

  it("is a snapshot: what the app changes later changes nothing", () => {
    const properties = { plan: { name: "pro" } };
    const { event_properties } = withContext({ properties });
    properties.plan.name = "changed";
    expect(event_properties["plan"]).toEqual({ name: "pro" });
  });
});
