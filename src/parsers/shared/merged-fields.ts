/** An object that arrives in several versions, each with what has become known: the last value of each field counts. */
import type { JsonObject } from "./json.ts";
import { isObject } from "./json.ts";

/** Usage objects have some twenty fields; a hostile stream may send a new one with each event. */
const MAX_FIELDS = 64;

export interface MergedFields {
  /** Takes every field that is not null; fields that are missing keep the value they had. */
  merge(value: unknown): void;
  get(field: string): unknown;
  /** `undefined` when nothing came. */
  toObject(): JsonObject | undefined;
}

export function createMergedFields(): MergedFields {
  const fields = new Map<string, unknown>();
  return {
    merge(value) {
      if (!isObject(value)) return;
      for (const key of Object.keys(value)) {
        const field = value[key];
        if (field === null || field === undefined) continue;
        if (fields.size < MAX_FIELDS || fields.has(key)) fields.set(key, field);
      }
    },
    get: (field) => fields.get(field),
    toObject: () => (fields.size === 0 ? undefined : Object.fromEntries(fields)),
  };
}
