/**
 * One entry of a log is one line: checksum, number, time and the record as JSON. A line is found again behind whatever
 * was torn or damaged before it, and nothing but a complete one passes for an entry.
 */
import { crc32 } from "node:zlib";
import { toJsonText } from "../sinks/shared/copy-json.ts";
import type { TapRecord } from "../types.ts";

export interface Frame {
  /** Rises within a log; what is not above the last one is a repeat. */
  number: number;
  /** Epoch milliseconds. */
  storedAt: number;
  record: TapRecord;
}

export const NEWLINE = 10;

/** Hex digits of the checksum and the space behind it. */
const CHECKSUM_LENGTH = 9;
const SPACE = 32;

/** The line of a record, with its end. Never throws, whatever a context holds. */
export function encodeFrame(record: TapRecord, number: number, storedAt: number): Buffer {
  const line = Buffer.from(`00000000 ${number.toString(36)} ${storedAt.toString(36)} ${toJsonText(record)}\n`);
  line.write(checksum(line.subarray(CHECKSUM_LENGTH, -1)), 0, "latin1");
  return line;
}

/** @param line without its end. @returns `undefined` for a line that is not what was written. */
export function decodeFrame(line: Buffer): Frame | undefined {
  const numberEnd = line.indexOf(SPACE, CHECKSUM_LENGTH);
  const timeEnd = line.indexOf(SPACE, numberEnd + 1);
  if (numberEnd < 0 || timeEnd < 0) return undefined;
  if (line.toString("latin1", 0, CHECKSUM_LENGTH - 1) !== checksum(line.subarray(CHECKSUM_LENGTH))) return undefined;
  const number = Number.parseInt(line.toString("latin1", CHECKSUM_LENGTH, numberEnd), 36);
  const storedAt = Number.parseInt(line.toString("latin1", numberEnd + 1, timeEnd), 36);
  const record = parseRecord(line.toString("utf8", timeEnd + 1));
  if (!Number.isSafeInteger(number) || !Number.isSafeInteger(storedAt) || record === undefined) return undefined;
  return { number, storedAt, record };
}

function checksum(bytes: Buffer): string {
  return crc32(bytes)
    .toString(16)
    .padStart(CHECKSUM_LENGTH - 1, "0");
}

function parseRecord(json: string): TapRecord | undefined {
  try {
    const value = JSON.parse(json) as Partial<TapRecord> | null;
    const isRecord = (value?.type === "call" || value?.type === "span") && typeof value.id === "string";
    return isRecord ? (value as TapRecord) : undefined;
  } catch {
    return undefined;
  }
}
