/**
 * What belongs together. A trace that the app gave comes first. Else a call goes on from an answer that it sends back:
 * by the calls whose results it brings, by the id of that answer, or by its history. See `link-turns.ts` for when that is
 * certain enough, and `fingerprint.ts` for what is compared.
 *
 * Calls come here when they have ended, in whatever order; what counts is when they began and when an answer was there.
 */
import type { KnownBeginning } from "../known-messages.ts";
import type { LlmCall, Trace } from "../types.ts";
import { type AnswerPrint, type ConversationPrint, printConversation } from "./fingerprint.ts";
import { continueHistory, type Hash } from "./history.ts";
import { createTurnFinder, keyOf, keyOfNext, type Predecessor } from "./link-find.ts";
import { readIdentity } from "./link-identity.ts";
import { type Attempt, createRetryTracker, readCount, type RetryHints } from "./link-retry.ts";
import { readOpenedConversation, readStoredLinks } from "./link-stored.ts";
import { createToolMatcher, type ToolNotice, type ToolRun } from "./link-tools.ts";
import { findGivenTrace, type GivenTrace, type TraceHints } from "./link-trace.ts";
import {
  createTurnStore,
  NONE,
  type OpenToolCall,
  pickTurn,
  type Seeker,
  shareTurnPrivacy,
  type Turn,
  type TurnPrivacy,
} from "./link-turns.ts";

export interface LinkerOptions {
  /** Random lower-case hex digits, from the platform: 32 for a trace, 16 for a span. */
  randomHex: (digits: number) => string;
  /** A keyed hash, from the platform. */
  hash: Hash;
}

/** What is known of a call besides its record. */
export interface LinkHints extends TraceHints, RetryHints {
  /** When the last byte of the answer came, of `performance.now()`. */
  answerTime: number;
  /** Ids of what was answered, where the provider stores it. */
  itemIds?: readonly string[] | undefined;
  /** Made where all of the content was still there. Default: of the record. */
  print?: ConversationPrint | undefined;
  /** Messages of the request that were there before. */
  knownBeginning?: KnownBeginning | undefined;
  privacy: TurnPrivacy;
}

export interface Linker {
  /** Sets `trace` and what `request` says of attempts, of a call that nobody else holds yet. */
  link(call: LlmCall, hints: LinkHints): Links;
  noteTool(notice: ToolNotice): void;
}

export interface Links {
  /** The tools that were run between an earlier answer and this call. */
  toolRuns: readonly ToolRun[];
  /** What the call left for those that go on from it. */
  turn: Turn | undefined;
}

const UNLINKED: Links = Object.freeze({ toolRuns: NONE, turn: undefined });

/** The trace of a call that was not linked yet: W3C's invalid ids. */
export const UNLINKED_TRACE: Readonly<Trace> = { traceId: "0".repeat(32), spanId: "0".repeat(16) };

/** For a call that stands for itself: the trace that it was given, or a new one. */
export function linkAlone(
  call: LlmCall,
  hints: TraceHints & Pick<LinkHints, "headers">,
  randomHex: LinkerOptions["randomHex"],
): LlmCall {
  const given: GivenTrace = findGivenTrace(hints) ?? { traceId: randomHex(32) };
  call.trace = joinTrace(given, randomHex(16), given.parentSpanId);
  const attempt = readCount(hints.headers);
  if (attempt !== undefined) call.request.attempt = attempt;
  return call;
}

