/** The answer of an endpoint that counts tokens: a count is an answer, not usage. */
import { FRAME_NOTHING, missingUsage, notApplicableUsage } from "../parser.ts";
import { compact } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { AnswerFold } from "./fold-parser.ts";

/** What was counted is kept as `usage.raw`. */
export function createCountFold(): AnswerFold {
  let counted: JsonObject | undefined;
  return {
    readBody(value) {
      counted = value;
    },
    readEvent: () => FRAME_NOTHING,
    isFinished: () => false,
    hasOutput: () => false,
    build: ({ status, error }) => ({
      choices: [],
      usage:
        status >= 400 || error !== undefined
          ? missingUsage("error_response")
          : compact({ ...notApplicableUsage(), raw: counted }),
      notes: [],
    }),
  };
}
