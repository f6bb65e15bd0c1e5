/**
 * What an agent sends is what it sent before and a little more. The messages with which its requests begin are read
 * once, and what the parser made of them is copied. That holds for what is the same character by character, and only for
 * that: nothing is known of a conversation whose beginning was written anew.
 */
import { parseShallowJson } from "../decode/bounded-json.ts";
import { countCommon } from "../decode/common-beginning.ts";
import { copyText } from "../decode/copy-text.ts";
import { findItemEnds, findList } from "../decode/json-list.ts";
import type { ParsedBody } from "../decode/request-body.ts";
import { copyMessages } from "../parsers/shared/copy-messages.ts";
import { findParser } from "../parsers/table.ts";
import type { Api, Message } from "../types.ts";
import { type ConversationFacts, KnownConversation } from "./known-conversation.ts";
import { estimateMessages } from "./record-size.ts";
import { RequestFrames } from "./request-frames.ts";

export interface RequestMemory {
  /** The body without the messages that are known. `undefined`: it has to be read as a whole. Never throws. */
  read(api: Api, text: string): ParsedBody | undefined;
  /** Characters of a request that would have to be read. */
  countUnknown(api: Api, text: string): number;
  /** Takes note of a text that was read as a whole, or will be somewhere else. Never throws. */
  note(api: Api, text: string): void;
  clear(): void;
}

/** What is shorter is read as fast as it is compared. */
const LEAST_LENGTH = 8 * 1024;
/** To know less is not worth while. */
const LEAST_KNOWN = 4 * 1024;
/** The same for what one has come to know since. */
const LEAST_MORE = 8 * 1024;
/** More would take too long at once: a long conversation is learned from several requests. */
const MOST_AT_ONCE = 128 * 1024;
/** A conversation is known no further: to copy its messages would take longer than the app's thread may be held. */
const MAX_LENGTH = 1024 * 1024;
const MAX_ITEMS = 1_000;
const MAX_CONVERSATIONS = 128;
/** Texts of which none may ever come again: those that came last. */
const MAX_SEEN = 64;
/** What they may take of all. */
const SEEN_SHARE = 0.25;
/** What has not come again for so long is forgotten. */
const MAX_AGE_MS = 60 * 60 * 1_000;

export interface RequestMemoryOptions {
  /** Bytes, about, of all that is known. */
  maxBytes: number;
  /** Milliseconds. Default: of `performance.now()`. */
  now?: () => number;
}

export function createRequestMemory(options: RequestMemoryOptions): RequestMemory {
  return new ConversationMemory(options);
}

interface Seen {
  text: string;
  time: number;
}

class ConversationMemory implements RequestMemory {
  /** The one that was used last comes last. */
  readonly #known = new Set<KnownConversation>();
  readonly #frames = new RequestFrames();
  readonly #seen: Seen[] = [];
  readonly #maxBytes: number;
  readonly #now: () => number;
  #knownBytes = 0;
  #seenLength = 0;

