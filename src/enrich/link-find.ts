/** Finds the answer that a call goes on from: by what the provider stores, by calls of tools, or by its history. */
import type { LlmCall } from "../types.ts";
import type { ConversationPrint } from "./fingerprint.ts";
import { readStoredLinks } from "./link-stored.ts";
import { type Evidence, pickTurn, type Seeker, type Turn, type TurnStore } from "./link-turns.ts";

export type LinkKind = "tool_result" | "response_id" | "history";

/** The answer that a call goes on from. */
export interface Predecessor {
  turn: Turn;
  kind: LinkKind;
  /** Turns behind it that were not seen. */
  skipped: number;
  /** The request ends with it: nothing was added. */
  isLast: boolean;
  /** It was gone on from in the same words before: asked again, not said again. */
  isRepeated: boolean;
}

export interface TurnFinder {
  /** @param wanted - takes the keys of answers that would have been certain, when there is none */
  findPredecessor(call: LlmCall, print: ConversationPrint, seeker: Seeker, wanted: string[]): Predecessor | undefined;
}

/** @param turns - those that may be gone on from */
export function createTurnFinder(turns: TurnStore): TurnFinder {
  function findPredecessor(
    call: LlmCall,
    print: ConversationPrint,
    seeker: Seeker,
    wanted: string[],
  ): Predecessor | undefined {
    const stored = findStored(call, seeker, wanted);
    if (stored !== undefined) return stored === "ambiguous" ? undefined : stored;
    for (let index = print.turns.length - 1; index >= 0; index -= 1) {
      const found = findTurn(print, index, seeker, wanted);
      if (found === "ambiguous") return undefined;
      if (found !== undefined) return followOn(found, print, index, seeker);
    }
    return undefined;
  }

  function findTurn(
    print: ConversationPrint,
    index: number,
    seeker: Seeker,
    wanted: string[],
  ): { turn: Turn; isNamed: boolean } | "ambiguous" | undefined {
    const turn = print.turns[index];
    if (turn === undefined) return undefined;
    const named = pickByKey(keyOf("item", turn.itemIds.at(-1)), seeker, "unique", wanted);
    const called = named ?? pickByKey(keyOf("turn", turn.turnKey), seeker, "unique", wanted);
    const byHistory = (): ReturnType<typeof pickByKey> => {
      const key = turn.historyKey;
      // With ids in it that nobody else has, nobody else has said the same.
      if (print.uniqueFrom <= index) return pickByKey(key, seeker, "unique", wanted);
      return pickByKey(
        key,
        seeker,
        index === print.turns.length - 1 || isBeforePrefill(print, index) ? "likely" : "weak",
      );
    };
    // Ids that several answers have, for all their looks: what was said before tells more.
    const asItWas = called === undefined ? byHistory() : called === "ambiguous" ? (byHistory() ?? called) : called;
    const found = asItWas ?? pickCall(turn.callKeys, seeker);
    return found === undefined || found === "ambiguous" ? found : { turn: found, isNamed: named !== undefined };
  }

  /** An SDK has joined turns, or taken them apart: the newest call in one tells where the conversation stood. */
  function pickCall(callKeys: readonly string[], seeker: Seeker): Turn | "ambiguous" | undefined {
    for (let index = callKeys.length - 1; index >= 0; index -= 1) {
      const picked = pickByKey(keyOf("call", callKeys[index]), seeker, "unique");
      if (picked !== undefined) return picked;
    }
    return undefined;
  }

  /** What was said after a turn that was found tells how far the conversation has come, whatever its history looks like. */
  function followOn(
    { turn, isNamed }: { turn: Turn; isNamed: boolean },
    print: ConversationPrint,
    index: number,
    seeker: Seeker,
  ): Predecessor {
    const { turns: sentBack, endsWithTurn } = print;
    let [at, found] = [index, turn];
    for (; at + 1 < sentBack.length; at += 1) {
      const next = pickByKey(keyOfNext(found, sentBack[at + 1]?.said), seeker, "unique");
      if (next === undefined || next === "ambiguous") break;
      found = next;
    }
    const isLast = endsWithTurn && at === sentBack.length - 1;
    const skipped = sentBack.length - 1 - at - (endsWithTurn && !isLast ? 1 : 0);
    const hasCalls = (sentBack[at]?.toolCalls.length ?? 0) > 0 && !isLast;
    const kind = hasCalls ? "tool_result" : isNamed && at === index ? "response_id" : "history";
    return { turn: found, kind, skipped, isLast, isRepeated: isRepeated(found, skipped, print) };
  }

  function findStored(call: LlmCall, seeker: Seeker, wanted: string[]): Predecessor | "ambiguous" | undefined {
    const { previousId, conversationId } = readStoredLinks(call);
    if (previousId === undefined && conversationId === undefined) return undefined;
    const predecessor = (turn: Turn): Predecessor => ({
      turn,
      kind: "response_id",
      skipped: 0,
      isLast: false,
      isRepeated: isRepeated(turn, 0, seeker),
    });
    if (previousId !== undefined) {
      const found = pickByKey(keyOf("response", previousId, call), seeker, "unique", wanted);
      if (found !== undefined) return found === "ambiguous" ? found : predecessor(found);
    }
    if (conversationId === undefined) return undefined;
    // The provider puts its calls in one line: the latest is the one before.
    const latest = turns
      .find(keyOf("conversation", conversationId, call) ?? "")
      .findLast((turn) => pickTurn([turn], seeker, "unique") === turn && turn.answerTime <= seeker.startTime);
    return latest && predecessor(latest);
  }

  function pickByKey(
    key: string | undefined,
    seeker: Seeker,
    evidence: Evidence,
    wanted?: string[],
  ): Turn | "ambiguous" | undefined {
    if (key === undefined) return undefined;
    const found = pickTurn(turns.find(key), seeker, evidence);
    if (found === undefined) wanted?.push(key);
    return found;
  }

  return { findPredecessor };
}

type KeyKind = "response" | "conversation" | "item" | "turn" | "call";

/** Ids that the provider issued are known to it only. The key of a history is its hash, and looks like none of these. */
export function keyOf(kind: KeyKind, id: string | undefined, call?: LlmCall): string | undefined {
  if (id === undefined) return undefined;
  return call === undefined ? `${kind} ${id}` : `${kind} ${call.request.host} ${id}`;
}

/** What was said after a turn. */
export function keyOfNext({ trace }: Turn, said: string | undefined): string | undefined {
  return said === undefined ? undefined : `next ${trace.spanId} ${said}`;
}

/** Behind it is only what the app has put into the model's mouth. */
function isBeforePrefill({ turns, endsWithTurn }: ConversationPrint, index: number): boolean {
  return endsWithTurn && index === turns.length - 2;
}

function isRepeated({ continuations }: Turn, skipped: number, { added }: { added?: string | undefined }): boolean {
  return skipped === 0 && added !== undefined && continuations.includes(added);
}
