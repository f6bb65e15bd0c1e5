/** Records with every field of the contract filled: `Required` makes a new field fail to compile until it is here too. */
import type {
  BlobPart,
  CallContext,
  CallError,
  CallRequest,
  CallResponse,
  Capture,
  Choice,
  Cost,
  FilePart,
  LlmCall,
  Message,
  OtherPart,
  Part,
  ServerToolCallPart,
  ServerToolCallResponsePart,
  Span,
  Timing,
  ToolCallPart,
  ToolCallResponsePart,
  ToolDefinition,
  Trace,
  UriPart,
  Usage,
} from "../../src/types.ts";

function parts(): Part[] {
  const blob: Required<BlobPart> = {
    type: "blob",
    modality: "image",
    mimeType: "image/png",
    bytes: 3,
    sha256: "ab".repeat(32),
    content: "aGVsbG8=",
    transcript: "transcript",
  };
  const file: Required<FilePart> = {
    type: "file",
    modality: "document",
    fileId: "file-1",
    filename: "letter.pdf",
    mimeType: "application/pdf",
  };
  const uri: Required<UriPart> = {
    type: "uri",
    modality: "image",
    uri: "https://example.com/cat.png",
    mimeType: "image/png",
  };
  const toolCall: Required<ToolCallPart> = {
    type: "tool_call",
    id: "call_1",
    name: "weather",
    arguments: { city: "Oslo" },
  };
  const toolResponse: Required<ToolCallResponsePart> = {
    type: "tool_call_response",
    id: "call_1",
    name: "weather",
    response: { rows: ["rain", { deep: "wind" }] },
    isError: true,
  };
  const serverCall: Required<ServerToolCallPart> = {
    type: "server_tool_call",
    id: "srv_1",
    name: "web_search",
    arguments: { query: "fjords" },
  };
  const serverResponse: Required<ServerToolCallResponsePart> = {
    type: "server_tool_call_response",
    id: "srv_1",
    name: "web_search",
    response: "found",
  };
  const other: Required<OtherPart> = { type: "other", kind: "citation", content: { quote: "said" } };
  return [
    { type: "text", content: "text" },
    { type: "reasoning", content: "thought" },
    { type: "refusal", content: "no" },
    toolCall,
    toolResponse,
    serverCall,
    serverResponse,
    blob,
    file,
    uri,
    other,
  ];
}

function message(role: string): Required<Message> {
  return { role, name: "Bob", parts: parts() };
}

const tool: Required<ToolDefinition> = {
  type: "function",
  name: "weather",
  description: "Tells the weather",
  parameters: { type: "object", properties: { city: { type: "string", description: "which" } } },
};

const timing: Required<Timing> = {
  startedAt: 1_780_000_000_000,
  headersMs: 10,
  firstByteMs: 11,
  firstTokenMs: 12,
  durationMs: 100,
  outputTokensPerSecond: 50,
};

const error: Required<CallError> = {
  kind: "http",
  type: "invalid_request_error",
  code: "bad_value",
  status: 400,
  message: "message",
  retryAfterMs: 5,
};

const context: Required<CallContext> = {
  userId: "user",
  deviceId: "device",
  sessionId: "session",
  agentId: "agent",
  parentAgentId: "parent",
  customerOrgId: "org",
  env: "prod",
  tags: ["tag"],
  properties: { plan: "pro" },
  groups: { company: "acme" },
};

const trace: Required<Trace> = {
  traceId: "1".repeat(32),
  spanId: "2".repeat(16),
  parentSpanId: "3".repeat(16),
  turn: 2,
  linkedBy: "history",
  newMessagesFrom: 1,
  newUserMessages: 1,
};

const capture: Required<Capture> = {
  via: "fetch",
  content: "full",
  requestTruncated: false,
  responseTruncated: false,
  sampleRate: 1,
  notes: ["invalid_json"],
};

