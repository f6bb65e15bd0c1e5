/**
 * What belongs together. A trace that the app gave comes first. Else a call goes on from an answer that it sends back:
 * by the calls whose results it brings, by the id of that answer, or by its history. See `link-turns.ts` for when that is
 * certain enough, and `fingerprint.ts` for what is compared.
 *
 * Calls come here when they have ended, in whatever order; what counts is when they began and when an answer was there.
 */
import type { LlmCall, Trace } from "../types.ts";
import { continueHistory, type ConversationPrint, type Hash, printConversation } from "./fingerprint.ts";
import { createTurnFinder, hasUniqueId, keyOf, keyOfNext, type Predecessor } from "./link-find.ts";
import { readIdentity } from "./link-identity.ts";
import { type Attempt, createRetryTracker, readCount, type RetryHints } from "./link-retry.ts";
import { readOpenedConversation, readStoredLinks } from "./link-stored.ts";
import { createToolMatcher, type ToolNotice, type ToolRun } from "./link-tools.ts";
import { findGivenTrace, type GivenTrace, type TraceHints } from "./link-trace.ts";
import { createTurnStore, pickTurn, type Seeker, type Turn, type TurnPrivacy } from "./link-turns.ts";

export interface LinkerOptions {
  /** Random lower-case hex digits, from the platform: 32 for a trace, 16 for a span. */
  randomHex: (digits: number) => string;
  /** A keyed hash, from the platform. */
  hash: Hash;
}

/** What is known of a call besides its record. */
export interface LinkHints extends TraceHints, Pick<RetryHints, "headers" | "readBody" | "startTime" | "endTime"> {
  /** When the last byte of the answer came, of `performance.now()`. */
  answerTime: number;
  /** Ids of what was answered, where the provider stores it. */
  itemIds?: readonly string[];
  /** Made where all of the content was still there. Default: of the record. */
  print?: ConversationPrint;
  privacy: TurnPrivacy;
}

export interface Linker {
  /** Sets `trace` and what `request` says of attempts, of a call that nobody else holds yet. */
  link(call: LlmCall, hints: LinkHints): Links;
  noteTool(notice: ToolNotice): void;
}

export interface Links {
  /** The tools that were run between an earlier answer and this call. */
  toolRuns: ToolRun[];
  /** What the call left for those that go on from it. */
  turn: Turn | undefined;
}

/** The trace of a call that was not linked yet: W3C's invalid ids. */
export const UNLINKED_TRACE: Readonly<Trace> = { traceId: "0".repeat(32), spanId: "0".repeat(16) };

/** For a call that stands for itself: the trace that it was given, or a new one. */
export function linkAlone(
  call: LlmCall,
  hints: TraceHints & Pick<LinkHints, "headers">,
  randomHex: LinkerOptions["randomHex"],
): LlmCall {
  const given = findGivenTrace(hints) ?? { traceId: randomHex(32) };
  call.trace = { ...given, spanId: randomHex(16) };
  const attempt = readCount(hints.headers);
  if (attempt !== undefined) call.request.attempt = attempt;
  return call;
}

/** What an attempt leaves for the next one. */
interface Memo {
  trace: Trace;
  predecessor: Predecessor | undefined;
}

