import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { agentSchema } from "../../src/sinks/amplitude/schema-agent.ts";
import { LIBRARY_VERSION } from "../../src/sinks/shared/library.ts";
import { amplitudeSink, type AmplitudeSinkKeyOptions } from "../../src/sinks/amplitude.ts";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import type { FakeAmplitudeEvent } from "../../src/testing/fake-amplitude/rules.ts";
import {
  sampleCall,
  sampleErrorCall,
  sampleMetadataCall,
  sampleRecords,
  sampleSpan,
} from "../../src/testing/sample-records.ts";
import { testSink } from "../../src/testing/sink-contract.ts";
import type { DeliveryResult, LlmCall, Message, Part, TapRecord } from "../../src/types.ts";

let amplitude: FakeAmplitude;
const warnings: string[] = [];
beforeEach(async () => {
  amplitude = await startFakeAmplitude();
  warnings.length = 0;
});
afterEach(() => amplitude.close());

async function send(
  records: readonly TapRecord[],
  options: Partial<AmplitudeSinkKeyOptions> = {},
): Promise<{ results: DeliveryResult[]; events: FakeAmplitudeEvent[] }> {
  const onWarning = (message: string): void => void warnings.push(message);
  const sink = amplitudeSink({ apiKey: "key", serverUrl: amplitude.url, schema: "agent", onWarning, ...options });
  const { results } = await sink.write(records, { signal: new AbortController().signal });
  await sink.close?.();
  return { results, events: amplitude.events };
}

const typesOf = (events: readonly { event_type: string }[]): string[] =>
  events.map((event) => event.event_type.replace("[Agent] ", ""));
const said = (role: string, ...parts: (Part | string)[]): Message => ({
  role,
  parts: parts.map((part) => (typeof part === "string" ? { type: "text", content: part } : part)),
});
const result: Part = { type: "tool_call_response", id: "call_1", response: "7" };
const toolCall: Part = { type: "tool_call", id: "call_1", name: "get_weather", arguments: { city: "Oslo" } };

function callWith(messages: Message[] | undefined, more: Partial<LlmCall> = {}): LlmCall {
  const call = sampleCall(more);
  const { messages: _messages, ...request } = call.request;
  return { ...call, request: { ...request, ...more.request, ...(messages && { messages }) } };
}

function userTexts(call: LlmCall): (string | undefined)[] {
  return agentSchema(call)
    .filter(({ eventType }) => eventType === "[Agent] User Message")
    .map(({ properties }) => (properties["$llm_message"] as { text: string } | undefined)?.text);
}

