/** Takes over the logs of processes that have died. */
import fs from "node:fs";
import { join } from "node:path";
import { isOwn } from "../sinks/shared/private-file.ts";
import { isAlive, nameDirectory, type Owner, parseDirectoryName } from "./owner.ts";
import { createSegment, type Segment } from "./segment.ts";

export interface AdoptOptions {
  /** Of the destination. */
  folder: string;
  self: Owner;
  fsync: boolean;
  isOurs(directory: string): boolean;
}

export interface Adopted {
  /** Where it lies now. */
  directory: string;
  /** Oldest first; none when there was nothing in it. */
  segments: Segment[];
  /** Lines that the death of the process cut off. */
  torn: number;
}

const LOG = /^\d{9}\.log$/;

/**
 * A directory is taken by renaming it, which works for one process only. Directories and files of other users, and
 * symbolic links, are left alone.
 *
 * @returns what was taken over, oldest first.
 */
export async function adoptDirectories(options: AdoptOptions): Promise<Adopted[]> {
  const { folder, self, isOurs } = options;
  const found: Adopted[] = [];
  for (const name of await fs.promises.readdir(folder)) {
    const path = join(folder, name);
    const owner = parseDirectoryName(name);
    if (owner === undefined || isOurs(path)) continue;
    const stats = await fs.promises.lstat(path).catch(() => undefined);
    if (stats === undefined || !stats.isDirectory() || !isOwn(stats)) continue;
    if (owner !== "free" && isAlive(owner, self, Date.now() - stats.mtimeMs)) continue;
    const directory = join(folder, nameDirectory(self));
    try {
      await fs.promises.rename(path, directory);
    } catch {
      // Another process was faster.
      continue;
    }
    // For processes that can't see this one: the directory has a living owner from now on.
    await fs.promises.utimes(directory, new Date(), new Date()).catch(() => undefined);
    found.push({ directory, ...(await openSegments(directory, options.fsync)) });
  }
  return found.sort((left, right) => (left.segments[0]?.since ?? 0) - (right.segments[0]?.since ?? 0));
}

async function openSegments(directory: string, fsync: boolean): Promise<Pick<Adopted, "segments" | "torn">> {
  const segments: Segment[] = [];
  let torn = 0;
  const names = await fs.promises.readdir(directory).catch(() => []);
  for (const name of names.filter((each) => LOG.test(each)).sort()) {
    try {
      const segment = createSegment({ path: join(directory, name), isNew: false, fsync });
      torn += await segment.scan();
      segment.release();
      segments.push(segment);
    } catch {
      // A link, a file of another user, or one that can't be read: it stays where it is.
    }
  }
  return { segments, torn };
}
