/**
 * The history of a conversation, as keyed hashes: of all up to a turn, and of the turn alone. An agent sends back hundreds
 * of turns with each call, and of nearly all of them nobody asks for the hash: it is made for who does.
 */
import type { Message, Part, ToolCallPart } from "../types.ts";
import { describeMessage, describeParts, describeTurn, type TurnText } from "./describe-turn.ts";
import { endOfTurn, joinMessages } from "./history-turns.ts";

/** A keyed hash, from the platform. */
export type Hash = (text: string) => string;

export type ToolCallPrint = Pick<ToolCallPart, "id" | "name">;

/** A turn of the model, sent back or just given. */
export interface SaidPrint {
  /** Of everything up to and with this turn. `undefined`: the turn says nothing that could be recognised. */
  readonly historyKey: string | undefined;
  /** Of the turn alone; only where its tool calls have ids that nobody else has. */
  readonly turnKey: string | undefined;
  /** Of each of its tool calls whose id nobody else has: some SDKs join turns, or take them apart. */
  readonly callKeys: readonly string[];
  /** Of what it says, where tool calls before it tell which conversation it is in. */
  readonly said: string | undefined;
  readonly toolCalls: readonly ToolCallPrint[];
}

export interface TurnPrint extends SaidPrint {
  /** Items that stand for the turn, or for parts of it. */
  readonly itemIds: readonly string[];
}

/** What there is none of is shared. */
const NONE: readonly never[] = Object.freeze([]);

/**
 * Once there are more turns than this, they are hashed so many in one go; and where there are many more, again so many:
 * a hash takes as long as some kilobytes of text.
 */
const BLOCK = 8;
const BIG_BLOCK = 64;
/** The newest turns are looked at once more where a history was written anew. */
const LOOKED_AT_AGAIN = 4;
const MAX_CALL_KEYS = 8;
/** So many turns back, from the newest, an answer is looked for that a call may go on from. */
const MAX_LOOKED_BACK = 8;

/** How a history begins, from one that began in the same way, with the same head. */
export interface HistoryBefore {
  history: History;
  /** So many turns. */
  turns: number;
  /** Index of the first message behind them. */
  from: number;
}

/** What stands before all messages, as it is hashed. */
export function describeHead(system: readonly Part[], hash: Hash): string {
  const instructions = describeParts(system, hash);
  return `system ${instructions.length} ${instructions}`;
}

export class History {
  /** The newest of its turns, oldest first: `MAX_LOOKED_BACK`, or as many as there are. */
  readonly turns: readonly TurnPrint[];
  /** The last message is the model's: a prefill, or an answer that shall go on. */
  readonly begun: readonly Part[];
  /** What came after the last turn is in the messages from the one index to the other. */
  readonly newFrom: number;
  readonly newTo: number;
  /** Index of the first message behind each turn that was looked at. */
  readonly ends: readonly number[];
  readonly #hash: Hash;
  /** What stands before all messages. */
  readonly #head: string;
  readonly #texts: TurnText[] = [];
  /** Index, among all turns, of the first one with an id that nobody else has; their number: none has. */
  readonly #uniqueFrom: number;
  /** The same for ids of tool calls alone. */
  readonly #callsFrom: number;
  /** What came before each turn and after the one before it; the last is what came after them all. */
  readonly #segments: string[] = [];
  /** Of turns that somebody asked for, by their index. */
  readonly #keys = new Map<number, string>();
  /** What stands for all before a turn with which a block begins, by its index. */
  readonly #blocks = new Map<number, string>();