describe("the agent schema", () => {
  it("maps a chat call to what was asked and what was answered, property by property", async () => {
    const call = sampleCall({
      context: {
        userId: "user-1001",
        sessionId: "s-9",
        agentId: "planner",
        parentAgentId: "router",
        customerOrgId: "org-1",
        env: "production",
        tags: ["beta", "eu"],
        properties: { plan: "pro" },
      },
      trace: { traceId: "t".repeat(32), spanId: "s".repeat(16), turn: 2 },
    });
    const common = {
      "[Agent] Session ID": "s-9",
      "[Agent] Trace ID": call.trace.traceId,
      "[Agent] Turn ID": 2,
      "[Agent] Agent ID": "planner",
      "[Agent] Parent Agent ID": "router",
      "[Agent] Customer Org ID": "org-1",
      "[Agent] Context": '{"plan":"pro"}',
      "[Agent] Env": "production",
      "[Agent] Tags": '["beta","eu"]',
      "[Agent] SDK Version": LIBRARY_VERSION,
      "[Agent] Runtime": "node",
      plan: "pro",
    };
    const { results, events } = await send([call]);
    expect(results).toEqual(["delivered"]);
    const [question, answer] = events as [FakeAmplitudeEvent, FakeAmplitudeEvent];
    expect(question).toMatchObject({
      event_type: "[Agent] User Message",
      user_id: "user-1001",
      insert_id: `${call.id}:[Agent] User Message:0`,
      time: call.timing.startedAt,
    });
    expect(question.event_properties).toEqual({
      ...common,
      "[Agent] Message ID": `${call.trace.spanId}:0`,
      "[Agent] Component Type": "user_input",
      "[Agent] Message Source": "agent",
      $llm_message: { text: (call.request.messages![0]!.parts[0] as { content: string }).content },
    });
    expect(answer).toMatchObject({
      event_type: "[Agent] AI Response",
      insert_id: `${call.id}:[Agent] AI Response`,
      time: call.timing.startedAt + 1420,
    });
    expect(answer.event_properties).toEqual({
      ...common,
      "[Agent] Message ID": call.trace.spanId,
      "[Agent] Component Type": "llm",
      "[Agent] Model Name": "gpt-5-mini-2025-08-07",
      "[Agent] Provider": "openai",
      "[Agent] Latency Ms": 1420,
      "[Agent] TTFB Ms": 216,
      "[Agent] Is Error": false,
      "[Agent] Input Tokens": 100,
      "[Agent] Output Tokens": 50,
      "[Agent] Total Tokens": 150,
      "[Agent] Reasoning Tokens": 20,
      "[Agent] Cache Read Tokens": 80,
      "[Agent] Cost USD": 0.0012,
      "[Agent] Finish Reason": "stop",
      "[Agent] Has Reasoning": true,
      "[Agent] System Prompt": "Answer in one sentence.",
      "[Agent] System Prompt Length": 23,
      "[Agent] Tool Definitions": JSON.stringify(call.request.tools),
      "[Agent] Tool Definitions Count": 1,
      "[Agent] Tool Definitions Hash": expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      "[Agent] Temperature": 0.2,
      "[Agent] Max Output Tokens": 500,
      "[Agent] Is Streaming": true,
      $llm_message: { text: (call.response!.choices[0]!.message.parts[0] as { content: string }).content },
    });
  });

  it("says what went wrong", async () => {
    const { events } = await send([sampleErrorCall({ request: { ...sampleCall().request, attempt: 2 } })]);
    expect(typesOf(events)).toEqual(["AI Response"]);
    expect(events[0]!.event_properties).toMatchObject({
      "[Agent] Is Error": true,
      "[Agent] Error Message": "Rate limit reached for requests",
      "[Agent] Error Type": "rate_limit_error",
      "[Agent] Error Source": "http",
      "[Agent] Model Name": "gpt-5-mini",
    });
  });

  it("tells tool calls of the model, reasoning and attachments", () => {
    const call = callWith([
      said("user", "look", { type: "blob", modality: "image", mimeType: "image/png", bytes: 70 }),
    ]);
    const response = call.response!;
    response.choices[0]!.message.parts = [{ type: "reasoning", content: "Hm." }, toolCall];
    const [question, answer] = agentSchema(call);
    expect(question!.properties).toMatchObject({
      "[Agent] Has Attachments": true,
      "[Agent] Attachment Types": ["image/png"],
      "[Agent] Attachment Count": 1,
      "[Agent] Total Attachment Size Bytes": 70,
    });
    expect(answer!.properties).toMatchObject({
      "[Agent] Reasoning Content": "Hm.",
      "[Agent] Tool Calls": [
        { id: "call_1", type: "function", function: { name: "get_weather", arguments: { city: "Oslo" } } },
      ],
    });
    expect(answer!.properties).not.toHaveProperty("$llm_message");
  });

  it("falls back to the trace where there is no session", () => {
    for (const sessionId of [undefined, "", " "]) {
      const call = sampleCall({ context: sessionId === undefined ? {} : { sessionId } });
      expect(agentSchema(call)[0]!.properties["[Agent] Session ID"]).toBe(call.trace.traceId);
    }
  });

  const trace = { traceId: "t", spanId: "s" };
  const history = [said("user", "one"), said("assistant", "1"), said("user", "two")];
  it.each<[string, Message[] | undefined, Partial<LlmCall>, (string | undefined)[]]>([
    ["the last message of a user", history, {}, ["two"]],
    ["what is new since the last turn", history, { trace: { ...trace, newMessagesFrom: 1 } }, ["two"]],
    ["all of a first turn", history, { trace: { ...trace, newMessagesFrom: 0 } }, ["one", "two"]],
    [
      "nothing when nothing of a user is new",
      [...history, said("assistant", toolCall), said("tool", result)],
      { trace: { ...trace, newMessagesFrom: 3 } },
      [],
    ],
    [
      "the last one when the index points beyond the history",
      history,
      { trace: { ...trace, newMessagesFrom: 9 } },
      ["two"],
    ],
    ["nothing after tool results", [...history, said("assistant", toolCall), said("tool", result)], {}, []],
    [
      "nothing after tool results in the user's name",
      [...history, said("assistant", toolCall), said("user", result)],
      {},
      [],
    ],
    ["what comes with tool results", [said("assistant", toolCall), said("user", result, "and now?")], {}, ["and now?"]],
    ["a question before instructions", [...history, said("system", "be brief")], {}, ["two"]],
    ["nothing of an assistant that goes on", [...history, said("assistant", "Sure,")], {}, []],
    ["one without text with content off", undefined, {}, [undefined]],
    ["nothing with content off after tool results", undefined, { trace: { ...trace, linkedBy: "tool_result" } }, []],
    ["nothing with content off where nothing is new", undefined, { trace: { ...trace, newUserMessages: 0 } }, []],
    [
      "as much as came with content off",
      undefined,
      { trace: { ...trace, newUserMessages: 2 } },
      [undefined, undefined],
    ],
    ["nothing of what is asked again", history, { trace: { ...trace, newMessagesFrom: 3, newUserMessages: 0 } }, []],
    ["nothing of a retry", history, { request: { ...sampleCall().request, attempt: 2 } }, []],
    [
      "nothing of a retry that is known by its first try",
      history,
      { request: { ...sampleCall().request, retryOf: "x" } },
      [],
    ],
  ])("a user says %s", (_name, messages, more, expected) => {
    expect(userTexts(callWith(messages, more))).toEqual(expected);
  });

  it.each([
    ["embeddings", ["Embedding"]],
    ["rerank", ["Span"]],
    ["moderation", ["Span"]],
    ["count_tokens", ["Span"]],
    ["image_generation", ["User Message", "AI Response"]],
    ["text_completion", ["User Message", "AI Response"]],
  ] as const)("%s is %j", (operation, types) => {
    expect(agentSchema(sampleCall({ operation })).map(({ eventType }) => eventType)).toEqual(
      types.map((type) => `[Agent] ${type}`),
    );
  });

  it("maps tool runs and other spans", async () => {
    const tool = sampleSpan({ source: "inferred" });
    const failed = sampleSpan({ error: { kind: "timeout", message: "too slow" } });
    const agent = sampleSpan({ kind: "agent", name: "planner", input: "go", output: { done: true } });
    const { events } = await send([tool, failed, agent]);
    expect(typesOf(events)).toEqual(["Tool Call", "Tool Call", "Span"]);
    expect(events[0]!.event_properties).toMatchObject({
      "[Agent] Component Type": "tool",
      "[Agent] Invocation ID": tool.tool!.callId,
      "[Agent] Tool Name": "get_weather",
      "[Agent] Tool Success": true,
      "[Agent] Tool Input": '{"city":"Oslo"}',
      "[Agent] Tool Output": '{"degrees":7}',
      "[Agent] Parent Message ID": tool.trace.parentSpanId,
      "[Agent] Latency Ms": 35,
      "[Agent] Is Error": false,
    });
    expect(events[1]!.event_properties).toMatchObject({
      "[Agent] Tool Success": false,
      "[Agent] Is Error": true,
      "[Agent] Error Message": "too slow",
      "[Agent] Error Source": "timeout",
    });
    expect(events[2]!.event_properties).toMatchObject({
      "[Agent] Span ID": agent.trace.spanId,
      "[Agent] Span Name": "planner",
      "[Agent] Parent Span ID": agent.trace.parentSpanId,
      "[Agent] Input State": '"go"',
      "[Agent] Output State": '{"done":true}',
    });
  });

  it("keeps within Amplitude's limits without losing the event", async () => {
    const text = "A long answer. ".repeat(500);
    const call = callWith([said("user", text)], {
      context: {
        userId: "ab",
        properties: {
          ...Object.fromEntries(Array.from({ length: 1_500 }, (_, index) => [`key${index}`, index])),
          deep: JSON.parse(`${'{"a":'.repeat(60)}1${"}".repeat(60)}`) as unknown,
        },
      },
    });
    call.request.system = [{ type: "text", content: text }];
    call.request.tools = Array.from({ length: 40 }, (_, index) => ({
      type: "function",
      name: `tool_${index}`,
      description: text,
    }));
    call.response!.choices[0]!.message.parts = [{ ...toolCall, arguments: { text } }];
    const { results, events } = await send([call]);
    expect(results).toEqual(["delivered"]);
    const [question, answer] = amplitude.requests[0]!.body!["events"] as FakeAmplitudeEvent[];
    expect(events).toHaveLength(2);
    expect((question!.event_properties["$llm_message"] as { text: string }).text).toBe(text);
    const properties = answer!.event_properties;
    for (const [name, value] of Object.entries(properties)) {
      if (typeof value === "string" && name !== "$llm_message") expect(value.length).toBeLessThanOrEqual(1_024);
    }
    expect(Object.keys(properties).length).toBeLessThan(1_100);
    expect(properties["[Agent] System Prompt"]).toMatch(/\[cut: 7500 characters\]$/);
    expect(properties["[Agent] System Prompt Length"]).toBe(7_500);
    const calls = JSON.parse(properties["[Agent] Tool Calls"] as string) as { function: { name: string } }[];
    expect(calls[0]!.function.name).toBe("get_weather");
    expect(() => void JSON.parse(properties["[Agent] Tool Definitions"] as string)).not.toThrow();
    expect(() => void JSON.parse(properties["[Agent] Context"] as string)).not.toThrow();
  });

  it("megabytes that are cut anyway cost the message nothing", async () => {
    const call = sampleCall();
    const text = "word ".repeat(20_000);
    call.request.tools = [{ type: "function", name: "f", description: "z".repeat(2_000_000) }];
    call.response!.choices[0]!.message.parts = [{ type: "text", content: text }];
    await send([call]);
    const answer = (amplitude.requests[0]!.body!["events"] as FakeAmplitudeEvent[])[1]!;
    expect(answer.event_properties).toMatchObject({ $llm_message: { text } });
    expect(answer.event_properties).not.toHaveProperty("ai_truncated");
  });

  it("an event that is too large keeps its facts", async () => {
    const call = sampleCall();
    call.response!.choices[0]!.message.parts = [{ type: "text", content: "word ".repeat(1_000_000) }];
    const { results, events } = await send([call]);
    expect(results).toEqual(["delivered"]);
    expect(events[1]!.event_properties).toMatchObject({
      "[Agent] Input Tokens": 100,
      ai_truncated: expect.any(String) as string,
    });
    expect(amplitude.requests[0]!.bytes).toBeLessThan(900_000);
  });

  it("properties of the app can't take its names", async () => {
    const { events } = await send([
      sampleCall({ context: { properties: { "[Agent] Provider": "x", "[Agent] Message ID": "y", mine: 1 } } }),
    ]);
    expect(events[1]!.event_properties).toMatchObject({ "[Agent] Provider": "openai", mine: 1 });
    expect(events[1]!.event_properties["[Agent] Message ID"]).not.toBe("y");
  });
});

