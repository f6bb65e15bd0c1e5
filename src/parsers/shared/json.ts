/** Reading unknown JSON without trust: each reader returns the value only if it is of the kind asked for. */

import { measureJson } from "./content-budget.ts";

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Called for nearly each field: the question is not asked by way of `isObject`. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A non-empty string. */
export function asString(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A finite number. */
export function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/**
 * A count: a number that is neither negative nor beyond what can be summed without loss. Its digits may come as text, as
 * 64-bit integers do in the JSON of protocol buffers.
 */
export function asCount(value: unknown): number | undefined {
  if (typeof value === "string") return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** An error code or another scalar that is a string in one API and a number in the next. */
export function asScalarString(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" && Number.isFinite(value) ? String(value) : undefined;
}

/** The parsed value, or `undefined` for text that is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Tool arguments as they go into the record: `""` is `{}`, JSON that parses is its value, everything else (`null` too:
 * a record has no nulls) stays the text that it is.
 */
export function readArguments(value: unknown): unknown {
  if (typeof value !== "string") return value ?? {};
  if (value.trim() === "") return {};
  const parsed = parseJson(value);
  // Later stages walk it recursively.
  const tooDeep = typeof parsed === "object" && measureJson(parsed, Number.MAX_SAFE_INTEGER) === undefined;
  return tooDeep ? value : (parsed ?? value);
}

/** Copies `source` without the named keys and without `undefined` and `null`: what is left of a request are parameters. */
export function omitKeys(source: JsonObject, keys: ReadonlySet<string>): JsonObject {
  const rest: JsonObject = {};
  for (const key in source) {
    if (keys.has(key) || key === "__proto__" || !Object.hasOwn(source, key)) continue;
    const value = source[key];
    if (value !== undefined && value !== null) rest[key] = value;
  }
  return rest;
}

/** An object of the entries that have a value: `exactOptionalPropertyTypes` without a line of `if` for each field. */
export function compact<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  const result: Partial<T> = {};
  for (const key in fields) {
    if (fields[key] !== undefined) result[key] = fields[key];
  }
  return result as T;
}

/** Puts the fields that have a value into an object of one's own. Cheaper than `compact` over a copy. */
export function addKnown<T extends object>(target: T, fields: { [K in keyof T]?: T[K] | undefined }): T {
  for (const key of Object.keys(fields) as (keyof T)[]) {
    const value = fields[key];
    if (value !== undefined) target[key] = value;
  }
  return target;
}

/** Longest name, id or model that is kept; what is longer is no label. */
const MAX_LABEL_LENGTH = 4096;

/** A name, id or model: a non-empty string, cut to 4,096 characters. */
export function asLabel(value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  return value.length > MAX_LABEL_LENGTH ? value.slice(0, MAX_LABEL_LENGTH) : value;
}

/** An array index from the wire: a non-negative integer, also as digits in a string. */
export function asIndex(value: unknown): number | undefined {
  if (typeof value === "string" && /^\d{1,15}$/.test(value)) return Number(value);
  // JSON knows -0.
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? Math.abs(value) : undefined;
}
