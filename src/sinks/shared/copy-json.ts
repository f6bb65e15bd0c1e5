/** A copy of any value as plain JSON data: never throws, never loops, never shares anything with what it was given. */

export interface CopyJsonOptions {
  /** What a string becomes. Default: itself, with lone surrogates replaced. */
  text?: (text: string) => unknown;
  /** Which items of a list are kept. Default: all. */
  list?: (items: readonly unknown[]) => readonly unknown[];
  /** Levels of objects and arrays; what is deeper becomes a marker. Default 100. */
  maxDepth?: number;
  /** Values copied in all; what comes after becomes a marker. Default 1,000,000. */
  maxValues?: number;
}

export const MARKER_CIRCULAR = "[circular]";
export const MARKER_TOO_DEEP = "[nested too deep]";
export const MARKER_TOO_MANY = "[too many values]";
export const MARKER_UNREADABLE = "[unreadable]";

/**
 * Copies what JSON can say. BigInt becomes its digits, a Date its ISO text, binary data its size, an Error its name and
 * message, NaN and infinities `null`; functions, symbols and `undefined` have no JSON and are left out (`null` in lists).
 */
export function copyJson(value: unknown, options: CopyJsonOptions = {}): unknown {
  const { text = wellFormed, list, maxDepth = 100, maxValues = 1_000_000 } = options;
  const ancestors = new Set<object>();
  let values = 0;

  function copy(item: unknown, depth: number): unknown {
    switch (typeof item) {
      case "string":
        return text(item);
      case "number":
        return Number.isFinite(item) ? item : null;
      case "boolean":
        return item;
      case "bigint":
        return text(item.toString());
      case "object":
        return item === null ? null : copyContainer(item, depth);
      default:
        return undefined;
    }
  }

  function copyContainer(item: object, depth: number): unknown {
    if (ancestors.has(item)) return MARKER_CIRCULAR;
    if (depth >= maxDepth) return MARKER_TOO_DEEP;
    ancestors.add(item);
    try {
      return copyEntries(item, depth);
    } catch {
      // A getter, a proxy trap or a `toJSON` of the app's own threw.
      return MARKER_UNREADABLE;
    } finally {
      ancestors.delete(item);
    }
  }

  function copyEntries(item: object, depth: number): unknown {
    if (ArrayBuffer.isView(item)) return `[${item.byteLength} bytes]`;
    if (item instanceof Error) return { name: text(item.name), message: text(item.message) };
    if ("toJSON" in item && typeof item.toJSON === "function") return copy(item.toJSON(), depth + 1);
    if (Array.isArray(item)) {
      const kept = list === undefined ? item : list(item);
      const result: unknown[] = [];
      for (const element of kept) {
        if (++values > maxValues) {
          result.push(MARKER_TOO_MANY);
          break;
        }
        result.push(copy(element, depth + 1) ?? null);
      }
      return result;
    }
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(item)) {
      // Assigning this key would set the copy's prototype instead of a property.
      if (key === "__proto__") continue;
      if (++values > maxValues) {
        result["…"] = MARKER_TOO_MANY;
        break;
      }
      const copied = copy((item as Record<string, unknown>)[key], depth + 1);
      if (copied !== undefined) result[key] = copied;
    }
    return result;
  }

  return copy(value, 0);
}

/** JSON text of any value: the plain `JSON.stringify` where that works, else that of a copy. `null` for what has no JSON. */
export function toJsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch {
    // BigInt, a cycle, a throwing getter, or nesting deeper than the stack.
    return JSON.stringify(copyJson(value)) ?? "null";
  }
}

/** Lone surrogates are no text: some servers refuse the whole request over one. */
export function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}
