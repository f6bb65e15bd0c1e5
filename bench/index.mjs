/**
 * All benches; rewrites docs/benchmarks.md.
 *
 *   npm run bench                  everything but the peers
 *   npm run bench -- --peers       with the peers, installed into a cache folder outside of the tree
 *   npm run bench -- --minutes 10  as many rounds as fit, what has a budget first; one is always made
 *   npm run bench -- --quick       fewer scenarios and rounds; writes nothing unless --write
 *   npm run bench -- --only json   scenarios whose name contains this; writes nothing unless --write
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hasBudget } from "./budgets.mjs";
import { runRounds } from "./end-to-end/run.mjs";
import { SCENARIOS } from "./end-to-end/scenarios.mjs";
import { VARIANTS } from "./end-to-end/variants.mjs";
import { measureImport } from "./import-cost.mjs";
import { writeReport } from "./report.mjs";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    peers: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    minutes: { type: "string" },
  },
});
const started = performance.now();
const minutes = Number(flags.minutes ?? (flags.peers ? 18 : 12));
const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5));
const loadBefore = os.loadavg()[0];

console.log("The tap's own cost, on a dispatcher that answers at once");
const nullBench = spawnSync(
  process.execPath,
  [fileURLToPath(new URL("null-dispatcher.mjs", import.meta.url)), "--json", ...(flags.quick ? ["--quick"] : [])],
  { encoding: "utf8", maxBuffer: 1e8 },
);
if (nullBench.status !== 0) throw new Error(nullBench.stderr);
const own = JSON.parse(nullBench.stdout.trim().split("\n").at(-1) ?? "[]");
const cost = measureImport({ rounds: flags.quick ? 7 : 15 });
const judge = (value, noise, budget) => (value <= budget + noise ? "yes" : "NO");
own.push(
  {
    work: 'import "llm-tap", ms',
    µs: cost.ms,
    noise: cost.msNoise,
    budget: 10,
    met: judge(cost.ms, cost.msNoise, 10),
  },
  {
    work: 'import "llm-tap", MB',
    µs: cost.mb,
    noise: cost.mbNoise,
    budget: 3,
    met: judge(cost.mb, cost.mbNoise, 3),
  },
);
console.table(own);

let peers = [];
if (flags.peers) {
  const { installPeers } = await import("./peers/install.mjs");
  installPeers();
  peers = Object.keys((await import("./peers/variants.mjs")).PEERS);
}
const plan = Object.keys(SCENARIOS)
  .filter((name) => name.includes(flags.only))
  .filter((name) => !flags.quick || flags.only !== "" || SCENARIOS[name].quick === true)
  .filter((name) => flags.peers || SCENARIOS[name].peers !== "only")
  .map((scenario) => {
    const hasPeers = flags.peers && SCENARIOS[scenario].peers !== undefined;
    const usual = [...Object.keys(VARIANTS), ...(hasPeers ? peers : [])];
    return { scenario, variants: SCENARIOS[scenario].variants ?? usual };
  })
  .toSorted((one, other) => Number(hasBudget(other.scenario)) - Number(hasBudget(one.scenario)));

console.log("End to end");
const measured = await runRounds({
  plan,
  rounds,
  until: started + minutes * 60_000,
  onRound: (turn) =>
    console.log(`round ${turn} of ${rounds}, after ${((performance.now() - started) / 60_000).toFixed(1)} minutes`),
});
const text = writeReport({
  own,
  rows: measured.rows,
  peers,
  rounds: measured.rounds,
  load: [loadBefore, os.loadavg()[0]],
});
console.log(text);

const isWhole = !flags.quick && flags.only === "";
if (isWhole || flags.write) {
  const file = new URL("../docs/benchmarks.md", import.meta.url);
  mkdirSync(new URL(".", file), { recursive: true });
  writeFileSync(file, text);
  console.log(`written: ${fileURLToPath(file)}, after ${((performance.now() - started) / 60_000).toFixed(1)} minutes`);
}