export function createLinker({ randomHex, hash }: LinkerOptions): Linker {
  const turns = createTurnStore();
  const { findPredecessor } = createTurnFinder(turns);
  /** Calls that went on from an answer that nobody had seen: it may still be on its way through the pipeline. */
  const orphans = createTurnStore({ maxTurns: 1_000, maxAgeMs: 60_000 });
  const retries = createRetryTracker<Memo>(hash);
  const tools = createToolMatcher();

  function link(call: LlmCall, hints: LinkHints): Links {
    const identity = readIdentity(call);
    const given = findGivenTrace(hints);
    const retryHints = { ...hints, identity, givenTraceId: given?.traceId };
    const earlier = retries.link(call, retryHints);
    const isChat = call.operation === "chat";
    const print = isChat ? (hints.print ?? printCall(call)) : undefined;
    const seeker: Seeker = { identity, traceId: given?.traceId, startTime: hints.startTime, added: print?.added };
    const wanted: string[] = [];
    const predecessor =
      print === undefined ? undefined : (earlier?.memo.predecessor ?? findPredecessor(call, print, seeker, wanted));
    call.trace = makeTrace(isChat, given, earlier, predecessor);
    const links: Links = { toolRuns: [], turn: undefined };
    if (print !== undefined) {
      const isOld = predecessor?.isLast === true || predecessor?.isRepeated === true || earlier !== undefined;
      noteNew(call, print, isOld);
      if (predecessor !== undefined) links.toolRuns = tools.match(call, print, predecessor, hints.startTime);
      if (given === undefined && predecessor === undefined && earlier === undefined)
        adoptLater(call, wanted, seeker, hints);
      links.turn = noteAnswer(call, print, { hints, seeker, given, predecessor, isFirst: earlier === undefined });
    }
    retries.note(call, retryHints, { trace: call.trace, predecessor });
    return links;
  }

  function printCall(call: LlmCall): ConversationPrint {
    const { system, messages } = call.request;
    const { previousId, conversationId } = readStoredLinks(call);
    const goesOn = previousId !== undefined || conversationId !== undefined;
    return printConversation({ system, messages, choices: call.response?.choices, goesOn }, hash);
  }

  function makeTrace(
    isChat: boolean,
    given: GivenTrace | undefined,
    earlier: Attempt<Memo> | undefined,
    predecessor: Predecessor | undefined,
  ): Trace {
    const spanId = randomHex(16);
    const before = predecessor?.turn.trace;
    if (!isChat) return { ...(given ?? earlier?.memo.trace ?? { traceId: randomHex(32) }), spanId };
    const turn = before === undefined ? 1 : (before.turn ?? 1) + 1 + (predecessor?.skipped ?? 0);
    if (given !== undefined) {
      const parent = given.parentSpanId ?? (before?.traceId === given.traceId ? before.spanId : undefined);
      return { ...given, spanId, ...(parent !== undefined && { parentSpanId: parent }), turn };
    }
    // Attempts stand side by side.
    if (earlier !== undefined) return { ...earlier.memo.trace, spanId };
    if (before === undefined || predecessor === undefined) return { traceId: randomHex(32), spanId, turn };
    return { traceId: before.traceId, spanId, parentSpanId: before.spanId, turn, linkedBy: predecessor.kind };
  }

  function noteAnswer(
    call: LlmCall,
    print: ConversationPrint,
    facts: {
      hints: LinkHints;
      seeker: Seeker;
      given: GivenTrace | undefined;
      predecessor: Predecessor | undefined;
      isFirst: boolean;
    },
  ): Turn | undefined {
    const { hints, seeker, given, predecessor } = facts;
    const choices = call.response?.choices ?? [];
    if (call.outcome === "error" || (choices.length === 0 && call.response?.id === undefined)) return undefined;
    const { answers } = print;
    const isWhole = hints.print !== undefined || (!call.capture.requestTruncated && !call.capture.responseTruncated);
    const { conversationId } = readStoredLinks(call);
    const certain = [
      keyOf("response", call.response?.id, call),
      keyOf("conversation", conversationId ?? readOpenedConversation(call), call),
      ...(hints.itemIds ?? []).map((id) => keyOf("item", id)),
      ...answers.map(({ turnKey }) => keyOf("turn", turnKey)),
      ...answers.flatMap(({ callKeys }) => callKeys.map((key) => keyOf("call", key))),
      ...answers.map(({ said }) => predecessor && keyOfNext(predecessor.turn, said)),
    ].filter((key) => key !== undefined);
    const historyKeys = isWhole ? listHistoryKeys(print, predecessor) : [];
    const likely = historyKeys.map((key) => keyOf("history", key));
    const turn: Turn = {
      trace: call.trace,
      isExplicit: given !== undefined,
      identity: seeker.identity,
      startTime: hints.startTime,
      answerTime: hints.answerTime,
      answeredAt: call.timing.startedAt + (hints.answerTime - hints.startTime),
      toolCalls: answers.flatMap(({ toolCalls }) => toolCalls.map(({ id, name }) => ({ id, name, isAnswered: false }))),
      historyKey: historyKeys[0],
      privacy: hints.privacy,
      continuations: [],
    };
    const byHistory = likely.filter((key) => key !== undefined);
    if (given === undefined && predecessor === undefined && facts.isFirst) {
      joinOrphan(turn, [...print.turns, ...answers].some(hasUniqueId) ? [...certain, ...byHistory] : certain);
    }
    turns.add(turn, [...certain, ...byHistory]);
    if (predecessor?.skipped === 0) noteContinuation(predecessor.turn, print.added);
    return turn;
  }

  /** Where the provider holds what was said before, the history goes on from what was seen of it. */
  function listHistoryKeys(
    { answers, turns: sentBack }: ConversationPrint,
    predecessor: Predecessor | undefined,
  ): string[] {
    const before =
      predecessor?.kind === "response_id" && sentBack.length === 0 ? predecessor.turn.historyKey : undefined;
    return answers.flatMap(({ historyKey, visibleKey, digest }) => {
      const key = before === undefined || digest === undefined ? historyKey : continueHistory(before, digest, hash);
      return [key, visibleKey].filter((found) => found !== undefined);
    });
  }

  function adoptLater(call: LlmCall, wanted: readonly string[], seeker: Seeker, hints: LinkHints): void {
    if (wanted.length === 0) return;
    const orphan: Turn = {
      trace: call.trace,
      isExplicit: false,
      identity: seeker.identity,
      startTime: hints.startTime,
      answerTime: hints.answerTime,
      answeredAt: 0,
      toolCalls: [],
      privacy: hints.privacy,
      continuations: [],
    };
    orphans.add(orphan, wanted);
  }

  /** The call that went on from this answer has left, in a trace of its own: this one joins it. */
  function joinOrphan(turn: Turn, keys: readonly string[]): void {
    const found = new Set(keys.flatMap((key) => orphans.find(key)));
    const fitting = [...found].filter(
      (orphan) =>
        orphan.continuations.length === 0 && pickTurn([turn], { ...orphan, traceId: undefined }, "unique") === turn,
    );
    const [orphan] = fitting;
    if (orphan === undefined || fitting.length > 1) return;
    orphan.continuations.push(ADOPTED);
    turn.continuations.push(ADOPTED);
    turn.trace.traceId = orphan.trace.traceId;
  }

  return { link, noteTool: tools.note };
}

/** Ways to go on from one answer that are remembered. */
const MAX_CONTINUATIONS = 8;
/** It was gone on from by a call that had left before. */
const ADOPTED = "adopted";

function noteContinuation({ continuations }: Turn, added = ADOPTED): void {
  if (continuations.length < MAX_CONTINUATIONS && !continuations.includes(added)) continuations.push(added);
}

/** @param isOld - a retry, a call that lets an answer go on, or one that asks the same again: it brings nothing new */
function noteNew({ request, trace }: LlmCall, { newFrom, userMessages }: ConversationPrint, isOld: boolean): void {
  if (request.messages !== undefined) trace.newMessagesFrom = isOld ? request.messages.length : newFrom;
  trace.newUserMessages = isOld ? 0 : userMessages;
}
