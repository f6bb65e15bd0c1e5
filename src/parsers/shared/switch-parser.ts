/** For APIs that answer in one of several dialects: the first value tells which, and its parser reads the rest. */
import type { Api } from "../../types.ts";
import type { Frame, ParsedRequest, Parser, RequestInput, ResponseInput } from "../parser.ts";
import { FRAME_NOTHING } from "../parser.ts";

export interface SwitchParserOptions {
  api: Api;
  readRequest(input: RequestInput): ParsedRequest;
  /** Brings a frame into the shape that the dialect's parser knows. Default: as it is. */
  openFrame?(frame: Frame, input: ResponseInput): Frame;
  /** The parser for an answer whose first value is this. */
  choose(value: unknown, input: ResponseInput): Parser;
}

/** The state of a switch parser: opaque to those who drive it. */
export interface SwitchState {
  input: ResponseInput;
  parser: Parser | undefined;
  state: unknown;
}

/** @param options - the dialects and how to tell them apart */
export function createSwitchParser(options: SwitchParserOptions): Parser<SwitchState> {
  function select(state: SwitchState, value: unknown): Parser {
    if (state.parser === undefined) {
      state.parser = options.choose(value, state.input);
      state.state = state.parser.start(state.input);
    }
    return state.parser;
  }

  return {
    api: options.api,
    readRequest: (input) => options.readRequest(input),
    start: (input) => ({ input, parser: undefined, state: undefined }),
    chunk(state: SwitchState, frame: Frame) {
      // A text among events does not tell what the events will be.
      const isText = frame.kind === "event-text" && frame.name !== "error";
      if (state.parser === undefined && isText && state.input.status < 400) return FRAME_NOTHING;
      const opened = options.openFrame?.(frame, state.input) ?? frame;
      const parser = select(state, "value" in opened ? opened.value : undefined);
      return parser.chunk(state.state, opened);
    },
    finish(state: SwitchState, end) {
      return select(state, undefined).finish(state.state, end);
    },
  };
}