/** Field by field: one that is added to a spread copy gives each copy a hidden class of its own. */
function joinTrace({ traceId, linkedBy }: GivenTrace, spanId: string, parentSpanId: string | undefined): Trace {
  const trace: Trace = { traceId, spanId };
  if (parentSpanId !== undefined) trace.parentSpanId = parentSpanId;
  if (linkedBy !== undefined) trace.linkedBy = linkedBy;
  return trace;
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

  /** What later calls look at is not the object that the app may get hold of. */
  function link(call: LlmCall, hints: LinkHints): Links {
    const links = findLinks(call, hints);
    call.trace = { ...call.trace };
    return links;
  }

  function findLinks(call: LlmCall, hints: LinkHints): Links {
    const given = findGivenTrace(hints);
    const { startTime } = hints;
    const seeker: Seeker = { identity: readIdentity(call), traceId: given?.traceId, startTime, added: undefined };
    const earlier = retries.link(call, hints, seeker);
    if (call.operation !== "chat") {
      call.trace = { ...(given ?? earlier?.memo.trace ?? { traceId: randomHex(32) }), spanId: randomHex(16) };
      retries.note(call, hints, seeker, { trace: call.trace, predecessor: undefined });
      return UNLINKED;
    }
    const print = hints.print ?? printCall(call, hints.knownBeginning);
    seeker.added = print.added;
    const wanted: string[] = [];
    const predecessor = earlier?.memo.predecessor ?? findPredecessor(call, print, seeker, wanted);
    call.trace = makeTrace(given, earlier, predecessor);
    const isOld = predecessor?.isLast === true || predecessor?.isRepeated === true || earlier !== undefined;
    noteNew(call, print, isOld);
    const toolRuns = predecessor === undefined ? NONE : tools.match(call, print, predecessor, startTime);
    const opensTrace = given === undefined && predecessor === undefined && earlier === undefined;
    if (opensTrace && wanted.length > 0) orphans.add(makeTurn(call, hints, seeker), wanted);
    const turn = isAnswered(call) ? makeTurn(call, hints, seeker) : undefined;
    if (turn !== undefined) noteAnswer(turn, { call, print, hints, predecessor, opensTrace });
    retries.note(call, hints, seeker, { trace: call.trace, predecessor });
    return { toolRuns, turn };
  }

  function printCall(call: LlmCall, known: KnownBeginning | undefined): ConversationPrint {
    const { system, messages } = call.request;
    const { previousId, conversationId } = readStoredLinks(call);
    const goesOn = previousId !== undefined || conversationId !== undefined;
    return printConversation({ system, messages, choices: call.response?.choices, goesOn, known }, hash);
  }

  function makeTrace(
    given: GivenTrace | undefined,
    earlier: Attempt<Memo> | undefined,
    predecessor: Predecessor | undefined,
  ): Trace {
    const spanId = randomHex(16);
    const before = predecessor?.turn.trace;
    const turn = before === undefined ? 1 : (before.turn ?? 1) + 1 + (predecessor?.skipped ?? 0);
    if (given !== undefined) {
      const parent = given.parentSpanId ?? (before?.traceId === given.traceId ? before.spanId : undefined);
      const trace = joinTrace(given, spanId, parent);
      trace.turn = turn;
      return trace;
    }
    // Attempts stand side by side.
    if (earlier !== undefined) return { ...earlier.memo.trace, spanId };
    if (before === undefined || predecessor === undefined) return { traceId: randomHex(32), spanId, turn };
    return { traceId: before.traceId, spanId, parentSpanId: before.spanId, turn, linkedBy: predecessor.kind };
  }

  function makeTurn(call: LlmCall, { answerTime, startTime, privacy }: LinkHints, { identity, traceId }: Seeker): Turn {
    return {
      trace: call.trace,
      isExplicit: traceId !== undefined,
      identity,
      startTime,
      answerTime,
      answeredAt: call.timing.startedAt + (answerTime - startTime),
      toolCalls: NONE,
      historyKey: undefined,
      privacy: shareTurnPrivacy(privacy),
      continuations: NONE,
    };
  }

  function noteAnswer(turn: Turn, { call, print, hints, predecessor, opensTrace }: AnswerFacts): void {
    const keys: string[] = [];
    addCertainKeys(keys, call, hints, print, predecessor);
    const certain = keys.length;
    const isWhole = hints.print !== undefined || (!call.capture.requestTruncated && !call.capture.responseTruncated);
    if (isWhole) addHistoryKeys(keys, print, predecessor);
    turn.historyKey = keys[certain];
    turn.toolCalls = openToolCalls(print.answers);
    if (opensTrace && orphans.size > 0) {
      joinOrphan(
        turn,
        print.uniqueFrom < print.turns.length || print.answers.some(hasTurnKey) ? keys : keys.slice(0, certain),
      );
    }
    turns.add(turn, keys);
    if (predecessor?.skipped === 0) noteContinuation(predecessor.turn, print.added);
  }

  /** Where the provider holds what was said before, the history goes on from what was seen of it. */
  function addHistoryKeys(
    keys: string[],
    { answers, turns: sentBack }: ConversationPrint,
    predecessor: Predecessor | undefined,
  ): void {
    const before =
      predecessor?.kind === "response_id" && sentBack.length === 0 ? predecessor.turn.historyKey : undefined;
    for (const { historyKey, visibleKey, digest } of answers) {
      addKey(keys, before === undefined || digest === undefined ? historyKey : continueHistory(before, digest, hash));
      addKey(keys, visibleKey);
    }
  }

  /** The call that went on from this answer has left, in a trace of its own: this one joins it. */
  function joinOrphan(turn: Turn, keys: readonly string[]): void {
    const found = new Set(keys.flatMap((key) => [...orphans.find(key)]));
    const fitting = [...found].filter(
      (orphan) =>
        orphan.continuations.length === 0 &&
        pickTurn([turn], { ...orphan, traceId: undefined, added: undefined }, "unique") === turn,
    );
    const [orphan] = fitting;
    if (orphan === undefined || fitting.length > 1) return;
    orphan.continuations = [ADOPTED];
    turn.continuations = [ADOPTED];
    turn.trace.traceId = orphan.trace.traceId;
  }

  return { link, noteTool: tools.note };
}