  constructor({ maxBytes, now = () => performance.now() }: RequestMemoryOptions) {
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  read(api: Api, text: string): ParsedBody | undefined {
    this.#forgetOld();
    const known = this.#find(api, text);
    if (known === undefined) return undefined;
    this.#known.delete(known);
    this.#known.add(known);
    known.lastUsed = this.#now();
    try {
      const body = known.read(text, this.#frames);
      if (body !== undefined) this.#learn(api, text, known);
      return body;
    } catch {
      return undefined;
    }
  }

  countUnknown(api: Api, text: string): number {
    return text.length - (this.#find(api, text)?.end ?? 0);
  }

  note(api: Api, text: string): void {
    try {
      this.#learn(api, text, this.#find(api, text));
    } catch {
      // Then it is read as a whole again.
    }
  }

  clear(): void {
    this.#known.clear();
    this.#frames.clear();
    this.#seen.length = 0;
    this.#knownBytes = this.#seenLength = 0;
  }

  /** The longest that fits: conversations have beginnings in common. */
  #find(api: Api, text: string): KnownConversation | undefined {
    if (text.length < LEAST_LENGTH) return undefined;
    let longest: KnownConversation | undefined;
    for (const known of this.#known) {
      if ((longest === undefined || known.end > longest.end) && known.matches(api, text)) longest = known;
    }
    return longest;
  }

  /** @returns with how much of it one of the last requests began; `atLeast`: with no more than that */
  #compare(text: string, atLeast: number): number {
    let common = atLeast;
    for (const seen of this.#seen) common = countCommon(seen.text, text, common);
    this.#see(text);
    return common;
  }

  #see(text: string): void {
    this.#seen.push({ text, time: this.#now() });
    this.#seenLength += text.length;
    while (this.#seen.length > MAX_SEEN || this.#seenLength > SEEN_SHARE * this.#maxBytes) this.#forgetSeen();
  }

  #forgetSeen(): void {
    this.#seenLength -= this.#seen.shift()?.text.length ?? 0;
  }

  /** What has come before, and is worth while, is known from now on. @throws SyntaxError, RangeError */
  #learn(api: Api, text: string, known: KnownConversation | undefined): void {
    const list = findParser(api)?.messageList;
    const least = known === undefined ? LEAST_KNOWN : known.end + LEAST_MORE;
    const most = MAX_ITEMS - (known?.facts.items ?? 0);
    if (list === undefined || text.length < Math.max(least, LEAST_LENGTH) || text.length > MAX_LENGTH || most === 0)
      return;
    const common = this.#compare(text, known?.end ?? 0);
    const from = known?.end ?? findList(text, list.field);
    if (common < least || from === undefined) return;
    const ends = findItemEnds(text, from, Math.min(common, from + MOST_AT_ONCE), most);
    const end = ends.at(-1);
    if (end === undefined || end < least) return;
    // From the text: in the request another list of that name may be the one that counts.
    const added = text.slice(from, end);
    const listed = known === undefined ? added : dropComma(added);
    if (listed === undefined) return;
    const [items = []] = parseShallowJson(`[[${listed}]]`) as unknown[][];
    const listStart = known?.facts.listStart ?? from;
    const facts = { api, list, text: copyText(text.slice(0, end)), listStart };
    const read = known === undefined ? { messages: list.read(items, []), items: items.length } : readOn(known, items);
    // What stands around the messages is kept where they are linked.
    this.#keep({ ...facts, ...read, bytes: text.length + estimateMessages(read.messages) });
    // What was learned first may be common to many conversations.
    if (known?.facts.shorter !== undefined) this.#forget(known);
  }

  #keep(facts: ConversationFacts): void {
    const known = new KnownConversation(facts);
    known.lastUsed = this.#now();
    this.#known.add(known);
    this.#knownBytes += facts.bytes;
    for (const oldest of this.#known) {
      if (this.#known.size <= MAX_CONVERSATIONS && this.#knownBytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
  }

  #forgetOld(): void {
    const limit = this.#now() - MAX_AGE_MS;
    for (const known of this.#known) {
      if (known.lastUsed >= limit) break;
      this.#forget(known);
    }
    while ((this.#seen[0]?.time ?? limit) < limit) this.#forgetSeen();
    if (this.#known.size === 0) this.#frames.clear();
  }

  #forget(known: KnownConversation): void {
    if (this.#known.delete(known)) this.#knownBytes -= known.facts.bytes;
  }
}

/** `undefined`: there is none, because what comes before is a number that goes on. */
function dropComma(items: string): string | undefined {
  const comma = /^\s*,/.exec(items)?.[0];
  return comma === undefined ? undefined : items.slice(comma.length);
}

/** Nobody changes the messages that are known; only the last one may be added to. */
function readOn({ facts, token }: KnownConversation, items: readonly unknown[]) {
  const messages: Message[] = facts.messages.slice(0, -1);
  for (const message of facts.list.read(items, copyMessages(facts.messages.slice(-1)))) messages.push(message);
  return { messages, items: facts.items + items.length, shorter: token };
}
