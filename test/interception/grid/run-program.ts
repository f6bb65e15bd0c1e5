/** Runs the program of the grid in processes of its own: importing an npm undici claims the process's global dispatcher. */
import { spawn, type StdioOptions } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { LlmCall } from "../../../src/types.ts";

/** What an app saw of one call, and what the server got of it. */
export interface CellResult {
  id: string;
  seen: { seen: { value?: unknown; error?: unknown; hangs?: true }; requests: unknown[] };
  /** Counts that are compared with tolerance. */
  measured?: { sent: number };
  /** Of the record; `null` where there is none, `any` where it depends. */
  outcome: string | null;
  records: number | "any";
}

export interface RecordedCall {
  id: string;
  outcome: string;
  notes: string[];
}

export interface TapReport {
  ways: string[];
  /** Absent for the tap of `register`, which nobody can ask. */
  stats?: {
    seen: number;
    recorded: number;
    sampledOut: number;
    dropped: Record<string, number>;
    ignored: Record<string, number>;
    inFlight: number;
    errors: Record<string, number>;
  };
  errors: string[];
  calls: { cell: string; calls: RecordedCall[] }[];
}

export interface ModeReport {
  /** By `client/scenario`. */
  results: Record<string, CellResult>;
  taps: TapReport[];
  /** Warnings and unhandled rejections. */
  strays: string[];
  /** Whether the globals are what they were. */
  left: Record<string, boolean>;
}

export interface ProgramReport {
  /** Whether a client goes through the global dispatcher that this undici sets. */
  reach: Record<string, boolean>;
  report: Record<string, ModeReport>;
}

const program = fileURLToPath(new URL("program.mjs", import.meta.url));
const root = fileURLToPath(new URL("../../../", import.meta.url));
/** A run that takes longer hangs; a call, or what is done between them, far sooner. The program itself gives up after 15 s. */
const RUN_LIMIT_MS = 280_000;
const STEP_LIMIT_MS = 90_000;

export interface ProgramOptions {
  undici: number;
  modes: readonly string[];
  /** Starts it with `--import llm-tap/register`. */
  isRegistered: boolean;
  /** Only these calls, by the beginning of their name. */
  only?: string;
}

export async function runProgram({ undici, modes, isRegistered, only }: ProgramOptions): Promise<ProgramReport> {
  const [port, deadPort] = await Promise.all([findPort(), findPort()]);
  const directory = mkdtempSync(join(tmpdir(), "llm-tap-grid-"));
  const records = join(directory, "calls.jsonl");
  const environment: NodeJS.ProcessEnv = { ...process.env };
  for (const name of Object.keys(environment))
    if (/^(?:LLM_TAP_|AMPLITUDE_|NODE_OPTIONS$)/.test(name)) delete environment[name];
  if (isRegistered) {
    environment["LLM_TAP_SINKS"] = `jsonl:${records}`;
    environment["LLM_TAP_HOSTS"] = `127.0.0.1:${port}=openai,127.0.0.1:${deadPort}=openai`;
  }
  const input = JSON.stringify({ undici, modes, port, deadPort, only });
  const name = `the grid on Node ${process.version} with undici ${undici}${isRegistered ? ", registered" : ""}`;
  const flags = isRegistered ? ["--import", "llm-tap/register"] : [];
  try {
    const report = JSON.parse(await run({ args: [...flags, program, input], env: environment, name })) as ProgramReport;
    if (isRegistered) addRegistered(report, readRecords(records));
    return report;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface RunOptions {
  args: string[];
  env: NodeJS.ProcessEnv;
  /** Of the run, for what is said of it when it hangs. */
  name: string;
}

function run({ args, env, name }: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const stdio: StdioOptions = ["ignore", "pipe", "pipe", "pipe"];
    const child = spawn(process.execPath, args, {
      cwd: root,
      env,
      timeout: RUN_LIMIT_MS,
      killSignal: "SIGKILL",
      stdio,
    });
    const [, output, errors, steps] = child.stdio as (Readable | undefined)[];
    let printed = "";
    let complaint = "";
    output?.setEncoding("utf8").on("data", (text: string) => (printed += text));
    errors?.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    const open = followSteps(steps);
    const watch = setInterval(() => {
      const oldest = Math.min(...open.values());
      if (performance.now() - oldest > STEP_LIMIT_MS) child.kill("SIGKILL");
    }, 1000);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(watch);
      if (code === 0 && printed !== "") resolve(printed);
      else {
        const hanging = [...open.keys()].join("; ") || "nothing was going on";
        reject(
          new Error(
            `${name} ended with ${code ?? signal}; not at its end, the last begun last: ${hanging}. ${complaint.slice(-2000)}`,
          ),
        );
      }
    });
  });
}

/** @returns what is going on, and since when */
function followSteps(steps: Readable | undefined): Map<string, number> {
  const open = new Map<string, number>();
  let rest = "";
  steps?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("+")) open.set(line.slice(1), performance.now());
      else open.delete(line.slice(1));
    }
  });
  return open;
}

/** Free right now: the port of a server that has just been closed. */
function findPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function readRecords(path: string): LlmCall[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as LlmCall);
}

/** The tap of `register` is one more tap of each mode. */
function addRegistered({ report }: ProgramReport, records: readonly LlmCall[]): void {
  const byCell = new Map<string, RecordedCall[]>();
  for (const { id, outcome, request, capture } of records) {
    const cell = request.url.split("/")[5] ?? "";
    byCell.set(cell, [...(byCell.get(cell) ?? []), { id, outcome, notes: capture.notes }]);
  }
  for (const { results, taps } of Object.values(report)) {
    const calls = Object.entries(results).map(([cell, { id }]) => ({ cell, calls: byCell.get(id) ?? [] }));
    taps.unshift({ ways: ["register"], errors: [], calls });
  }
}
