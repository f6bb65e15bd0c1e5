/**
 * All benches; rewrites docs/benchmarks.md.
 *
 *   npm run bench                  everything but the peers
 *   npm run bench -- --quick       fewer scenarios and rounds; writes nothing unless --write
 *   npm run bench -- --peers       with the peers, installed into a cache folder outside of the tree
 *   npm run bench -- --only json   scenarios whose name contains this
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runRounds } from "./end-to-end/run.mjs";
import { SCENARIOS } from "./end-to-end/scenarios.mjs";
import { measureImport } from "./import-cost.mjs";
import { writeReport } from "./report.mjs";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    peers: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
  },
});
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 5));
const names = Object.keys(SCENARIOS).filter(
  (name) => name.includes(flags.only) && (!flags.quick || SCENARIOS[name].quick === true || flags.only !== ""),
);
const loadBefore = os.loadavg()[0];

console.log("The tap's own cost, on a dispatcher that answers at once");
const nullBench = spawnSync(
  process.execPath,
  [fileURLToPath(new URL("null-dispatcher.mjs", import.meta.url)), "--json", ...(flags.quick ? ["--quick"] : [])],
  { encoding: "utf8", maxBuffer: 1e8 },
);
const own = JSON.parse(nullBench.stdout.trim().split("\n").at(-1) ?? "[]");
const cost = measureImport({ rounds: flags.quick ? 7 : 15 });
own.push(
  {
    work: 'import "llm-tap", ms',
    µs: cost.ms,
    noise: cost.msNoise,
    budget: 10,
    met: cost.ms <= 10 + cost.msNoise ? "yes" : "NO",
  },
  {
    work: 'import "llm-tap", MB',
    µs: cost.mb,
    noise: cost.mbNoise,
    budget: 3,
    met: cost.mb <= 3 + cost.mbNoise ? "yes" : "NO",
  },
);
console.table(own);

console.log("End to end");
const show = (row) =>
  console.log(
    `${row.scenario} · ${row.variant}: ${row.failure ?? `CPU ${row.cpuMicros?.toFixed(0)} µs, wall ${row.wallMicros?.toFixed(0)} µs a call, loop p99 ${row.loopP99?.toFixed(1)} max ${row.loopMax?.toFixed(1)} ms, RSS ${row.peakRss?.toFixed(0)} MB${row.calls ? `, recorded ${row.recorded} of ${row.calls}` : ""}`}`,
  );
const rows = await runRounds({
  variants: ["none", "none again", "tap.fetch", "install()", "clone()"],
  scenarios: names,
  rounds,
  onRow: show,
});

let peers;
if (flags.peers) {
  const { installPeers } = await import("./peers/install.mjs");
  const installed = installPeers();
  const { PEER_SCENARIOS } = await import("./peers/scenarios.mjs");
  console.log("Peers");
  peers = await runRounds({
    variants: ["none", "none again", "tap.fetch", "install()", "clone()", ...installed.names],
    scenarios: PEER_SCENARIOS.filter((name) => name.includes(flags.only)),
    rounds,
    peersFile: installed.file,
    onRow: show,
  });
}

if (!flags.quick || flags.write) {
  const file = new URL("../docs/benchmarks.md", import.meta.url);
  mkdirSync(new URL(".", file), { recursive: true });
  writeFileSync(file, writeReport({ own, rows, peers, rounds, load: [loadBefore, os.loadavg()[0]] }));
  console.log(`written: ${fileURLToPath(file)}`);
}