describe("the option schema", () => {
  it("both: each event of each record once, under insert_ids of their own that stay", async () => {
    const records = [sampleCall(), sampleSpan(), sampleMetadataCall()];
    await amplitude.setFault(["accept_then_reset"]);
    const first = await send(records, { schema: "both" });
    expect(first.results).toEqual(["retry", "retry", "retry"]);
    const second = await send(records, { schema: "both" });
    expect(second.results).toEqual(["delivered", "delivered", "delivered"]);
    const ids = second.events.map((event) => event.insert_id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(amplitude.duplicates).toBe(ids.length);
    expect(second.events.map((event) => event.event_type)).toEqual([
      "ai_generation",
      "[Agent] User Message",
      "[Agent] AI Response",
      "ai_span",
      "[Agent] Tool Call",
      "ai_generation",
      "[Agent] User Message",
      "[Agent] AI Response",
    ]);
  });

  it("a function makes none, one or several events", async () => {
    const records = sampleRecords(3);
    const { results, events } = await send(records, {
      schema: (record) => {
        if (record.id === records[0]!.id) return undefined;
        const event = {
          eventType: "Asked",
          properties: { kind: record.type, long: "x".repeat(3_000), gone: undefined },
        };
        return record.id === records[1]!.id ? event : [event, event];
      },
    });
    expect(results).toEqual(["delivered", "delivered", "delivered"]);
    expect(events.map((event) => event.insert_id)).toEqual([
      `${records[1]!.id}:Asked`,
      `${records[2]!.id}:Asked`,
      `${records[2]!.id}:Asked:1`,
    ]);
    expect(events[0]!.event_properties).toMatchObject({
      kind: "call",
      long: expect.stringMatching(/\[cut: 3000 characters\]$/) as string,
    });
    expect(events[0]!.event_properties).not.toHaveProperty("gone");
  });

  it("a function that throws or makes no event is told once and stops nothing", async () => {
    let count = 0;
    const { results, events } = await send(sampleRecords(4), {
      schema: () => {
        count += 1;
        if (count <= 2) throw new Error("no idea");
        return { eventType: count === 3 ? "" : "Asked", properties: {} };
      },
    });
    expect(results).toEqual(["delivered", "delivered", "delivered", "delivered"]);
    expect(events).toHaveLength(1);
    expect(warnings).toEqual([expect.stringMatching(/threw.*no idea/) as string]);
  });

  it("one refused event of a record makes the record refused", async () => {
    const call = sampleCall();
    const { results, events } = await send([call, sampleCall()], {
      schema: (record) => [
        { eventType: "Fine", properties: {} },
        { eventType: record.id === call.id ? "[Amplitude] Revenue" : "Good", properties: {} },
      ],
    });
    expect(results).toEqual(["rejected", "delivered"]);
    expect(events.map((event) => event.event_type)).toEqual(["Fine", "Fine", "Good"]);
  });
});

let contract: FakeAmplitude;
testSink(
  {
    name: "amplitude with both schemas",
    create: async () => {
      contract = await startFakeAmplitude();
      return amplitudeSink({ apiKey: "key", serverUrl: contract.url, schema: "both" });
    },
    received: () => [...new Set(contract.events.map((event) => event.insert_id?.split(":")[0] ?? ""))],
    hang: () => contract.setFault("hang"),
    destroy: () => contract.close(),
  },
  { describe, it, expect },
);
