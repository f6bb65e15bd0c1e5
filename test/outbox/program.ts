/** A program of its own process, run on the compiled sources: it makes calls, and ends as it is told. */
import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { FlushReport } from "../../src/types.ts";

const root = new URL("../../", import.meta.url);

export interface Workplace {
  readonly directory: string;
  remove(): void;
}

const ENTRIES = ["index", "outbox/index", "sinks/amplitude", "sinks/http", "testing/index"];

const LONGEST_MS = 60_000;

/** Compiles what the programs need. Node 20 does not strip types. */
export async function buildWorkplace(): Promise<Workplace> {
  const directory = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "llm-tap-outbox-program-"));
  const link = join(directory, "node_modules");
  fs.symlinkSync(new URL("node_modules", root).pathname, link);
  fs.copyFileSync(new URL("package.json", root), join(directory, "package.json"));
  fs.writeFileSync(join(directory, "program.mjs"), PROGRAM);
  fs.writeFileSync(join(directory, "bulk.mjs"), BULK);
  const files = ENTRIES.map((entry) => new URL(`src/${entry}.ts`, root).pathname);
  const config = {
    extends: new URL("tsconfig.build.json", root).pathname,
    compilerOptions: {
      outDir: join(directory, "dist"),
      rootDir: new URL("src", root).pathname,
      // What is broken in src is for the compiler's own step to tell.
      noCheck: true,
      declaration: false,
      isolatedDeclarations: false,
      declarationMap: false,
      sourceMap: false,
    },
    include: [],
    files: files.filter((file) => fs.existsSync(file)),
  };
  fs.writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  const tsc = new URL("node_modules/typescript/bin/tsc", root).pathname;
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, [tsc, "-p", join(directory, "tsconfig.json")], (error, stdout) =>
      error ? reject(new Error(stdout)) : resolve(),
    );
  });
  return {
    directory,
    remove() {
      // Before the rest: nothing recursive may ever follow this.
      fs.unlinkSync(link);
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What a program does. */
export interface ProgramOptions {
  /** Of the outbox. */
  dir: string;
  /** Of a fake Amplitude. */
  serverUrl: string;
  /** Of another one: a second tap sends to both. */
  otherUrl?: string;
  /** Default true. */
  hasOutbox?: boolean;
  /** Calls, before it ends by itself. Default: endless. */
  calls?: number;
  /** How it ends. Default: by nothing of its own. */
  end?: "exit" | "throw" | "close" | "handler" | "wait";
  /** After its first records were stored. */
  endAfterMs?: number;
  /** File that gets the id of each record that was made. */
  recorded: string;
  /** File that gets the id of each record that the outbox has answered with `stored`. */
  stored: string;
}

export interface ProgramRun {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface Program {
  /** When its first records are stored. */
  readonly ready: Promise<void>;
  readonly ended: Promise<ProgramRun>;
  kill(signal: NodeJS.Signals): void;
}

export function startProgram(workplace: Workplace, options: ProgramOptions): Program {
  return start(workplace, "program.mjs", options);
}

export interface BulkOptions {
  dir: string;
  serverUrl: string;
  /** Records to write. */
  count: number;
  /** Wait until all are delivered. */
  drain: boolean;
}

/** What the bulk program prints. */
export interface BulkReport {
  report: FlushReport;
  /** The most above what it had when it began. */
  heapMegabytes: number;
  perSecond: number;
}

/** A program that writes many records straight to an outbox. */
export async function runBulk(workplace: Workplace, options: BulkOptions): Promise<BulkReport & { ms: number }> {
  const { stdout, stderr, ms } = await start(workplace, "bulk.mjs", options).ended;
  try {
    return { ...(JSON.parse(stdout) as BulkReport), ms };
  } catch {
    throw new Error(stderr);
  }
}

function start(workplace: Workplace, script: string, options: object): Program {
  const started = performance.now();
  const child = spawn(process.execPath, ["--expose-gc", script, JSON.stringify(options)], {
    cwd: workplace.directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  // A program that hangs must not outlive its test.
  const limit = setTimeout(() => child.kill("SIGKILL"), LONGEST_MS);
  let onReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => (onReady = resolve));
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += String(chunk);
    if (stdout.includes("ready")) onReady();
  });
  child.stderr.on("data", (chunk: Buffer) => (stderr += String(chunk)));
  const ended = new Promise<ProgramRun>((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      onReady();
      resolve({ code, signal, stdout, stderr, ms: performance.now() - started });
    });
  });
  return { ready, ended, kill: (signal) => void child.kill(signal) };
}

