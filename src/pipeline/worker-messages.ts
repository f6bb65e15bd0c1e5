/** What goes to the worker thread and what comes back. */
import type { Exchange } from "../types.ts";
import type { AssembledExchange } from "./assemble.ts";

/** What the worker may send back of content. */
export interface WorkerPolicy {
  privacyMode: boolean;
  excludeInput: boolean;
  excludeOutput: boolean;
  captureMedia: boolean;
  /** Characters of each text; `undefined` where redaction still has to see all of it. */
  maxContentLength: number | undefined;
}

/** The fields of an exchange that reading needs. */
export type ExchangeData = Pick<
  Exchange,
  | "route"
  | "sniffed"
  | "method"
  | "path"
  | "startTime"
  | "requestHeaders"
  | "requestBody"
  | "requestChunks"
  | "requestBytes"
  | "requestKept"
  | "requestTruncated"
  | "requestTail"
  | "abridgedRequest"
  | "status"
  | "responseHeaders"
  | "decoded"
  | "blocks"
  | "marks"
  | "gapAt"
  | "pendingBytes"
  | "endTime"
  | "hasError"
>;

export interface WorkerTask {
  exchange: ExchangeData;
  exchangeBytes: number;
  policy: WorkerPolicy;
  /** Of the keyed hash that conversations are recognised by. */
  hashKey: Uint8Array;
  /** Of texts that were abridged already. */
  mark: string;
}

export type WorkerReply = { type: "assembled"; assembled: AssembledExchange } | { type: "no_call" } | { type: "threw" };
