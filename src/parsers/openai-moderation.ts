/** Moderations and classifications: each result is kept as it is. There are no tokens but at Mistral. */
import type {
  Frame,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
} from "./parser.ts";
import { notApplicableUsage } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import type { ChoiceFold } from "./shared/choices.ts";
import { finishChoices } from "./shared/finish-choices.ts";
import { asArray } from "./shared/json.ts";
import { openRequest, readInputs } from "./shared/open-request.ts";
import { readConversation } from "./shared/openai-messages.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { createResponseFold, foldHead, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";
import { FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";

interface ModerationState {
  response: ResponseFold;
  choices: ChoiceFold;
}

const contentFields: ReadonlySet<string> = new Set(["input"]);

export const openaiModerationParser: Parser<ModerationState> = {
  api: "openai-moderation",

  readRequest(input: RequestInput): ParsedRequest {
    const { request, fields } = openRequest(input, contentFields);
    const { input: given } = fields;
    const first: unknown = asArray(given)[0];
    // Mistral's chat moderation takes a conversation, or several.
    if (isMessages(first) || isMessages(asArray(first)[0])) {
      Object.assign(request, readConversation(isMessages(first) ? given : asArray(given).flat()));
    } else {
      const parts = readInputs(given);
      if (parts.length > 0) request.messages = [{ role: "user", parts }];
    }
    return request;
  },

  start: (input: ResponseInput): ModerationState => ({
    response: createResponseFold(input),
    choices: createChoiceFold({ contentLimit: input.contentLimit }),
  }),

  chunk({ response, choices }: ModerationState, frame: Frame): number {
    const value = openFrame(response, frame);
    if (typeof value === "number") return value;
    foldHead(response, value);
    foldUsage(response, value["usage"]);
    for (const result of asArray(value["results"])) {
      choices.addPart(0, { type: "other", kind: "moderation", content: result });
    }
    return choices.hasOutput() ? FRAME_OUTPUT | FRAME_TERMINAL : FRAME_TERMINAL;
  },

  finish({ response, choices }: ModerationState, end: ResponseEnd): ParsedResponse {
    const failed = response.error !== undefined || response.input.status >= 400;
    const usage = readOpenAiUsage(response.usage) ?? (failed ? undefined : notApplicableUsage());
    return finishChoices(response, choices, end, usage);
  },
};

function isMessages(value: unknown): boolean {
  return typeof value === "object" && value !== null && "role" in value;
}
