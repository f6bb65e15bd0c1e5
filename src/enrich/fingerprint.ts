/**
 * Keyed hashes of a conversation: of each prefix that ends with something the model said, and of that turn alone. What
 * continues what can be told from them, without any text.
 *
 * SDKs change what they send back: they drop reasoning, join or trim texts, write arguments anew. So of a model's turn
 * count its texts as one, without the white space around it, and its tool calls; what the app said counts as it is.
 */
import type { KnownBeginning } from "../known-messages.ts";
import type { Choice, Message, Part, ToolCallResponsePart } from "../types.ts";
import { describeMessage, describeTurn } from "./describe-turn.ts";
import { describeHead, type Hash, History, type SaidPrint, type TurnPrint } from "./history.ts";
import { endOfTurn, isModelTurn } from "./history-turns.ts";
import { findBefore, noteHistory } from "./known-history.ts";

/** A conversation without its words: what it will be recognised by, and what has happened in it. */
export interface ConversationPrint {
  /** What the model said and the app now sends back, oldest first: the newest `MAX_LOOKED_BACK` turns. */
  turns: readonly TurnPrint[];
  /** Index of the first of them up to which there is an id that nobody else has; `turns.length`: there is none. */
  uniqueFrom: number;
  /** The last message is the model's: a prefill, or an answer that shall go on. */
  endsWithTurn: boolean;
  /** Index of the first message after the last turn; a turn at the end of all does not count. */
  newFrom: number;
  /** How many messages from there on hold words of a user. */
  userMessages: number;
  /**
   * Of the messages from there on: two that go on from one answer in the same words can't be told apart. Absent where
   * there is nothing to go on from.
   */
  added: string | undefined;
  /** Results of tools in them, in order. */
  results: readonly ToolResultPrint[];
  /** One for each choice. */
  answers: readonly AnswerPrint[];
}

export interface AnswerPrint extends SaidPrint {
  /**
   * Of this turn and what came since the one before, where nothing was sent back but something is gone on from: see
   * `continueHistory`.
   */
  digest: string | undefined;
  /** The history without the tools that were run on the way to this answer: many apps keep only what people see. */
  visibleKey: string | undefined;
}

export type ToolResultPrint = Pick<ToolCallResponsePart, "id" | "name" | "isError">;

export interface Conversation {
  /** What stands before the messages. */
  system: readonly Part[] | undefined;
  messages: readonly Message[] | undefined;
  choices: readonly Choice[] | undefined;
  /** It names what it goes on from. Default: where it sends back a turn of the model. */
  goesOn?: boolean;
  /** Messages that were there before. */
  known?: KnownBeginning | undefined;
}

/** Most calls are the first of their conversation: what they have none of they share. */
const NONE: readonly never[] = Object.freeze([]);

export function printConversation(
  { system = NONE, messages = NONE, choices = NONE, goesOn = false, known }: Conversation,
  hash: Hash,
): ConversationPrint {
  const head = describeHead(system, hash);
  const before = findBefore(known, "whole", head);
  const history = new History(head, messages, hash, before);
  noteHistory(known, "whole", { head, history, before }, () => history.ends);
  const { turns, uniqueFrom, begun, newFrom, newTo } = history;
  const visible =
    isFinal(choices) && hasTools(messages) ? printVisible(head, { messages, choices, known }, hash) : undefined;
  return {
    turns,
    uniqueFrom,
    endsWithTurn: begun.length > 0,
    newFrom,
    userMessages: countUserMessages(messages, newFrom),
    added: goesOn || turns.length > 0 ? printAdded(messages.slice(newFrom, newTo), history.added, hash) : undefined,
    results: printResults(messages, newFrom),
    answers: choices.map(({ message }, index) => {
      const parts = begun.length === 0 ? message.parts : [...begun, ...message.parts];
      const described = describeTurn(parts, NONE, hash);
      const { text, toolCalls } = described;
      return {
        historyKey: text === "" ? undefined : history.printAnswer(text),
        turnKey: history.printCalls(described),
        digest: text !== "" && goesOn && turns.length === 0 ? history.digestAnswer(text) : undefined,
        callKeys: history.printEachCall(described),
        said: history.isKnown ? history.printSaid(described) : undefined,
        visibleKey: toolCalls.length === 0 ? visible?.[index] : undefined,
        toolCalls,
      };
    }),
  };
}

