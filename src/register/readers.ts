/** How the values of environment variables are read. Nothing here throws. */
import { isAbsolute } from "node:path";
import { createRouter } from "../interceptor/route.ts";
import type { HostOverride, TapOptions } from "../types.ts";

/** What a value came to. */
export interface Reading<Value> {
  /** `undefined`: nothing of it could be read. */
  value: Value | undefined;
  /** What could not be read, each in a few words that show no secret. */
  problems: string[];
}

/** A sink as it is named in a list. */
export type SinkName = { kind: "amplitude" } | { kind: "console" } | { kind: "jsonl"; path: string } | { kind: "otel" };

const FLAGS: Readonly<Record<string, boolean>> = {
  "1": true,
  true: true,
  yes: true,
  on: true,
  "0": false,
  false: false,
  no: false,
  off: false,
};

function right<Value>(value: Value): Reading<Value> {
  return { value, problems: [] };
}

function wrong<Value>(problem: string): Reading<Value> {
  return { value: undefined, problems: [problem] };
}

export function readText(text: string): Reading<string> {
  return right(text);
}

export function readFlag(text: string): Reading<boolean> {
  const flag = text.toLowerCase();
  return Object.hasOwn(FLAGS, flag) ? right(FLAGS[flag] === true) : wrong(`got ${quote(text)}`);
}

/** Whether there is an outbox, and where: `{}` is where an outbox lies by default. */
export function readOutbox(text: string): Reading<{ dir?: string } | false> {
  const { value } = readFlag(text);
  if (value !== undefined) return right(value ? {} : false);
  // A path of which nobody knows where it leads would change with the working directory.
  return isAbsolute(text) ? right({ dir: text }) : wrong(`got ${quote(text)}`);
}

export function readZone(text: string): Reading<"US" | "EU"> {
  const zone = text.toUpperCase();
  return zone === "US" || zone === "EU" ? right(zone) : wrong(`got ${quote(text)}`);
}

export function readUrl(text: string): Reading<string> {
  // Not shown: it may hold a password.
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? right(text) : wrong("this is none");
}

/** A list of names, of which those that can be read count. */
export function readSinkNames(text: string): Reading<SinkName[]> {
  const value: SinkName[] = [];
  const problems: string[] = [];
  for (const item of splitList(text)) {
    const sink = readSinkName(item);
    if (sink === undefined) problems.push(`got ${quote(item)}`);
    else if (!value.some((other) => JSON.stringify(other) === JSON.stringify(sink))) value.push(sink);
  }
  return { value, problems };
}

function readSinkName(item: string): SinkName | undefined {
  // Only the first colon: a path may have its own.
  const [, name = "", path = ""] = /^([a-z]+)(?::(.*))?$/is.exec(item) ?? [];
  const kind = name.toLowerCase();
  if (kind === "jsonl") return path.trim() === "" ? undefined : { kind, path: path.trim() };
  if (path !== "") return undefined;
  return kind === "amplitude" || kind === "console" || kind === "otel" ? { kind } : undefined;
}

/** The `hosts` option as a JSON object or as a list of `host=provider` and `host=off`. */
export function readHosts(text: string): Reading<NonNullable<TapOptions["hosts"]>> {
  const problems: string[] = [];
  const entries = text.startsWith("{") ? readHostObject(text, problems) : readHostList(text, problems);
  const valid = entries.filter(([host, target]) => {
    try {
      createRouter({ [host]: target });
      return true;
    } catch (error) {
      problems.push(error instanceof Error ? error.message : "it can't be read");
      return false;
    }
  });
  return { value: valid.length === 0 ? undefined : Object.fromEntries(valid), problems };
}

type HostEntry = [host: string, target: HostOverride | false];

function readHostObject(text: string, problems: string[]): HostEntry[] {
  try {
    const value: unknown = JSON.parse(text);
    // The router judges each entry.
    return Object.entries(value as Record<string, HostOverride | false>);
  } catch {
    problems.push("this is no valid JSON");
    return [];
  }
}

function readHostList(text: string, problems: string[]): HostEntry[] {
  const entries: HostEntry[] = [];
  for (const item of splitList(text)) {
    // The last one: a base URL may have a query.
    const equals = item.lastIndexOf("=");
    const host = item.slice(0, Math.max(0, equals)).trim();
    const provider = item.slice(equals + 1).trim();
    if (host === "" || provider === "") problems.push(`got ${quote(item)}`);
    else entries.push([host, provider.toLowerCase() === "off" ? false : { provider }]);
  }
  return entries;
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** One short line, whatever was in it. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
