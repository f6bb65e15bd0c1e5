/** Runs scenarios with variants, each in a process of its own, in interleaved rounds, and sums them up. */
import { fork, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { median, spread } from "../shared/statistics.mjs";
import { SCENARIOS } from "./scenarios.mjs";

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** @returns {Promise<{ port: number, stop: () => void }>} */
export async function startServer() {
  const child = fork(here("server.mjs"));
  const port = await new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message.port));
    child.once("error", reject);
  });
  return { port, stop: () => child.kill() };
}

/** @returns what the client measured, or `{ failure }` */
function runClient(variant, scenario, port, { timeoutMs = 40_000 } = {}) {
  return new Promise((resolve) => {
    const args = [here("client.mjs"), variant, scenario, String(port)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], timeout: timeoutMs });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (errors += chunk));
    child.on("close", () => {
      // Peers write to stdout too: the last line is ours.
      const line = output.trim().split("\n").at(-1) ?? "";
      try {
        resolve(JSON.parse(line));
      } catch {
        const failure = child.killed
          ? `did not end in ${timeoutMs / 1000} seconds`
          : (errors || output).trim().slice(-400);
        resolve({ failure: failure || "no answer" });
      }
    });
  });
}

const FIELDS = [
  "cpuMicros",
  "wallMicros",
  "firstChunkP50",
  "firstChunkP99",
  "loopP99",
  "loopMax",
  "peakRss",
  "importMs",
];

/**
 * Each round goes through all scenarios, so that what the machine does meanwhile falls on all of them. The first is whole;
 * the others leave out what no longer fits into the time, scenarios of the plan's end first.
 *
 * @param {{ plan: { scenario: string, variants: string[] }[], rounds: number, until?: number, onRound?: (turn: number) => void }} options
 *   `until`: nothing is begun that would end after this, in ms of `performance.now()`
 * @returns one row for each scenario and variant: medians, and how far the middle half of them lies apart
 */
export async function runRounds({ plan, rounds, until = Number.POSITIVE_INFINITY, onRound }) {
  const server = await startServer();
  const results = new Map();
  const took = new Map();
  let made = 0;
  async function runScenario({ scenario, variants }, turn) {
    const started = performance.now();
    // Each variant is first as often as last.
    const order = variants.map((_, index) => variants[(index + turn) % variants.length]);
    for (const variant of order) {
      const key = `${scenario}\n${variant}`;
      const list = results.get(key) ?? [];
      results.set(key, list);
      // What has failed once would fail again, and take its time.
      if (list.some(({ failure }) => failure !== undefined)) continue;
      list.push(await runClient(variant, scenario, server.port));
    }
    took.set(scenario, performance.now() - started);
  }
  try {
    for (let turn = 0; turn < rounds; turn += 1) {
      let any = false;
      for (const entry of plan) {
        if (performance.now() + (took.get(entry.scenario) ?? 0) > until && turn > 0) continue;
        any = true;
        await runScenario(entry, turn);
      }
      if (!any) break;
      made += 1;
      onRound?.(made);
    }
  } finally {
    server.stop();
  }
  const rows = plan.flatMap(({ scenario, variants }) =>
    variants.map((variant) => summarize(scenario, variant, results.get(`${scenario}\n${variant}`))),
  );
  return { rows, rounds: made };
}

function summarize(scenario, variant, results) {
  const good = results.filter((result) => result.failure === undefined);
  const row = { scenario, title: SCENARIOS[scenario].title, variant, rounds: good.length };
  const failure = results.find((result) => result.failure !== undefined)?.failure;
  if (failure !== undefined) row.failure = failure;
  for (const field of FIELDS) {
    const values = good.map((result) => result[field]).filter((value) => typeof value === "number");
    if (values.length === 0) continue;
    row[field] = median(values);
    row[`${field}Spread`] = spread(values);
  }
  const counted = good.filter((result) => result.recorded !== undefined);
  if (counted.length > 0) {
    row.recorded = counted.reduce((sum, result) => sum + result.recorded, 0);
    row.calls = counted.reduce((sum, result) => sum + result.calls, 0);
  }
  return row;
}
