/**
 * Chat Completions inside something else, or in other words: Perplexity's asynchronous calls, Cloudflare's universal
 * endpoint, Baidu's first API.
 *
 * @see https://docs.perplexity.ai/api-reference/async-chat-completions-post
 * @see https://developers.cloudflare.com/ai-gateway/usage/universal/
 */
import { asLabel, asObject, asString } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { foldHead } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";

/**
 * What is inside Perplexity's `{request: {…}}`, or the first of the calls that Cloudflare is to try,
 * `[{provider, endpoint, query: {…}}, …]`; any other body as it is.
 */
export function unwrapRequest(body: unknown): unknown {
  if (Array.isArray(body)) return asObject(asObject(body[0])?.["query"]) ?? body;
  const fields = asObject(body);
  const inner = asObject(fields?.["request"]);
  return inner !== undefined && fields?.["messages"] === undefined ? inner : body;
}

export interface UnwrappedAnswer {
  value: JsonObject;
  /** The answer comes later, when it is asked for. */
  deferred: boolean;
}

/**
 * The answer in the form of a Chat body or chunk, for a value without choices.
 *
 * @param whole - it is a whole body, not a chunk
 */
export function unwrapAnswer(response: ResponseFold, value: JsonObject, whole: boolean): UnwrappedAnswer {
  if (typeof value["result"] === "string") return { value: readBaidu(response, value), deferred: false };
  const status = asLabel(value["status"]);
  if (!whole || status === undefined || value["response"] === undefined) return { value, deferred: false };
  // Perplexity: a job, and its answer once there is one.
  foldHead(response, value);
  const message = asString(value["error_message"]);
  if (message !== undefined) response.error ??= { message };
  const answer = asObject(value["response"]);
  const deferred = answer === undefined && response.error === undefined && status !== "FAILED";
  return { value: answer ?? value, deferred };
}

/** `{result: "text", is_end, finish_reason, function_call, usage}` */
function readBaidu(response: ResponseFold, value: JsonObject): JsonObject {
  if (value["is_end"] === true) response.ended = true;
  const message = { content: value["result"], function_call: value["function_call"] };
  return { ...value, choices: [{ message, delta: message, finish_reason: value["finish_reason"] }] };
}
