/**
 * The public data contract of llm-tap: what a record is, what a sink is, what the options are.
 * This file imports nothing. Absent is `undefined`, never `0`, `""` or `null`.
 *
 * Units: `*Ms` are milliseconds, `startedAt` is epoch milliseconds, `*Usd` US dollars, `bytes` bytes, `*Tokens` tokens.
 */

/** Stands in a text where its middle is missing: a body was too large to be kept. */
export const GAP_MARK = "… [missing] …";

/** Wire dialects: which parser reads an exchange. */
export type Api =
  | "openai-chat"
  | "openai-responses"
  | "openai-completions"
  | "openai-embeddings"
  | "openai-images"
  | "openai-audio"
  | "openai-moderation"
  | "openai-threads"
  | "anthropic-messages"
  | "anthropic-complete"
  | "gemini"
  | "gemini-interactions"
  | "vertex-predict"
  | "bedrock-converse"
  | "bedrock-invoke"
  | "cohere-v1"
  | "cohere-v2"
  | "rerank"
  | "mistral-conversations"
  | "mistral-ocr"
  | "ollama"
  | "hf-task"
  | "tgi"
  | "replicate"
  | "watsonx"
  | "cloudflare-run"
  | "vercel-ai"
  | "dashscope"
  | "oci-generative-ai"
  | "model-serving";

/** What a call does. Names follow OTel `gen_ai.operation.name` where one exists. */
export type Operation =
  | "chat"
  | "text_completion"
  | "embeddings"
  | "image_generation"
  | "text_to_speech"
  | "transcription"
  | "moderation"
  | "rerank"
  | "count_tokens";

/**
 * How a call ended. `truncated`: the wire ended early, never one of our own caps. `cancelled`: the app stopped it
 * before the model had finished.
 */
export type Outcome = "success" | "error" | "cancelled" | "truncated";

/** What the URL of a request tells. */
export interface RouteInfo {
  provider: string;
  api: Api;
  operation: Operation;
  /** Model or deployment named in the path, URL-decoded. */
  pathModel?: string;
  /** Behind a gateway whose path names it: who answers. */
  upstreamProvider?: string;
  /** The path may be that of something else: it is a call only if its body looks like one. */
  bodyDecides?: true;
}

/** One piece of a message. Names are those of the OTel GenAI message-part schema. */
export type Part =
  | TextPart
  | ToolCallPart
  | ToolCallResponsePart
  | ServerToolCallPart
  | ServerToolCallResponsePart
  | BlobPart
  | FilePart
  | UriPart
  | OtherPart;

export interface TextPart {
  type: "text" | "reasoning" | "refusal";
  content: string;
}

/** A function that the app must run. */
export interface ToolCallPart {
  type: "tool_call";
  id?: string;
  name: string;
  /** Parsed JSON where it parses, else the text as it came; absent with content off. */
  arguments?: unknown;
}

/** The result that the app sends back for a tool call. */
export interface ToolCallResponsePart {
  type: "tool_call_response";
  id?: string;
  name?: string;
  response?: unknown;
  /** The app says that the tool failed. */
  isError?: boolean;
}

/** A tool that the provider runs itself (web search, code interpreter, …). */
export interface ServerToolCallPart {
  type: "server_tool_call";
  id?: string;
  name: string;
  arguments?: unknown;
}

export interface ServerToolCallResponsePart {
  type: "server_tool_call_response";
  id?: string;
  name?: string;
  response?: unknown;
}

export type Modality = "image" | "audio" | "video" | "document";

/** Inline media. `content` (base64) is present only with `captureMedia`. */
export interface BlobPart {
  type: "blob";
  modality: Modality;
  mimeType?: string;
  /** Size of the decoded media. */
  bytes?: number;
  /** Hex digest of the decoded media. */
  sha256?: string;
  content?: string;
  transcript?: string;
}

/** A file that the provider stores. */
export interface FilePart {
  type: "file";
  modality?: Modality;
  fileId?: string;
  filename?: string;
  mimeType?: string;
}

