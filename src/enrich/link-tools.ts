/** Tools that the app ran: between the answer that asked for one and the call that brings its result. */
import type { Api, LlmCall, ToolCallResponsePart } from "../types.ts";
import type { RequestPrint } from "./fingerprint.ts";
import type { OpenToolCall, Turn, TurnPrivacy } from "./link-turns.ts";

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
  /** @param startTime - of the call that brings the results */
  match(
    results: readonly ToolCallResponsePart[],
    predecessor: { turn: Turn; skipped: number },
    print: RequestPrint,
    startTime: number,
  ): ToolRun[];
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

    match(results, { turn, skipped }, print, startTime) {
      const runs: ToolRun[] = [];
      const sentBack = print.turns.at(print.endsWithTurn ? -2 : -1)?.toolCalls ?? [];
      for (const result of results) {
        const asked = findAsked(turn.toolCalls, result, skipped === 0);
        if (asked === undefined) continue;
        asked.isAnswered = true;
        // An SDK may start a tool before the answer has ended.
        if (takeNotice(turn.trace.traceId, asked.name, turn.startTime, startTime)) continue;
        const index = turn.toolCalls.filter(({ name }) => name === asked.name).indexOf(asked);
        const sent =
          sentBack.find(({ id }) => id !== undefined && id === asked.id) ??
          sentBack.filter(({ name }) => name === asked.name)[index];
        runs.push({
          callId: asked.id ?? result.id,
          name: asked.name,
          arguments: sent === undefined ? asked.arguments : sent.arguments,
          result: result.response,
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

/** By id; where there are none, by name, in order. */
function findAsked(
  toolCalls: readonly OpenToolCall[],
  result: ToolCallResponsePart,
  isNext: boolean,
): OpenToolCall | undefined {
  const open = toolCalls.filter(({ isAnswered }) => !isAnswered);
  const byId = result.id === undefined ? undefined : open.find(({ id }) => id === result.id);
  if (byId !== undefined || !isNext) return byId;
  return open.find(({ id, name }) => (id === undefined || result.id === undefined) && name === result.name);
}

/** APIs whose next request brings results without what asked for them. */
const STORES_ANSWERS: ReadonlySet<Api> = new Set<Api>([
  "openai-responses",
  "gemini-interactions",
  "mistral-conversations",
  "openai-threads",
]);
/** Characters of JSON kept for one answer, until its results come. */
const MAX_KEPT = 4_000;

/** @param recorded - what of the call may be recorded: nothing else is kept */
export function keepArguments(turn: Turn, recorded: LlmCall): void {
  if (!STORES_ANSWERS.has(recorded.api) || turn.toolCalls.length === 0) return;
  const parts = (recorded.response?.choices ?? []).flatMap(({ message }) =>
    message.parts.filter((part) => part.type === "tool_call"),
  );
  if (parts.length !== turn.toolCalls.length || JSON.stringify(parts).length > MAX_KEPT) return;
  for (const [index, part] of parts.entries()) {
    const asked = turn.toolCalls[index];
    if (asked !== undefined && part.arguments !== undefined) asked.arguments = part.arguments;
  }
}
