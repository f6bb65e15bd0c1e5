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
  turns: TurnPrint[];
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
  results: ToolResultPrint[];
  /** One for each choice. */
  answers: AnswerPrint[];
}

export interface AnswerPrint {
  /** Of everything up to and with this turn. `undefined`: the turn says nothing that could be recognised. */
  historyKey: string | undefined;
  /** Of the turn alone; only where its tool calls have ids that nobody else has. */
  turnKey: string | undefined;
  /** Of this turn and what came since the one before: see `continueHistory`. */
  digest: string | undefined;
  /** Of each of its tool calls whose id nobody else has: some SDKs join turns, or take them apart. */
  callKeys: string[];
  /** Of what it says, where tool calls before it tell which conversation it is in. */
  said: string | undefined;
  /** The history without the tools that were run on the way to this answer: many apps keep only what people see. */
  visibleKey?: string | undefined;
  toolCalls: ToolCallPrint[];
}

export interface TurnPrint extends AnswerPrint {
  /** Items that stand for the turn, or for parts of it. */
  itemIds: string[];
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

export function printConversation(
  { system = [], messages = [], choices = [], goesOn = false }: Conversation,
  hash: Hash,
): ConversationPrint {
  const turns: TurnPrint[] = [];
  const texts: TurnText[] = [];
  let tail = `system ${describeParts(system, hash)}`;
  let segment = "";
  let added: string[] = [];
  /** What an answer goes on from. */
  let begun: readonly Part[] = [];
  let newFrom = 0;
  for (let index = 0; index < messages.length;) {
    const end = endOfTurn(messages, index);
    if (end === index) {
      const message = describeMessage(messages[index] as Message, hash);
      segment += message;
      added.push(message);
      index += 1;
      continue;
    }
    const said = messages.slice(index, end);
    const parts = said.flatMap((message) => message.parts);
    const itemIds = said.flatMap(readItemReferences);
    const described = describeTurn(parts, itemIds, hash);
    const { text, turnKey, toolCalls } = described;
    const digest = hash(`${segment} turn ${text}`);
    const key = continueHistory(tail, digest, hash);
    const historyKey = text === "" ? undefined : key;
    turns.push({ historyKey, turnKey, digest, callKeys: [], said: undefined, toolCalls, itemIds });
    texts.push(described);
    if (end === messages.length) begun = parts;
    else {
      newFrom = end;
      tail = key;
      segment = "";
      added = [];
    }
    index = end;
  }
  const isKnown = turns.some(({ turnKey }) => turnKey !== undefined);
  if (isKnown) lookAgain(turns, texts, hash);
  const newest = messages.slice(newFrom);
  const isFinal = choices.some(({ message }) => message.parts.every(({ type }) => type !== "tool_call"));
  const visible = isFinal ? printVisible({ system, messages, choices }, hash) : undefined;
  return {
    turns,
    endsWithTurn: begun.length > 0,
    newFrom,
    // Results of tools come in any order.
    added: goesOn || turns.length > 0 ? hash(`added ${added.sort().join("")}`) : undefined,
    userMessages: newest.filter(isUserMessage).length,
    results: newest.flatMap(({ parts }) => parts.filter((part) => part.type === "tool_call_response").map(printResult)),
    answers: choices.map(({ message }, index) => {
      const described = describeTurn([...begun, ...message.parts], [], hash);
      const { text, turnKey, toolCalls } = described;
      const digest = text === "" ? undefined : hash(`${segment} turn ${text}`);
      return {
        historyKey: digest && continueHistory(tail, digest, hash),
        turnKey,
        digest,
        callKeys: printCalls(described, hash),
        said: isKnown ? printSaid(text, hash) : undefined,
        visibleKey: toolCalls.length === 0 ? visible?.[index] : undefined,
        toolCalls,
      };
    }),
  };
}

/** @returns the keys of the answers. `undefined`: no tools were run */
function printVisible(
  { system, messages = [], choices = [] }: Conversation,
  hash: Hash,
): (string | undefined)[] | undefined {
  const isOfTool = ({ type }: Part): boolean => type === "tool_call" || type === "tool_call_response";
  if (!messages.some(({ parts }) => parts.some(isOfTool))) return undefined;
  const visible: Message[] = [];
  for (let index = 0; index < messages.length;) {
    const end = Math.max(index + 1, endOfTurn(messages, index));
    const turn = messages.slice(index, end);
    index = end;
    if (!turn.some(({ parts }) => parts.some(isOfTool))) visible.push(...turn);
    else if (turn.every((message) => !isModelTurn(message))) visible.push(...turn.flatMap(withoutResults));
  }
  return printConversation({ system, messages: visible, choices }, hash).answers.map(({ historyKey }) => historyKey);
}

/** Some APIs put results of tools into messages of the user, beside their words. */
function withoutResults(message: Message): Message[] {
  const parts = message.parts.filter(({ type }) => type !== "tool_call_response");
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
function printCalls({ uniqueCalls, turnKey }: TurnText, hash: Hash): string[] {
  if (uniqueCalls.length <= 1) return turnKey === undefined ? [] : [turnKey];
  return uniqueCalls.slice(-MAX_CALL_KEYS).map((call) => hash(`calls${call}`));
}

const MAX_CALL_KEYS = 8;

function printSaid(text: string, hash: Hash): string | undefined {
  return text === "" ? undefined : hash(`said ${text}`);
}

/** @param historyKey - of all before @param digest - of the turn that follows */
export function continueHistory(historyKey: string, digest: string, hash: Hash): string {
  return hash(`${historyKey} ${digest}`);
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

/** Not only results of tools: those come in messages of the user too. */
function isUserMessage({ role, parts }: Message): boolean {
  return role === "user" && parts.some(({ type }) => type !== "tool_call_response");
}