/** Media by reference; credentials in its query are masked. */
export interface UriPart {
  type: "uri";
  modality?: Modality;
  uri: string;
  mimeType?: string;
}

/** Anything that has no part of its own yet: the provider's type and, with content on, its JSON. */
export interface OtherPart {
  type: "other";
  kind: string;
  content?: unknown;
}

export interface Message {
  /** `system`, `developer`, `user`, `assistant`, `tool`, or the provider's own. */
  role: string;
  name?: string;
  parts: Part[];
}

export interface ToolDefinition {
  /** `function` for tools that the app runs, else the provider's own type (`web_search`, …). */
  type: string;
  name?: string;
  description?: string;
  /** JSON schema. */
  parameters?: unknown;
}

/** The common set; the provider's own word is `rawFinishReason`. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "error" | "other";

export interface Choice {
  index: number;
  message: Message;
  finishReason?: FinishReason;
  rawFinishReason?: string;
}

export type UsageSource = "reported" | "estimated" | "missing" | "not_applicable";

/** Why `source` is `missing`. */
export type MissingReason =
  | "stream_usage_not_requested"
  | "stream_interrupted"
  | "not_reported"
  | "zero_with_output"
  | "error_response"
  | "deferred"
  | "not_parsed"
  | "token_tracking_off";

/**
 * Inclusive totals: `inputTokens` holds cache reads and writes, `outputTokens` holds reasoning; the detail fields are
 * subsets (the OTel rule). A value that the provider did not report is absent.
 */
export interface Usage {
  source: UsageSource;
  missingReason?: MissingReason;
  /** False while a stream ended before its final numbers: what is here is a lower bound. */
  complete: boolean;
  /** The provider's own total is not the sum of its parts; nothing was corrected. */
  inconsistent?: boolean;
  inputTokens?: number;
  outputTokens?: number;
  totalTokens?: number;
  cacheReadTokens?: number;
  cacheWriteTokens?: number;
  cacheWrite5mTokens?: number;
  cacheWrite1hTokens?: number;
  reasoningTokens?: number;
  inputAudioTokens?: number;
  outputAudioTokens?: number;
  inputImageTokens?: number;
  outputImageTokens?: number;
  cacheReadAudioTokens?: number;
  acceptedPredictionTokens?: number;
  rejectedPredictionTokens?: number;
  imageCount?: number;
  audioSeconds?: number;
  searchUnits?: number;
  pages?: number;
  characters?: number;
  /** How often the provider ran each of its own tools, by tool name. */
  serverToolUses?: Record<string, number>;
  /** The provider's object as it came. */
  raw?: unknown;
}

export interface Cost {
  totalUsd: number;
  inputUsd?: number;
  outputUsd?: number;
  cacheReadUsd?: number;
  cacheWriteUsd?: number;
  /** `reported`: the provider or gateway said so; `computed`: tokens times a price list. */
  source: "computed" | "reported";
  pricesVersion?: string;
}

export interface Timing {
  /** Epoch milliseconds of the dispatch. */
  startedAt: number;
  headersMs?: number;
  firstByteMs?: number;
  /** First chunk that carries output: text, reasoning or a tool call; not a role, a ping or a comment. */
  firstTokenMs?: number;
  durationMs: number;
  outputTokensPerSecond?: number;
}

/** `app`: thrown by the app's own function, in a span. */
export type ErrorKind = "http" | "network" | "timeout" | "abort" | "stream" | "app";

export interface CallError {
  kind: ErrorKind;
  type?: string;
  code?: string;
  status?: number;
  message: string;
  retryAfterMs?: number;
}

/** One limit that the provider reported: requests, tokens, input-tokens, … */
export interface RateLimit {
  limit?: number;
  remaining?: number;
  /** Milliseconds until the limit resets, counted from the response. */
  resetMs?: number;
}

/** Who asked. Captured at dispatch. */
export interface CallContext {
  userId?: string;
  deviceId?: string;
  sessionId?: string;
  agentId?: string;
  parentAgentId?: string;
  customerOrgId?: string;
  env?: string;
  tags?: string[];
  properties?: Record<string, unknown>;
  groups?: Record<string, string | string[]>;
}

