/**
 * Keyed hashes of a conversation: of each prefix that ends with something the model said, and of that turn alone. What
 * continues what can be told from them, and no text is kept.
 *
 * SDKs change what they send back: they drop reasoning, join or trim texts, write arguments anew. So of a model's turn
 * count its texts as one, without the white space around it, and its tool calls; what the app said counts as it is.
 */
import type { Choice, Message, Part, ToolCallPart, ToolCallResponsePart } from "../types.ts";
import { describeMessage, describeParts, describeTurn, type TurnText } from "./describe-turn.ts";
import { isModelRole, readItemReferences } from "./roles.ts";

/** A keyed hash, from the platform. */
export type Hash = (text: string) => string;

/** A conversation without its words: what it will be recognised by, and what has happened in it. */
export interface ConversationPrint {
  /** What the model said and the app now sends back, oldest first. */
  turns: readonly TurnPrint[];
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

/** A turn of the model, sent back or just given. */
interface SaidPrint {
  /** Of everything up to and with this turn. `undefined`: the turn says nothing that could be recognised. */
  historyKey: string | undefined;
  /** Of the turn alone; only where its tool calls have ids that nobody else has. */
  turnKey: string | undefined;
  /** Of each of its tool calls whose id nobody else has: some SDKs join turns, or take them apart. */
  callKeys: readonly string[];
  /** Of what it says, where tool calls before it tell which conversation it is in. */
  said: string | undefined;
  toolCalls: readonly ToolCallPrint[];
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

export interface TurnPrint extends SaidPrint {
  /** Items that stand for the turn, or for parts of it. */
  itemIds: readonly string[];
}

export type ToolCallPrint = Pick<ToolCallPart, "id" | "name">;
export type ToolResultPrint = Pick<ToolCallResponsePart, "id" | "name" | "isError">;

export interface Conversation {
  /** What stands before the messages. */
  system: readonly Part[] | undefined;
  messages: readonly Message[] | undefined;
  choices: readonly Choice[] | undefined;
  /** It names what it goes on from. Default: where it sends back a turn of the model. */
  goesOn?: boolean;
}

/** The newest turns are looked at once more where a history was written anew. */
const LOOKED_AT_AGAIN = 4;

/** Most calls are the first of their conversation: what they have none of they share. */
const NONE: readonly never[] = Object.freeze([]);

export function printConversation(
  { system = NONE, messages = NONE, choices = NONE, goesOn = false }: Conversation,
  hash: Hash,
): ConversationPrint {
  const history = readHistory(system, messages, hash);
  const { turns, begun, newFrom } = history;
  const isKnown = turns.some(({ turnKey }) => turnKey !== undefined);
  if (isKnown) lookAgain(turns, history.texts, hash);
  const visible = isFinal(choices) && hasTools(messages) ? printVisible(system, messages, choices, hash) : undefined;
  return {
    turns,
    endsWithTurn: begun.length > 0,
    newFrom,
    userMessages: countUserMessages(messages, newFrom),
    added: goesOn || turns.length > 0 ? printAdded(messages, history, hash) : undefined,
    results: printResults(messages, newFrom),
    answers: choices.map(({ message }, index) => {
      const parts = begun.length === 0 ? message.parts : [...begun, ...message.parts];
      const described = describeTurn(parts, NONE, hash);
      const { text, turnKey, toolCalls } = described;
      return {
        historyKey: text === "" ? undefined : printHistory(history, text, hash),
        turnKey,
        digest: text !== "" && goesOn && turns.length === 0 ? printTurn(history, text, hash) : undefined,
        callKeys: printCalls(described, hash),
        said: isKnown ? printSaid(text, hash) : undefined,
        visibleKey: toolCalls.length === 0 ? visible?.[index] : undefined,
        toolCalls,
      };
    }),
  };
}

/** What was said before an answer. */
interface History {
  turns: TurnPrint[];
  texts: TurnText[];
  /** What stands for all up to the last turn, and whether there is one. */
  tail: string;
  isFirst: boolean;
  /** What came after it, which is the messages from the one index to the other. */
  segment: string;
  newFrom: number;
  newTo: number;
  /** What an answer goes on from: a turn at the end of all, which is not in the tail. */
  begun: readonly Part[];
}

function readHistory(system: readonly Part[], messages: readonly Message[], hash: Hash): History {
  const instructions = describeParts(system, hash);
  const history: History = {
    turns: [],
    texts: [],
    tail: `system ${instructions.length} ${instructions}`,
    isFirst: true,
    segment: "",
    newFrom: 0,
    newTo: messages.length,
    begun: NONE,
  };
  for (let index = 0; index < messages.length;) {
    const end = endOfTurn(messages, index);
    if (end === index) {
      history.segment += describeMessage(messages[index] as Message, hash);
      index += 1;
      continue;
    }
    const { parts, itemIds } = joinMessages(messages, index, end);
    const described = describeTurn(parts, itemIds, hash);
    const { text, turnKey, toolCalls } = described;
    const key = printHistory(history, text, hash);
    const historyKey = text === "" ? undefined : key;
    history.turns.push({ historyKey, turnKey, callKeys: NONE, said: undefined, toolCalls, itemIds });
    history.texts.push(described);
    if (end === messages.length) {
      history.begun = parts;
      history.newTo = index;
    } else {
      history.newFrom = end;
      history.tail = key;
      history.isFirst = false;
      history.segment = "";
    }
    index = end;
  }
  return history;
}

/**
 * A conversation that ends with a turn of that text. The first turn is hashed in one go with all before it. A later one
 * is hashed on its own, then joined to the history: the same can be done where of the history only the key is known.
 */
function printHistory(history: History, text: string, hash: Hash): string {
  return history.isFirst
    ? hash(`${history.tail}${history.segment} turn ${text}`)
    : continueHistory(history.tail, printTurn(history, text, hash), hash);
}

/** A turn of that text, and what came since the one before. */
function printTurn({ segment }: History, text: string, hash: Hash): string {
  return hash(`${segment} turn ${text}`);
}

/** @param historyKey - of all before @param digest - of the turn that follows */
export function continueHistory(historyKey: string, digest: string, hash: Hash): string {
  return hash(`${historyKey} ${digest}`);
}

function printAdded(messages: readonly Message[], { segment, newFrom, newTo }: History, hash: Hash): string {
  if (newTo - newFrom <= 1) return hash(`added ${segment}`);
  const added = messages.slice(newFrom, newTo).map((message) => describeMessage(message, hash));
  // Results of tools come in any order.
  return hash(`added ${added.sort().join("")}`);
}

function joinMessages(
  messages: readonly Message[],
  start: number,
  end: number,
): { parts: readonly Part[]; itemIds: readonly string[] } {
  const first = messages[start];
  if (first !== undefined && end - start === 1) return { parts: first.parts, itemIds: readItemReferences(first) };
  const said = messages.slice(start, end);
  return { parts: said.flatMap(({ parts }) => parts), itemIds: said.flatMap(readItemReferences) };
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

/** @returns the keys of the answers in the conversation without its tools */
function printVisible(
  system: readonly Part[],
  messages: readonly Message[],
  choices: readonly Choice[],
  hash: Hash,
): (string | undefined)[] {
  const visible: Message[] = [];
  for (let index = 0; index < messages.length;) {
    const end = Math.max(index + 1, endOfTurn(messages, index));
    const turn = messages.slice(index, end);
    index = end;
    if (!turn.some(({ parts }) => parts.some(isOfTool))) visible.push(...turn);
    else if (turn.every((message) => !isModelTurn(message))) visible.push(...turn.flatMap(withoutTools));
  }
  return printConversation({ system, messages: visible, choices }, hash).answers.map(({ historyKey }) => historyKey);
}

/** Some APIs put results of tools into messages of the user, beside their words; calls, a client that is wrong. */
function withoutTools(message: Message): Message[] {
  const parts = message.parts.filter((part) => !isOfTool(part));
  return parts.length === 0 ? [] : [{ ...message, parts }];
}

function lookAgain(turns: readonly TurnPrint[], texts: readonly TurnText[], hash: Hash): void {
  for (let index = Math.max(0, turns.length - LOOKED_AT_AGAIN); index < turns.length; index += 1) {
    const [turn, text] = [turns[index], texts[index]];
    if (turn === undefined || text === undefined) continue;
    turn.callKeys = printCalls(text, hash);
    turn.said = printSaid(text.text, hash);
  }
}

/** Of one alone it is that of the turn. */
function printCalls({ uniqueCalls, turnKey }: TurnText, hash: Hash): readonly string[] {
  if (uniqueCalls.length <= 1) return turnKey === undefined ? NONE : [turnKey];
  return uniqueCalls.slice(-MAX_CALL_KEYS).map((call) => hash(`calls${call}`));
}

const MAX_CALL_KEYS = 8;

function printSaid(text: string, hash: Hash): string | undefined {
  return text === "" ? undefined : hash(`said ${text}`);
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

/** Messages of the model in a row are one turn: some APIs keep texts and calls apart. @returns `start`: there is none */
function endOfTurn(messages: readonly Message[], start: number): number {
  let end = start;
  for (; end < messages.length; end += 1) {
    const message = messages[end];
    if (message === undefined || !isModelTurn(message)) break;
  }
  return end;
}

function isModelTurn(message: Message): boolean {
  return isModelRole(message.role) || (message.role === "user" && readItemReferences(message).length > 0);
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
