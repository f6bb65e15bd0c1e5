#!/usr/bin/env node
/** The `llm-tap` command. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runDoctor } from "./doctor.ts";

const HELP = `llm-tap sees every LLM call that a process makes.

Usage
  llm-tap doctor [--directory <path>]   what is at work here, what will be seen, and a test of it
  llm-tap --version
  llm-tap --help

Without a change of code
  node --import llm-tap/register app.js
`;

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
  directory: { type: "string" },
} as const;

/** @returns the exit code */
async function main(args: string[]): Promise<number> {
  const write = (text: string): void => void process.stdout.write(text);
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const [command, ...rest] = positionals;
  if (values.version === true) write(`${readVersion()}\n`);
  else if (values.help === true || command === undefined) write(HELP);
  else if (command !== "doctor" || rest.length > 0) return refuse(`there is no command ${positionals.join(" ")}`);
  else {
    const directory = resolve(values.directory ?? ".");
    return (await runDoctor({ directory, environment: process.env, write })) ? 0 : 1;
  }
  return 0;
}

function parse(args: string[]) {
  return parseArgs({ args, options: OPTIONS, allowPositionals: true });
}

function refuse(problem: string): number {
  process.stderr.write(`llm-tap: ${problem}\n\n${HELP}`);
  return 2;
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

process.exitCode = await main(process.argv.slice(2));