export interface Trace {
  /** 32 lower-case hex digits, or what the app gave. */
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  /** 1 for the first call of a conversation that was seen; one more for each answer it went on from. Chat only. */
  turn?: number;
  /** What told the trace. Absent: a new one, or that of the attempt before. */
  linkedBy?: "context" | "otel" | "tool_result" | "response_id" | "history";
  /** Index into `request.messages`, as they are in the record, of the first message that is new since the last turn. */
  newMessagesFrom?: number;
  /** How many of the new messages hold words of a user, not only results of tools; 0 for a retry. */
  newUserMessages?: number;
}

export type CaptureContent = "full" | "metadata" | "redacted" | "truncated";

export interface Capture {
  /** `recording`: not seen by a tap, but read by `parseExchange`. */
  /** `observe`: a span of the app's own function. */
  via: "fetch" | "dispatcher" | "recording" | "observe";
  /** What became of the content of this record. */
  content: CaptureContent;
  requestTruncated: boolean;
  responseTruncated: boolean;
  sampleRate?: number;
  /** What was odd about this exchange, as short stable words (`invalid_json`, `sse_line_too_long`, …). */
  notes: string[];
}

export interface CallRequest {
  method: string;
  /** Without credentials. */
  url: string;
  host: string;
  model?: string;
  parameters: Record<string, unknown>;
  system?: Part[];
  messages?: Message[];
  tools?: ToolDefinition[];
  /** 1 for the first try. */
  attempt?: number;
  /** The same for all attempts of one call: the `id` of the first. Absent where the first one was not seen. */
  logicalCallId?: string;
  /** `id` of the attempt before. A call has succeeded in the end if one of its attempts has. */
  retryOf?: string;
  bytes: number;
}

export interface CallResponse {
  status: number;
  id?: string;
  model?: string;
  requestId?: string;
  serviceTier?: string;
  /** Behind a gateway: who answered. */
  upstreamProvider?: string;
  choices: Choice[];
  embeddings?: { count: number; dimensions?: number };
  rateLimit?: Record<string, RateLimit>;
  processingMs?: number;
  cacheHit?: boolean;
  jobId?: string;
  /** As they came over the wire, before content decoding. */
  bytes: number;
  chunks: number;
}

/** One HTTP attempt to an LLM API. */
export interface LlmCall {
  type: "call";
  schemaVersion: 1;
  /** UUIDv7, shared by all taps that saw this attempt. The idempotency key of the sinks derives from it. */
  id: string;
  /** OTel `gen_ai.provider.name` where one exists. */
  provider: string;
  api: Api;
  operation: Operation;
  streaming: boolean;
  outcome: Outcome;
  request: CallRequest;
  response?: CallResponse;
  usage: Usage;
  cost?: Cost;
  timing: Timing;
  error?: CallError;
  context: CallContext;
  trace: Trace;
  capture: Capture;
}

export type SpanKind = "agent" | "chain" | "tool" | "workflow";

/** A span around the app's own function, or a tool run inferred from the wire. */
export interface Span {
  type: "span";
  schemaVersion: 1;
  id: string;
  kind: SpanKind;
  name: string;
  source: "observe" | "inferred";
  timing: Timing;
  error?: CallError;
  input?: unknown;
  output?: unknown;
  tool?: { callId?: string; name: string };
  context: CallContext;
  trace: Trace;
  capture: Capture;
}

export type TapRecord = LlmCall | Span;

/** What a sink says of each record it was given, in the order given. */
export type DeliveryResult =
  /** The destination has confirmed it. */
  | "delivered"
  /** Not now; give it again later. */
  | "retry"
  /** The destination will never take it. */
  | "rejected"
  /** The sink can't tell. */
  | "unknown"
  /** Not there yet, but safe: the sink keeps it beyond the end of the process and delivers it by itself. `report` counts on. */
  | "stored";

