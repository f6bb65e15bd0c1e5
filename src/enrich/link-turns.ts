/** Answers that a later call may go on from: found by their fingerprints, bounded in number and age. */
import type { Trace } from "../types.ts";
import { type Identity, isInConflict, isSamePerson } from "./link-identity.ts";

/** A tool call that waits for its result. */
export interface OpenToolCall {
  id: string | undefined;
  name: string;
  isAnswered: boolean;
  /** As they may be recorded; kept only where the request that brings the result will not repeat them. */
  arguments?: unknown;
}

/** One answered call, without its texts. Thousands are kept: what a turn has none of it shares with the others. */
export interface Turn {
  trace: Trace;
  /** The trace was given by the app. */
  isExplicit: boolean;
  identity: Identity;
  /** Of `performance.now()`. */
  startTime: number;
  /** When its answer was there. */
  answerTime: number;
  /** The same in epoch ms. */
  answeredAt: number;
  toolCalls: readonly OpenToolCall[];
  /** Of everything up to and with the answer. */
  historyKey: string | undefined;
  /** Content of this call was off. */
  privacy: TurnPrivacy;
  /** How later calls have gone on from it: fingerprints of what they added. Empty: it is open. */
  continuations: readonly string[];
}

/** For lists that mostly are empty. */
export const NONE: readonly never[] = Object.freeze([]);

export interface TurnPrivacy {
  readonly privacyMode: boolean;
  readonly excludeInput: boolean;
  readonly excludeOutput: boolean;
}

/** All there are. */
const PRIVACIES: readonly TurnPrivacy[] = Array.from({ length: 8 }, (_, bits) =>
  Object.freeze({ privacyMode: (bits & 4) !== 0, excludeInput: (bits & 2) !== 0, excludeOutput: (bits & 1) !== 0 }),
);

/** One of eight objects, so that each turn need not have its own. */
export function shareTurnPrivacy({ privacyMode, excludeInput, excludeOutput }: TurnPrivacy): TurnPrivacy {
  const bits = (privacyMode ? 4 : 0) + (excludeInput ? 2 : 0) + (excludeOutput ? 1 : 0);
  return PRIVACIES[bits] as TurnPrivacy;
}

/** Who looks for the turn that it goes on from. */
export interface Seeker {
  identity: Turn["identity"];
  /** Given by the app. */
  traceId: string | undefined;
  startTime: number;
  /** Of what it adds to the turn. */
  added: string | undefined;
}

/**
 * How much a key tells. `unique`: it can't be that of two different answers. `likely`: others may have given the same
 * answer to the same question. `weak`: and what came after it was not seen, so that only who asks can make it certain.
 */
export type Evidence = "unique" | "likely" | "weak";

export interface TurnStore<Entry extends Turn = Turn> {
  add(turn: Entry, keys: readonly string[]): void;
  /** Those under a key, oldest first. */
  find(key: string): readonly Entry[];
  readonly size: number;
}

export interface TurnStoreOptions {
  /** Default 5,000. */
  maxTurns?: number;
  /** Milliseconds. Default one hour. */
  maxAgeMs?: number;
}

/** Equal answers looked at; with more of them nobody can tell which is meant. */
const MAX_PER_KEY = 200;
/** An answer has one or two for each choice. */
const MAX_KEYS = 64;

