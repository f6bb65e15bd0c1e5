/**
 * A parser from a fold over the values of a successful response. What all parsers do alike is done here: telling whole
 * bodies from stream events, and both from errors.
 */
import type { Api, Usage } from "../../types.ts";
import type {
  Frame,
  MessageList,
  ParsedError,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
  TextEvent,
} from "../parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../parser.ts";
import type { ChoiceFold } from "./choices.ts";
import { isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { createResponseFold, openFrame } from "./response-fold.ts";
import type { ResponseFold } from "./response-fold.ts";
import { resolveUsage } from "./usage.ts";
import type { UsageSituation } from "./usage.ts";

/** How a response ended, for what is built of it. */
export interface AnswerSituation {
  status: number;
  error: ParsedError | undefined;
  end: ResponseEnd;
  /** The answer was complete by its own grammar. */
  finished: boolean;
}

/** What an answer says, but for what the parser around the fold adds. */
export type Answer = Omit<ParsedResponse, "error" | "finished">;

/** Folds the values of one response. */
export interface AnswerFold {
  /** The whole body of a response with a success status. */
  readBody(value: JsonObject): void;
  /** One event of a stream; returns `FRAME_*` bits. */
  readEvent(value: JsonObject, name: string | undefined): number;
  /** An event that has carried output and did nothing but add a text. Default: none is known. */
  findText?(value: JsonObject): TextEvent | undefined;
  /** A finish reason or a terminal event was seen. A whole body is the end by itself. */
  isFinished(): boolean;
  /** Whether the model said anything. */
  hasOutput(): boolean;
  /** An error that came inside an event which says more than that: a finish reason, usage. Default: none. */
  findError?(): ParsedError | undefined;
  build(situation: AnswerSituation): Answer;
}

export interface FoldParserOptions {
  api: Api;
  readRequest(input: RequestInput): ParsedRequest;
  messageList?: MessageList;
  start(input: ResponseInput): AnswerFold;
  /** An event that only this dialect knows as an error. Default: those that `findErrorInSuccess` knows. */
  readEventError?(value: unknown, name: string | undefined): ParsedError | undefined;
  /** What headers add to the error that was found, or make of one that was not. Default: nothing. */
  refineError?(error: ParsedError | undefined, input: ResponseInput): ParsedError | undefined;
}

/** The state of a fold parser: opaque to those who drive it. */
export interface FoldState {
  response: ResponseFold;
  answer: AnswerFold;
}

/** @param options - the dialect */
export function createFoldParser(options: FoldParserOptions): Parser<FoldState> {
  return {
    api: options.api,
    readRequest: (input) => options.readRequest(input),
    ...(options.messageList !== undefined && { messageList: options.messageList }),
    start: (input) => ({ response: createResponseFold(input), answer: options.start(input) }),

    chunk({ response, answer }: FoldState, frame: Frame): number {
      if (frame.kind === "event") {
        const error = options.readEventError?.(frame.value, frame.name);
        if (error !== undefined) {
          response.error ??= error;
          return FRAME_TERMINAL;
        }
      }
      const failed = response.error !== undefined;
      const value = openFrame(response, frame);
      if (typeof value === "number") return value;
      // What comes with an error is the error, not an answer.
      if (response.input.status >= 400 || (response.error !== undefined && !failed)) return FRAME_TERMINAL;
      if (frame.kind === "event") return answer.readEvent(value, frame.name);
      answer.readBody(value);
      return FRAME_TERMINAL | (answer.hasOutput() ? FRAME_OUTPUT : FRAME_NOTHING);
    },

    findText({ response, answer }: FoldState, value: unknown): TextEvent | undefined {
      return response.error === undefined && isObject(value) ? answer.findText?.(value) : undefined;
    },

    finish({ response, answer }: FoldState, end: ResponseEnd): ParsedResponse {
      const { input } = response;
      const found = response.error ?? answer.findError?.();
      const error = options.refineError?.(found, input) ?? found;
      const finished = response.ended || error !== undefined || answer.isFinished();
      // The object is the answer's own, and nobody else's any more: it becomes the response.
      const built: Answer & Partial<ParsedResponse> = answer.build({ status: input.status, error, end, finished });
      built.finished = finished;
      if (error !== undefined) built.error = error;
      if (response.notes !== undefined) built.notes = [...response.notes, ...built.notes];
      return built as ParsedResponse;
    },
  };
}

/**
 * An answer with choices, from the fold that holds them and the usage that was found.
 *
 * @param options - whatever this dialect's usage needs to be judged by
 */
export function buildAnswer(
  choices: ChoiceFold,
  situation: AnswerSituation,
  usage: Usage | undefined,
  options: Pick<UsageSituation, "deferred" | "zeroMeansMissing"> = {},
): Answer {
  const answer: Answer = {
    choices: choices.build(),
    usage: resolveUsage({ ...situation, ...options, usage, hasOutput: choices.hasOutput() }),
    notes: choices.notes(),
  };
  // A stream without its end, or with an error in its place, leaves the counts where they were.
  const ended = choices.isFinished() || (situation.finished && situation.error === undefined);
  if (situation.end.streaming && !ended && answer.usage.source === "reported") {
    answer.usage = { ...answer.usage, complete: false };
  }
  if (choices.isTruncated()) answer.contentTruncated = true;
  return answer;
}
