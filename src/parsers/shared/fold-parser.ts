/**
 * What every parser does alike: telling whole bodies, stream events and errors apart. A dialect brings a fold over the
 * values of a successful response; this file makes a parser of it.
 */
import type { Api, Usage } from "../../types.ts";
import type {
  Frame,
  ParsedError,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
} from "../parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "../parser.ts";
import type { ChoiceFold } from "./choices.ts";
import { findErrorInSuccess, readErrorBody, readErrorText } from "./error-body.ts";
import { resolveUsage } from "./usage.ts";
import type { UsageSituation } from "./usage.ts";

/** What became of a response, for what is built of it. */
export interface FoldSituation {
  status: number;
  error: ParsedError | undefined;
  end: ResponseEnd;
  /** The answer was complete by its own grammar. */
  finished: boolean;
}

/** Folds the values of one response. */
export interface ResponseFold {
  /** The whole body of a response with a success status. */
  readBody(value: unknown): void;
  /** One event of a stream; returns `FRAME_*` bits. Default: an event is read like a body. */
  readEvent?(value: unknown, name: string | undefined): number;
  /** A finish reason or a terminal event was seen. */
  isFinished?(): boolean;
  /** Whether the model said anything. */
  hasOutput(): boolean;
  build(situation: FoldSituation): FoldedResponse;
}

/** A response but for what the frame around the fold adds. */
export type FoldedResponse = Omit<ParsedResponse, "error" | "finished">;

export interface FoldParserOptions {
  api: Api;
  readRequest(input: RequestInput): ParsedRequest;
  start(input: ResponseInput): ResponseFold;
  /** An error event that only this dialect knows as one. Default: none beyond those that `findErrorInSuccess` knows. */
  readEventError?(value: unknown, name: string | undefined): ParsedError | undefined;
  /** What headers add to an error; called with the error of the body, if any. Default: the error of the body. */
  refineError?(error: ParsedError | undefined, input: ResponseInput): ParsedError | undefined;
}

/** The state of a fold parser: opaque to those who drive it. */
export interface FoldState {
  input: ResponseInput;
  fold: ResponseFold;
  error: ParsedError | undefined;
  /** The whole body was seen as one value. */
  whole: boolean;
  notes: string[];
}

/** @param options - the dialect */
export function createFoldParser(options: FoldParserOptions): Parser<FoldState> {
  function failed(state: FoldState, error: ParsedError | undefined): number {
    state.error ??= error;
    return FRAME_TERMINAL;
  }

  function readBody(state: FoldState, value: unknown): number {
    state.whole = true;
    if (state.input.status >= 400) return failed(state, readErrorBody(value));
    state.error ??= findErrorInSuccess(value);
    state.fold.readBody(value);
    return FRAME_TERMINAL | (state.fold.hasOutput() ? FRAME_OUTPUT : FRAME_NOTHING);
  }

  function readEvent(state: FoldState, value: unknown, name: string | undefined): number {
    if (state.input.status >= 400) return failed(state, readErrorBody(value));
    const error = options.readEventError?.(value, name) ?? findErrorInSuccess(value);
    if (error !== undefined) return failed(state, error);
    if (state.fold.readEvent !== undefined) return state.fold.readEvent(value, name);
    state.fold.readBody(value);
    return state.fold.hasOutput() ? FRAME_OUTPUT : FRAME_NOTHING;
  }

  function readText(state: FoldState, text: string): number {
    if (state.input.status >= 400) return failed(state, readErrorText(text));
    state.notes.push("not_json");
    return FRAME_NOTHING;
  }

  return {
    api: options.api,
    readRequest: (input) => options.readRequest(input),
    start: (input) => ({ input, fold: options.start(input), error: undefined, whole: false, notes: [] }),

    chunk(state: FoldState, frame: Frame): number {
      switch (frame.kind) {
        case "body":
          return readBody(state, frame.value);
        case "event":
          return readEvent(state, frame.value, frame.name);
        case "text":
          return readText(state, frame.text);
        case "event-text":
          // `[DONE]` and the like of a proxy; of a failed response it may be all that there is.
          return state.input.status >= 400 ? failed(state, readErrorText(frame.text)) : FRAME_NOTHING;
        default:
          return FRAME_NOTHING;
      }
    },

    finish(state: FoldState, end: ResponseEnd): ParsedResponse {
      const { input, fold } = state;
      const refined = options.refineError?.(state.error, input) ?? state.error;
      const finished = state.whole || refined !== undefined || fold.isFinished?.() === true;
      const built = fold.build({ status: input.status, error: refined, end, finished });
      const response: ParsedResponse = { ...built, finished, notes: [...built.notes, ...new Set(state.notes)] };
      if (refined !== undefined) response.error = refined;
      return response;
    },
  };
}

/**
 * What a response with choices says, from the fold that holds them and the usage that was found.
 *
 * @param options - whatever this dialect's usage needs to be judged by
 */
export function buildChoices(
  choices: ChoiceFold,
  situation: FoldSituation,
  usage: Usage | undefined,
  options: Pick<UsageSituation, "deferred" | "zeroMeansMissing"> = {},
): FoldedResponse {
  const response: FoldedResponse = {
    choices: choices.build(),
    usage: resolveUsage({ ...situation, ...options, usage, hasOutput: choices.hasOutput() }),
    notes: choices.notes(),
  };
  if (choices.isTruncated()) response.contentTruncated = true;
  return response;
}
