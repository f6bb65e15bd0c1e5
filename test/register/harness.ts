/** Child processes of a built package: what an app sees of `llm-tap/register`, with and without it. */
import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import type { LlmCall } from "../../src/types.ts";

const root = new URL("../../", import.meta.url);

/** A directory in which `llm-tap` can be imported by name. */
export interface Workplace {
  readonly directory: string;
  /** Writes a file and gives its path. */
  write(name: string, text: string): string;
  remove(): void;
}

const ENTRIES = [
  "index",
  "register",
  "register/register",
  "register/last-delivery-worker",
  "outbox/index",
  "cli/main",
  "sinks/amplitude",
  "sinks/console",
  "sinks/jsonl",
  "sinks/memory",
  "sinks/opentelemetry",
];

export async function buildWorkplace(): Promise<Workplace> {
  // The real path: a stack trace shows no other.
  const directory = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "llm-tap-register-"));
  const home = join(directory, "node_modules", "llm-tap");
  fs.mkdirSync(home, { recursive: true });
  fs.copyFileSync(new URL("package.json", root), join(home, "package.json"));
  const links = [join(home, "node_modules"), join(directory, "node_modules", "undici")];
  fs.symlinkSync(new URL("node_modules", root).pathname, links[0] as string);
  fs.symlinkSync(new URL("node_modules/undici", root).pathname, links[1] as string);
  fs.writeFileSync(join(directory, "package.json"), '{"name":"an-app","type":"module"}');
  const config = {
    extends: new URL("tsconfig.build.json", root).pathname,
    compilerOptions: {
      outDir: join(home, "dist"),
      rootDir: new URL("src", root).pathname,
      declaration: false,
      isolatedDeclarations: false,
      declarationMap: false,
      sourceMap: false,
      typeRoots: [new URL("node_modules/@types", root).pathname],
    },
    include: [],
    files: ENTRIES.map((file) => new URL(`src/${file}.ts`, root).pathname),
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
    write(name, text) {
      const path = join(directory, name);
      fs.writeFileSync(path, text);
      return path;
    },
    remove() {
      // Before the rest: nothing recursive may ever follow these.
      for (const link of links) fs.unlinkSync(link);
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface Run {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  /** Without the tap's own lines. */
  stderr: string;
  /** The tap's own lines. */
  said: string[];
  ms: number;
}

export interface RunOptions {
  workplace: Workplace;
  /** What comes after `node`. */
  args: string[];
  env?: Record<string, string>;
  /** Sent when the child prints `ready`. */
  signal?: NodeJS.Signals;
}

export const REGISTER: readonly string[] = ["--import", "llm-tap/register"];

/** More at once than this, and a busy machine makes every bound a matter of luck. */
const MAX_RUNNING = 4;
let running = 0;
const waiting: (() => void)[] = [];

/** Runs Node to its end. */
export async function run(options: RunOptions): Promise<Run> {
  if (running < MAX_RUNNING) running += 1;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await runNow(options);
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

function runNow({ workplace, args, env = {}, signal }: RunOptions): Promise<Run> {
  const { NODE_OPTIONS: _ours, ...inherited } = process.env;
  const started = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: workplace.directory,
    env: { ...inherited, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // A child that hangs fails its test by its signal.
  const limit = setTimeout(() => child.kill("SIGKILL"), 45_000);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += String(chunk);
    if (signal !== undefined && String(chunk).includes("ready")) child.kill(signal);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += String(chunk);
  });
  return new Promise((resolve) => {
    child.on("close", (code, endSignal) => {
      clearTimeout(limit);
      const lines = stderr.split("\n");
      const isOurs = (line: string): boolean => /^(?:llm-tap:|\[llm-tap\]|openai gpt-)/.test(line);
      resolve({
        code,
        signal: endSignal,
        stdout,
        stderr: lines.filter((line) => !isOurs(line)).join("\n"),
        said: lines.filter(isOurs),
        ms: performance.now() - started,
      });
    });
  });
}

/** The records of a JSON Lines file; none when there is no file. */
export function readRecords(path: string): LlmCall[] {
  if (!fs.existsSync(path)) return [];
  const lines = fs.readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as LlmCall);
}

const ANSWER = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-5-mini-2025-08-07",
  choices: [{ index: 0, message: { role: "assistant", content: "The answer." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 },
});

export interface Provider {
  /** Of `/v1/chat/completions`; `?as=` says how it answers: `json`, `gzip`, `hang`, `stream` (a beginning, no end). */
  readonly url: string;
  /** For `LLM_TAP_HOSTS`. */
  readonly hosts: string;
  close(): Promise<void>;
}

/** A provider that speaks OpenAI's chat completions on loopback. */
export async function startProvider(): Promise<Provider> {
  const server: Server = createServer((request, response) => {
    request.resume().on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1/chat/completions`,
    hosts: `127.0.0.1:${port}=openai`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const kind = new URL(request.url ?? "/", "http://localhost").searchParams.get("as");
  if (kind === "hang") return;
  if (kind === "stream") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const delta = { id: "c", model: "gpt-5-mini", choices: [{ index: 0, delta: { content: "The beginning" } }] };
    response.write(`data: ${JSON.stringify(delta)}\n\n`);
    return;
  }
  const headers = { "content-type": "application/json" };
  if (kind === "gzip") response.writeHead(200, { ...headers, "content-encoding": "gzip" }).end(gzipSync(ANSWER));
  else response.writeHead(200, headers).end(ANSWER);
}
