/** Embeddings of OpenAI and of all who copied the API. Vectors are counted and measured, never kept. */
import type { Usage } from "../types.ts";
import type {
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
  Frame,
} from "./parser.ts";
import { FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { readEmbeddingInput } from "./shared/embedding-input.ts";
import { asArray, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { countBase64Bytes } from "../abridged-text.ts";
import { openRequest } from "./shared/open-request.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { buildResponse, createResponseFold, foldHead, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";
import { resolveUsage } from "./shared/usage.ts";

interface EmbeddingsState {
  response: ResponseFold;
  embeddings: { count: number; dimensions?: number } | undefined;
}

const contentFields: ReadonlySet<string> = new Set(["input", "inputs", "text", "texts"]);

/** Element types (Voyage, Mistral) that take one byte; a base64 vector of any other kind is made of 4-byte floats. */
const byteTypes: ReadonlySet<unknown> = new Set(["int8", "uint8", "binary", "ubinary"]);

export const openaiEmbeddingsParser: Parser<EmbeddingsState> = {
  api: "openai-embeddings",

  readRequest(input: RequestInput): ParsedRequest {
    const { request, fields } = openRequest(input, contentFields);
    const parts = readEmbeddingInput(fields["input"] ?? fields["inputs"] ?? fields["texts"] ?? fields["text"]);
    if (parts.length > 0) request.messages = [{ role: "user", parts }];
    return request;
  },

  start: (input: ResponseInput): EmbeddingsState => ({ response: createResponseFold(input), embeddings: undefined }),

  chunk(state: EmbeddingsState, frame: Frame): number {
    const { response } = state;
    const value = openFrame(response, frame);
    const body = frame.kind === "body" || frame.kind === "event" ? frame.value : undefined;
    if (response.error === undefined) state.embeddings = measure(body, response) ?? state.embeddings;
    if (typeof value !== "number") {
      foldHead(response, value);
      foldUsage(response, value["usage"]);
    }
    return state.embeddings === undefined ? FRAME_TERMINAL : FRAME_TERMINAL | FRAME_OUTPUT;
  },

  finish({ response, embeddings }: EmbeddingsState, end: ResponseEnd): ParsedResponse {
    const finished = response.ended || embeddings !== undefined;
    const { status } = response.input;
    const usage = resolveUsage({
      usage: readEmbeddingsUsage(response.usage),
      status,
      error: response.error,
      end,
      finished,
      hasOutput: embeddings !== undefined,
    });
    const built = buildResponse(response, { choices: [], usage, finished });
    if (embeddings !== undefined) built.embeddings = embeddings;
    return built;
  },
};

/** Voyage reports a total alone: all tokens of embeddings are input. Of a zero it is not known what it counts. */
function readEmbeddingsUsage(raw: JsonObject | undefined): Usage | undefined {
  const usage = readOpenAiUsage(raw);
  if (!usage?.totalTokens || usage.inputTokens !== undefined) return usage;
  return { ...usage, inputTokens: usage.totalTokens };
}

/** `{data: [{embedding}]}`, `{embeddings: [[…]]}`, the latter inside `output` (DashScope), a bare list of vectors or (Hugging Face) a single bare vector. */
function measure(body: unknown, response: ResponseFold): EmbeddingsState["embeddings"] {
  if (Array.isArray(body)) return describe(typeof body[0] === "number" ? [body] : body, response);
  if (!isObject(body)) return undefined;
  const list = body["data"] ?? body["embeddings"] ?? asObject(body["output"])?.["embeddings"];
  // Volcengine: one vector for all of a multimodal input.
  if (isObject(list) && list["embedding"] !== undefined) return describe([list], response);
  if (!Array.isArray(list)) return undefined;
  // Voyage: chunks in their context, a list of vectors for each document.
  const isNested = list.some((item) => Array.isArray(asObject(item)?.["data"]));
  return describe(isNested ? list.flatMap((item) => asArray(asObject(item)?.["data"])) : list, response);
}

function describe(vectors: readonly unknown[], response: ResponseFold): EmbeddingsState["embeddings"] {
  const dimensions = measureVector(vectors[0], response);
  return dimensions === undefined ? { count: vectors.length } : { count: vectors.length, dimensions };
}

function measureVector(item: unknown, response: ResponseFold): number | undefined {
  const holder: JsonObject | undefined = asObject(item);
  const vector = holder === undefined ? item : (holder["embedding"] ?? asArray(holder["embeddings"])[0]);
  if (Array.isArray(vector)) return Array.isArray(vector[0]) ? vector[0].length : vector.length || undefined;
  if (typeof vector !== "string" || vector === "") return undefined;
  const { parameters } = response.input.request;
  const isBytes = byteTypes.has(parameters["output_dtype"]) || byteTypes.has(parameters["embedding_type"]);
  return Math.floor(countBase64Bytes(vector) / (isBytes ? 1 : 4)) || undefined;
}