export function completeCall(): LlmCall {
  const choice: Required<Choice> = {
    index: 0,
    message: message("assistant"),
    finishReason: "stop",
    rawFinishReason: "end_turn",
  };
  const request: Required<CallRequest> = {
    method: "POST",
    url: "https://api.example.com/v1/chat/completions",
    host: "api.example.com",
    model: "gpt-5",
    parameters: {
      temperature: 0.5,
      stream: true,
      user: "user",
      stop: ["stop"],
      metadata: { key: "value", count: 3 },
      prediction: { type: "content", content: "predicted" },
      response_format: { type: "json_schema", json_schema: { name: "answer", schema: { description: "schema" } } },
      logit_bias: { "50256": -100 },
      unknown_setting: "anything",
    },
    system: parts(),
    messages: [message("user"), message("assistant"), message("tool")],
    tools: [tool],
    attempt: 2,
    logicalCallId: "logical-1",
    retryOf: "call-0",
    bytes: 10,
  };
  const response: Required<CallResponse> = {
    status: 200,
    id: "chatcmpl-1",
    model: "gpt-5-2025-08-07",
    requestId: "req_1",
    serviceTier: "default",
    upstreamProvider: "openai",
    choices: [choice],
    embeddings: { count: 1, dimensions: 3 },
    rateLimit: { requests: { limit: 10, remaining: 9, resetMs: 1 } },
    processingMs: 5,
    cacheHit: false,
    jobId: "job_1",
    bytes: 20,
    chunks: 2,
  };
  const usage: Required<Usage> = {
    source: "reported",
    missingReason: "not_reported",
    complete: true,
    inconsistent: false,
    inputTokens: 10,
    outputTokens: 5,
    totalTokens: 15,
    cacheReadTokens: 1,
    cacheWriteTokens: 1,
    cacheWrite5mTokens: 1,
    cacheWrite1hTokens: 1,
    reasoningTokens: 1,
    inputAudioTokens: 1,
    outputAudioTokens: 1,
    inputImageTokens: 1,
    outputImageTokens: 1,
    cacheReadAudioTokens: 1,
    acceptedPredictionTokens: 1,
    rejectedPredictionTokens: 1,
    imageCount: 1,
    audioSeconds: 1,
    searchUnits: 1,
    pages: 1,
    characters: 1,
    serverToolUses: { web_search: 1 },
    raw: { prompt_tokens: 10, note: "raw note", iterations: [{ type: "message", model: "gpt-5", input_tokens: 3 }] },
  };
  const cost: Required<Cost> = {
    totalUsd: 1,
    inputUsd: 0.5,
    outputUsd: 0.5,
    cacheReadUsd: 0.1,
    cacheWriteUsd: 0.1,
    source: "computed",
    pricesVersion: "1",
  };
  const call: Required<LlmCall> = {
    type: "call",
    schemaVersion: 1,
    id: "019d5f00-0000-7000-8000-000000000001",
    provider: "openai",
    api: "openai-chat",
    operation: "chat",
    streaming: true,
    outcome: "error",
    request,
    response,
    usage,
    cost,
    timing,
    error,
    context,
    trace,
    capture,
  };
  return structuredClone(call);
}

export function completeSpan(): Span {
  const span: Required<Span> = {
    type: "span",
    schemaVersion: 1,
    id: "019d5f00-0000-7000-8000-000000000002",
    kind: "tool",
    name: "weather",
    source: "inferred",
    timing,
    error,
    input: { city: "Oslo" },
    output: ["rain"],
    tool: { callId: "call_1", name: "weather" },
    context,
    trace,
    capture,
  };
  return structuredClone(span);
}

/** Every string in a value, by path; array indexes are `#`. */
export function stringLeaves(value: unknown, path = ""): { path: string; text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    stringLeaves(item, `${path}${path === "" ? "" : "."}${Array.isArray(value) ? "#" : key}`),
  );
}

/** Replaces every string that `fill` has an answer for. */
export function fillStrings<T>(value: T, fill: (path: string) => string | undefined, path = ""): T {
  if (typeof value === "string") return (fill(path) ?? value) as T;
  if (typeof value !== "object" || value === null) return value;
  for (const [key, item] of Object.entries(value)) {
    const next = `${path}${path === "" ? "" : "."}${Array.isArray(value) ? "#" : key}`;
    (value as Record<string, unknown>)[key] = fillStrings(item as unknown, fill, next);
  }
  return value;
}
