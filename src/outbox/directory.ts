/** Where logs lie, and that nobody else can read or lead them elsewhere. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { TapError } from "../errors.ts";
import { isOwn, makePrivateDirectories } from "../sinks/shared/private-file.ts";
import type { Sink } from "../types.ts";

export const WHO = "outbox";

/**
 * A directory of the user's own for what programs leave between two runs, with a part for each program: what one has
 * stored is never sent by another. Never a temporary directory, which all users share.
 */
export function defaultDirectory(): string {
  // Without a script (a REPL, `node -e`) it is the working directory that tells programs apart.
  const program = process.argv[1] === undefined ? process.cwd() : resolve(process.argv[1]);
  return join(stateHome(), "llm-tap", "outbox", shortHash(program));
}

/** @see https://specifications.freedesktop.org/basedir-spec/latest/ */
function stateHome(): string {
  const { XDG_STATE_HOME = "", LOCALAPPDATA = "" } = process.env;
  if (process.platform === "win32") return LOCALAPPDATA === "" ? join(homedir(), "AppData", "Local") : LOCALAPPDATA;
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support");
  return isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), ".local", "state");
}

/** The part of `directory` that belongs to one destination. */
export function folderOf(directory: string, sink: Pick<Sink, "name" | "destination">): string {
  const readable = sink.name.replaceAll(/[^a-zA-Z0-9_-]+/g, "-").slice(0, 40);
  return join(resolve(directory), `${readable}-${shortHash(`${sink.name}\n${sink.destination ?? ""}`)}`);
}

/**
 * Makes `folder` and what is missing above it, 0700.
 *
 * @throws TapError when it, or the directory that it lies in, is a symbolic link or belongs to another user.
 */
export function prepareFolder(folder: string): void {
  makePrivateDirectories(folder, WHO);
  // Not the parents further up: systems have links of their own there (/var, /home).
  checkDirectory(resolve(folder, ".."));
  checkDirectory(folder);
  fs.chmodSync(folder, 0o700);
}

function checkDirectory(directory: string): void {
  const stats = fs.lstatSync(directory);
  if (stats.isSymbolicLink()) throw refuse(`${directory} is a symbolic link, which could lead prompts anywhere`);
  if (!stats.isDirectory()) throw refuse(`${directory} is no directory`);
  if (!isOwn(stats)) throw refuse(`${directory} belongs to user ${stats.uid}, not to this process's`);
}

function refuse(reason: string): TapError {
  return new TapError("sink_failed", `${WHO}: ${reason}; give a directory of this user's own.`);
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/** If it is empty. */
export function removeDirectory(directory: string): void {
  try {
    fs.rmdirSync(directory);
  } catch {
    // Something is in it that is not ours to remove.
  }
}

/** Brings the names in it to the disk. */
export function synchroniseDirectory(directory: string): void {
  // Windows can't open one.
  if (process.platform === "win32") return;
  const descriptor = fs.openSync(directory, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
