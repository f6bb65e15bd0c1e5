/**
 * Who owns a log: its directory is named after the process, so that others can tell whether that process still lives.
 * A wrong guess loses nothing: a process that was taken for dead notices with its next write.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";

export interface Owner {
  pid: number;
  /** When the process started, as the system counts it; `0` where it can't be told. A pid alone is soon reused. */
  start: string;
  /** Where pids mean the same: one boot of one kernel, one pid namespace. */
  space: string;
}

/** A process that can't be seen from here is taken for dead when it has not touched its directory for this long. */
export const LEASE_MS = 120_000;

const NAME = /^(\d{1,10})-(\d{1,20})-([0-9a-f]{8})-[0-9a-f]{12}$/;
/** The name of a directory that its process has let go. */
const FREE = /^free-[0-9a-f]{12}$/;

export function describeSelf(): Owner {
  return { pid: process.pid, start: startOf("self") ?? "0", space: describeSpace() };
}

export function nameDirectory(owner: Owner): string {
  return `${owner.pid}-${owner.start}-${owner.space}-${randomBytes(6).toString("hex")}`;
}

export function nameFreeDirectory(): string {
  return `free-${randomBytes(6).toString("hex")}`;
}

/** @returns `undefined` for the name of something else. */
export function parseDirectoryName(name: string): Owner | "free" | undefined {
  if (FREE.test(name)) return "free";
  const [, pid, start, space] = NAME.exec(name) ?? [];
  if (pid === undefined || start === undefined || space === undefined) return undefined;
  return { pid: Number(pid), start, space };
}

/**
 * @param self who asks.
 * @param untouchedMs since the owner touched its directory.
 */
export function isAlive(owner: Owner, self: Owner, untouchedMs: number): boolean {
  const isLeased = untouchedMs < LEASE_MS;
  // Of another container, host or boot: its pid says nothing here.
  if (owner.space !== self.space) return isLeased;
  if (owner.pid === self.pid && owner.start === self.start) return true;
  // Without /proc (macOS, Windows) a pid may have been reused; the lease tells.
  if (self.start === "0" || owner.start === "0") return hasProcess(owner.pid) && isLeased;
  return startOf(owner.pid) === owner.start;
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // None, or one of another user, which then is not the owner.
    return false;
  }
}

/** Field 22 of /proc/<pid>/stat; the second one, in parentheses, may hold anything. A zombie has no start any more. */
function startOf(pid: number | "self"): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function describeSpace(): string {
  const hash = createHash("sha256");
  for (const read of [
    () => readFileSync("/proc/sys/kernel/random/boot_id", "latin1"),
    () => readlinkSync("/proc/self/ns/pid"),
  ]) {
    try {
      hash.update(read());
    } catch {
      hash.update(hostname());
    }
  }
  return hash.digest("hex").slice(0, 8);
}
