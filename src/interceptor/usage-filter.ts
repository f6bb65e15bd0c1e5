/**
 * `includeUsage`, the answer's half: takes the event with usage, and nothing else, out of the bytes that the app gets.
 * Chunks pass as they come. Only when the model has finished, what may be the beginning of that event is held back until
 * the event is whole.
 */

import type { Exchange } from "../types.ts";
import { addNote } from "./exchange.ts";

export interface UsageFilterOptions {
  /** Choices that the answer has: with the last finish reason the model has finished. */
  choices: number;
  /** `include_usage_not_removed`: the event was seen too late, or is none that can be. */
  onNote: (note: string) => void;
}

export interface UsageFilter {
  /** What the app gets of it: the chunk itself where nothing is taken out, `undefined` for nothing now. */
  push(chunk: Uint8Array): Uint8Array | undefined;
  /** What was held back when the stream ended. */
  end(): Uint8Array | undefined;
}

/** Bytes of an event that are looked at while it passes: it may hold a finish reason. */
const MAX_WATCHED = 256 * 1024;
/** Bytes that are held back at most: an event with usage has about 500. */
const MAX_HELD = 64 * 1024;

const LF = 10;
const CR = 13;

/** A filter for one response body: Server-Sent Events, not encoded. */
export function createUsageFilter({ choices, onNote }: UsageFilterOptions): UsageFilter {
  /** Choices with a finish reason. */
  const finished = new Set<unknown>();
  /** The event that is not whole yet, as far as it came with earlier chunks. */
  let earlier: Uint8Array[] = [];
  let earlierBytes = 0;
  /** `earlier` was not given to the app. */
  let isHeld = false;
  let isLineEmpty = true;
  let wasReturn = false;
  /** An event that was taken out ended with a CR: the LF that may follow is a part of it. */
  let dropsLineFeed = false;
  /** Nothing is looked at any more. */
  let isDone = false;

  function release(): Uint8Array[] {
    const pieces = isHeld ? earlier : [];
    earlier = [];
    earlierBytes = 0;
    isHeld = false;
    return pieces;
  }

  /** @returns whether the event that ends here is to be taken out */
  function judge(tail: Uint8Array): boolean {
    if (earlierBytes + tail.byteLength > MAX_WATCHED) return false;
    const text = decoder.decode(earlierBytes === 0 ? tail : join([...earlier, tail]));
    if (FINISH_REASON.test(text)) noteFinished(readData(text), finished);
    if (!NO_CHOICES.test(text) || !isUsageEvent(readData(text))) return false;
    const isWhole = earlierBytes === 0 || isHeld;
    if (!isWhole) onNote("include_usage_not_removed");
    isDone = true;
    return isWhole;
  }

  function push(chunk: Uint8Array): Uint8Array | undefined {
    if ((isDone && !dropsLineFeed) || chunk.byteLength === 0) return chunk;
    const kept: Uint8Array[] = [];
    let hasDropped = false;
    /** From here on nothing is decided yet. */
    let start = 0;
    let eventStart = 0;
    if (dropsLineFeed) {
      dropsLineFeed = false;
      if (chunk[0] === LF) {
        start = eventStart = 1;
        hasDropped = true;
      }
    }
    for (let at = start; at < chunk.byteLength && !isDone; at += 1) {
      const byte = chunk[at];
      if (byte !== LF && byte !== CR) {
        isLineEmpty = false;
        wasReturn = false;
        continue;
      }
      const isSecondHalf = byte === LF && wasReturn;
      wasReturn = byte === CR;
      if (isSecondHalf) {
        // Of a line end that was counted with its CR.
        if (at === eventStart && earlierBytes === 0) eventStart = at + 1;
        continue;
      }
      if (!isLineEmpty) {
        isLineEmpty = true;
        continue;
      }
      let end = at + 1;
      if (byte === CR && chunk[end] === LF) end += 1;
      const isDropped = judge(chunk.subarray(eventStart, end));
      if (isDropped) {
        release();
        if (eventStart > start) kept.push(chunk.subarray(start, eventStart));
        hasDropped = true;
        start = end;
        dropsLineFeed = byte === CR && end === at + 1 && end === chunk.byteLength;
      } else {
        kept.push(...release());
      }
      eventStart = end;
      wasReturn = byte === CR && end === at + 1;
      at = end - 1;
    }
    return pass(chunk, { kept, start, eventStart, hasDropped });
  }

  /** Puts together what the app gets of a chunk, and keeps what may still be taken out. */
  function pass(
    chunk: Uint8Array,
    {
      kept,
      start,
      eventStart,
      hasDropped,
    }: { kept: Uint8Array[]; start: number; eventStart: number; hasDropped: boolean },
  ): Uint8Array | undefined {
    let end = chunk.byteLength;
    if (!isDone && eventStart < end) {
      const tail = chunk.subarray(eventStart);
      const holds = isHeld || (earlierBytes === 0 && finished.size >= choices);
      if (holds) end = eventStart;
      if (earlierBytes <= MAX_WATCHED) earlier.push(new Uint8Array(tail));
      earlierBytes += tail.byteLength;
      isHeld = holds;
      if (holds && earlierBytes > MAX_HELD) {
        onNote("include_usage_not_removed");
        isDone = true;
        kept.push(chunk.subarray(start, end), ...release());
        return joinLike(chunk, kept);
      }
    }
    if (!hasDropped && kept.length === 0 && start === 0 && end === chunk.byteLength) return chunk;
    if (end > start) kept.push(chunk.subarray(start, end));
    return kept.length === 0 ? undefined : joinLike(chunk, kept);
  }

  function end(): Uint8Array | undefined {
    if (!isHeld) return undefined;
    const text = decoder.decode(join(earlier));
    const pieces = release();
    // An event without its blank line is read by SDKs all the same.
    const isDropped = !isDone && isUsageEvent(readData(text));
    isDone = true;
    return isDropped ? undefined : join(pieces);
  }

  return {
    push(chunk) {
      if (!(chunk instanceof Uint8Array)) return chunk;
      try {
        return push(chunk);
      } catch {
        // Of this nothing is known to throw; the app's bytes come first all the same.
        isDone = true;
        return chunk;
      }
    },
    end,
  };
}

