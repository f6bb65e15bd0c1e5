/** Tools that the app ran: between the answer that asked for one and the call that brings its result. */
import type { LlmCall, Message, Part, ToolCallPart } from "../types.ts";
import type { ConversationPrint, ToolResultPrint } from "./fingerprint.ts";
import { isStored } from "./link-stored.ts";
import { NONE, type OpenToolCall, type Turn, type TurnPrivacy } from "./link-turns.ts";

/** One run of a tool. Content is complete: the privacy gate comes next. */
export interface ToolRun {
  callId: string | undefined;
  name: string;
  arguments: unknown;
  result: unknown;
  /** The app says that the tool failed. */
  isError: boolean;
  /** Epoch ms: when the answer that asked for it was there. */
  startedAt: number;
  durationMs: number;
  /** Of the call that asked for it. */
  parentSpanId: string;
  parentTraceId: string;
  turn: number | undefined;
  /** Of the call that asked for it. */
  privacy: TurnPrivacy;
}

/** A tool that the app ran in a span of its own: for it none is made up. */
export interface ToolNotice {
  traceId: string;
  name: string;
  /** Of `performance.now()`. */
  startTime: number;
}

export interface ToolMatcher {
  note(notice: ToolNotice): void;
  /**
   * @param call - the one that brings results
   * @param startTime - when it began
   */
  match(
    call: LlmCall,
    print: ConversationPrint,
    predecessor: { turn: Turn; skipped: number },
    startTime: number,
  ): readonly ToolRun[];
}

const MAX_NOTICES = 1_000;

export function createToolMatcher(): ToolMatcher {
  let notices: ToolNotice[] = [];

  /** Each stands for one run. */
  function takeNotice(traceId: string, name: string, from: number, to: number): boolean {
    const index = notices.findIndex(
      (notice) =>
        notice.traceId === traceId && notice.name === name && notice.startTime >= from && notice.startTime <= to,
    );
    if (index === -1) return false;
    notices.splice(index, 1);
    return true;
  }

  return {
    note(notice) {
      notices.push(notice);
      if (notices.length > MAX_NOTICES) notices = notices.slice(-MAX_NOTICES / 2);
    },

    match(call, print, { turn, skipped }, startTime) {
      if (print.results.length === 0) return NONE;
      const runs: ToolRun[] = [];
      const { messages = NONE } = call.request;
      const results = findParts(messages.slice(call.trace.newMessagesFrom), "tool_call_response");
      for (const [index, result] of print.results.entries()) {
        const asked = findAsked(turn.toolCalls, result, skipped === 0);
        if (asked === undefined) continue;
        asked.isAnswered = true;
        // An SDK may start a tool before the answer has ended.
        if (takeNotice(turn.trace.traceId, asked.name, turn.startTime, startTime)) continue;
        const sent = findSent(messages, turn.toolCalls, asked);
        // With content off there may be none, and then all are missing.
        const content = results.length === print.results.length ? results[index] : undefined;
        runs.push({
          callId: asked.id ?? result.id,
          name: asked.name,
          arguments: sent === undefined ? asked.arguments : sent.arguments,
          result: content?.response,
          isError: result.isError === true,
          startedAt: turn.answeredAt,
          durationMs: Math.max(0, startTime - turn.answerTime),
          parentSpanId: turn.trace.spanId,
          parentTraceId: turn.trace.traceId,
          turn: turn.trace.turn,
          privacy: turn.privacy,
        });
      }
      return runs;
    },
  };
}

function findParts<Type extends Part["type"]>(
  messages: readonly Message[],
  type: Type,
): Extract<Part, { type: Type }>[] {
  return messages.flatMap(({ parts }) =>
    parts.filter((part): part is Extract<Part, { type: Type }> => part.type === type),
  );
}

/** The call as the request repeats it; where calls have no ids, the last ones of the name are meant, in their order. */
function findSent(
  messages: readonly Message[],
  toolCalls: readonly OpenToolCall[],
  { id, name }: OpenToolCall,
): ToolCallPart | undefined {
  if (id !== undefined) return findCall(messages, id);
  const named = toolCalls.filter((call) => call.name === name);
  const place = named.findIndex((call) => !call.isAnswered);
  const answered = place === -1 ? named.length : place;
  const sentBack = findParts(messages, "tool_call");
  return sentBack.filter((call) => call.name === name).at(answered - 1 - named.length);
}

/** The newest is meant, and stands near the end. */
function findCall(messages: readonly Message[], id: string): ToolCallPart | undefined {
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const call = messages[index]?.parts.findLast((part) => part.type === "tool_call" && part.id === id);
    if (call !== undefined) return call as ToolCallPart;
  }
  return undefined;
}

/** By id; where there are none, by name, in order. */
function findAsked(
  toolCalls: readonly OpenToolCall[],
  result: ToolResultPrint,
  isNext: boolean,
): OpenToolCall | undefined {
  const open = toolCalls.filter(({ isAnswered }) => !isAnswered);
  const byId = result.id === undefined ? undefined : open.find(({ id }) => id === result.id);
  if (byId !== undefined || !isNext) return byId;
  return open.find(({ id, name }) => (id === undefined || result.id === undefined) && name === result.name);
}

/** Characters of JSON kept for one answer, until its results come. */
const MAX_KEPT = 4_000;

/** @param recorded - what of the call may be recorded: nothing else is kept */
export function keepArguments(turn: Turn, recorded: LlmCall): void {
  if (turn.toolCalls.length === 0 || !isStored(recorded)) return;
  const parts = (recorded.response?.choices ?? []).flatMap(({ message }) =>
    message.parts.filter((part) => part.type === "tool_call"),
  );
  if (parts.length !== turn.toolCalls.length || JSON.stringify(parts).length > MAX_KEPT) return;
  for (const [index, part] of parts.entries()) {
    const asked = turn.toolCalls[index];
    if (asked !== undefined && part.arguments !== undefined) asked.arguments = part.arguments;
  }
}
