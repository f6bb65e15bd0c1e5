/** A copy of an app's value as it is now: it goes on using it, and the privacy gate looks at it later. */

/** Objects, arrays and their fields that are copied of one value. Texts are not copied at all. */
const MAX_NODES = 10_000;
const MAX_DEPTH = 32;

/** @returns plain data; what JSON has not is described or left out. Never throws. */
export function takeSnapshot(value: unknown): unknown {
  let nodes = MAX_NODES;
  const ancestors: object[] = [];

  function copy(item: unknown): unknown {
    if (typeof item === "bigint") return String(item);
    if (typeof item === "function" || typeof item === "symbol") return undefined;
    if (typeof item !== "object" || item === null) return item;
    if (ancestors.includes(item)) return "[circular]";
    if (ancestors.length >= MAX_DEPTH) return "[too deep]";
    ancestors.push(item);
    try {
      return copyObject(item);
    } catch {
      return "[unreadable]";
    } finally {
      ancestors.pop();
    }
  }

  function copyObject(item: object): unknown {
    if (Array.isArray(item)) return copyItems(item, item.length);
    if (item instanceof ArrayBuffer || ArrayBuffer.isView(item)) return `[binary, ${item.byteLength} bytes]`;
    if (item instanceof Map) return copyFields([...item].map(([key, entry]) => [String(key), entry as unknown]));
    if (item instanceof Set) return copyItems([...item], item.size);
    if (item instanceof Error) return { name: item.name, message: item.message };
    const { toJSON } = item as { toJSON?: unknown };
    if (typeof toJSON === "function") return copy(toJSON.call(item));
    return copyFields(Object.keys(item).map((key) => [key, readField(item, key)]));
  }

  function copyItems(items: readonly unknown[], count: number): unknown[] {
    const kept: unknown[] = [];
    for (let index = 0; index < count; index += 1) {
      if ((nodes -= 1) < 0) return [...kept, `… [cut, ${count - index} items]`];
      kept.push(copy(items[index]) ?? null);
    }
    return kept;
  }

  function copyFields(fields: readonly [key: string, item: unknown][]): Record<string, unknown> {
    const kept: Record<string, unknown> = {};
    for (const [index, [key, item]] of fields.entries()) {
      if ((nodes -= 1) < 0) return { ...kept, "…": `[cut, ${fields.length - index} fields]` };
      const copied = key === "__proto__" ? undefined : copy(item);
      if (copied !== undefined) kept[key] = copied;
    }
    return kept;
  }

  return copy(value);
}

/** A getter of the app's may throw. */
function readField(source: object, key: string): unknown {
  try {
    return (source as Record<string, unknown>)[key];
  } catch {
    return "[unreadable]";
  }
}
