/** Requests whose conversation and settings stand one level deeper: DashScope's and Oracle's own APIs, and wrappers. */
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { asLabel, asObject, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { openRequest } from "./shared/open-request.ts";
import { readContent, readConversation, readToolDefinitions } from "./shared/openai-messages.ts";

const dashscopeContent: ReadonlySet<string> = new Set(["input", "parameters"]);
const oracleContent: ReadonlySet<string> = new Set(["chatRequest", "servingMode", "compartmentId"]);
const content: ReadonlySet<string> = new Set([
  "messages",
  "message",
  "chatHistory",
  "preambleOverride",
  "documents",
  "toolResults",
  "tools",
  "prompt",
]);

/**
 * What is inside Perplexity's `{request: {…}}`, or the first choice of Cloudflare's universal endpoint,
 * `[{provider, endpoint, query: {…}}, …]`; any other body as it is.
 */
export function unwrapRequest(body: unknown): unknown {
  if (Array.isArray(body)) return asObject(asObject(body[0])?.["query"]) ?? body;
  const fields = asObject(body);
  const inner = asObject(fields?.["request"]);
  return inner !== undefined && fields?.["messages"] === undefined ? inner : body;
}

/** @returns `undefined` for every request that is in the form of Chat Completions */
export function readNativeRequest(input: RequestInput): ParsedRequest | undefined {
  const fields = asObject(input.body);
  if (fields === undefined || fields["messages"] !== undefined) return undefined;
  if (isObject(fields["input"])) return readDashscope(input, fields["input"], asObject(fields["parameters"]) ?? {});
  if (isObject(fields["chatRequest"])) return readOracle(input, fields["chatRequest"], fields);
  return undefined;
}

/** `{model, input: {messages | prompt}, parameters: {tools, temperature, …}}` */
function readDashscope(input: RequestInput, asked: JsonObject, settings: JsonObject): ParsedRequest {
  const { request } = openRequest(input, dashscopeContent);
  request.parameters = { ...request.parameters, ...omitKeys(settings, content) };
  return fillContent(request, asked["messages"] ?? asked["prompt"], settings["tools"]);
}

/** `{servingMode: {modelId}, chatRequest: {messages | message, maxTokens, …}}` */
function readOracle(input: RequestInput, asked: JsonObject, fields: JsonObject): ParsedRequest {
  const { request } = openRequest(input, oracleContent);
  request.parameters = { ...request.parameters, ...omitKeys(asked, content) };
  const serving = asObject(fields["servingMode"]);
  const model = asLabel(serving?.["modelId"]) ?? asLabel(serving?.["endpointId"]);
  if (model !== undefined) request.model = model;
  if (typeof asked["isStream"] === "boolean") request.stream = asked["isStream"];
  const history = [...toList(asked["chatHistory"]).map(fromCohere), asked["message"]];
  fillContent(request, asked["messages"] ?? history, asked["tools"]);
  for (const message of request.messages ?? []) message.role = message.role.toLowerCase();
  const preamble = readContent(asked["preambleOverride"]);
  if (preamble.length > 0) request.system = [...preamble, ...(request.system ?? [])];
  return request;
}

function fillContent(request: ParsedRequest, messages: unknown, tools: unknown): ParsedRequest {
  Object.assign(request, readConversation(Array.isArray(messages) ? messages.map(lowerCase) : messages));
  const definitions = readToolDefinitions(Array.isArray(tools) ? tools.map((tool) => lowerCaseType(tool)) : undefined);
  if (definitions !== undefined) request.tools = definitions;
  return request;
}

/** Oracle writes roles and types in capitals. */
function lowerCase(message: unknown): unknown {
  if (!isObject(message)) return message;
  const parts = message["content"];
  return {
    ...message,
    role: asLabel(message["role"])?.toLowerCase(),
    ...(Array.isArray(parts) && { content: parts.map((part: unknown) => lowerCaseType(part)) }),
  };
}

function lowerCaseType(part: unknown): unknown {
  const type = asLabel(asObject(part)?.["type"])?.toLowerCase();
  return isObject(part) && type !== undefined ? { ...part, type } : part;
}

/** `{role: "CHATBOT", message}` */
function fromCohere(turn: unknown): unknown {
  if (!isObject(turn)) return turn;
  const role = asLabel(turn["role"])?.toLowerCase();
  return { role: role === "chatbot" ? "assistant" : role, content: turn["message"] };
}

function toList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
