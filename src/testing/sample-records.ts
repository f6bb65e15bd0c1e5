/** Valid records for the tests of a sink: complete, different from each other, the same in every run. */
import type { LlmCall, Span, TapRecord } from "../types.ts";

/** What a test wants to be different. Fields are replaced whole; an id is made where none is given. */
export type SampleCall = Partial<Omit<LlmCall, "type" | "schemaVersion">>;
export type SampleSpan = Partial<Omit<Span, "type" | "schemaVersion">>;

const STARTED_AT = 1_780_000_000_000;

let counter = 0;

/** Shaped as UUIDv7 and unique in this process. */
function nextId(): { id: string; serial: number } {
  counter += 1;
  const tail = counter.toString(16).padStart(12, "0");
  return { id: `019d5f00-0000-7000-8000-${tail}`, serial: counter };
}

/**
 * A chat call that succeeded, with content, tokens, cost, timings, a user and a trace.
 *
 * @example
 * sampleCall({ outcome: "error", error: { kind: "http", status: 429, message: "slow down" } });
 */
export function sampleCall(overrides: SampleCall = {}): LlmCall {
  const { id, serial } = nextId();
  const text = `The answer to question ${serial}.`;
  return {
    type: "call",
    schemaVersion: 1,
    id,
    provider: "openai",
    api: "openai-chat",
    operation: "chat",
    streaming: true,
    outcome: "success",
    request: {
      method: "POST",
      url: "https://api.openai.com/v1/chat/completions",
      host: "api.openai.com",
      model: "gpt-5-mini",
      parameters: { temperature: 0.2, max_completion_tokens: 500 },
      system: [{ type: "text", content: "Answer in one sentence." }],
      messages: [{ role: "user", parts: [{ type: "text", content: `Question ${serial}?` }] }],
      tools: [
        {
          type: "function",
          name: "get_weather",
          description: "Weather of a city.",
          parameters: { type: "object", properties: { city: { type: "string" } } },
        },
      ],
      attempt: 1,
      bytes: 612,
    },
    response: {
      status: 200,
      id: `chatcmpl-${serial}`,
      model: "gpt-5-mini-2025-08-07",
      requestId: `req_${serial}`,
      serviceTier: "default",
      choices: [
        {
          index: 0,
          message: { role: "assistant", parts: [{ type: "text", content: text }] },
          finishReason: "stop",
          rawFinishReason: "stop",
        },
      ],
      bytes: 2_048,
      chunks: 12,
    },
    usage: {
      source: "reported",
      complete: true,
      inputTokens: 100,
      outputTokens: 50,
      totalTokens: 150,
      cacheReadTokens: 80,
      reasoningTokens: 20,
      raw: { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 },
    },
    cost: { totalUsd: 0.0012, inputUsd: 0.0002, outputUsd: 0.001, source: "computed" },
    timing: { startedAt: STARTED_AT + serial, headersMs: 180, firstByteMs: 190, firstTokenMs: 216, durationMs: 1420 },
    context: { userId: "user-1001", sessionId: "s-9" },
    trace: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: serial.toString(16).padStart(16, "0"), turn: 1 },
    capture: { via: "fetch", content: "full", requestTruncated: false, responseTruncated: false, notes: [] },
    ...overrides,
  };
}

/** A call as it is with content off: all facts, no text. */
export function sampleMetadataCall(overrides: SampleCall = {}): LlmCall {
  const call = sampleCall();
  const { system: _system, messages: _messages, tools: _tools, ...request } = call.request;
  return {
    ...call,
    request,
    ...(call.response && {
      response: {
        ...call.response,
        choices: call.response.choices.map((choice) => ({ ...choice, message: { ...choice.message, parts: [] } })),
      },
    }),
    capture: { ...call.capture, content: "metadata" },
    ...overrides,
  };
}

/** A call that the provider refused with a 429. */
export function sampleErrorCall(overrides: SampleCall = {}): LlmCall {
  const { response: _response, cost: _cost, ...call } = sampleCall();
  return {
    ...call,
    streaming: false,
    outcome: "error",
    response: { status: 429, requestId: "req_429", choices: [], bytes: 120, chunks: 1 },
    usage: { source: "missing", missingReason: "error_response", complete: false },
    error: {
      kind: "http",
      status: 429,
      type: "rate_limit_error",
      code: "rate_limit_exceeded",
      message: "Rate limit reached for requests",
      retryAfterMs: 2_000,
    },
    timing: { startedAt: call.timing.startedAt, headersMs: 90, firstByteMs: 91, durationMs: 92 },
    ...overrides,
  };
}

/** A tool run that succeeded. */
export function sampleSpan(overrides: SampleSpan = {}): Span {
  const { id, serial } = nextId();
  return {
    type: "span",
    schemaVersion: 1,
    id,
    kind: "tool",
    name: "get_weather",
    source: "observe",
    timing: { startedAt: STARTED_AT + serial, durationMs: 35 },
    input: { city: "Oslo" },
    output: { degrees: 7 },
    tool: { callId: `call_${serial}`, name: "get_weather" },
    context: { userId: "user-1001", sessionId: "s-9" },
    trace: {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: serial.toString(16).padStart(16, "0"),
      parentSpanId: "00f067aa0ba902b7",
    },
    capture: { via: "fetch", content: "full", requestTruncated: false, responseTruncated: false, notes: [] },
    ...overrides,
  };
}

/** `count` records: mostly calls, some spans, errors and calls without content. */
export function sampleRecords(count: number): TapRecord[] {
  const makers = [sampleCall, sampleCall, sampleSpan, sampleErrorCall, sampleMetadataCall];
  return Array.from({ length: count }, (_, index) => (makers[index % makers.length] as () => TapRecord)());
}
