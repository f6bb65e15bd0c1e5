/** The file below the JSON Lines sink: opened so that only its owner can read it, appended to without tearing lines. */
import fs from "node:fs";
import { dirname, resolve } from "node:path";
import { makePrivateDirectories, openPrivateFile } from "../shared/private-file.ts";
import type { Rotation } from "./rotation.ts";

const WHO = "jsonl sink";
const NEWLINE = 10;

export interface LogFile {
  /** Appends all of `data`; returns the bytes written, which are fewer only when `onError` was told why. */
  append(data: Buffer, onError: (error: Error) => void): Promise<number>;
  appendSync(data: Buffer): void;
  /** Opens the file again when another one (or none) is at the path now: after a rotation. */
  reopenIfMoved(): Promise<void>;
  close(): void;
}

/**
 * @param path made absolute at once, so that a later `chdir` changes nothing.
 * @param mode permissions of the file, whatever the umask and whether it is new or not.
 * @param rotation moves a full file away. Default: it grows for ever.
 */
export function createLogFile(path: string, mode: number, rotation?: Rotation): LogFile {
  const file = resolve(path);
  let descriptor: number | undefined;
  let identity = "";
  // As far as this process knows.
  let size = 0;
  // A write that failed half-way, or another process that died in one: the next line must not continue that one.
  let torn = false;

  function open(): number {
    if (descriptor !== undefined) return descriptor;
    makePrivateDirectories(dirname(file), WHO);
    const opened = openPrivateFile(file, { who: WHO, mode });
    descriptor = opened.descriptor;
    identity = identityOf(opened.stats);
    ({ size } = opened.stats);
    torn = endsInsideLine(opened.descriptor, opened.stats.size);
    return descriptor;
  }

  function close(): void {
    if (descriptor === undefined) return;
    const open = descriptor;
    descriptor = undefined;
    fs.closeSync(open);
  }

  function mend(data: Buffer): Buffer {
    return torn ? Buffer.concat([Buffer.from("\n"), data]) : data;
  }

  async function rotateIfFull(incoming: number): Promise<void> {
    open();
    if (rotation === undefined || size === 0 || size + incoming <= rotation.maxBytes) return;
    // Another process may have been faster; then there is a new file already.
    const isInPlace = await isStillThere();
    close();
    try {
      if (isInPlace) rotation.moveAway();
    } catch {
      // A file that can't be moved goes on growing: a record matters more.
    }
  }

  async function isStillThere(): Promise<boolean> {
    const now = await fs.promises.lstat(file).catch(() => undefined);
    if (now === undefined || identityOf(now) !== identity) return false;
    ({ size } = now);
    return true;
  }

  async function append(data: Buffer, onError: (error: Error) => void): Promise<number> {
    const target = open();
    const bytes = mend(data);
    const added = bytes.length - data.length;
    let written = 0;
    try {
      while (written < bytes.length) {
        written += await write(target, bytes, written);
      }
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    }
    if (written > 0) torn = bytes[written - 1] !== NEWLINE;
    size += written;
    return Math.max(0, written - added);
  }

  return {
    async append(data, onError) {
      if (rotation === undefined) return append(data, onError);
      await rotateIfFull(data.length);
      const written = await append(data, onError);
      // Another process has moved the file away, compressed and removed it, all between our look and our write.
      if (descriptor === undefined || fs.fstatSync(descriptor).nlink > 0) return written;
      close();
      return append(data, onError);
    },
    appendSync(data) {
      const target = open();
      const bytes = mend(data);
      let written = 0;
      while (written < bytes.length) written += fs.writeSync(target, bytes, written, bytes.length - written, null);
      torn = false;
      size += bytes.length;
    },
    async reopenIfMoved() {
      if (descriptor !== undefined && !(await isStillThere())) close();
    },
    close,
  };
}

/** Resolves to the bytes that the system has taken, which may be fewer than there are. */
function write(descriptor: number, bytes: Buffer, start: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(descriptor, bytes, start, bytes.length - start, null, (error, written) => {
      if (error) reject(error);
      else resolve(written);
    });
  });
}

function identityOf(stats: fs.Stats): string {
  return `${stats.dev}:${stats.ino}`;
}

function endsInsideLine(descriptor: number, size: number): boolean {
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  return fs.readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE;
}
