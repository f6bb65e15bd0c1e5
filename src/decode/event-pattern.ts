/**
 * In a stream most events are the same as the one before, but for a text. What one of them looks like tells where that
 * text stands in the next ones, which then need not be parsed: to compare takes an eighth of the time.
 */
import { copyText } from "./copy-text.ts";
import { findStringEnd } from "./json-string.ts";

export interface PatternOptions {
  /** The member that holds the text. */
  key: string;
  /** What was parsed there. */
  text: string;
  /** Members that differ from event to event and say nothing: strings and whole numbers, with what was parsed there. */
  ignored: ReadonlyMap<string, string | number>;
  /** Whole numbers that differ from event to event and say something, with what was parsed there. Default: none. */
  counts?: Readonly<Record<string, number>>;
}

interface Hole {
  start: number;
  end: number;
  kind: "text" | "string" | "number" | "count";
  /** Of a count. */
  name?: string;
}

/** A backslash, or a control character: what is between quotes is not the text, or no JSON. */
const NOT_PLAIN = /[^ -[\]-\uffff]/;
const ONLY_BRACKETS = /^"?[\]} ]*$/;
/** All of it: no fraction or exponent follows. */
const WHOLE_NUMBER = /(?:0|[1-9]\d{0,14})(?![\d.eE])/y;
/** A name that is written otherwise, or a text in another place than it seems. */
const ODD = /\\|"\s+:/;

/**
 * @param json - the event
 * @returns `undefined`: where the text stands can't be told for certain
 */
export function createEventPattern(
  json: string,
  { key, text, ignored, counts = {} }: PatternOptions,
): EventPattern | undefined {
  const hole = findString(json, key, text);
  if (hole === undefined) return undefined;
  const holes: Hole[] = [{ ...hole, kind: "text" }];
  for (const [name, value] of ignored) {
    const found = typeof value === "string" ? findString(json, name, value) : findNumber(json, name, value);
    if (found !== undefined) holes.push(found);
  }
  for (const [name, value] of Object.entries(counts)) {
    const found = findNumber(json, name, value);
    if (found !== undefined) holes.push({ ...found, kind: "count", name });
  }
  holes.sort((a, b) => a.start - b.start);
  let at = 0;
  for (const { start, end } of [...holes, { start: json.length, end: 0 }]) {
    if (ODD.test(json.slice(at, start))) return undefined;
    at = end;
  }
  return new EventPattern(json, holes);
}

export class EventPattern {
  /** What stands before each hole. */
  readonly #before: string[] = [];
  readonly #kinds: Hole["kind"][] = [];
  /** The names of the counts, and their numbers in the event that is being read. */
  readonly #names: string[] = [];
  readonly #numbers: number[] = [];
  readonly #behind: string;
  /** Nothing but brackets, between which Anthropic puts blanks to hide how long the text is. */
  readonly #mayBePadded: boolean;
  /** The counts of the last event that was of this pattern. */
  readonly counts: Record<string, number> = {};

  /** @param holes - in order */
  constructor(json: string, holes: readonly Hole[]) {
    let at = 0;
    for (const { start, end, kind, name } of holes) {
      if (name !== undefined) this.#names.push(name);
      this.#before.push(copyText(json.slice(at, start)));
      this.#kinds.push(kind);
      at = end;
    }
    const behind = json.slice(at);
    this.#mayBePadded = ONLY_BRACKETS.test(behind);
    this.#behind = copyText(this.#mayBePadded ? behind.replaceAll(" ", "") : behind);
  }

  /**
   * @returns the text in an event of this pattern, which may keep all of the given one alive; `undefined`: it is another
   *   one, or no JSON
   */
  read(json: string): string | undefined {
    let found: string | undefined;
    let at = 0;
    let counted = 0;
    for (let hole = 0; hole < this.#kinds.length; hole += 1) {
      const before = this.#before[hole] as string;
      const start = at + before.length;
      if (json.slice(at, start) !== before) return undefined;
      const kind = this.#kinds[hole];
      const isText = kind === "text" || kind === "string";
      at = isText ? findStringEnd(json, start) : findNumberEnd(json, start);
      if (at === -1) return undefined;
      if (kind === "count") this.#numbers[counted++] = Number(json.slice(start, at));
      if (!isText) continue;
      const text = readString(json, start, at);
      if (text === undefined) return undefined;
      if (kind === "text") found = text;
    }
    if (!this.#isEnd(json.slice(at))) return undefined;
    for (let index = 0; index < counted; index += 1) {
      this.counts[this.#names[index] as string] = this.#numbers[index] as number;
    }
    return found;
  }

  #isEnd(rest: string): boolean {
    return rest === this.#behind || (this.#mayBePadded && rest.replaceAll(" ", "") === this.#behind);
  }
}

/** Where the value of a member begins that is there but once; -1 where that can't be told. */
function findValue(json: string, key: string): number {
  // No string has this in it: its quotes would be escaped.
  const name = `"${key}":`;
  const at = json.indexOf(name);
  if (at === -1 || json.includes(name, at + 1)) return -1;
  const start = at + name.length;
  return json.charCodeAt(start) === 0x20 ? start + 1 : start;
}

function findString(json: string, key: string, value: string): Hole | undefined {
  const at = findValue(json, key);
  if (at === -1 || json[at] !== '"') return undefined;
  const start = at + 1;
  const end = findStringEnd(json, start);
  return end !== -1 && readString(json, start, end) === value ? { start, end, kind: "string" } : undefined;
}

function findNumber(json: string, key: string, value: number): Hole | undefined {
  const start = findValue(json, key);
  const end = start === -1 ? -1 : findNumberEnd(json, start);
  return end !== -1 && Number(json.slice(start, end)) === value ? { start, end, kind: "number" } : undefined;
}

function findNumberEnd(json: string, start: number): number {
  WHOLE_NUMBER.lastIndex = start;
  return WHOLE_NUMBER.test(json) ? WHOLE_NUMBER.lastIndex : -1;
}

/** `undefined`: it is no JSON. */
function readString(json: string, start: number, end: number): string | undefined {
  const raw = json.slice(start, end);
  if (!NOT_PLAIN.test(raw)) return raw;
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return undefined;
  }
}
