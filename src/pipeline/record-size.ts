/** How much memory a record takes, about: its texts and values, and something for the rest. */
import type { Part, TapRecord } from "../types.ts";

const RECORD_BYTES = 2_000;
const PART_BYTES = 100;
/** Values are looked through up to here. */
const MAX_VALUES = 10_000;

export function estimateSize(record: TapRecord): number {
  if (record.type === "span") return RECORD_BYTES + sizeOf(record.input) + sizeOf(record.output);
  const { request, response } = record;
  let size = RECORD_BYTES + sizeOf(request.parameters) + sizeOf(request.tools) + partsSize(request.system);
  for (const message of request.messages ?? []) size += partsSize(message.parts);
  for (const choice of response?.choices ?? []) size += partsSize(choice.message.parts);
  return size;
}

function partsSize(parts: readonly Part[] | undefined): number {
  let size = 0;
  for (const part of parts ?? []) {
    size += PART_BYTES;
    if ("content" in part) size += typeof part.content === "string" ? part.content.length : sizeOf(part.content);
    if ("arguments" in part) size += sizeOf(part.arguments);
    if ("response" in part) size += sizeOf(part.response);
  }
  return size;
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 8;
  let size = 0;
  const open: unknown[] = [value];
  for (let count = 0; open.length > 0 && count < MAX_VALUES; count += 1) {
    const item = open.pop();
    if (typeof item === "string") size += item.length + 16;
    else if (typeof item !== "object" || item === null) size += 8;
    else {
      size += 16;
      for (const key in item) open.push((item as Record<string, unknown>)[key]);
    }
  }
  return size;
}
