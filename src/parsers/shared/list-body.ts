/** Bodies that are a bare list, as Hugging Face's servers send them. */
import type { Frame, Parser } from "../parser.ts";
import { findErrorInSuccess } from "./error-body.ts";
import type { FoldState } from "./fold-parser.ts";

/** What the fold of a parser finds a bare list under. */
export const LIST_KEY = "items";

/**
 * A fold reads objects: a whole body that is a list reaches it as `{items: list}`. Lists that are errors stay as they are.
 *
 * @param parser - a fold parser
 */
export function acceptListBody(parser: Parser<FoldState>): Parser<FoldState> {
  return {
    ...parser,
    chunk: (state: FoldState, frame: Frame) => parser.chunk(state, isList(state, frame) ? wrap(frame) : frame),
  };
}

function isList(state: FoldState, frame: Frame): frame is { kind: "body"; value: unknown[] } {
  if (frame.kind !== "body" || !Array.isArray(frame.value)) return false;
  return state.response.input.status < 400 && findErrorInSuccess(frame.value) === undefined;
}

function wrap(frame: { value: unknown[] }): Frame {
  return { kind: "body", value: { [LIST_KEY]: frame.value } };
}
