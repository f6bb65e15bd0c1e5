/** The file below the JSON Lines sink: opened so that only its owner can read it, appended to without tearing lines. */
import fs from "node:fs";
import { dirname, resolve } from "node:path";
import { TapError } from "../../errors.ts";

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
 */
export function createLogFile(path: string, mode: number): LogFile {
  const file = resolve(path);
  let descriptor: number | undefined;
  let identity = "";
  // A write that failed half-way, or another process that died in one: the next line must not continue that one.
  let torn = false;

  function open(): number {
    if (descriptor !== undefined) return descriptor;
    makeDirectories(dirname(file));
    const opened = openRegularFile(file, mode);
    descriptor = opened.descriptor;
    identity = identityOf(opened.stats);
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

  return {
    async append(data, onError) {
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
      return Math.max(0, written - added);
    },
    appendSync(data) {
      const target = open();
      const bytes = mend(data);
      let written = 0;
      while (written < bytes.length) written += fs.writeSync(target, bytes, written, bytes.length - written, null);
      torn = false;
    },
    async reopenIfMoved() {
      if (descriptor === undefined) return;
      const now = await fs.promises.lstat(file).catch(() => undefined);
      if (now === undefined || identityOf(now) !== identity) close();
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

/** Makes what is missing of a path, each directory 0700 under any umask; what exists is left as it is. */
function makeDirectories(directory: string): void {
  if (fs.existsSync(directory)) return;
  makeDirectories(dirname(directory));
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw new TapError("sink_failed", `jsonl sink: can't make the directory ${directory}: ${String(error)}`, {
      cause: error,
    });
  }
  fs.chmodSync(directory, 0o700);
}

/** Opens without following a symlink, then judges what was really opened: no time between check and use. */
function openRegularFile(file: string, mode: number): { descriptor: number; stats: fs.Stats } {
  const { O_APPEND, O_CREAT, O_RDWR } = fs.constants;
  // Windows has neither.
  const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants as { O_NOFOLLOW?: number; O_NONBLOCK?: number };
  if (O_NOFOLLOW === 0 && fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true)
    throw refuseLink(file);
  let descriptor: number;
  try {
    // O_NONBLOCK: a pipe at the path must not make the process wait for its other end.
    descriptor = fs.openSync(file, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ELOOP") throw refuseLink(file, error);
    throw new TapError("sink_failed", `jsonl sink: can't open ${file}: ${String(error)}`, { cause: error });
  }
  try {
    const stats = fs.fstatSync(descriptor);
    if (!stats.isFile()) {
      throw new TapError("sink_failed", `jsonl sink: ${file} is not a regular file; give the path of a file.`);
    }
    const own = process.getuid?.();
    if (own !== undefined && stats.uid !== own) {
      throw new TapError(
        "sink_failed",
        `jsonl sink: ${file} belongs to user ${stats.uid}, this process runs as user ${own}; prompts are not written ` +
          "into another user's file. Remove it or choose another path.",
      );
    }
    if ((stats.mode & 0o777) !== mode) fs.fchmodSync(descriptor, mode);
    return { descriptor, stats };
  } catch (error) {
    fs.closeSync(descriptor);
    throw error;
  }
}

function refuseLink(file: string, cause?: unknown): TapError {
  return new TapError(
    "sink_failed",
    `jsonl sink: ${file} is a symbolic link, which could lead prompts anywhere; give the path of the file itself.`,
    { cause },
  );
}

function endsInsideLine(descriptor: number, size: number): boolean {
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  return fs.readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE;
}
