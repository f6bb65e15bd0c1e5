/**
 * Mistral OCR: a document in, the text of its pages out. It is paid by the page.
 *
 * @see https://docs.mistral.ai/api/endpoint/ocr
 */
import type { Usage } from "../types.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asCount, asLabel, asObject, compact, omitKeys } from "./shared/json.ts";
import { textParts } from "./shared/message-parts.ts";
import { readContent } from "./shared/openai-messages.ts";
import { createUsage, markUnits } from "./shared/usage.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "document", "document_annotation_prompt"]);

/** The parser of `mistral-ocr`. */
export const mistralOcrParser: Parser<FoldState> = createFoldParser({
  api: "mistral-ocr",
  readRequest,
  start: createAnswerFold,
});

function readRequest({ route, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const parts = [...readContent(fields["document"]), ...textParts("text", fields["document_annotation_prompt"])];
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? route.pathModel,
    parameters: omitKeys(fields, contentKeys),
    messages: parts.length === 0 ? undefined : [{ role: "user", parts }],
  });
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let model: string | undefined;
  let usage: Usage | undefined;

  return {
    /** Each page is a part. */
    readBody(body) {
      model = asLabel(body["model"]);
      for (const page of asArray(body["pages"])) {
        choices.breakText(0);
        choices.addText(0, "text", asObject(page)?.["markdown"]);
      }
      choices.breakText(0);
      choices.addText(0, "text", body["document_annotation"]);
      const info = asObject(body["usage_info"]);
      const reported = createUsage({ pages: asCount(info?.["pages_processed"]) }, info);
      usage = reported && markUnits(reported);
    },
    readEvent: () => FRAME_NOTHING,
    isFinished: () => false,
    hasOutput: () => choices.hasOutput(),
    build: (situation) => addKnown(buildAnswer(choices, situation, usage), { model }),
  };
}
