/**
 * Keyed hashes of a conversation: of each prefix that ends with something the model said, and of that turn alone. What
 * continues what can be told from them, and no text is kept.
 *
 * SDKs change what they send back: they drop reasoning, join or trim texts, write arguments anew. So of a model's turn
 * count its texts as one, without the white space around it, and its tool calls; what the app said counts as it is.
 */
import type { Choice, Message, Part, ToolCallPart, ToolCallResponsePart } from "../types.ts";
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
  /** Of the messages from there on: two that go on from one answer in the same words can't be told apart. */
  added: string;
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
}

export function printConversation(
  { system = [], messages = [], choices = [] }: Conversation,
  hash: Hash,
): ConversationPrint {
  const turns: TurnPrint[] = [];
  let tail = `system ${describeParts(system, hash)}`;
  let segment = "";
  let described: string[] = [];
  /** What an answer goes on from. */
  let begun: readonly Part[] = [];
  let newFrom = 0;
  for (let index = 0; index < messages.length;) {
    const end = endOfTurn(messages, index);
    if (end === index) {
      const message = describeMessage(messages[index] as Message, hash);
      segment += message;
      described.push(message);
      index += 1;
      continue;
    }
    const said = messages.slice(index, end);
    const parts = said.flatMap((message) => message.parts);
    const itemIds = said.flatMap(readItemReferences);
    const { text, turnKey, toolCalls } = describeTurn(parts, itemIds, hash);
    const digest = hash(`${segment} turn ${text}`);
    const key = continueHistory(tail, digest, hash);
    turns.push({ historyKey: text === "" ? undefined : key, turnKey, digest, toolCalls, itemIds });
    if (end === messages.length) begun = parts;
    else {
      newFrom = end;
      tail = key;
      segment = "";
      described = [];
    }
    index = end;
  }
  const added = messages.slice(newFrom);
  return {
    turns,
    endsWithTurn: begun.length > 0,
    newFrom,
    // Results of tools come in any order.
    added: hash(`added ${described.sort().join("")}`),
    userMessages: added.filter(isUserMessage).length,
    results: added.flatMap(({ parts }) => parts.filter((part) => part.type === "tool_call_response").map(printResult)),
    answers: choices.map(({ message }) => {
      const { text, turnKey, toolCalls } = describeTurn([...begun, ...message.parts], [], hash);
      const digest = text === "" ? undefined : hash(`${segment} turn ${text}`);
      return { historyKey: digest && continueHistory(tail, digest, hash), turnKey, digest, toolCalls };
    }),
  };
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

interface TurnText {
  /** Empty: nothing that comes back unchanged. */
  text: string;
  toolCalls: ToolCallPrint[];
  turnKey: string | undefined;
}

function describeTurn(parts: readonly Part[], itemIds: readonly string[], hash: Hash): TurnText {
  let said = "";
  let ran = "";
  const toolCalls: ToolCallPart[] = [];
  for (const part of parts) {
    if (part.type === "text" || part.type === "refusal") said += part.content;
    else if (part.type === "tool_call") toolCalls.push(part);
    else if (part.type === "server_tool_call") ran += ` ran ${part.id ?? ""} ${part.name}`;
  }
  let text = said.trim();
  let ids = "";
  for (const { id, name, arguments: given } of toolCalls) {
    const isUnique = id !== undefined && isUniqueId(id, name);
    // An id that nobody else has stands for the arguments, which the app may have completed.
    text += isUnique ? ` call ${id} ${name}` : ` call ${id ?? ""} ${name} ${describeArguments(given)}`;
    if (isUnique) ids += ` ${id} ${name}`;
  }
  for (const id of itemIds) text += ` item ${id}`;
  // Many SDKs leave out what the provider's own tools did; where there is nothing else, it was sent back.
  if (text === "") text = ran;
  return { text, toolCalls: toolCalls.map(printCall), turnKey: ids === "" ? undefined : hash(`calls${ids}`) };
}

function printCall({ id, name }: ToolCallPart): ToolCallPrint {
  return id === undefined ? { name } : { id, name };
}

function describeArguments(given: unknown): string {
  if (given === undefined || given === null || given === "") return "{}";
  return typeof given === "string" ? given.replaceAll(/\s+/g, "") : toSortedJson(given, 0);
}

const MAX_DEPTH = 64;

/** JSON whose keys are in order: SDKs parse arguments and write them anew. */
function toSortedJson(value: unknown, depth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (depth > MAX_DEPTH) return '"deep"';
  if (Array.isArray(value)) return `[${value.map((item) => toSortedJson(item, depth + 1)).join(",")}]`;
  const fields = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${toSortedJson((value as Record<string, unknown>)[key], depth + 1)}`);
  return `{${fields.join(",")}}`;
}

/** Shorter ones are numbers, or words. */
const SHORTEST_UNIQUE_ID = 9;

/**
 * Looks random: `call_dnXQ4WsNvF9ygmzZPMfzDZg2`, a UUID; not `call_0`, `functions.weather:0`, `get_weather-1`,
 * `call-000001`, nor what says when it was made. An id that is not serves as one only within its conversation.
 *
 * @param name - of the tool: where it is a part of the id, it says nothing
 */
export function isUniqueId(id: string, name = ""): boolean {
  const rest = name === "" ? id : id.replaceAll(name, "_");
  return rest.split(/[_:.]/).some(looksRandom);
}

/** Digits among letters, more than once: words with a number have theirs at one end, dates and counters have no letters. */
function looksRandom(part: string): boolean {
  if (part.length < SHORTEST_UNIQUE_ID || !/^[A-Za-z0-9-]+$/.test(part)) return false;
  // Gemini's are digits: more of them than a time has, even in nanoseconds.
  const digits = /\d{17,}/.exec(part)?.[0];
  if (digits !== undefined) return !/^1[5-9]\d{17}$/.test(digits) && !/^0*\d{1,6}$/.test(digits);
  // Of a time, in the form of ISO 8601, the letters are always the same.
  const letters = part.replaceAll(/\d{6,}T\d{4,}Z?|\d{4}-\d\d-\d\d(?:T\d\d-?\d\d-?\d\dZ?)?/g, "").replaceAll("-", "");
  if (letters.length < SHORTEST_UNIQUE_ID) return false;
  const changes = letters.match(/\d(?=[A-Za-z])|[A-Za-z](?=\d)/g)?.length ?? 0;
  return changes >= 2 || (changes === 1 && /^\d/.test(letters));
}

function describeMessage({ role, name, parts }: Message, hash: Hash): string {
  return ` ${role} ${name ?? ""} ${describeParts(parts, hash)}`;
}

function describeParts(parts: readonly Part[], hash: Hash): string {
  let text = "";
  for (const part of parts) {
    const described = describePart(part, hash);
    // With its length in front, no text can look like the beginning of another part.
    text += ` ${part.type} ${described.length} ${described}`;
  }
  return text;
}

function describePart(part: Part, hash: Hash): string {
  switch (part.type) {
    case "text":
    case "reasoning":
    case "refusal":
      return part.content;
    case "tool_call_response":
    case "server_tool_call_response":
      return `${part.id ?? part.name ?? ""} ${toText(part.response)}`;
    case "blob":
      return part.content === undefined ? `${part.modality} ${part.sha256 ?? part.bytes ?? ""}` : hash(part.content);
    default:
      return toText(part);
  }
}

function toText(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}