  /**
   * @param head - see `describeHead`
   * @param before - how it began, where that is known: only messages from there on are looked at
   */
  constructor(head: string, messages: readonly Message[], hash: Hash, before?: HistoryBefore) {
    this.#hash = hash;
    this.#head = head;
    const ends: number[] = [];
    let begun: readonly Part[] = NONE;
    let [newFrom, newTo] = [0, messages.length];
    let isOpen = false;
    let segment = "";
    if (before !== undefined) {
      const { history, turns: count, from } = before;
      newFrom = from;
      this.#segments.push(...history.#segments.slice(0, count));
      this.#texts.push(...history.#texts.slice(0, count));
      for (const [index, key] of history.#keys) if (index < count) this.#keys.set(index, key);
      for (const [end, key] of history.#blocks) if (end <= count) this.#blocks.set(end, key);
    }
    for (let index = newFrom; index < messages.length;) {
      const end = endOfTurn(messages, index);
      if (end === index) {
        segment += describeMessage(messages[index] as Message, hash);
        index += 1;
        continue;
      }
      const { parts, itemIds } = joinMessages(messages, index, end);
      this.#texts.push(describeTurn(parts, itemIds, hash));
      this.#segments.push(segment);
      ends.push(end);
      if (end === messages.length) {
        // It may say nothing: a place for the answer.
        isOpen = true;
        begun = parts;
        newTo = index;
      } else {
        newFrom = end;
        segment = "";
      }
      index = end;
    }
    if (!isOpen) this.#segments.push(segment);
    const known = before?.turns ?? 0;
    this.#uniqueFrom = findFrom(this.#texts, hasUniqueId, before ? before.history.#uniqueFrom : 0, known);
    this.#callsFrom = findFrom(this.#texts, hasUniqueCalls, before ? before.history.#callsFrom : 0, known);
    const oldest = Math.max(0, this.#texts.length - MAX_LOOKED_BACK);
    this.turns = this.#texts.slice(oldest).map((text, index) => new SentTurn(this, oldest + index, text));
    this.ends = ends;
    this.begun = begun;
    this.newFrom = newFrom;
    this.newTo = newTo;
  }

  /** Index in `turns` from which on the history has an id that nobody else has; `turns.length`: it has none. */
  get uniqueFrom(): number {
    return Math.max(0, this.#uniqueFrom - (this.#texts.length - this.turns.length));
  }

  /** There are tool calls in it whose ids nobody else has. */
  get isKnown(): boolean {
    return this.#callsFrom < this.#texts.length;
  }

  /** Turns that an answer comes after: one at the end of all is a part of it. */
  get #count(): number {
    return this.#segments.length - 1;
  }

  /** What was added after the last turn. */
  get added(): string {
    return this.#segments[this.#count] ?? "";
  }

  /** Of a conversation that ends with an answer of that text. */
  printAnswer(text: string): string {
    return this.#print(this.#count, text);
  }

  /** Of such an answer and what came since the turn before: see `continueHistory`. */
  digestAnswer(text: string): string {
    return this.#hash(this.#describe(this.#count, text));
  }

  printTurn(index: number): string {
    let key = this.#keys.get(index);
    if (key === undefined) this.#keys.set(index, (key = this.#print(index, this.#textOf(index))));
    return key;
  }

  printCalls(text: TurnText): string | undefined {
    return text.unique === "" ? undefined : this.#hash(`calls${text.unique}`);
  }

  /** Of one alone it is that of the turn. */
  printEachCall(text: TurnText): readonly string[] {
    const { uniqueCalls } = text;
    if (uniqueCalls.length > 1) return uniqueCalls.slice(-MAX_CALL_KEYS).map((call) => this.#hash(`calls${call}`));
    const turnKey = this.printCalls(text);
    return turnKey === undefined ? NONE : [turnKey];
  }

  printSaid({ text }: TurnText): string | undefined {
    return text === "" ? undefined : this.#hash(`said ${text}`);
  }

  isLookedAtAgain(index: number): boolean {
    return this.isKnown && index >= this.#texts.length - LOOKED_AT_AGAIN;
  }

  /**
   * The first turn is hashed in one go with all before it. The next ones are hashed each on its own, then joined to the
   * history: the same can be done where of the history only the key is known. Later ones are hashed with the key of the
   * one before, or with that of the blocks before.
   */
  #print(index: number, text: string): string {
    const turn = this.#describe(index, text);
    if (index === 0) return this.#hash(this.#head + turn);
    if (index < BLOCK) return continueHistory(this.printTurn(index - 1), this.#hash(turn), this.#hash);
    return this.#hash((index % BLOCK === 0 ? this.#printBlocks(index) : this.printTurn(index - 1)) + turn);
  }

  /** Of all before a turn with which a block begins. */
  #printBlocks(end: number): string {
    let printed = this.#blocks.get(end);
    if (printed === undefined) {
      const start = end - (end % BIG_BLOCK === 0 ? BIG_BLOCK : BLOCK);
      const before = start === 0 ? this.#head : this.#printBlocks(start);
      printed = this.#hash(before + this.#join(start, end));
      this.#blocks.set(end, printed);
    }
    return printed;
  }

  #join(start: number, end: number): string {
    let joined = "";
    for (let index = start; index < end; index += 1) joined += this.#describe(index, this.#textOf(index));
    return joined;
  }

  /** With its length in front, no text can look like what comes behind it. */
  #describe(index: number, text: string): string {
    return `${this.#segments[index]} turn ${text.length} ${text}`;
  }

  #textOf(index: number): string {
    return this.#texts[index]?.text ?? "";
  }
}

/** @param historyKey - of all before @param digest - of the turn that follows */
export function continueHistory(historyKey: string, digest: string, hash: Hash): string {
  return hash(`${historyKey} ${digest}`);
}

/** Index of the first turn for which that holds. @param found - the one in a history of which so many turns are `known` */
function findFrom(
  texts: readonly TurnText[],
  holds: (text: TurnText) => boolean,
  found: number,
  known: number,
): number {
  if (found < known) return found;
  let index = known;
  while (index < texts.length && !holds(texts[index] as TurnText)) index += 1;
  return index;
}

/** Of a call, or of an item. */
function hasUniqueId({ unique, itemIds }: TurnText): boolean {
  return unique !== "" || itemIds.length > 0;
}

function hasUniqueCalls({ unique }: TurnText): boolean {
  return unique !== "";
}

class SentTurn implements TurnPrint {
  readonly toolCalls: readonly ToolCallPrint[];
  readonly itemIds: readonly string[];
  readonly #history: History;
  readonly #index: number;
  readonly #text: TurnText;

  constructor(history: History, index: number, text: TurnText) {
    this.toolCalls = text.toolCalls;
    this.itemIds = text.itemIds;
    this.#history = history;
    this.#index = index;
    this.#text = text;
  }

  get historyKey(): string | undefined {
    return this.#text.text === "" ? undefined : this.#history.printTurn(this.#index);
  }

  get turnKey(): string | undefined {
    return this.#history.printCalls(this.#text);
  }

  get callKeys(): readonly string[] {
    return this.#history.isLookedAtAgain(this.#index) ? this.#history.printEachCall(this.#text) : NONE;
  }

  get said(): string | undefined {
    return this.#history.isLookedAtAgain(this.#index) ? this.#history.printSaid(this.#text) : undefined;
  }
}
