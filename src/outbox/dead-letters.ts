/** What the destination will never take is set aside, with the reason, for people to look at. */
import fs from "node:fs";
import { join } from "node:path";
import { toJsonText } from "../sinks/shared/copy-json.ts";
import { openPrivateFile } from "../sinks/shared/private-file.ts";
import type { TapRecord } from "../types.ts";
import { prepareFolder, WHO } from "./directory.ts";

export interface DeadLetter {
  reason: string;
  /** Epoch milliseconds; when it was stored. */
  storedAt: number;
  record: TapRecord;
}

export interface DeadLetters {
  /** Resolves to whether they are on disk. */
  add(letters: readonly DeadLetter[]): Promise<boolean>;
}

/** One file of this size, and one before it. */
const MAX_BYTES = 1 << 24;

/** @param folder of the destination; all processes share the file in it. */
export function createDeadLetters(folder: string): DeadLetters {
  const path = join(folder, "dead-letters.jsonl");

  function append(letters: readonly DeadLetter[]): void {
    prepareFolder(folder);
    const { descriptor, stats } = openPrivateFile(path, { who: WHO });
    try {
      const at = new Date().toISOString();
      const lines = letters.map(({ reason, storedAt, record }) => {
        const stored = new Date(storedAt).toISOString();
        return `{"at":"${at}","stored":"${stored}","reason":${JSON.stringify(reason)},"record":${toJsonText(record)}}\n`;
      });
      fs.writeSync(descriptor, lines.join(""));
    } finally {
      fs.closeSync(descriptor);
    }
    if (stats.size > MAX_BYTES) fs.renameSync(path, join(folder, "dead-letters.1.jsonl"));
  }

  return {
    async add(letters) {
      try {
        append(letters);
        return true;
      } catch {
        return false;
      }
    },
  };
}