export interface WriteResult {
  results: DeliveryResult[];
  /** With any `retry`: how long to wait at least. Default: capped exponential back-off with jitter. */
  retryAfterMs?: number;
  /** With any `retry`: only these have to wait (some users are throttled), other records are taken meanwhile. Default false. */
  othersMayPass?: boolean;
  /** Why, beside each `rejected`: for people who look at what was set aside. */
  reasons?: readonly (string | undefined)[];
}

/** What a tap lends a sink that works on after its writes. */
export interface SinkHost {
  /** Runs what the sink does by itself, so that it is not tapped and does not keep the process alive. */
  runInBackground<Result>(run: () => Promise<Result>): Promise<Result>;
  /** The global `fetch`, for requests of the sink's own: they are not tapped and do not keep the process alive. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** Where records go. */
export interface Sink {
  name: string;
  /** The most that this sink may get. Default `full`; `metadata` strips all content first. */
  content?: "full" | "metadata";
  /** Names the destination, without secrets: what was stored for one is never sent to another. Default: the name. */
  destination?: string;
  /**
   * Whether what `write` starts is followed through its promises, so that it is not tapped and does not keep the process
   * alive. Until Node 24 this makes all promises of the process dearer. `false` for a sink that makes no requests, or makes
   * them with `host.fetch`. Default: found out; writes are followed until one was done without waiting for anything, and
   * again from the first that waits.
   */
  followed?: false;
  /** To send a record again does no harm: the destination knows it by its id. Default false. */
  idempotent?: boolean;
  /**
   * Adds to a record what must be the same whenever it is sent again, also by another process: an outbox stores what comes
   * back. Leaves the given one as it is. Default: the record itself.
   */
  prepare?(record: TapRecord): TapRecord;
  /** Called once, when a tap takes the sink on. */
  start?(host: SinkHost): void;
  /** Resolves only when the destination has confirmed (or refused). A rejection counts as `retry` for all. */
  write(records: readonly TapRecord[], options: { signal: AbortSignal }): Promise<WriteResult>;
  /** For what is pending when the process exits. */
  writeSync?(records: readonly TapRecord[]): void;
  flush?(options: { signal: AbortSignal }): Promise<void>;
  close?(): Promise<void>;
  /** What has become of the records that were answered with `stored`, and of those that an earlier process left. */
  report?(): FlushReport;
}

export interface FlushReport {
  delivered: number;
  pending: number;
  dropped: number;
  unknown: number;
}

/** Counted per record and sink, since the tap was made. */
export interface FlushResult extends FlushReport {
  bySink: Record<string, FlushReport>;
}

/** `seen` = `recorded` + `sampledOut` + sum of `dropped` + sum of `ignored` + `inFlight`. */
export interface TapStats {
  /** Exchanges with an LLM host, or with a host that looked like one. */
  seen: number;
  recorded: number;
  sampledOut: number;
  /** Recorded calls whose usage is known and whose price is not: a sum of costs lacks them. Each has the note `price_unknown`. */
  priceUnknown: number;
  /** Exchanges without a record, by cause. */
  dropped: Record<string, number>;
  /** Exchanges that turned out not to be inference, by cause. */
  ignored: Record<string, number>;
  /** Exchanges that have begun and not yet become any of the above. */
  inFlight: number;
  /** Calls whose content was dropped because a bound was reached, by bound, or by sampling (`sampled_out`). */
  contentDropped: Record<string, number>;
  /**
   * Records that a sink never got, by cause: `queue_full` (more of them waited than `limits.queueExchanges`), `rejected`
   * (the sink refused them). Counted per record and sink; `flush()` has them under `dropped`.
   */
  sinkDropped: Record<string, number>;
  /** Spans of the app's functions, and runs of tools that were told by the calls around them. */
  spans: { recorded: number; sampledOut: number; dropped: number };
  /** What user code, sinks and parsers threw at us, by place. */
  errors: Record<string, number>;
  /** Bytes now waiting in the queue. */
  queuedBytes: number;
}

/** What the `context` option and `tap.run` take. */
export interface RunContext extends CallContext {
  /** Calls inside are not recorded. */
  ignore?: boolean;
  privacyMode?: boolean;
  excludeInput?: boolean;
  excludeOutput?: boolean;
  tokenTracking?: boolean;
  costTracking?: boolean;
  traceId?: string;
  parentSpanId?: string;
}

/** What the `capture` option sees: never content. */
export interface CaptureMeta {
  /** `app` for spans of the app's own functions. */
  provider: string;
  /** Absent for spans. */
  api?: Api;
  /** `""` for spans. */
  host: string;
  model?: string;
  context: CallContext;
}

export interface HostOverride {
  provider: string;
  api?: Api;
}

export interface TapLimits {
  /** Content kept per exchange, request and response each. Default 8 MiB. */
  exchangeBytes?: number;
  /** Bytes that may wait in the queue. Default 64 MiB. */
  queueBytes?: number;
  /** Exchanges that may be open or waiting. Default 10,000. */
  queueExchanges?: number;
  /**
   * Bytes, about, that the beginnings of conversations may take for up to an hour, so that of the next request only what
   * is new has to be read. Nothing is kept of calls with `privacyMode` or `excludeInput`. Default 8 MiB; 0: nothing at all.
   */
  conversationBytes?: number;
}

/** USD per million tokens. */
export interface TokenPrices {
  inputPerMillion?: number;
  outputPerMillion?: number;
  /** Default: that of input. */
  cacheReadPerMillion?: number;
  /** Default: that of input. */
  cacheWritePerMillion?: number;
  /** Of what is kept for an hour. Default: that of other cache writes. */
  cacheWrite1hPerMillion?: number;
  /** Audio and images. Default: that of input or output. */
  inputAudioPerMillion?: number;
  outputAudioPerMillion?: number;
  inputImagePerMillion?: number;
  outputImagePerMillion?: number;
}

export interface PriceOverride extends TokenPrices {
  /** Other prices for a service tier, by its name on the wire: `flex`, `priority`, `batch`. Default: those of the model. */
  tiers?: Record<string, TokenPrices>;
}

export interface TapOptions {
  /** Where records go. Default none. */
  sinks?: readonly Sink[];
  /** Own gateways, or hosts never to look at. Keys are hosts (`llm.example.com`, `localhost:4000`) or base URLs. */
  hosts?: Record<string, HostOverride | false>;
  /** Look for LLM calls on hosts that no table knows. Default: on for `fetch` and `interceptor`, off for `install()`. */
  sniffUnknownHosts?: boolean;
  /** Record no content at all. Default false. */
  privacyMode?: boolean;
  /** Record nothing that the app sent to the model. Default false. */
  excludeInput?: boolean;
  /** Record nothing that the model said. Default false. */
  excludeOutput?: boolean;
  /** Decides per call, before anything is parsed, how much is kept. The strictest source wins. */
  capture?: (meta: CaptureMeta) => "full" | "metadata";
  /** Called on each text before it is cut to length; what it returns is kept. When it throws, the text is dropped. */
  redact?: (text: string, where: string) => string;
  /** Mask e-mail addresses, phone numbers, cards, IBANs, SSNs, IPs, API keys and JWTs in texts. Default false. */
  redactPii?: boolean;
  /** Keep base64 media in the record instead of a descriptor. Default false. */
  captureMedia?: boolean;
  /** Characters kept of each text field. Default 100,000. */
  maxContentLength?: number;
  /** Default true. Without tokens there is no cost either. */
  tokenTracking?: boolean;
  /** Default true. */
  costTracking?: boolean;
  /** Prices by model id, or by `provider/model`; they win over the price list. */
  prices?: Record<string, PriceOverride>;
  /** Share of calls kept, 0 to 1, consistent per trace. Default 1. */
  sampleRate?: number;
  /** Share of calls whose content is kept, 0 to 1, consistent per trace; the others are recorded without it. Default 1. */
  contentSampleRate?: number;
  /** Decides after the parse whether a call is kept; `"metadata"` keeps it without content. */
  sample?: (call: LlmCall) => boolean | "metadata";
  limits?: TapLimits;
  /** Called at each dispatch. */
  context?: () => RunContext | undefined;
  /** `false`: the `x-llm-tap-*` headers are removed but not read. */
  headerOverrides?: false | { identity?: "fallback" | "header"; ignore?: boolean };
  /**
   * Keys of W3C baggage (the request's own header, or OpenTelemetry's active baggage) that may be read. `user.id`,
   * `session.id`, `device.id` and their like say who asked where nothing else does; others become properties. Default none.
   */
  baggageKeys?: readonly string[];
  /** Ask for usage in streams that would not report it. The one option that changes bytes. Default false. */
  includeUsage?: boolean;
  /**
   * Read bodies in a worker thread that have 128 KB and more even without the middle of their long strings, so that they
   * never block the app. Default true.
   */
  worker?: boolean;
  onCall?: (call: LlmCall) => void;
  onSpan?: (span: Span) => void;
  onError?: (error: Error) => void;
}

/** What the innermost `tap.run`, `with`, `context()` and the override headers said, merged at dispatch. */
export interface CallSettings {
  context: CallContext;
  traceId?: string;
  parentSpanId?: string;
  /** OpenTelemetry's active span, by its W3C ids; `isModelCall`: another instrumentation has made it for this very call. */
  activeSpan?: { traceId: string; spanId: string; isModelCall?: true };
  privacyMode: boolean;
  excludeInput: boolean;
  excludeOutput: boolean;
  tokenTracking: boolean;
  costTracking: boolean;
}

/**
 * What the interceptor notes of one HTTP attempt while it runs: plain data, filled on the hot path and read by the
 * pipeline. Times are of `performance.now()`.
 */
export interface Exchange {
  readonly id: string;
  readonly via: "fetch" | "dispatcher";
  readonly route: RouteInfo;
  /** The host is in no table: whether this is a call at all, the shape of the body decides. */
  readonly sniffed: boolean;
  readonly method: string;
  /** Without credentials. */
  readonly url: string;
  readonly host: string;
  readonly path: string;
  /** The job whose state this request asks for: no call of its own, but it may bring the end of one. */
  readonly pollOf: string | undefined;
  readonly settings: CallSettings;
  readonly startedAt: number;
  readonly startTime: number;
  requestHeaders: Record<string, string>;
  /** The body as one string or one block of bytes of our own, else its chunks. */
  requestBody: string | Uint8Array | undefined;
  requestChunks: Uint8Array[] | undefined;
  /** A body that can be read later, without anyone noticing: a Blob, or the fields of a form. */
  requestSource: Blob | readonly (readonly [name: string, value: string | Blob])[] | undefined;
  requestBytes: number;
  requestKept: number;
  requestTruncated: boolean;
  /** The request body without the middle of its long strings. */
  abridgedRequest: Uint8Array | undefined;
  /** With `requestTruncated`: how the body ends. */
  requestTail: Uint8Array | undefined;
  /** `includeUsage` has changed the request: its answer has an event that the app must not get. */
  addedUsage: { choices: number } | undefined;
  /** 0 until a response head came. */
  status: number;
  responseHeaders: Record<string, string>;
  /** The body comes without its content encoding: it was seen behind the decoder. */
  decoded: boolean;
  headersTime: number;
  firstByteTime: number;
  lastByteTime: number;
  responseBytes: number;
  chunkCount: number;
  /** Bytes that the pipeline has not taken yet: blocks of our own, the last one still filling. */
  blocks: Uint8Array[];
  block: Uint8Array | undefined;
  blockUsed: number;
  pendingBytes: number;
  /** For each chunk that is pending: its size and its time, alternating. */
  marks: number[];
  /** Of what is pending, the bytes before the place where something was dropped. */
  gapAt: number | undefined;
  /** The body that the app reads, where it is undici's own: one that nobody reads any more never ends by itself. */
  body: WeakRef<ReadableStream> | undefined;
  /** A redirect that was followed by another exchange. */
  isHop: boolean;
  /** In the pipeline's list of exchanges with something new. */
  isDirty: boolean;
  isEnded: boolean;
  endTime: number;
  /** The app cancelled: its abort, not a failure of the wire. */
  isCancelled: boolean;
  hasError: boolean;
  error: unknown;
  notes: string[];
}
