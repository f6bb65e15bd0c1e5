/** Moves a full file away, compresses what was moved and removes the oldest: for one process or several on one file. */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { isOwn, openPrivateFile } from "../shared/private-file.ts";

export interface RotationOptions {
  /** Absolute path of the file that is written to. */
  file: string;
  /** Permissions of what is made. */
  mode: number;
  /** Bytes of a file; one that is not empty and would grow over this is moved away first. */
  maxBytes: number;
  /** Files that were moved away and are kept. */
  maxFiles: number;
  gzip: boolean;
}

export interface Rotation {
  readonly maxBytes: number;
  /** Moves the file away, and looks after those that were, in the background. */
  moveAway(): void;
  /** Resolves when nothing is under way in the background. */
  settled(): Promise<void>;
}

const WHO = "jsonl sink";
/** What another process has not finished by then, it never will. */
const STALE_MS = 600_000;

/**
 * `calls.jsonl` becomes `calls-20261123T101500123Z-1a2b.jsonl`, then `….jsonl.gz`: names that sort by time and never
 * collide, so that processes which share the file need no lock.
 */
export function createRotation(options: RotationOptions): Rotation {
  const { file, mode, maxBytes, maxFiles, gzip } = options;
  const directory = dirname(file);
  const extension = extname(file);
  const stem = basename(file, extension);
  const isMoved = (name: string): boolean => {
    const end = name.endsWith(".gz") ? name.slice(0, -3) : name;
    return (
      end.startsWith(`${stem}-`) &&
      end.endsWith(extension) &&
      /^\d{8}T\d{9}Z-[0-9a-f]{4}$/.test(end.slice(stem.length + 1, end.length - extension.length))
    );
  };
  let maintaining: Promise<void> = Promise.resolve();
  let lastTime = 0;

  async function maintain(): Promise<void> {
    const names = (await fs.promises.readdir(directory)).filter(isMoved).sort();
    // Of a process that died before it had removed the source there are both.
    const kept = new Set([...new Set(names.map((name) => name.replace(/\.gz$/, "")))].slice(-maxFiles));
    for (const name of names) {
      const path = join(directory, name);
      const stats = await fs.promises.lstat(path).catch(() => undefined);
      if (stats === undefined || !stats.isFile() || !isOwn(stats)) continue;
      if (maxFiles === 0 || !kept.has(name.replace(/\.gz$/, ""))) await fs.promises.rm(path, { force: true });
      else if (gzip && !name.endsWith(".gz")) await compress(path);
    }
  }

  async function compress(path: string): Promise<void> {
    const target = `${path}.gz`;
    const unfinished = `${target}.tmp`;
    const begun = await fs.promises.lstat(unfinished).catch(() => undefined);
    if (begun !== undefined) {
      if (Date.now() - begun.mtimeMs < STALE_MS) return;
      await fs.promises.rm(unfinished);
    }
    const source = openPrivateFile(path, { who: WHO, access: "read" }).descriptor;
    try {
      const output = openPrivateFile(unfinished, { who: WHO, access: "create", mode }).descriptor;
      let size = 0;
      try {
        size = await append(source, 0, output);
        await fs.promises.rename(unfinished, target);
        await fs.promises.rm(path);
        // Another process may have written to it until it was gone; who writes later sees that it has.
        if (fs.fstatSync(source).size > size) await append(source, size, output);
      } finally {
        fs.closeSync(output);
      }
    } finally {
      fs.closeSync(source);
    }
  }

  return {
    maxBytes,
    moveAway() {
      // Two in one millisecond must still sort.
      lastTime = Math.max(Date.now(), lastTime + 1);
      const time = new Date(lastTime).toISOString().replaceAll(/[-:.]/g, "");
      const moved = join(directory, `${stem}-${time}-${randomBytes(2).toString("hex")}${extension}`);
      fs.renameSync(file, moved);
      // What fails now is done with the next file.
      maintaining = maintaining.then(maintain).catch(() => undefined);
    },
    settled: () => maintaining,
  };
}

/** Compresses what is behind `start` as a member of its own. @returns where the source ended */
async function append(source: number, start: number, output: number): Promise<number> {
  const reader = fs.createReadStream("", { fd: source, autoClose: false, start });
  await pipeline(reader, createGzip(), fs.createWriteStream("", { fd: output, autoClose: false }));
  return start + reader.bytesRead;
}