const PROGRAM = `
import fs from "node:fs";
import { createTap } from "./dist/index.js";
import { durable } from "./dist/outbox/index.js";
import { amplitudeSink } from "./dist/sinks/amplitude.js";

const { dir, serverUrl, otherUrl, hasOutbox = true, calls = Infinity, end, endAfterMs = 0, recorded, stored } = JSON.parse(process.argv[2]);
const open = (url, name) => {
  const sink = amplitudeSink({ apiKey: "key", serverUrl: url, name });
  return hasOutbox ? durable(sink, { dir }) : sink;
};
const outbox = open(serverUrl, "amplitude");
const watched = {
  ...outbox,
  async write(records, options) {
    const answer = await outbox.write(records, options);
    const ids = records.filter((_, index) => /stored|delivered/.test(answer.results[index])).map(({ id }) => id + "\\n");
    fs.appendFileSync(stored, ids.join(""));
    if (!isReady) onReady();
    return answer;
  },
};
const tap = createTap({ sinks: [watched], onCall: ({ id }) => fs.appendFileSync(recorded, id + "\\n") });
const answer = JSON.stringify({
  id: "c", object: "chat.completion", model: "small-2",
  choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(2_000) }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
});
// Both see each call: the first project gets it from both taps, under the same insert_id.
const second = otherUrl === undefined ? undefined
  : createTap({ sinks: [open(serverUrl, "amplitude"), open(otherUrl, "other")] });
const wrap = (fetch) => tap.wrapFetch(second?.wrapFetch(fetch) ?? fetch);
const fetch = wrap(async () => new Response(answer, { headers: { "content-type": "application/json" } }));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let isEnding = false;
if (end === "handler") process.once("SIGTERM", async () => {
  isEnding = true;
  await Promise.all([tap, second].map((each) => each?.close({ timeoutMs: 1_500 })));
  process.exit(0);
});
let isReady = false;
function onReady() {
  isReady = true;
  console.log("ready");
  if (end === "exit") setTimeout(() => process.exit(3), endAfterMs);
  if (end === "throw") setTimeout(() => { throw new Error("uncaught"); }, endAfterMs);
}

let made = 0;
while (made < calls && !isEnding) {
  const burst = Math.min(calls - made, 1 + Math.floor(Math.random() * 12));
  made += burst;
  await Promise.all(Array.from({ length: burst }, (_, index) =>
    tap.run({ userId: "user-" + (index % 7) }, async () => {
      const response = await fetch("https://api.openai.com/v1/chat/completions", {
        method: "POST",
        body: JSON.stringify({ model: "small", messages: [{ role: "user", content: "question " + made }] }),
      });
      await response.json();
    })));
  // Now without a pause, now with one.
  if (calls === Infinity) await sleep(Math.random() * 30);
}
if (end === "wait") setInterval(() => undefined, 1_000);
if (end === "close") console.log(JSON.stringify(await tap.close({ timeoutMs: 20_000 })));
`;

const BULK = `
import { durable } from "./dist/outbox/index.js";
import { amplitudeSink } from "./dist/sinks/amplitude.js";
import { sampleCall } from "./dist/testing/index.js";

const { dir, serverUrl, count, drain } = JSON.parse(process.argv[2]);
const outbox = durable(amplitudeSink({ apiKey: "key", serverUrl }), { dir, onWarning: () => undefined });
const signal = new AbortController().signal;
globalThis.gc();
const before = process.memoryUsage().heapUsed;
let most = 0;
const measure = () => {
  globalThis.gc();
  most = Math.max(most, process.memoryUsage().heapUsed - before);
};
const started = performance.now();
let writing = 0;
for (let written = 0; written < count; written += 200) {
  const records = Array.from({ length: 200 }, (_, index) => sampleCall({
    id: (written + index).toString(16).padStart(8, "0") + "-0000-7000-8000-000000000000",
    context: { userId: "user-" + (index % 50) },
  }));
  const from = performance.now();
  const { results } = await outbox.write(records, { signal });
  writing += performance.now() - from;
  if (results.some((result) => result !== "stored")) throw new Error(results.join());
  if (written % 10_000 === 0) measure();
}
const draining = performance.now();
if (drain) {
  const timer = setInterval(measure, 500);
  await outbox.flush({ signal });
  clearInterval(timer);
}
measure();
const { delivered } = outbox.report();
console.log(JSON.stringify({
  report: outbox.report(),
  heapMegabytes: Math.round(most / 1e5) / 10,
  perSecond: Math.round(drain ? delivered / ((performance.now() - draining) / 1_000) : count / (writing / 1_000)),
}));
process.exit(0);
`;
