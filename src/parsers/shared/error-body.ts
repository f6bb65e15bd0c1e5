/** Reads an error out of any known JSON error shape. */
import type { ParsedError } from "../parser.ts";
import { cutText } from "./content-budget.ts";
import { asArray, asNumber, asObject, asScalarString, asString, isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";

const MAX_MESSAGE_LENGTH = 10_000;
const MAX_TEXT_MESSAGE_LENGTH = 1_000;
/** More details than this no error has. */
const MAX_DETAILS = 20;

/**
 * The error in a body that is known to be one (HTTP status >= 400, or an event that says so). Shapes read:
 * `{error: {type, code, message}}` (OpenAI, Anthropic, OpenRouter), `{error: {status, code, message}}` and an array of it
 * (Google), `{error: "text"}`, `{message, type, code}` (Mistral, vLLM, Cohere), `{detail}` (FastAPI), `{message, __type}`
 * (AWS), `{errors: [{code, message}]}` (Cloudflare), `{title, detail}` (Replicate), `{error: "text", error_type}` (TGI,
 * Cohere), `"text"`.
 *
 * @returns `undefined` when the value says nothing that names an error
 */
export function readErrorBody(value: unknown): ParsedError | undefined {
  if (typeof value === "string") return value === "" ? undefined : errorOf(undefined, undefined, value);
  if (Array.isArray(value)) return value.length === 0 ? undefined : readErrorBody(asObject(value[0]));
  if (!isObject(value)) return undefined;

  const { error } = value;
  if (isObject(error)) return readErrorObject(error, value);
  const status = readStatusInBody(value);
  if (status !== undefined) return status;
  if (Array.isArray(error) && error.length > 0) {
    // Cloudflare's gateway: `[{code, message}]`; Hugging Face: `["text"]`.
    if (isObject(error[0]) && error[0]["code"] !== undefined) return readErrorObject(error[0], value);
    return readMessageBody({ ...value, message: joinDetails(error) });
  }
  const firstOfMany = asArray(value["errors"])[0];
  if (isObject(firstOfMany)) return readErrorObject(firstOfMany, {});
  if (typeof firstOfMany === "string" && firstOfMany !== "") return errorOf(undefined, undefined, firstOfMany);
  return readMessageBody(value);
}

/**
 * The error in a body or event that came with a success status: only where the value says that it is one. Beyond
 * `readErrorBody`'s shapes that is `{type: "error", …}`, `{object: "error", …}`, Cloudflare's `{success: false}` and a status in the body.
 */
export function findErrorInSuccess(value: unknown): ParsedError | undefined {
  if (Array.isArray(value)) return value.length === 1 ? findErrorInSuccess(asObject(value[0])) : undefined;
  if (!isObject(value)) return undefined;
  const { error } = value;
  const saysError =
    (isObject(error) && Object.keys(error).length > 0) ||
    (typeof error === "string" && error !== "") ||
    (Array.isArray(error) && error.length > 0) ||
    error === true ||
    value["type"] === "error" ||
    value["object"] === "error" ||
    (value["success"] === false && asArray(value["errors"]).length > 0);
  if (!saysError) return readStatusInBody(value);
  return readErrorBody(value) ?? errorOf(undefined, undefined, undefined);
}

/** The error in a body that is no JSON: a proxy's page or a plain sentence. */
export function readErrorText(text: string): ParsedError | undefined {
  const message = text.trim();
  return message === "" ? undefined : { message: cutText(message, MAX_TEXT_MESSAGE_LENGTH) };
}

/** APIs that answer 200 and put a status into the body: MiniMax (`base_resp`, 0 is well), Baidu (`error_code`). */
function readStatusInBody(value: JsonObject): ParsedError | undefined {
  const base = asObject(value["base_resp"]);
  const code = asNumber(base?.["status_code"]) ?? asNumber(value["error_code"]);
  const message = asString(base?.["status_msg"]) ?? asString(value["error_msg"]);
  return code === undefined || code === 0 || message === undefined
    ? undefined
    : errorOf(undefined, String(code), message);
}

function readErrorObject(error: JsonObject, outer: JsonObject): ParsedError | undefined {
  // An SDK or a gateway may have wrapped the provider's body once more.
  const inner = asObject(error["error"]);
  if (inner !== undefined && asString(error["message"]) === undefined) return readErrorObject(inner, error);
  const type =
    asString(error["type"]) ??
    asString(error["status"]) ??
    asString(error["__type"]) ??
    asString(asObject(error["metadata"])?.["error_type"]); // OpenRouter
  const code = asScalarString(error["code"]) ?? asScalarString(outer["code"]);
  const read = errorOf(type, code, readMessage(error) ?? readMessage(outer));
  const retryAfterMs = readRetryInfo(error["details"]);
  return retryAfterMs === undefined ? read : { ...read, retryAfterMs };
}

/**
 * Google puts the pause beside the error: `[{"@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "22.5s"}]`.
 *
 * @see https://cloud.google.com/apis/design/errors#error_details
 */
function readRetryInfo(details: unknown): number | undefined {
  for (const detail of asArray(details).slice(0, MAX_DETAILS)) {
    const delay = asObject(detail)?.["retryDelay"];
    const seconds = typeof delay === "string" ? /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(delay)?.[1] : undefined;
    if (seconds !== undefined) return Math.round(Number(seconds) * 1000);
  }
  return undefined;
}

function readMessageBody(value: JsonObject): ParsedError | undefined {
  const message = readMessage(value) ?? asString(value["title"]) ?? asString(asObject(value["fault"])?.["faultstring"]);
  const awsType = asString(value["__type"]);
  const ownType = asString(value["type"]);
  // In `{type: "error", message}` the type only says that this is an error.
  const saidType = ownType === "error" ? undefined : ownType;
  const type = awsType === undefined ? (saidType ?? asString(value["error_type"])) : awsType.replace(/^.*#/, "");
  const code = asScalarString(value["code"]) ?? asScalarString(value["error_code"]);
  if (message === undefined && awsType === undefined && code === undefined) return undefined;
  return errorOf(type, code, message);
}

function readMessage(value: JsonObject): string | undefined {
  const { message, detail, error } = value;
  return (
    asString(message) ??
    (isObject(message) ? (joinDetails([message]) ?? readMessage(message)) : undefined) ??
    asString(value["Message"]) ??
    asString(detail) ??
    (Array.isArray(message) ? joinDetails(message) : undefined) ??
    (Array.isArray(detail) ? joinDetails(detail) : undefined) ??
    (isObject(detail)
      ? (asString(detail["message"]) ?? asString(detail["msg"]) ?? asString(detail["error"]))
      : undefined) ??
    asString(error) ??
    asString(value["msg"]) ??
    asString(value["error_description"])
  );
}

/** FastAPI: `[{loc: ["body", "model"], msg: "Field required", type: "missing"}]`; Hugging Face: a list of strings. */
function joinDetails(details: readonly unknown[]): string | undefined {
  const lines: string[] = [];
  for (const detail of details.slice(0, MAX_DETAILS)) {
    const text = typeof detail === "string" ? detail : describeDetail(asObject(detail));
    if (text !== undefined && text !== "") lines.push(text);
  }
  return lines.length === 0 ? undefined : lines.join("; ");
}

function describeDetail(detail: JsonObject | undefined): string | undefined {
  if (detail === undefined) return undefined;
  const message = asString(detail["msg"]) ?? asString(detail["message"]);
  const place = asArray(detail["loc"])
    .filter((step) => typeof step === "string" || typeof step === "number")
    .join(".");
  return message === undefined || place === "" ? message : `${place}: ${message}`;
}

function errorOf(type: string | undefined, code: string | undefined, message: string | undefined): ParsedError {
  const error: ParsedError = {
    message: cutText(message ?? type ?? code ?? "The provider reported an error without a message", MAX_MESSAGE_LENGTH),
  };
  if (type !== undefined) error.type = cutText(type, 256);
  if (code !== undefined) error.code = cutText(code, 256);
  return error;
}
