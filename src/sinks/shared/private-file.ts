/** Files and directories that only their owner can read, whatever the umask, and that no link leads elsewhere. */
import fs from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { TapError } from "../../errors.ts";

export interface PrivateFileOptions {
  /** Who says so in messages: `jsonl sink`. */
  who: string;
  /** Permissions, whatever the umask and whether the file is new or not. Default 0o600. */
  mode?: number;
  /** What to open it for. Default `append`. */
  access?: "append" | "create" | "read";
}

export interface OpenedFile {
  descriptor: number;
  stats: fs.Stats;
}

/** Makes what is missing of a path, each directory 0700 under any umask; what exists is left as it is. */
export function makePrivateDirectories(directory: string, who: string): void {
  if (fs.existsSync(directory)) return;
  makePrivateDirectories(dirname(directory), who);
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw failure(`${who}: can't make the directory ${directory}: ${String(error)}`, error);
  }
  fs.chmodSync(directory, 0o700);
}

/** Opens without following a symlink, then judges what was really opened: no time between check and use. */
export function openPrivateFile(file: string, options: PrivateFileOptions): OpenedFile {
  const { who, mode = 0o600, access = "append" } = options;
  // Windows has neither.
  const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants as { O_NOFOLLOW?: number; O_NONBLOCK?: number };
  if (O_NOFOLLOW === 0 && fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true)
    throw refuseLink(file, who);
  let descriptor: number;
  try {
    // O_NONBLOCK: a pipe at the path must not make the process wait for its other end.
    descriptor = fs.openSync(file, FLAGS[access] | O_NOFOLLOW | O_NONBLOCK, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ELOOP") throw refuseLink(file, who, error);
    throw failure(`${who}: can't open ${file}: ${String(error)}`, error);
  }
  try {
    const stats = fs.fstatSync(descriptor);
    if (!stats.isFile()) throw failure(`${who}: ${file} is not a regular file; give the path of a file.`);
    if (!isOwn(stats)) {
      throw failure(
        `${who}: ${file} belongs to user ${stats.uid}, this process runs as user ${process.getuid?.()}; prompts are not ` +
          "written into another user's file. Remove it or choose another path.",
      );
    }
    if (access !== "read" && (stats.mode & 0o777) !== mode) fs.fchmodSync(descriptor, mode);
    return { descriptor, stats };
  } catch (error) {
    fs.closeSync(descriptor);
    throw error;
  }
}

/** Whether this process's user owns it; true where there are no users. */
export function isOwn(stats: Pick<fs.Stats, "uid">): boolean {
  const own = process.getuid?.();
  return own === undefined || stats.uid === own;
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
const FLAGS = {
  append: O_APPEND | O_CREAT | O_RDWR,
  create: O_APPEND | O_CREAT | O_EXCL | O_RDWR,
  read: O_RDONLY,
} as const;

function failure(message: string, cause?: unknown): TapError {
  return new TapError("sink_failed", message, { cause });
}

function refuseLink(file: string, who: string, cause?: unknown): TapError {
  return failure(
    `${who}: ${file} is a symbolic link, which could lead prompts anywhere; give the path of the file itself.`,
    cause,
  );
}
