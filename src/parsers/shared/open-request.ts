/** What every request of the OpenAI family has: a model, parameters, the wish for a stream. */
import type { Part } from "../../types.ts";
import { findUpstreamOfModel } from "../../providers/upstream.ts";
import type { ParsedRequest, RequestInput } from "../parser.ts";
import { asLabel, asObject, omitKeys } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { readContent } from "./openai-messages.ts";

/** These have a place of their own in every request. */
const common: ReadonlySet<string> = new Set(["model", "stream"]);

/** Both sets as one, made once for each parser. */
const joined = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();

function withCommon(contentFields: ReadonlySet<string>): ReadonlySet<string> {
  let both = joined.get(contentFields);
  if (both === undefined) joined.set(contentFields, (both = new Set([...common, ...contentFields])));
  return both;
}

/**
 * @param contentFields - the fields that hold content; all others are parameters
 * @returns the request so far, and the body's fields
 */
export function openRequest(
  { route, body }: Pick<RequestInput, "route" | "body">,
  contentFields: ReadonlySet<string>,
): { request: ParsedRequest; fields: JsonObject } {
  const fields = asObject(body) ?? {};
  const request: ParsedRequest = { parameters: omitKeys(fields, withCommon(contentFields)) };
  const model = asLabel(fields["model"]) ?? route.pathModel;
  if (model !== undefined) request.model = model;
  const upstream = findUpstreamOfModel(route.provider, model);
  if (upstream !== undefined) request.upstreamProvider = upstream;
  const stream = fields["stream"];
  // In a form every value is text.
  if (typeof stream === "boolean" || stream === "true" || stream === "false") {
    request.stream = stream === true || stream === "true";
  }
  return { request, fields };
}

/** Inputs of embeddings, completions and moderations: a text, a list of texts or parts, or tokens. */
export function readInputs(input: unknown): Part[] {
  if (!Array.isArray(input)) return readContent(input);
  if (input.length === 0) return [];
  if (typeof input[0] === "number") return [{ type: "other", kind: "tokens", content: input }];
  if (Array.isArray(input[0])) return input.flatMap((item) => readInputs(item));
  return readContent(input);
}