/**
 * The filter for the answer to a request that was changed. `undefined` where there is nothing to take out, or, with a
 * note, where nothing can be: the app then gets all that came.
 * @param headers By lower-case name.
 */
export function createFilterFor(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string>>,
): UsageFilter | undefined {
  const { addedUsage } = exchange;
  if (addedUsage === undefined || status >= 300) return undefined;
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "";
  const isEncoded = encoding !== "" && encoding !== "identity";
  // A length that was promised has to be kept.
  if (isEncoded || headers["content-length"] !== undefined) {
    const isStream = !/\bjson\b/i.test(headers["content-type"] ?? "");
    if (isStream) addNote(exchange, "include_usage_not_removed");
    return undefined;
  }
  return createUsageFilter({ ...addedUsage, onNote: (note) => addNote(exchange, note) });
}

const decoder = new TextDecoder();
const FINISH_REASON = /"finish_reason"\s*:\s*"/;
const NO_CHOICES = /"choices"\s*:\s*\[\s*\]/;

/** The JSON of an event. */
function readData(event: string): unknown {
  const data = event
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5));
  try {
    return JSON.parse(data.join("\n"));
  } catch {
    return undefined;
  }
}

function noteFinished(value: unknown, finished: Set<unknown>): void {
  const { choices } = (value ?? {}) as { choices?: unknown };
  if (!Array.isArray(choices)) return;
  for (const choice of choices as ({ index?: unknown; finish_reason?: unknown } | null)[]) {
    if (typeof choice?.finish_reason === "string") finished.add(choice.index);
  }
}

/** The event that only a request with the option gets: usage, and no choice. */
function isUsageEvent(value: unknown): boolean {
  const { choices, usage } = (value ?? {}) as { choices?: unknown; usage?: unknown };
  return Array.isArray(choices) && choices.length === 0 && typeof usage === "object" && usage !== null;
}

function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((size, piece) => size + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}

/** One piece of the kind that `chunk` is: apps call Buffer's methods on what they get. */
function joinLike(chunk: Uint8Array, pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (pieces.length === 1 && first?.buffer === chunk.buffer) return first;
  return Object.setPrototypeOf(join(pieces), Object.getPrototypeOf(chunk) as object) as Uint8Array;
}
