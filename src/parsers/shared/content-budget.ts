/** What one answer may keep of content: beyond the limit texts are cut and values dropped, so that memory is bounded. */
import { readAbridged } from "../../abridged-text.ts";

/** Nesting beyond this is dropped: later stages walk values recursively. */
const MAX_DEPTH = 200;

export interface ContentBudget {
  /** The text, or as much of its beginning as still fits. */
  takeText(text: string): string;
  /** The value, or `undefined` when it does not fit as a whole. */
  takeJson(value: unknown): unknown;
  /** Something was left out. */
  readonly truncated: boolean;
}

/** @param limit - characters that may be kept in total */
export function createContentBudget(limit: number): ContentBudget {
  return new Budget(limit);
}

/** A class: every answer has one, and closures would be made anew for each. */
class Budget implements ContentBudget {
  truncated = false;
  #remaining: number;

  constructor(limit: number) {
    this.#remaining = Number.isFinite(limit) ? Math.max(0, limit) : Number.MAX_SAFE_INTEGER;
  }

  takeText(text: string): string {
    if (text.length <= this.#remaining) {
      this.#remaining -= text.length;
      return text;
    }
    this.truncated = true;
    const kept = cutText(readAbridged(text)?.head ?? text, this.#remaining);
    // Nothing may follow a cut: a later, shorter text would look like its continuation.
    this.#remaining = 0;
    return kept;
  }

  takeJson(value: unknown): unknown {
    const size = measureJson(value, this.#remaining);
    if (size === undefined) {
      this.truncated = true;
      return undefined;
    }
    this.#remaining -= size;
    return value;
  }
}

/** The first `length` UTF-16 units, one less where the cut would split a surrogate pair. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  if (length <= 0) return "";
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

/**
 * Roughly the characters that a JSON value takes as text, or `undefined` when that is more than `limit` or when it
 * nests deeper than 200 levels. Stops as soon as the limit is passed; never recurses.
 */
export function measureJson(value: unknown, limit: number): number | undefined {
  if (typeof value === "string") return value.length <= limit ? value.length : undefined;
  if (typeof value !== "object" || value === null) return limit >= 8 ? 8 : undefined;
  let size = 0;
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return undefined;
    const next: unknown[] = [];
    for (const item of level) {
      size += 2;
      if (Array.isArray(item)) {
        for (const entry of item) if ((size += measureEntry(entry, next)) > limit) return undefined;
      } else {
        for (const key in item as object) {
          const entry = (item as Record<string, unknown>)[key];
          if ((size += key.length + 4 + measureEntry(entry, next)) > limit) return undefined;
        }
      }
      if (size > limit) return undefined;
    }
    level = next;
  }
  return size;
}

function measureEntry(entry: unknown, next: unknown[]): number {
  if (typeof entry === "string") return entry.length + 3;
  if (typeof entry !== "object" || entry === null) return 8;
  next.push(entry);
  return 2;
}
