/**
 * What a parser is: two pure functions over one exchange. `readRequest` reads the request body; `start`, `chunk` and
 * `finish` fold the response. No clock, no environment, no I/O, and no throw on any input.
 */
import type { KnownBeginning, KnownMessages } from "../known-messages.ts";
import type {
  Api,
  Choice,
  MissingReason,
  Message,
  Operation,
  Part,
  RouteInfo,
  ToolDefinition,
  Usage,
} from "../types.ts";

export type { RouteInfo } from "../types.ts";

export interface RequestInput {
  route: RouteInfo;
  /** Path with query, as sent. */
  path: string;
  /** Lower-cased names; only those of the allow-list in `providers/headers.ts`. */
  headers: Readonly<Record<string, string>>;
  /** The JSON body, or the text fields of a form as an object; `undefined` when there was none or it did not parse. */
  body: unknown;
  /** Of the parser's `messageList` the first items are not in `body`: they were read before. */
  known?: KnownMessages | undefined;
}

/** A list of messages, of which each item is read without what comes behind it. */
export interface MessageList {
  /** The member of the body that holds it. */
  field: string;
  /** Adds the messages of the items to those before them, of which only the last one matters. */
  read(items: readonly unknown[], before: Message[]): Message[];
}

/** What a request says. Content is complete here; the privacy gate comes later. */
export interface ParsedRequest {
  model?: string;
  /** Everything of the request that is neither content nor model: temperature, max_tokens, tool_choice, …, as sent. */
  parameters: Record<string, unknown>;
  system?: Part[];
  messages?: Message[];
  /** What later stages have found out of these messages, they need not find out again. */
  knownBeginning?: KnownBeginning;
  tools?: ToolDefinition[];
  /** The app asked for a stream. */
  stream?: boolean;
  /** Overrides the operation of the route where only the body tells. */
  operation?: Operation;
  /** At a gateway: whom the model's name asks for. What an answer says comes before it. */
  upstreamProvider?: string;
}

export interface ResponseInput {
  route: RouteInfo;
  status: number;
  /** Lower-cased names; only those of the allow-list in `providers/headers.ts`. */
  headers: Readonly<Record<string, string>>;
  request: ParsedRequest;
  /** Characters of content that the whole answer may keep; beyond it facts are still read. */
  contentLimit: number;
}

/**
 * One unit of a response body, after framing.
 * `body`: the whole body was one JSON value. `event`: one value of a stream (an SSE event, an NDJSON line, an element of
 * a JSON array, an event-stream message), `name` its SSE `event:` or event-stream `:event-type`.
 * `text`: the whole body was text that is no JSON. `event` values that are no JSON come as `{ kind: "event", text }`.
 */
export type Frame =
  | { kind: "body"; value: unknown }
  | { kind: "event"; value: unknown; name?: string }
  | { kind: "event-text"; text: string; name?: string }
  | { kind: "text"; text: string }
  | { kind: "binary"; bytes: number; mimeType?: string };

/** What a frame carried, as bits, so that no object is made per chunk. */
export const FRAME_NOTHING = 0;
/** Output of the model: text, reasoning, a refusal or a tool call. Starts the first-token clock. */
export const FRAME_OUTPUT = 1;
/** The model has finished: what the app does with the stream from here on is no cancellation. */
export const FRAME_TERMINAL = 2;

/** Numbers by the names of their members. */
export type EventCounts = Readonly<Record<string, number>>;

/** An event that did nothing but add a text to the answer, and tell counts that the next one tells anew. */
export interface TextEvent {
  /** The member that holds the text. */
  key: string;
  text: string;
  /** Members that differ from event to event and say nothing: strings and whole numbers. */
  ignored: ReadonlyMap<string, string | number>;
  /** Whole numbers that differ from event to event and of which the last counts. Default: there are none. */
  counts?: EventCounts;
  /**
   * Folds the text of events that are the same in all else, or those of several in a row as one.
   * @param counts - what the last of them said; a count that is missing has not changed
   */
  add(text: string, counts: EventCounts): void;
}

export interface ParsedError {
  type?: string;
  code?: string;
  message: string;
  /** How long to wait, where the body says so (Google's `RetryInfo`). */
  retryAfterMs?: number;
}

/** What a response says. */
export interface ParsedResponse {
  id?: string;
  model?: string;
  /** Overrides the operation of the request where only the answer tells (the request was too large to keep). */
  operation?: Operation;
  serviceTier?: string;
  upstreamProvider?: string;
  choices: Choice[];
  embeddings?: { count: number; dimensions?: number };
  usage: Usage;
  /** USD, where the provider's body names the price of this call. */
  reportedCostUsd?: number;
  processingMs?: number;
  cacheHit?: boolean;
  jobId?: string;
  /** Ids of the items of the answer, where the provider stores them and a later request may name them. */
  itemIds?: string[];
  /** An error object in the body or an error event in the stream, whatever the status. */
  error?: ParsedError;
  /** The answer was complete by its own grammar: a finish reason, a terminal event or a whole body was seen. */
  finished: boolean;
  /** Content was left out because of `contentLimit`. */
  contentTruncated?: boolean;
  notes: string[];
}

/** How the body ended, for what a parser has to say about usage that is missing. */
export interface ResponseEnd {
  /** The response was a stream. */
  streaming: boolean;
  /** The wire ended early or the app cancelled. */
  interrupted: boolean;
}

export interface Parser<State = unknown> {
  readonly api: Api;
  readRequest(input: RequestInput): ParsedRequest;
  /** Where a conversation is sent again and again. Default: it is read as a whole each time. */
  readonly messageList?: MessageList;
  start(input: ResponseInput): State;
  /** Folds one frame; returns `FRAME_*` bits. */
  chunk(state: State, frame: Frame): number;
  /**
   * Looks at an event that was folded and carried output. Default: no event says so little.
   * @returns `undefined`: it may have done more than add a text to the answer
   */
  findText?(state: State, value: unknown): TextEvent | undefined;
  finish(state: State, end: ResponseEnd): ParsedResponse;
}

/** A usage object for a response that reported none. */
export function missingUsage(reason: MissingReason): Usage {
  return { source: "missing", missingReason: reason, complete: false };
}

/** A usage object for operations that have no token usage at all. */
export function notApplicableUsage(): Usage {
  return { source: "not_applicable", complete: true };
}
