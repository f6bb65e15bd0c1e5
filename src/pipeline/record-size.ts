/** How much memory a record takes, about: its texts and values, and something for the rest. */
import type { Message, Part, TapRecord } from "../types.ts";

const RECORD_BYTES = 2_000;
const MESSAGE_BYTES = 100;
const PART_BYTES = 100;
const CONTAINER_BYTES = 48;
/** Values are looked through up to here. */
const MAX_VALUES = 10_000;

export function estimateSize(record: TapRecord): number {
  if (record.type === "span") return RECORD_BYTES + sizeOf(record.input) + sizeOf(record.output);
  const { request, response } = record;
  let size = RECORD_BYTES + sizeOf(request.parameters) + sizeOf(request.tools) + partsSize(request.system);
  if (request.messages !== undefined) size += estimateMessages(request.messages);
  for (const choice of response?.choices ?? []) size += partsSize(choice.message.parts);
  return size;
}

export function estimateMessages(messages: readonly Message[]): number {
  let size = 0;
  for (const { parts } of messages) size += MESSAGE_BYTES + partsSize(parts);
  return size;
}

function partsSize(parts: readonly Part[] | undefined): number {
  if (parts === undefined) return 0;
  let size = 0;
  for (const part of parts) {
    size += PART_BYTES;
    // Most parts are this.
    if (part.type === "text" && typeof part.content === "string") size += part.content.length;
    else if ("content" in part) size += sizeOf(part.content);
    else if ("arguments" in part) size += sizeOf(part.arguments);
    else if ("response" in part) size += sizeOf(part.response);
  }
  return size;
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 8;
  return sizeOfFields(value, { left: MAX_VALUES });
}

/** Nothing in a record is nested deeper than a stack is. */
function sizeOfFields(value: object, values: { left: number }): number {
  let size = CONTAINER_BYTES;
  for (const item of Object.values(value)) {
    if ((values.left -= 1) < 0) break;
    if (typeof item === "string") size += item.length + 16;
    else size += typeof item === "object" && item !== null ? sizeOfFields(item as object, values) : 8;
  }
  return size;
}
