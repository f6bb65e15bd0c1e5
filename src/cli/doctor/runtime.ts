/** Which Node and which undici are at work, and what the hooks would be put on. */
import process from "node:process";
import { fact, type Line, no, note, yes } from "../report.ts";
import { findCopies, type FoundPackage } from "./packages.ts";

/** Undici 6 and 7 read the first, 8 reads the second; each Node bundles one of them. */
const GLOBAL_DISPATCHERS = ["undici.globalDispatcher.1", "undici.globalDispatcher.2"] as const;

const OLDEST_NODE = [20, 20] as const;
/** Undici 8 uses what older Nodes do not have. */
const OLDEST_NODE_OF_UNDICI_8 = [22, 19] as const;

export function describeRuntime(from: string): Line[] {
  const { node, undici = "none" } = process.versions;
  const lines = [
    isAtLeast(OLDEST_NODE) ? yes(`Node ${node}`) : no(`Node ${node}; llm-tap needs ${OLDEST_NODE.join(".")} or newer`),
    fact(`undici ${undici} is behind the built-in fetch`),
  ];
  const copies = findCopies("undici", from);
  if (copies.length === 0) lines.push(fact(`no undici of npm in reach of ${from}`));
  return [...lines, ...copies.map((copy) => describeCopy(copy))];
}

function describeCopy({ version, path }: FoundPackage): Line {
  const label = `undici ${version} of npm (${path})`;
  const major = majorOf(version);
  if (major < 6 || (major === 6 && Number.parseInt(version.slice(2), 10) < 19)) {
    return note(`${label} is older than what llm-tap knows (6.19)`);
  }
  if (major > 8) return note(`${label} is newer than what llm-tap was tested with (8)`);
  if (!loadsHere({ version })) {
    return note(`${label} does not load on this Node; it needs ${OLDEST_NODE_OF_UNDICI_8.join(".")} or newer`);
  }
  return yes(label);
}

/** Whether this Node can load that undici. */
export function loadsHere({ version }: Pick<FoundPackage, "version">): boolean {
  return majorOf(version) < 8 || isAtLeast(OLDEST_NODE_OF_UNDICI_8);
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}

/** What `install()` and register put hooks on, in this process. */
export function describeHooks(): Line[] {
  // Touching it makes Node load its fetch, which sets the symbols.
  const hasFetch = typeof globalThis.fetch === "function" && typeof globalThis.Response === "function";
  const dispatchers = GLOBAL_DISPATCHERS.filter((name) => Symbol.for(name) in globalThis);
  const isRegistered = Symbol.for("llm-tap.register.1") in globalThis;
  return [
    hasFetch ? yes("globalThis.fetch") : no("globalThis.fetch: there is none"),
    ...dispatchers.map((name) =>
      yes(`the global dispatcher Symbol.for("${name}"): undici.request, stream, pipeline, fetch`),
    ),
    isRegistered
      ? fact("llm-tap/register is loaded in this process")
      : fact("llm-tap/register is not loaded in this process (node --import llm-tap/register app.js)"),
  ];
}

function isAtLeast([major, minor]: readonly [number, number]): boolean {
  const [nodeMajor = 0, nodeMinor = 0] = process.versions.node.split(".").map(Number);
  return nodeMajor > major || (nodeMajor === major && nodeMinor >= minor);
}