/** The same for another thread: with what may be asked for. */
export function settlePrint(print: ConversationPrint): ConversationPrint {
  return {
    ...print,
    turns: print.turns.map((turn) => {
      const { toolCalls, itemIds, historyKey, turnKey, callKeys, said } = turn;
      return { toolCalls, itemIds, historyKey, turnKey, callKeys, said };
    }),
  };
}

function printAdded(added: readonly Message[], described: string, hash: Hash): string {
  if (added.length <= 1) return hash(`added ${described}`);
  const each = added.map((message) => describeMessage(message, hash));
  // Results of tools come in any order.
  return hash(`added ${each.sort().join("")}`);
}

/** An answer that asks for no tool is one that people see. */
function isFinal(choices: readonly Choice[]): boolean {
  for (const { message } of choices) if (!message.parts.some(isToolCall)) return true;
  return false;
}

function hasTools(messages: readonly Message[]): boolean {
  for (const { parts } of messages) if (parts.some(isOfTool)) return true;
  return false;
}

function isToolCall({ type }: Part): boolean {
  return type === "tool_call";
}

function isOfTool({ type }: Part): boolean {
  return type === "tool_call" || type === "tool_call_response";
}

interface Answered {
  messages: readonly Message[];
  choices: readonly Choice[];
  known: KnownBeginning | undefined;
}

/** @returns the keys of the answers in the conversation without its tools */
function printVisible(head: string, { messages, choices, known }: Answered, hash: Hash): (string | undefined)[] {
  const before = findBefore(known, "visible", head);
  const visible: Message[] = [];
  /** Of each, its index in the request. */
  const indexes: number[] = [];
  for (let index = before?.from ?? 0; index < messages.length;) {
    const end = Math.max(index + 1, endOfTurn(messages, index));
    const turn = messages.slice(index, end);
    if (!turn.some(({ parts }) => parts.some(isOfTool))) visible.push(...turn);
    else if (turn.every((message) => !isModelTurn(message))) visible.push(...turn.flatMap(withoutTools));
    while (indexes.length < visible.length) indexes.push(index);
    index = end;
  }
  const history = new History(head, visible, hash, before && { ...before, from: 0 });
  noteHistory(known, "visible", { head, history, before }, () => history.ends.map((end) => indexes[end] ?? Infinity));
  return choices.map(({ message }) => {
    const { text } = describeTurn([...history.begun, ...message.parts], NONE, hash);
    return text === "" ? undefined : history.printAnswer(text);
  });
}

/** Some APIs put results of tools into messages of the user, beside their words; calls, a client that is wrong. */
function withoutTools(message: Message): Message[] {
  const parts = message.parts.filter((part) => !isOfTool(part));
  return parts.length === 0 ? [] : [{ ...message, parts }];
}

function printResults(messages: readonly Message[], from: number): readonly ToolResultPrint[] {
  let results: ToolResultPrint[] | undefined;
  for (let index = from; index < messages.length; index += 1) {
    for (const part of messages[index]?.parts ?? NONE) {
      if (part.type === "tool_call_response") (results ??= []).push(printResult(part));
    }
  }
  return results ?? NONE;
}

function printResult({ id, name, isError }: ToolCallResponsePart): ToolResultPrint {
  return {
    ...(id !== undefined && { id }),
    ...(name !== undefined && { name }),
    ...(isError !== undefined && { isError }),
  };
}

function countUserMessages(messages: readonly Message[], from: number): number {
  let count = 0;
  for (let index = from; index < messages.length; index += 1) {
    const message = messages[index];
    // Not only results of tools: those come in messages of the user too.
    if (message?.role === "user" && message.parts.some(({ type }) => type !== "tool_call_response")) count += 1;
  }
  return count;
}
