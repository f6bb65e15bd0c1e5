/** Walks a JSON value with bounded depth and size, changing its texts. What does not change is not copied. */
import { classifySecretName } from "./credentials.ts";
import type { SecretKind } from "./credentials.ts";
import { cutWithMarker } from "./text.ts";

export interface JsonRules {
  /** What stays of a text. `field` is the key it stands under, that of its array if it stands in one. */
  text(text: string, field: string | undefined): string;
  /** What stays of a key. `undefined`: not even its value. Default: keys stay. */
  key?: (key: string, depth: number) => string | undefined;
  /** What stays of a number. Default: numbers stay. */
  number?: (value: number) => unknown;
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

/** @returns the value, or a copy where something had to change */
export function transformJson(value: unknown, rules: JsonRules): unknown {
  let remaining = rules.limit;
  const ancestors: object[] = [];

  return walk(value, undefined, false);

  function walk(item: unknown, field: string | undefined, secret: boolean): unknown {
    if (typeof item === "string") return walkText(item, field, secret);
    remaining -= 4;
    if (typeof item === "number") return rules.number === undefined ? item : rules.number(item);
    if (typeof item === "bigint") return String(item);
    if (typeof item === "function" || typeof item === "symbol") return undefined;
    if (typeof item !== "object" || item === null) return item;
    const plain = rules.snapshot ? toPlain(item) : item;
    if (typeof plain !== "object" || plain === null) return walk(plain, field, secret);
    if (ancestors.length >= MAX_DEPTH) {
      rules.onCut();
      return "[too deep]";
    }
    if (rules.snapshot && ancestors.includes(item)) return "[circular]";
    ancestors.push(item);
    const result = Array.isArray(plain) ? walkArray(plain, field, secret) : walkObject(plain, field, secret);
    ancestors.pop();
    return result;
  }

  function walkText(text: string, field: string | undefined, secret: boolean): string {
    const kept = secret ? "REDACTED" : rules.text(text, field);
    const room = Math.max(0, remaining);
    remaining -= kept.length + 2;
    if (kept.length <= room) return kept;
    rules.onCut();
    return cutWithMarker(kept, room);
  }

  function walkArray(items: readonly unknown[], field: string | undefined, secret: boolean): readonly unknown[] {
    let copy: unknown[] | undefined = rules.snapshot ? [] : undefined;
    for (let index = 0; index < items.length; index++) {
      if (remaining <= 0) {
        rules.onCut();
        return [...(copy ?? items.slice(0, index)), `… [cut, ${items.length - index} items]`];
      }
      const item = items[index];
      const kept = walk(item, field, secret) ?? null;
      if (copy === undefined && kept !== item) copy = items.slice(0, index);
      copy?.push(kept);
    }
    return copy ?? items;
  }

  function walkObject(source: object, field: string | undefined, secret: boolean): object {
    const keys = Object.keys(source);
    const declares = field !== undefined && schemaDeclarations.has(field);
    let copy: Record<string, unknown> | undefined = rules.snapshot ? {} : undefined;
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string;
      if (remaining <= 0) {
        rules.onCut();
        copy ??= copyKeys(source, keys, index);
        copy["…"] = `[cut, ${keys.length - index} fields]`;
        return copy;
      }
      remaining -= key.length + 3;
      const item = readField(source, key);
      const keptKey = rules.key === undefined ? key : rules.key(key, ancestors.length);
      const kept = keptKey === undefined ? undefined : walkField(key, item, { secret, declares });
      if (copy === undefined && (kept !== item || keptKey !== key || key === "__proto__")) {
        copy = copyKeys(source, keys, index);
      }
      if (copy !== undefined && kept !== undefined && keptKey !== undefined && keptKey !== "__proto__")
        copy[keptKey] = kept;
    }
    return copy ?? source;
  }

  function walkField(
    key: string,
    item: unknown,
    { secret, declares }: { secret: boolean; declares: boolean },
  ): unknown {
    const kind = rules.maskSecretFields && !secret ? classifySecretName(key) : undefined;
    return kind === undefined ? walk(item, key, secret) : walkSecret(kind, item, key, declares);
  }

  function walkSecret(kind: SecretKind, item: unknown, key: string, declares: boolean): unknown {
    if (typeof item === "string") return walk(item, key, true);
    if (declares || typeof item !== "object" || item === null) return walk(item, key, false);
    return kind === "value" ? "REDACTED" : walk(item, key, true);
  }
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
