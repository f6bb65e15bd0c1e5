/**
 * What a mock provider can be told to answer, and what a record of that answer must say. All numbers of tokens are
 * inclusive totals (as in `Usage`); each dialect writes them in its own wire fields.
 */
import type { Api, CallError, FinishReason, Operation, Outcome, Usage } from "../../types.ts";

/** One server (host and port) each. */
export type MockProvider = "openai" | "anthropic" | "gemini";

export interface MockToolCall {
  name: string;
  arguments: unknown;
}

export interface MockUsage {
  inputTokens: number;
  outputTokens: number;
  /** Part of `inputTokens`. */
  cacheReadTokens: number;
  /** Part of `inputTokens`; only Anthropic reports it. */
  cacheWriteTokens: number;
  /** Part of `outputTokens`. */
  reasoningTokens: number;
}

/** Milliseconds, counted from the arrival of the request. */
export interface MockTiming {
  /** Until the response headers leave. Default 0. */
  headersMs?: number;
  /** Until the first output of the model leaves; what carries no output goes with the headers. Default: no wait. */
  firstTokenMs?: number;
  /** Between one event and the next after that. Default 0. */
  chunkMs?: number;
}

/** How the answer breaks off. `afterOutputs` counts the events with output that still leave; at most all but one. Default 1. */
export interface MockFault {
  /**
   * `no_response`: the socket is destroyed before the headers. `reset`: it is destroyed in the middle of the body.
   * `truncated`: the body ends properly, but early. `hang`: nothing more comes and nothing ends. `error_event`: an
   * error inside the stream, after which it ends.
   */
  kind: "no_response" | "reset" | "truncated" | "hang" | "error_event";
  afterOutputs?: number;
}

/** An HTTP error in the provider's own shape. */
export interface MockHttpError {
  status: number;
  /** Default: what the provider sends with that status. */
  type?: string;
  code?: string;
  message?: string;
  retryAfterSeconds?: number;
}

/** Bytes as they are, for what no dialect would send. */
export interface MockRawBody {
  status?: number;
  headers?: Record<string, string>;
  /** Each chunk is one write. */
  chunks: readonly (string | Uint8Array)[];
  /** Facts of it; what is not named is what a complete answer without output would have. */
  expected?: Partial<ExpectedCall>;
}

/** One scripted answer. What is not named comes from the seed. */
export interface MockReply {
  /** Makes texts, ids, token counts and the pieces that a stream comes in. The same seed gives the same bytes. */
  seed?: number;
  /** `""` for an answer without text. */
  text?: string;
  /** Default: none. */
  reasoning?: string;
  refusal?: string;
  /** Default: none; where the request declares tools and nothing else is scripted, one or two of them. */
  toolCalls?: readonly MockToolCall[];
  usage?: Partial<MockUsage>;
  /** Default `stop`, or `tool_calls` where there are any. */
  finish?: "stop" | "length" | "content_filter";
  /** The model that served it. Default: the requested one with a date. */
  model?: string;
  /** Vector length of embeddings. Default: by the seed. */
  dimensions?: number;
  /** In how many pieces a streamed text comes. Default: by the seed. */
  pieces?: number;
  /** Bytes a write, so that chunks end anywhere, in the middle of a character too. Default: one event a write. */
  bytesPerWrite?: number;
  timing?: MockTiming;
  fault?: MockFault;
  error?: MockHttpError;
  raw?: MockRawBody;
  /** Added to the response headers. */
  headers?: Record<string, string>;
}

/** The ground truth: what a record of this exchange must say. Absent means: not judged, or not on the wire. */
export interface ExpectedCall {
  provider: string;
  api: Api;
  operation: Operation;
  streaming: boolean;
  outcome: Outcome;
  /** Absent when there was no response. */
  status?: number;
  requestModel?: string;
  responseModel?: string;
  responseId?: string;
  requestId?: string;
  text?: string;
  reasoning?: string;
  refusal?: string;
  toolCalls: MockToolCall[];
  finishReason?: FinishReason;
  rawFinishReason?: string;
  /** Only what the wire carries; `source` is judged too. */
  usage?: Partial<Usage> & Pick<Usage, "source">;
  embeddings?: { count: number; dimensions: number };
  error?: Partial<CallError>;
  /** The app left early: text is what was sent at most, the rest is not judged. */
  partial?: boolean;
}

/** Facts that one event adds; `text` and `reasoning` are appended, the rest replaces. */
export type ExpectedFacts = Partial<ExpectedCall>;

/** One write of a planned body. */
export interface PlannedEvent {
  bytes: string | Uint8Array;
  /** Carries output of the model: text, reasoning, a refusal or a tool call. */
  output?: boolean;
  facts?: ExpectedFacts;
}

/** A whole response before it is played. */
export interface Plan {
  status: number;
  headers: Record<string, string>;
  /** Known before the first event. */
  facts: ExpectedFacts;
  events: PlannedEvent[];
  /** What the dialect sends when the stream breaks with `error_event`. */
  errorEvent?: PlannedEvent;
}

/** A request that names a known path. */
export interface MockRequest {
  method: string;
  /** Without the reply token. */
  path: string;
  body: Record<string, unknown>;
  /** Model in the path, for dialects that have it there. */
  pathModel?: string;
}

/** Everything a dialect needs to render an answer. */
export interface MockAnswer {
  id: (prefix: string) => string;
  text: string;
  reasoning: string;
  refusal: string;
  toolCalls: readonly MockToolCall[];
  usage: MockUsage;
  finish: "stop" | "length" | "content_filter" | "tool_calls";
  model: string;
  requestModel: string;
  dimensions: number;
  /** Cuts a text into the pieces of a stream. */
  cut: (text: string) => string[];
  /** From 0 to 1, seeded. */
  random: () => number;
}

export type RenderReply = (request: MockRequest, answer: MockAnswer) => Plan;
