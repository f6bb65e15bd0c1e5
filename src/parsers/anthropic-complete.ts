/**
 * Anthropic Text Completions (legacy), as JSON and as events, also on Bedrock. It reports no usage.
 *
 * @see https://docs.anthropic.com/en/api/complete
 */
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asLabel, asObject, compact, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createMessage, textParts } from "./shared/message-parts.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "prompt", "stream"]);

/** The parser of `anthropic-complete`. */
export const anthropicCompleteParser: Parser<FoldState> = createFoldParser({
  api: "anthropic-complete",
  readRequest,
  start: createCompletionFold,
});

function readRequest(input: RequestInput): ParsedRequest {
  const body = asObject(input.body) ?? {};
  const prompt = textParts("text", body["prompt"]);
  return compact<ParsedRequest>({
    model: asLabel(body["model"]) ?? input.route.pathModel,
    parameters: omitKeys(body, contentKeys),
    messages: prompt.length === 0 ? undefined : [createMessage("user", prompt)],
    stream: typeof body["stream"] === "boolean" ? body["stream"] : undefined,
  });
}

function createCompletionFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let id: string | undefined;
  let model: string | undefined;

  /** A body and an event have the same shape; `completion` of an event is a piece. */
  function read(value: JsonObject): number {
    id ??= asLabel(value["id"]);
    model ??= asLabel(value["model"]);
    const said = choices.addText(0, "text", value["completion"]) ? FRAME_OUTPUT : FRAME_NOTHING;
    const reason = asLabel(value["stop_reason"]);
    if (reason === undefined) return said;
    choices.setFinishReason(0, reason);
    return said | FRAME_TERMINAL;
  }

  return {
    readBody: read,
    readEvent: read,
    isFinished: () => choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    build: (situation) => addKnown(buildAnswer(choices, situation, undefined), { id, model }),
  };
}