export function createTurnStore<Entry extends Turn = Turn>(options: TurnStoreOptions = {}): TurnStore<Entry> {
  const { maxTurns = 5_000, maxAgeMs = 3_600_000 } = options;
  /** Mostly there is one, and no array for it. */
  const byKey = new Map<string, Entry | Entry[]>();
  /** In the order in which they came, each with its keys; what is before `first` is gone. */
  let order: (Entry | undefined)[] = [];
  let keysInOrder: (readonly string[])[] = [];
  let first = 0;

  function find(key: string): readonly Entry[] {
    const found = byKey.get(key);
    return found === undefined ? NONE : Array.isArray(found) ? found : [found];
  }

  /** In place: an app that asks the same again and again has many under one key. */
  function put(turn: Entry, key: string): void {
    const found = byKey.get(key);
    if (found === undefined) byKey.set(key, turn);
    else if (!Array.isArray(found)) byKey.set(key, [found, turn]);
    else {
      if (found.length >= MAX_PER_KEY) found.shift();
      found.push(turn);
    }
  }

  /** The oldest of all is the oldest under each of its keys, unless others have pushed it out there. */
  function removeOldest(turn: Entry, key: string): void {
    const found = byKey.get(key);
    if (found === turn) byKey.delete(key);
    else if (Array.isArray(found) && found[0] === turn) {
      if (found.length === 1) byKey.delete(key);
      else found.shift();
    }
  }

  function evict(now: number): void {
    for (let oldest = order[first]; oldest !== undefined; oldest = order[first]) {
      if (order.length - first <= maxTurns && oldest.answerTime > now - maxAgeMs) break;
      for (const key of keysInOrder[first] ?? NONE) removeOldest(oldest, key);
      order[first] = undefined;
      keysInOrder[first] = NONE;
      first += 1;
    }
    if (first < maxTurns) return;
    order = order.slice(first);
    keysInOrder = keysInOrder.slice(first);
    first = 0;
  }

  return {
    add(turn, keys) {
      if (keys.length === 0) return;
      // A copy has no room for more: what was pushed to has room for a dozen.
      const own = hasRepeated(keys) ? [...new Set(keys)].slice(0, MAX_KEYS) : keys.slice(0, MAX_KEYS);
      order.push(turn);
      keysInOrder.push(own);
      for (const key of own) put(turn, key);
      evict(turn.answerTime);
    },
    find,
    get size() {
      return order.length - first;
    },
  };
}

/** No key twice in a turn: it would be removed as often as it was put in. */
function hasRepeated(keys: readonly string[]): boolean {
  for (let index = 1; index < keys.length && index < MAX_KEYS; index += 1) {
    if (keys.indexOf(keys[index] as string) !== index) return true;
  }
  return false;
}

/** An SDK may go on as soon as the last event came, before the response has ended. Milliseconds. */
const EARLY_MS = 50;

/**
 * The one turn that fits. A wrong link is worse than none: where several do, it is none of them.
 *
 * @returns "ambiguous" when some fit, but not just one
 */
export function pickTurn<Entry extends Turn>(
  turns: readonly Entry[],
  seeker: Seeker,
  evidence: Evidence,
): Entry | "ambiguous" | undefined {
  if (turns.length === 0) return undefined;
  let fitting = turns.filter(
    (turn) => turn.startTime < seeker.startTime && !isInConflict(turn.identity, seeker.identity),
  );
  if (fitting.length === 0) return undefined;
  fitting = prefer(fitting, (turn) => turn.answerTime <= seeker.startTime + EARLY_MS);
  const isKnown = (turn: Entry): boolean =>
    isSamePerson(turn.identity, seeker.identity) ||
    (turn.isExplicit && turn.trace.traceId === seeker.traceId && seeker.traceId !== undefined);
  fitting = prefer(fitting, isKnown);
  const areKnown = fitting.every(isKnown);
  if (evidence === "weak" && !areKnown) return "ambiguous";
  const open = fitting.filter(({ continuations }) => continuations.length === 0);
  const [first] = open;
  if (first !== undefined) {
    const isAlone = open.length === 1 && (fitting.length === 1 || areKnown || isReplay(fitting, seeker));
    return isAlone ? first : "ambiguous";
  }
  const [only] = fitting;
  // Gone on from twice: an edited question, or two branches of one run. Of a stranger's answer it can't be told apart.
  return only !== undefined && fitting.length === 1 && (evidence === "unique" || areKnown) ? only : "ambiguous";
}

/**
 * Others were given the same answer, and have gone on from it. One of them may come back with an edited question, so the
 * one that is open is meant only by who goes on in the very same words: a script that is played again.
 */
function isReplay(fitting: readonly Turn[], { added }: Seeker): boolean {
  return added !== undefined && fitting.some(({ continuations }) => continuations.includes(added));
}

/** Those for which it is true, if there are any, else all. */
function prefer<Item>(items: readonly Item[], test: (item: Item) => boolean): Item[] {
  const preferred = items.filter(test);
  return preferred.length > 0 ? preferred : [...items];
}
