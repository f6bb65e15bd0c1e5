/** Walks a JSON value with bounded depth and size, changing its texts. What does not change is not copied. */
import { isAbridged } from "../abridged-text.ts";
import { classifySecretName } from "./credentials.ts";
import type { SecretKind } from "./credentials.ts";
import { cutWithMarker } from "./text.ts";

export interface JsonRules {
  /** What stays of a text. `field` is the key it stands under, that of its array if it stands in one. */
  text(text: string, field: string | undefined): string;
  /** What stays of a key. `undefined`: not even its value. Without it keys stay. */
  key: ((key: string, depth: number) => string | undefined) | undefined;
  /** What stays of a number. Without it numbers stay. */
  number: ((value: number) => unknown) | undefined;
  /** Mask fields that are named like credentials (`authorization`, `headers`, `client_secret`, …). */
  maskSecretFields: boolean;
  /** Characters that the whole value may take. */
  limit: number;
  /** The value is not ours and may be no JSON at all: copy all of it, and take nothing along that is not plain. */
  snapshot: boolean;
  /** Something was left out because of `limit` or the depth. */
  onCut: () => void;
}

const MAX_DEPTH = 64;

/** Under these, keys are names that a JSON schema declares, not fields that hold a value. */
const schemaDeclarations: ReadonlySet<string> = new Set(["properties", "$defs", "definitions", "patternProperties"]);

interface Walk {
  rules: JsonRules;
  /** Characters that there is still room for. */
  remaining: number;
  ancestors: object[];
}

/** @returns the value, or a copy where something had to change */
export function transformJson(value: unknown, rules: JsonRules): unknown {
  return walk({ rules, remaining: rules.limit, ancestors: [] }, value, undefined, false);
}

/** @param secret - everything in it is a credential */
function walk(state: Walk, item: unknown, field: string | undefined, secret: boolean): unknown {
  const { rules, ancestors } = state;
  if (typeof item === "string") return walkText(state, item, field, secret);
  state.remaining -= 4;
  if (typeof item === "number") return rules.number === undefined ? item : rules.number(item);
  if (typeof item === "bigint") return String(item);
  if (typeof item === "function" || typeof item === "symbol") return undefined;
  if (typeof item !== "object" || item === null) return item;
  const plain = rules.snapshot ? toPlain(item) : item;
  if (typeof plain !== "object" || plain === null) return walk(state, plain, field, secret);
  if (ancestors.length >= MAX_DEPTH) {
    rules.onCut();
    return "[too deep]";
  }
  if (rules.snapshot && ancestors.includes(item)) return "[circular]";
  ancestors.push(item);
  const result = Array.isArray(plain)
    ? walkArray(state, plain, field, secret)
    : walkObject(state, plain, field, secret);
  ancestors.pop();
  return result;
}

function walkText(state: Walk, text: string, field: string | undefined, secret: boolean): string {
  const { rules } = state;
  const kept = secret ? "REDACTED" : rules.text(text, field);
  const room = Math.max(0, state.remaining);
  state.remaining -= kept.length + 2;
  if (kept.length <= room && !isAbridged(kept)) return kept;
  rules.onCut();
  return cutWithMarker(kept, room);
}

function walkArray(
  state: Walk,
  items: readonly unknown[],
  field: string | undefined,
  secret: boolean,
): readonly unknown[] {
  const { rules } = state;
  let copy: unknown[] | undefined = rules.snapshot ? [] : undefined;
  for (let index = 0; index < items.length; index++) {
    if (state.remaining <= 0) {
      rules.onCut();
      return [...(copy ?? items.slice(0, index)), `… [cut, ${items.length - index} items]`];
    }
    const item = items[index];
    const kept = walk(state, item, field, secret) ?? null;
    if (copy === undefined && kept !== item) copy = items.slice(0, index);
    copy?.push(kept);
  }
  return copy ?? items;
}

function walkObject(state: Walk, source: object, field: string | undefined, secret: boolean): object {
  const { rules } = state;
  const keys = Object.keys(source);
  const declares = field !== undefined && schemaDeclarations.has(field);
  let copy: Record<string, unknown> | undefined = rules.snapshot ? {} : undefined;
  /** Nothing becomes of a number, wherever it stands: usage has little else. */
  const areNumbersPlain = rules.number === undefined && rules.key === undefined;
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string;
    if (state.remaining <= 0) {
      rules.onCut();
      copy ??= copyKeys(source, keys, index);
      copy["…"] = `[cut, ${keys.length - index} fields]`;
      return copy;
    }
    state.remaining -= key.length + 3;
    const item = rules.snapshot ? readField(source, key) : (source as Record<string, unknown>)[key];
    const isPlain = typeof item === "number" && areNumbersPlain && copy === undefined && key !== "__proto__";
    if (isPlain && classifySecretName(key) === undefined) {
      state.remaining -= 4;
      continue;
    }
    const keptKey = rules.key === undefined ? key : rules.key(key, state.ancestors.length);
    const kind = rules.maskSecretFields && !secret && keptKey !== undefined ? classifySecretName(key) : undefined;
    let kept: unknown;
    if (kind !== undefined) kept = walkSecret(state, kind, item, key, declares);
    else if (keptKey !== undefined) kept = walk(state, item, key, secret);
    if (copy === undefined && (kept !== item || keptKey !== key || key === "__proto__")) {
      copy = copyKeys(source, keys, index);
    }
    if (copy !== undefined && kept !== undefined && keptKey !== undefined && keptKey !== "__proto__") {
      copy[keptKey] = kept;
    }
  }
  return copy ?? source;
}

function walkSecret(state: Walk, kind: SecretKind, item: unknown, key: string, declares: boolean): unknown {
  if (typeof item === "string") return walk(state, item, key, true);
  if (declares || typeof item !== "object" || item === null) return walk(state, item, key, false);
  return kind === "value" ? "REDACTED" : walk(state, item, key, true);
}

function copyKeys(source: object, keys: readonly string[], end: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (let index = 0; index < end; index++) {
    const key = keys[index] as string;
    if (key !== "__proto__") copy[key] = (source as Record<string, unknown>)[key];
  }
  return copy;
}

/** A getter of the app's may throw. */
function readField(source: object, key: string): unknown {
  try {
    return (source as Record<string, unknown>)[key];
  } catch {
    return "[unreadable]";
  }
}

/** What `JSON.stringify` would make of it, and for what it makes nothing of, something that can be read. */
function toPlain(value: object): unknown {
  try {
    if (Array.isArray(value)) return value;
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return `[binary, ${value.byteLength} bytes]`;
    if (value instanceof Map)
      return Object.fromEntries([...value].map(([key, item]) => [String(key), item as unknown]));
    if (value instanceof Set) return [...value];
    if (value instanceof Error) return { name: value.name, message: value.message };
    const { toJSON } = value as { toJSON?: unknown };
    return typeof toJSON === "function" ? (toJSON.call(value) as unknown) : value;
  } catch {
    return "[unreadable]";
  }
}
