/**
 * Rerank, which has one shape for all: Cohere v1 and v2, Voyage, Jina, Together, vLLM, llama.cpp, TEI, watsonx. What the
 * answer holds is an order, no text; what it costs is search units or tokens of the input.
 *
 * @see https://docs.cohere.com/reference/rerank
 * @see https://docs.voyageai.com/reference/reranker-api
 * @see https://jina.ai/reranker/
 */
import type { Part, Usage } from "../types.ts";
import type { ParsedRequest, Parser, RequestInput, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING } from "./parser.ts";
import { readCohereUsage } from "./shared/cohere-answer.ts";
import { createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { acceptListBody } from "./shared/list-body.ts";
import { asArray, asCount, asLabel, asObject, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readMediaUrl } from "./shared/media.ts";
import { textParts } from "./shared/message-parts.ts";
import { judgeUsage } from "./shared/operation-usage.ts";
import { createUsage, markUnits, resolveUsage } from "./shared/usage.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "model",
  "model_id",
  "query",
  "documents",
  "texts",
  "passages",
  "inputs",
]);

/** The parser of `rerank`. TEI answers with the bare list. */
export const rerankParser: Parser<FoldState> = acceptListBody(
  createFoldParser({ api: "rerank", readRequest, start: createAnswerFold }),
);

/** The query and the documents are parts of one message, the query first. */
function readRequest({ route, body }: RequestInput): ParsedRequest {
  const given = asObject(body) ?? {};
  // DashScope: `{model, input: {query, documents}, parameters}`.
  const { input, parameters, ...others } = given;
  const fields = isObject(input) ? { ...others, ...asObject(parameters), ...input } : given;
  const documents = fields["documents"] ?? fields["texts"] ?? fields["passages"] ?? fields["inputs"];
  const parts: Part[] = [...readItem(fields["query"]), ...asArray(documents).flatMap(readItem)];
  return compact<ParsedRequest>({
    model: asLabel(fields["model"]) ?? asLabel(fields["model_id"]) ?? route.pathModel,
    parameters: omitKeys(fields, contentKeys),
    messages: parts.length === 0 ? undefined : [{ role: "user", parts }],
  });
}

/** A text, `{text}`, `{image}` (Jina) or an object with fields of its own, ranked by `rank_fields`. */
function readItem(item: unknown): Part[] {
  if (!isObject(item)) return textParts("text", item);
  const { text, image } = item;
  if (typeof text === "string") return textParts("text", text);
  if (typeof image === "string") return [readMediaUrl(image, "image")];
  return [{ type: "other", kind: "document", content: item }];
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  let id: string | undefined;
  let model: string | undefined;
  let usage: Usage | undefined;

  function read(body: JsonObject): void {
    id = asLabel(body["id"]);
    model = asLabel(body["model"]) ?? asLabel(body["model_id"]);
    const reported = readTokenUsage(body) ?? readCohereUsage(body["meta"]);
    usage = reported && markUnits(reported);
  }

  return {
    readBody: read,
    readEvent(event) {
      read(event);
      return FRAME_NOTHING;
    },
    isFinished: () => false,
    hasOutput: () => false,
    build: (situation) => {
      const resolved = judgeUsage(resolveUsage({ ...situation, usage, hasOutput: false }), input);
      return compact({ id, model, choices: [], usage: resolved, notes: [] });
    },
  };
}

/** All tokens of a rerank are input: a lone `total_tokens` is the input. */
function readTokenUsage(body: JsonObject): Usage | undefined {
  const raw = asObject(body["usage"]);
  const totalTokens = asCount(raw?.["total_tokens"]);
  const inputTokens =
    asCount(raw?.["prompt_tokens"]) ??
    asCount(raw?.["input_tokens"]) ??
    asCount(body["input_token_count"]) ?? // watsonx
    totalTokens;
  const outputTokens = asCount(raw?.["completion_tokens"]);
  const searchUnits = asCount(raw?.["search_units"]) ?? asCount(raw?.["rerank_units"]); // Pinecone
  return createUsage({ inputTokens, outputTokens, totalTokens, searchUnits }, raw);
}
