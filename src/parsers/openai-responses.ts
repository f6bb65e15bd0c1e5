/**
 * The Responses API: one JSON object, or SSE events whose name is their `type`. The event that ends a stream repeats the
 * whole answer and is believed; where it is missing or empty, the items that the stream told are taken.
 */
import type { Choice, Usage } from "../types.ts";
import type { Frame, ParsedResponse, Parser, ResponseEnd, ResponseInput, TextEvent } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL, notApplicableUsage } from "./parser.ts";
import { readItemParts, serverToolOf } from "./openai-responses-items.ts";
import { addItems, readResponsesRequest } from "./openai-responses-request.ts";
import { createOutputItems } from "./openai-responses-stream.ts";
import type { OutputItems } from "./openai-responses-stream.ts";
import { createChoiceFold } from "./shared/choices.ts";
import type { ChoiceFold } from "./shared/choices.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { finishChoices } from "./shared/finish-choices.ts";
import { asArray, asIndex, asLabel, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { createResponseFold, foldHead, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";
import { listIgnored, listNested } from "./shared/text-event.ts";

interface ResponsesState {
  response: ResponseFold;
  /** Where the answer is folded once it is known as a whole. */
  choices: ChoiceFold;
  stream: OutputItems;
  /** The answer in `choices` is the final one. */
  settled: boolean;
  /** A whole response object was seen, not only what events told of it on the way. */
  concluded: boolean;
  status: string | undefined;
  incompleteReason: string | undefined;
  serverTools: Map<string, number>;
  itemIds: string[];
  /** What `/responses/input_tokens` says: an answer, not usage. */
  counted: JsonObject | undefined;
}

const terminalEvents: ReadonlySet<string> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.cancelled",
  "response.done",
]);

const MAX_ITEM_IDS = 256;

/** Roles of messages that an answer only repeats. */
const inputRoles: ReadonlySet<unknown> = new Set(["user", "system", "developer"]);

export const openaiResponsesParser: Parser<ResponsesState> = {
  api: "openai-responses",
  readRequest: (input) => readResponsesRequest(input),
  messageList: { field: "input", read: addItems },

  start(input: ResponseInput): ResponsesState {
    return {
      response: createResponseFold(input),
      choices: createChoiceFold({ contentLimit: input.contentLimit }),
      stream: createOutputItems(input.contentLimit),
      settled: false,
      concluded: false,
      status: undefined,
      incompleteReason: undefined,
      serverTools: new Map(),
      itemIds: [],
      counted: undefined,
    };
  },

  chunk(state: ResponsesState, frame: Frame): number {
    const { response } = state;
    const value = openFrame(response, frame);
    if (typeof value === "number") return value;
    if (frame.kind === "body") {
      if (response.input.route.operation === "count_tokens") state.counted = value;
      else foldResponseObject(state, value);
      return state.choices.hasOutput() ? FRAME_OUTPUT | FRAME_TERMINAL : FRAME_TERMINAL;
    }
    const type = asLabel(value["type"]) ?? (frame.kind === "event" ? frame.name : undefined) ?? "";
    const whole = asObject(value["response"]);
    let bits = FRAME_NOTHING;
    if (whole !== undefined) {
      const terminal = terminalEvents.has(type);
      if (terminal) response.ended = true;
      if (terminal) foldResponseObject(state, whole);
      else foldResponseHead(state, whole);
    } else if (type === "" && value["object"] === "response") {
      // A server that answers a streaming request with one event that is the whole object.
      response.ended = true;
      foldResponseObject(state, value);
      if (state.choices.hasOutput()) bits |= FRAME_OUTPUT;
    }
    if (!state.settled && state.stream.fold(type, value)) bits |= FRAME_OUTPUT;
    return response.ended ? bits | FRAME_TERMINAL : bits;
  },

  findText(state: ResponsesState, value: unknown): TextEvent | undefined {
    const event = asObject(value) ?? {};
    const { type, delta } = event;
    if (typeof type !== "string" || !type.endsWith(".delta") || typeof delta !== "string") return undefined;
    if (state.response.error !== undefined || listNested(event).length > 0) return undefined;
    return {
      key: "delta",
      text: delta,
      // Some proxies change it from event to event; the index of the item tells which it is.
      ignored: listIgnored(event, asIndex(event["output_index"]) === undefined ? {} : { item_id: event["item_id"] }),
      add(added) {
        if (!state.settled) state.stream.fold(type, { ...event, delta: added });
      },
    };
  },

  finish(state: ResponsesState, end: ResponseEnd): ParsedResponse {
    const { response, choices, stream } = state;
    if (!state.settled) for (const item of stream.items()) foldOutputItem(state, item);
    if (state.concluded && state.status !== undefined) {
      choices.setFinishReason(0, state.incompleteReason ?? state.status);
    }
    const goesOn = state.status === "queued" || state.status === "in_progress";
    const background = response.input.request.parameters["background"] === true;
    const deferred = goesOn && (state.concluded || background);
    const usage = addServerTools(readUsage(state), state.serverTools);
    const built = finishChoices(response, choices, end, usage, { deferred });
    built.choices = built.choices.map(markRefusal);
    if (!state.settled && stream.isTruncated()) built.contentTruncated = true;
    if (deferred && response.id !== undefined) built.jobId = response.id;
    if (state.itemIds.length > 0) built.itemIds = state.itemIds;
    return built;
  },
};

