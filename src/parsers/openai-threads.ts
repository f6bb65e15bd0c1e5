/**
 * Runs of the Assistants API: over SSE the events of the run, its steps and its messages; without a stream only the run
 * object, whose work goes on after the response.
 */
import type { Message, Usage } from "../types.ts";
import type {
  Frame,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
} from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import type { ChoiceFold } from "./shared/choices.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { finishChoices } from "./shared/finish-choices.ts";
import { asArray, asIndex, asLabel, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { openRequest } from "./shared/open-request.ts";
import { readContent, readMessages, readToolDefinitions } from "./shared/openai-messages.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { createResponseFold, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";

interface ThreadsState {
  response: ResponseFold;
  choices: ChoiceFold;
  status: string | undefined;
  incompleteReason: string | undefined;
  /** Steps told of these calls; `requires_action` repeats them. */
  toldCalls: boolean;
  /** Messages that came in pieces; their closing event repeats them. */
  toldMessages: Set<string>;
  serverTools: Map<string, string>;
}

const contentFields: ReadonlySet<string> = new Set([
  "instructions",
  "additional_instructions",
  "additional_messages",
  "thread",
  "tools",
  "tool_outputs",
]);

/** A run in one of these is not over. */
const openStatuses: ReadonlySet<string> = new Set(["queued", "in_progress", "cancelling"]);

/** Runs of tools in one answer that are told apart. */
const MAX_TOLD = 1024;

export const openaiThreadsParser: Parser<ThreadsState> = {
  api: "openai-threads",

  /** The thread itself is kept by the provider: what is sent here is not the whole prompt. */
  readRequest(input: RequestInput): ParsedRequest {
    const { request, fields } = openRequest(input, contentFields);
    const system = [...readContent(fields["instructions"]), ...readContent(fields["additional_instructions"])];
    if (system.length > 0) request.system = system;
    const thread = asObject(fields["thread"]);
    const messages: Message[] = [
      ...(readMessages(thread?.["messages"]) ?? []),
      ...(readMessages(fields["additional_messages"]) ?? []),
      ...(readMessages(asArray(fields["tool_outputs"]).map(toToolMessage)) ?? []),
    ];
    if (messages.length > 0) request.messages = messages;
    const tools = readToolDefinitions(fields["tools"]);
    if (tools !== undefined) request.tools = tools;
    return request;
  },

  start: (input: ResponseInput): ThreadsState => ({
    response: createResponseFold(input),
    choices: createChoiceFold({ contentLimit: input.contentLimit }),
    status: undefined,
    incompleteReason: undefined,
    toldCalls: false,
    toldMessages: new Set(),
    serverTools: new Map(),
  }),

  chunk(state: ThreadsState, frame: Frame): number {
    const { response } = state;
    const value = openFrame(response, frame);
    if (typeof value === "number") return value;
    const output = foldObject(state, value);
    return (response.ended ? FRAME_TERMINAL : FRAME_NOTHING) | (output ? FRAME_OUTPUT : FRAME_NOTHING);
  },

  finish(state: ThreadsState, end: ResponseEnd): ParsedResponse {
    const { response, choices, status } = state;
    if (status !== undefined && response.ended) choices.setFinishReason(0, state.incompleteReason ?? status);
    const deferred = status !== undefined && openStatuses.has(status);
    const usage = addServerTools(readOpenAiUsage(response.usage), state.serverTools);
    const built = finishChoices(response, choices, end, usage, { deferred: deferred && !end.streaming });
    if (deferred && !end.streaming && response.id !== undefined) built.jobId = response.id;
    return built;
  },
};

function toToolMessage(output: unknown): JsonObject {
  const fields = asObject(output) ?? {};
  return { role: "tool", tool_call_id: fields["tool_call_id"], content: fields["output"] };
}

/** Each event's data says by `object` what it is. */
function foldObject(state: ThreadsState, value: JsonObject): boolean {
  switch (value["object"]) {
    case "thread.run":
      return foldRun(state, value);
    case "thread.run.step.delta":
      return foldStepDelta(state, value);
    case "thread.message.delta":
      return foldMessage(state, value, asObject(value["delta"]));
    case "thread.message":
      if (value["status"] !== "completed" && value["status"] !== "incomplete") return false;
      return state.toldMessages.has(asLabel(value["id"]) ?? "") ? false : foldMessage(state, value, value);
    default:
      return false;
  }
}

function foldRun(state: ThreadsState, run: JsonObject): boolean {
  const { response } = state;
  response.id ??= asLabel(run["id"]);
  response.model ??= asLabel(run["model"]);
  foldUsage(response, run["usage"]);
  state.status = asLabel(run["status"]) ?? state.status;
  state.incompleteReason = asLabel(asObject(run["incomplete_details"])?.["reason"]);
  if (isObject(run["last_error"])) response.error ??= readErrorBody({ error: run["last_error"] });
  if (state.status !== undefined && !openStatuses.has(state.status)) response.ended = true;
  const action = asObject(asObject(run["required_action"])?.["submit_tool_outputs"]);
  if (state.toldCalls || action === undefined) return false;
  state.toldCalls = true;
  let output = false;
  for (const call of asArray(action["tool_calls"])) {
    if (isObject(call)) output = foldFunction(state, asLabel(call["id"]), call) || output;
  }
  return output;
}

function foldStepDelta(state: ThreadsState, step: JsonObject): boolean {
  const details = asObject(asObject(step["delta"])?.["step_details"]);
  let output = false;
  for (const [position, item] of asArray(details?.["tool_calls"]).entries()) {
    const call = asObject(item);
    if (call === undefined) continue;
    // Each step counts its calls from zero.
    const key = `${asLabel(step["id"]) ?? ""}:${asIndex(call["index"]) ?? position}`;
    if (isObject(call["function"])) {
      state.toldCalls = true;
      output = foldFunction(state, key, call) || output;
    } else {
      output = foldServerTool(state, key, call) || output;
    }
  }
  return output;
}

function foldFunction(state: ThreadsState, key: string | undefined, call: JsonObject): boolean {
  const called = asObject(call["function"]) ?? {};
  return state.choices.addToolCall(0, {
    index: key,
    id: call["id"],
    name: called["name"],
    arguments: called["arguments"],
  });
}

/** Code interpreter and file search run at the provider. */
function foldServerTool(state: ThreadsState, key: string, call: JsonObject): boolean {
  const name = asLabel(call["type"]);
  if (name === undefined || (state.serverTools.size >= MAX_TOLD && !state.serverTools.has(key))) return false;
  state.serverTools.set(key, name);
  const input = asObject(call[name])?.["input"];
  return state.choices.addToolCall(0, {
    index: key,
    id: call["id"],
    name,
    arguments: typeof input === "string" ? input : "",
    type: "server_tool_call",
    freeText: true,
  });
}

function foldMessage(state: ThreadsState, message: JsonObject, body: JsonObject | undefined): boolean {
  const id = asLabel(message["id"]);
  if (id !== undefined && state.toldMessages.size < MAX_TOLD) state.toldMessages.add(id);
  if (body?.["role"] !== undefined) state.choices.setRole(0, body["role"]);
  let output = false;
  for (const part of readContent(body?.["content"])) {
    if (part.type === "text" || part.type === "reasoning" || part.type === "refusal") {
      output = state.choices.addText(0, part.type, part.content) || output;
    } else {
      state.choices.addPart(0, part);
      output = true;
    }
  }
  return output;
}

function addServerTools(usage: Usage | undefined, tools: ReadonlyMap<string, string>): Usage | undefined {
  if (usage === undefined || tools.size === 0) return usage;
  const counts = new Map<string, number>();
  for (const name of tools.values()) if (name !== "__proto__") counts.set(name, (counts.get(name) ?? 0) + 1);
  return { ...usage, serverToolUses: Object.fromEntries(counts) };
}