interface AnswerFacts {
  call: LlmCall;
  print: ConversationPrint;
  hints: LinkHints;
  predecessor: Predecessor | undefined;
  opensTrace: boolean;
}

/** Whether another call may go on from it. */
function isAnswered({ outcome, response }: LlmCall): boolean {
  return outcome !== "error" && response !== undefined && (response.choices.length > 0 || response.id !== undefined);
}

/** What an answer can be found by that no other answer has. */
function addCertainKeys(
  keys: string[],
  call: LlmCall,
  { itemIds }: LinkHints,
  { answers }: ConversationPrint,
  predecessor: Predecessor | undefined,
): void {
  addKey(keys, keyOf("response", call.response?.id, call));
  addKey(keys, keyOf("conversation", readStoredLinks(call).conversationId ?? readOpenedConversation(call), call));
  if (itemIds !== undefined) for (const id of itemIds) addKey(keys, keyOf("item", id));
  for (const { turnKey } of answers) addKey(keys, keyOf("turn", turnKey));
  for (const { callKeys } of answers) for (const key of callKeys) addKey(keys, keyOf("call", key));
  if (predecessor === undefined) return;
  for (const { said } of answers) addKey(keys, keyOfNext(predecessor.turn, said));
}

function addKey(keys: string[], key: string | undefined): void {
  if (key !== undefined) keys.push(key);
}

function openToolCalls(answers: readonly AnswerPrint[]): readonly OpenToolCall[] {
  let open: OpenToolCall[] | undefined;
  for (const { toolCalls } of answers) {
    for (const { id, name } of toolCalls) (open ??= []).push({ id, name, isAnswered: false });
  }
  return open ?? NONE;
}

function hasTurnKey({ turnKey }: AnswerPrint): boolean {
  return turnKey !== undefined;
}

/** Ways to go on from one answer that are remembered. */
const MAX_CONTINUATIONS = 8;
/** It was gone on from by a call that had left before. */
const ADOPTED = "adopted";

function noteContinuation(turn: Turn, added = ADOPTED): void {
  const { continuations } = turn;
  if (continuations.length >= MAX_CONTINUATIONS || continuations.includes(added)) return;
  turn.continuations = continuations.length === 0 ? [added] : [...continuations, added];
}

/** @param isOld - a retry, a call that lets an answer go on, or one that asks the same again: it brings nothing new */
function noteNew({ request, trace }: LlmCall, { newFrom, userMessages }: ConversationPrint, isOld: boolean): void {
  if (request.messages !== undefined) trace.newMessagesFrom = isOld ? request.messages.length : newFrom;
  trace.newUserMessages = isOld ? 0 : userMessages;
}
