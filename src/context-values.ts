/** What the app says of a call, as plain data of our own: bounded, and without keys that could reach a prototype. */

/** UTF-8 bytes that the whole context of one call may take. */
export const MAX_CONTEXT_BYTES: number = 8 * 1024;
export const MAX_TAGS: number = 100;
const MAX_DEPTH = 16;
/** Keys and items looked at in one object or array. */
const MAX_ENTRIES = 1_000;

/** What is left of a context's bytes, and what had to be left out. */
export interface ContextBudget {
  remaining: number;
  notes: Set<ContextNote>;
}

export type ContextNote = "context_invalid" | "context_too_large";

export function createContextBudget(): ContextBudget {
  return { remaining: MAX_CONTEXT_BYTES, notes: new Set() };
}

/** Whether there is room for a text; takes it. */
export function takeText(budget: ContextBudget, text: string): boolean {
  const bytes = text.length > budget.remaining ? text.length : countBytes(text);
  if (bytes > budget.remaining) {
    budget.notes.add("context_too_large");
    return false;
  }
  budget.remaining -= bytes;
  return true;
}

/** As UTF-8; both halves of a pair together are four. */
function countBytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}

/** A name: text, or a number that stands for one. */
export function copyText(value: unknown, budget: ContextBudget): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const text = typeof value === "number" || typeof value === "bigint" ? String(value) : value;
  if (typeof text !== "string") {
    budget.notes.add("context_invalid");
    return undefined;
  }
  return takeText(budget, text) ? text : undefined;
}

export function copyTags(value: unknown, budget: ContextBudget): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) {
    budget.notes.add("context_invalid");
    return undefined;
  }
  const tags: string[] = [];
  for (const tag of value.slice(0, MAX_TAGS) as unknown[]) {
    const text = copyText(tag, budget);
    if (text !== undefined) tags.push(text);
  }
  return tags;
}

/** The fields of an object that can be copied and find room; the others are left out, each for itself. */
export function copyFields(value: unknown, budget: ContextBudget): Record<string, unknown> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || Array.isArray(value)) {
    budget.notes.add("context_invalid");
    return undefined;
  }
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value).slice(0, MAX_ENTRIES)) {
    if (isUnsafeKey(key)) continue;
    const before = budget.remaining;
    try {
      if (!takeText(budget, key)) continue;
      const item = copyValue((value as Record<string, unknown>)[key], budget, [value]);
      if (item !== undefined) copy[key] = item;
    } catch (error) {
      budget.remaining = before;
      budget.notes.add(error === TOO_LARGE ? "context_too_large" : "context_invalid");
    }
  }
  return copy;
}

/** Keys by which a later, careless merge would reach a prototype. */
export function isUnsafeKey(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype";
}

const TOO_LARGE = new Error("too large");

/** @throws when it is cyclic, too deep, unreadable or too large */
function copyValue(value: unknown, budget: ContextBudget, ancestors: readonly object[]): unknown {
  if (typeof value === "string") {
    if (!takeText(budget, value)) throw TOO_LARGE;
    return value;
  }
  if ((budget.remaining -= 4) < 0) throw TOO_LARGE;
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null) return value;
  if (ancestors.includes(value) || ancestors.length > MAX_DEPTH) throw new TypeError("cyclic or too deep");
  if (ArrayBuffer.isView(value)) throw new TypeError("binary");
  const { toJSON } = value as { toJSON?: unknown };
  const inner = [...ancestors, value];
  if (typeof toJSON === "function") return copyValue(toJSON.call(value), budget, inner);
  if (Array.isArray(value)) {
    return value.slice(0, MAX_CONTEXT_BYTES).map((item: unknown) => copyValue(item, budget, inner) ?? null);
  }
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    if (isUnsafeKey(key)) continue;
    if (!takeText(budget, key)) throw TOO_LARGE;
    const item = copyValue((value as Record<string, unknown>)[key], budget, inner);
    if (item !== undefined) copy[key] = item;
  }
  return copy;
}

/** A JSON object of a header. `undefined`: it is none, or too long. */
export function parseProperties(text: string): Record<string, unknown> | undefined {
  if (text.length > MAX_CONTEXT_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(text, (key, leaf: unknown) => (isUnsafeKey(key) ? undefined : leaf));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
