/**
 * Chat Completions, as OpenAI and everyone who copied it speak it: one JSON object, or SSE chunks without event names
 * that end with `[DONE]`. The vendors' variants are folded without asking who the vendor is.
 */
import type { Usage } from "../types.ts";
import type {
  Frame,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
  TextEvent,
} from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { foldChatChoice, foldChatMessage } from "./openai-chat-choice.ts";
import { createServerToolLog } from "./openai-chat-server-tools.ts";
import { findDeltaText } from "./openai-chat-text.ts";
import type { ServerToolLog } from "./openai-chat-server-tools.ts";
import { unwrapAnswer, unwrapRequest } from "./openai-chat-wrappers.ts";
import { createChoiceFold } from "./shared/choices.ts";
import type { ChoiceFold } from "./shared/choices.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { finishChoices } from "./shared/finish-choices.ts";
import { asArray, asCount, asIndex, asLabel, asObject, asString, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { addMessages, readConversation, readToolDefinitions } from "./shared/openai-messages.ts";
import { findOptIn, readOpenAiUsage } from "./shared/openai-usage.ts";
import { createResponseFold, foldHead, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";
import { openRequest } from "./shared/open-request.ts";
import { listIgnored, listNested } from "./shared/text-event.ts";

interface ChatState {
  response: ResponseFold;
  choices: ChoiceFold;
  /** Made when there are some. */
  serverTools: ServerToolLog | undefined;
  processingMs: number | undefined;
  /** One choice was asked for: whatever their index, all chunks are pieces of it. TGI 1.4 counted tokens there. */
  single: boolean;
  /** The answer comes later, when it is asked for. */
  deferred: boolean;
  /** What came so far speaks of finish reasons, if only to say that there is none yet. */
  knowsFinishReason: boolean;
  /** Chunks with usage, and whether the last one was such a chunk. */
  usageChunks: number;
  endsWithUsage: boolean;
}

const notParameters: ReadonlySet<string> = new Set(["messages", "tools", "functions"]);

export const openaiChatParser: Parser<ChatState> = {
  api: "openai-chat",

  messageList: { field: "messages", read: addMessages },

  readRequest({ route, body, known }: RequestInput): ParsedRequest {
    const { request, fields } = openRequest({ route, body: unwrapRequest(body) }, notParameters);
    const { system, messages } = readConversation(fields["messages"], known);
    if (system !== undefined) request.system = system;
    if (messages !== undefined) request.messages = messages;
    const tools = readToolDefinitions(fields["tools"], fields["functions"]);
    if (tools !== undefined) request.tools = tools;
    return request;
  },

  start(input: ResponseInput): ChatState {
    return {
      response: createResponseFold(input),
      choices: createChoiceFold({ contentLimit: input.contentLimit }),
      serverTools: undefined,
      processingMs: undefined,
      single: asksForOne(input.request),
      deferred: false,
      knowsFinishReason: false,
      usageChunks: 0,
      endsWithUsage: false,
    };
  },

  chunk(state: ChatState, frame: Frame): number {
    const { response, choices } = state;
    const opened = openFrame(response, frame);
    if (typeof opened === "number") return opened;
    const whole = frame.kind === "body";
    let value = opened;
    // Nearly every chunk has choices: no object is made for it.
    if (opened["choices"] === undefined) ({ value, deferred: state.deferred } = unwrapAnswer(response, opened, whole));
    let bits = FRAME_NOTHING;
    foldHead(response, value);
    const list = value["choices"];
    if (Array.isArray(list)) {
      for (let position = 0; position < list.length; position++) {
        const choice = asObject(list[position]);
        if (choice?.["finish_reason"] !== undefined) state.knowsFinishReason = true;
        if (choice !== undefined && foldChoice(state, choice, position, whole)) bits |= FRAME_OUTPUT;
      }
    }
    foldChatUsage(state, value, whole);
    if (value["openrouter_metadata"] !== undefined) foldRouter(response, value["openrouter_metadata"]);
    return response.ended || choices.isFinished() ? bits | FRAME_TERMINAL : bits;
  },

  findText(state: ChatState, value: unknown): TextEvent | undefined {
    const { response, choices, single } = state;
    const event = asObject(value) ?? {};
    const [choice, ...others] = asArray(event["choices"]);
    if (others.length > 0 || !isObject(choice) || listNested(event).length > 1) return undefined;
    const found = response.error === undefined ? findDeltaText(choice) : undefined;
    if (found === undefined) return undefined;
    const index = single ? 0 : (asIndex(choice["index"]) ?? 0);
    return {
      key: found.key,
      text: found.text,
      ignored: listIgnored(event, found.ignored),
      add(text) {
        state.endsWithUsage = false;
        // What came in between may have said otherwise.
        foldHead(response, event);
        foldChatMessage(choices, index, found.put(text), false);
      },
    };
  },

  finish(state: ChatState, end: ResponseEnd): ParsedResponse {
    const { response, choices, serverTools, processingMs } = state;
    if (!end.interrupted && endsWithUsage(state)) response.ended = true;
    const { request, route } = response.input;
    const usage = addServerTools(readOpenAiUsage(response.usage, route.provider), serverTools?.uses());
    const { deferred } = state;
    const built = finishChoices(response, choices, end, usage, { optIn: findOptIn(request, route), deferred });
    if (deferred && response.id !== undefined) built.jobId = response.id;
    if (processingMs !== undefined) built.processingMs = processingMs;
    return built;
  },
};

function asksForOne({ messages, parameters }: ParsedRequest): boolean {
  const { n = 1 } = parameters;
  return messages !== undefined && n === 1;
}

/** Snowflake's chunks have neither finish reasons nor an end mark: the one chunk with usage is the last. */
function endsWithUsage({ knowsFinishReason, usageChunks, endsWithUsage: last, choices }: ChatState): boolean {
  return !knowsFinishReason && usageChunks === 1 && last && choices.hasOutput();
}

function foldChoice(state: ChatState, choice: JsonObject, position: number, whole: boolean): boolean {
  const { response } = state;
  const index = state.single && !whole ? 0 : (asIndex(choice["index"]) ?? position);
  let output = foldChatChoice(state.choices, choice, index, whole);
  const message = asObject(choice["message"]) ?? asObject(choice["delta"]);
  if (message !== undefined) {
    const executed = message["executed_tools"];
    if (executed !== undefined) {
      state.serverTools ??= createServerToolLog(state.choices);
      output = state.serverTools.add(index, executed) || output;
    }
    if (message["provider_metadata"] !== undefined) foldGateway(state, message["provider_metadata"]);
  }
  // OpenRouter reports what happened upstream inside the choice.
  if (asObject(choice["error"]) !== undefined) response.error ??= readErrorBody(choice);
  // Moonshot streams its usage here.
  if (choice["usage"] !== undefined) foldUsage(response, choice["usage"]);
  return output;
}

/** OpenRouter's own account of its routing, where the header asks for it. */
function foldRouter(response: ResponseFold, metadata: unknown): void {
  for (const item of asArray(asObject(asObject(metadata)?.["endpoints"])?.["available"])) {
    const endpoint = asObject(item);
    if (endpoint?.["selected"] === true) response.upstreamProvider ??= asLabel(endpoint["provider"]);
  }
}

/** Vercel's gateway tells who answered and what it cost. */
function foldGateway(state: ChatState, metadata: unknown): void {
  const gateway = asObject(asObject(metadata)?.["gateway"]);
  const routing = asObject(gateway?.["routing"]);
  const provider = asLabel(routing?.["finalProvider"]) ?? asLabel(routing?.["resolvedProvider"]);
  if (provider !== undefined) state.response.upstreamProvider = provider;
  const cost = gateway?.["cost"];
  const usd = asCount(typeof cost === "string" && cost !== "" ? Number(cost) : cost);
  if (usd !== undefined) state.response.costUsd = usd;
}

function foldChatUsage(state: ChatState, value: JsonObject, whole: boolean): void {
  const { response } = state;
  state.endsWithUsage = foldUsage(response, value["usage"]);
  if (state.endsWithUsage) state.usageChunks++;
  // Venice tells the price beside its usage.
  const price = asObject(value["cost"])?.["usd"];
  if (price !== undefined) response.costUsd = asCount(price) ?? response.costUsd;
  const groq = asObject(value["x_groq"]);
  if (groq !== undefined) {
    // In a whole body `x_groq.usage` counts something else: cache hits of the hardware.
    if (!whole && !isObject(value["usage"])) foldUsage(response, groq["usage"]);
    const message = asString(groq["error"]);
    if (message !== undefined) {
      response.error ??= { message };
      response.ended = true;
    }
  }
  // Seconds: Groq inside `usage`, Cerebras beside it.
  const seconds =
    asCount(asObject(value["usage"] ?? groq?.["usage"])?.["total_time"]) ??
    asCount(asObject(value["time_info"])?.["total_time"]);
  if (seconds !== undefined) state.processingMs = seconds * 1000;
}

function addServerTools(usage: Usage | undefined, uses: Record<string, number> | undefined): Usage | undefined {
  if (usage === undefined || uses === undefined) return usage;
  return { ...usage, serverToolUses: { ...uses, ...usage.serverToolUses } };
}
