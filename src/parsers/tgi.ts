/**
 * Text Generation Inference: `/generate`, `/generate_stream` and `/`, where the body says whether to stream.
 *
 * @see https://huggingface.github.io/text-generation-inference/
 */
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { asArray, asLabel, asObject, compact } from "./shared/json.ts";
import { acceptListBody, LIST_KEY } from "./shared/list-body.ts";
import { textParts } from "./shared/message-parts.ts";
import { readSettings } from "./shared/settings.ts";
import { createGenerationFold } from "./shared/tgi-generation.ts";

const contentKeys: ReadonlySet<string> = new Set(["model", "inputs", "stream"]);

/** The parser of `tgi`. */
export const tgiParser: Parser<FoldState> = acceptListBody(
  createFoldParser({ api: "tgi", readRequest, start: createAnswerFold }),
);

function readRequest({ route, path, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const parts = textParts("text", fields["inputs"]);
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? route.pathModel,
    parameters: readSettings(fields, contentKeys, "parameters"),
    messages: parts.length === 0 ? undefined : [{ role: "user", parts }],
    stream: /\/generate_stream(?:\?|$)/.test(path) || (fields["stream"] === true ? true : undefined),
  });
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  const generation = createGenerationFold(choices, input);
  let ended = false;

  return {
    readBody(body) {
      const generations = Array.isArray(body[LIST_KEY]) ? asArray(body[LIST_KEY]) : [body];
      for (const [index, item] of generations.entries()) generation.readGeneration(index, asObject(item) ?? {});
    },
    readEvent(event) {
      ended ||= typeof event["generated_text"] === "string";
      return generation.readEvent(event);
    },
    isFinished: () => ended || choices.isFinished(),
    hasOutput: () => choices.hasOutput(),
    build: (situation) =>
      compact({
        ...buildAnswer(choices, situation, generation.usage()),
        processingMs: generation.processingMs(),
      }),
  };
}
