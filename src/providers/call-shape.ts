/** Whether a request body looks like the call that its path says, for hosts that no table knows. */
import type { Api, Operation } from "../types.ts";

type Fields = Readonly<Record<string, unknown>>;
type Shape = (body: Fields) => boolean;

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
/** An empty one counts: a wrong call is a call. */
const isList = (value: unknown): boolean => Array.isArray(value);
const isTextOrList = (value: unknown): boolean => isText(value) || isList(value);
const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** Messages of a chat are objects that say who speaks; the messages of a mail app are not. */
const isMessages = (value: unknown): boolean =>
  Array.isArray(value) && value.some((message) => isRecord(message) && typeof message["role"] === "string");

const namesModel: Shape = (body) => isText(body["model"]);
const isPrompt: Shape = (body) => isTextOrList(body["prompt"]);

/** What the body must hold besides the model. */
const SHAPES: Readonly<Partial<Record<Api, Shape>>> = {
  "openai-chat": (body) => isList(body["messages"]) || isPrompt(body),
  "openai-responses": (body) =>
    isTextOrList(body["input"]) || isRecord(body["prompt"]) || isText(body["previous_response_id"]),
  "openai-completions": isPrompt,
  "openai-embeddings": (body) => isTextOrList(body["input"]) || isList(body["inputs"]),
  // A variation has a picture and no prompt.
  "openai-images": (body) => isPrompt(body) || isRecord(body["image"]),
  "openai-audio": (body) => (isText(body["input"]) && namesModel(body)) || isRecord(body["file"]),
  "openai-moderation": (body) => isTextOrList(body["input"]),
  "anthropic-messages": (body) => isMessages(body["messages"]),
  gemini: (body) =>
    isList(body["contents"]) ||
    isRecord(body["contents"]) ||
    isRecord(body["content"]) ||
    isList(body["requests"]) ||
    isRecord(body["generateContentRequest"]),
  // TensorFlow Serving has the same path, and numbers in its instances.
  "vertex-predict": (body) =>
    Array.isArray(body["instances"]) &&
    body["instances"].some(
      (instance) =>
        isRecord(instance) && ["content", "text", "prompt", "image", "messages"].some((key) => key in instance),
    ),
  "bedrock-converse": (body) => isMessages(body["messages"]) || isRecord(body["input"]),
  "bedrock-invoke": (body) =>
    isMessages(body["messages"]) ||
    isPrompt(body) ||
    [
      "anthropic_version",
      "inputText",
      "inputs",
      "texts",
      "input",
      "message",
      "text_prompts",
      "schemaVersion",
      "taskType",
    ].some((key) => body[key] !== undefined),
  ollama: (body) => isMessages(body["messages"]) || isText(body["prompt"]) || isTextOrList(body["input"]),
  "cohere-v1": (body) => isText(body["message"]) || isPrompt(body) || isList(body["texts"]) || isList(body["inputs"]),
  "cohere-v2": (body) => isMessages(body["messages"]) || isList(body["texts"]) || isList(body["inputs"]),
  // Text Embeddings Inference, which loads one model and is told of none.
  "hf-task": (body) => isTextOrList(body["inputs"]),
  rerank: (body) => isText(body["query"]) && (isList(body["texts"]) || (isList(body["documents"]) && namesModel(body))),
  tgi: (body) => isText(body["inputs"]),
  "openai-threads": (body) => isText(body["assistant_id"]) || isList(body["tool_outputs"]),
};

/** APIs whose bodies need not name a model: path and fields are telling enough, and local servers load just one. */
const MODEL_OPTIONAL: ReadonlySet<Api> = new Set(["tgi", "hf-task", "rerank", "openai-threads", "openai-audio"]);

/**
 * True when the body has the shape of a call: a model (in the body or in the path) and what the API's input is called.
 * An app's own `POST /messages` has not.
 */
export function hasCallShape(
  route: { readonly api: Api; readonly operation: Operation; readonly pathModel?: string },
  body: unknown,
): boolean {
  if (!isRecord(body)) return false;
  const isTold = namesModel(body) || route.pathModel !== undefined || MODEL_OPTIONAL.has(route.api);
  // llama.cpp has loaded one model, and calls the number of tokens by this name.
  if (!isTold && typeof body["n_predict"] !== "number") return false;
  return SHAPES[route.api]?.(body) ?? false;
}