function readUsage({ response, counted }: ResponsesState): Usage | undefined {
  if (counted === undefined) return readOpenAiUsage(response.usage);
  return response.error === undefined ? { ...notApplicableUsage(), raw: counted } : undefined;
}

/** What every lifecycle event repeats. */
function foldResponseHead(state: ResponsesState, value: JsonObject): void {
  const { response } = state;
  foldHead(response, value);
  foldUsage(response, value["usage"]);
  state.status = asLabel(value["status"]) ?? state.status;
}

function foldResponseObject(state: ResponsesState, value: JsonObject): void {
  foldResponseHead(state, value);
  state.concluded = true;
  state.incompleteReason = asLabel(asObject(value["incomplete_details"])?.["reason"]);
  const { error } = value;
  if (error !== undefined && error !== null) state.response.error ??= readErrorBody({ error });
  const output = findOutput(value);
  if (output.length === 0) return;
  // Like its usage, the output of the last whole answer counts, should a stream ever hold two.
  if (state.settled) {
    state.choices = createChoiceFold({ contentLimit: state.response.input.contentLimit });
    state.serverTools.clear();
    state.itemIds = [];
    state.response.id = asLabel(value["id"]) ?? state.response.id;
  }
  state.settled = true;
  state.stream.clear();
  for (const item of output) if (isObject(item)) foldOutputItem(state, item);
}

/** `output_text` is an addition of SDKs; where an object has been through one, it may be all that is left. */
function findOutput(value: JsonObject): readonly unknown[] {
  const output = asArray(value["output"]);
  const text = value["output_text"];
  if (output.length > 0 || typeof text !== "string" || text === "") return output;
  return [{ type: "message", content: [{ type: "output_text", text }] }];
}

function foldOutputItem(state: ResponsesState, item: JsonObject): void {
  if (inputRoles.has(item["role"])) return;
  const { choices, serverTools, itemIds } = state;
  const id = asLabel(item["id"]);
  if (id !== undefined && itemIds.length < MAX_ITEM_IDS) itemIds.push(id);
  choices.setRole(0, item["role"] ?? "assistant");
  const { provider } = state.response.input.route;
  for (const part of readItemParts(item, { provider })) {
    if (part.type === "text" || part.type === "reasoning" || part.type === "refusal") {
      choices.addText(0, part.type, part.content);
      choices.breakText(0);
    } else if (part.type === "tool_call_response") {
      // In an answer a result can only be that of a tool which the provider ran.
      choices.addPart(0, { ...part, type: "server_tool_call_response" });
    } else {
      choices.addPart(0, part);
    }
  }
  const tool = serverToolOf(item, { provider });
  if (tool !== undefined && (serverTools.has(tool) || serverTools.size < 64)) {
    serverTools.set(tool, (serverTools.get(tool) ?? 0) + 1);
  }
}

function addServerTools(usage: Usage | undefined, counts: ReadonlyMap<string, number>): Usage | undefined {
  if (usage === undefined || counts.size === 0) return usage;
  const uses = Object.fromEntries([...counts].filter(([name]) => name !== "__proto__"));
  return { ...usage, serverToolUses: { ...usage.serverToolUses, ...uses } };
}

/** The API has no finish reason for an answer that is nothing but a refusal. */
function markRefusal(choice: Choice): Choice {
  const said = choice.message.parts.filter((part) => part.type !== "reasoning");
  const refused = said.length > 0 && said.every((part) => part.type === "refusal");
  return refused && choice.finishReason === "stop" ? { ...choice, finishReason: "content_filter" } : choice;
}
