/**
 * The beginning of a conversation that was read before. Of a request with the same text there, only what is new is
 * parsed: what comes behind those messages, and what stands around them, where that is not known too.
 */
import { parseShallowJson } from "../decode/bounded-json.ts";
import { findListEnd } from "../decode/json-list.ts";
import type { ParsedBody } from "../decode/request-body.ts";
import { randomHex } from "../interceptor/id.ts";
import type { KnownBeginning, KnownMessages } from "../known-messages.ts";
import type { MessageList } from "../parsers/parser.ts";
import { copyMessages, copyParsed } from "../parsers/shared/copy-messages.ts";
import type { Api, Message } from "../types.ts";
import type { RequestFrame, RequestFrames } from "./request-frames.ts";

export interface ConversationFacts {
  readonly api: Api;
  readonly list: MessageList;
  /** Of the request, up to the end of the last item that is known. */
  readonly text: string;
  /** Where the list begins in it. */
  readonly listStart: number;
  /** How many items are known. */
  readonly items: number;
  /** What they were read as. Nobody else holds them. */
  readonly messages: readonly Message[];
  /** Memory that all this takes, about. */
  readonly bytes: number;
  /** Stands for those of its messages that were known before. */
  readonly shorter?: object;
}

/** Stands for the items that are left out; nobody can have written it. */
const PLACEHOLDER = randomHex(32);
const FIRST = `"${PLACEHOLDER}"`;
/** Texts that differ mostly do so at the end of what is compared. */
const ENDING = 64;

export class KnownConversation {
  readonly facts: ConversationFacts;
  readonly end: number;
  readonly token: object = {};
  /** Of `performance.now()`. */
  lastUsed = 0;
  readonly #ending: string;

  constructor(facts: ConversationFacts) {
    this.facts = facts;
    this.end = facts.text.length;
    this.#ending = facts.text.slice(-ENDING);
  }

  matches(api: Api, text: string): boolean {
    const { end, facts } = this;
    if (facts.api !== api || text.length <= end || text.slice(end - ENDING, end) !== this.#ending) return false;
    return text.slice(0, end) === facts.text;
  }

  /**
   * Reads what is new.
   *
   * @param text - one that matches
   * @param frames - those that are known; a new one is added
   * @returns `undefined`: it has to be read as a whole
   * @throws SyntaxError, RangeError - the same
   */
  read(text: string, frames: RequestFrames): ParsedBody | undefined {
    const { api, list, listStart } = this.facts;
    const head = text.slice(0, listStart);
    const frame = frames.find(api, head, text, this.end);
    if (frame !== undefined) return this.#readInFrame(text, frame);
    const value = parseShallowJson(`${head}${FIRST}${text.slice(this.end)}`) as Record<string, unknown>;
    const items = takeItems(value[list.field]);
    if (items === undefined) return undefined;
    frames.add({ api, head, tail: text.slice(findListEnd(text, this.end)) }, value, list.field);
    return { value, notes: [], known: new Taking(this, undefined) };
  }

  #readInFrame(text: string, frame: RequestFrame): ParsedBody | undefined {
    // As deep as it is in the request.
    const around = parseShallowJson(
      `[[${FIRST}${text.slice(this.end, text.length - frame.tail.length)}]]`,
    ) as unknown[];
    const items = takeItems(around[0]);
    // What is more than one list has ended it, and begun something else.
    if (items === undefined || around.length !== 1) return undefined;
    const value = copyParsed(frame.value) as Record<string, unknown>;
    value[this.facts.list.field] = items;
    return { value, notes: [], known: new Taking(this, frame) };
  }
}

/** `undefined`: a second list of that name, further behind, is the one that counts. */
function takeItems(list: unknown): unknown[] | undefined {
  if (!Array.isArray(list) || list[0] !== PLACEHOLDER) return undefined;
  list.shift();
  return list;
}

/** What one request takes of it. */
class Taking implements KnownMessages {
  readonly #conversation: KnownConversation;
  readonly #frame: RequestFrame | undefined;
  #taken: readonly Message[] = [];

  constructor(conversation: KnownConversation, frame: RequestFrame | undefined) {
    this.#conversation = conversation;
    this.#frame = frame;
  }

  take(): Message[] {
    const taken = copyMessages(this.#conversation.facts.messages);
    this.#taken = taken.slice();
    return taken;
  }

  locate(messages: readonly Message[] | undefined): KnownBeginning | undefined {
    const first = messages?.[0];
    const start = first === undefined ? -1 : this.#taken.indexOf(first);
    if (start === -1) return undefined;
    const { facts, token } = this.#conversation;
    // What came behind it may have been added to the last one.
    const isSame = this.#taken.at(-1)?.parts.length === facts.messages.at(-1)?.parts.length;
    const count = this.#taken.length - start - (isSame ? 0 : 1);
    if (count === 0 || messages?.[count - 1] !== this.#taken[start + count - 1]) return undefined;
    return { token, shorter: facts.shorter, count, frame: this.#frame };
  }
}
