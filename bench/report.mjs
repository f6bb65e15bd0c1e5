/** The text of docs/benchmarks.md. */
import os from "node:os";
import process from "node:process";
import { formatNumber, makeTable } from "./shared/markdown.mjs";

/** Ratios to the same run without anything, with what a second run without anything gave. */
function addRatios(rows) {
  return rows.map((row) => {
    const of = (variant) => rows.find((other) => other.scenario === row.scenario && other.variant === variant);
    const bare = of("none");
    const again = of("none again");
    const ratio = (field) => (bare?.[field] > 0 ? row[field] / bare[field] : undefined);
    const noise = (field) => (bare?.[field] > 0 && again ? Math.abs(again[field] / bare[field] - 1) : undefined);
    const over = (field) => (bare === undefined ? undefined : row[field] - bare[field]);
    return {
      ...row,
      cpuRatio: ratio("cpuMicros"),
      cpuNoise: noise("cpuMicros"),
      wallRatio: ratio("wallMicros"),
      wallNoise: noise("wallMicros"),
      firstP50: over("firstChunkP50"),
      firstP99: over("firstChunkP99"),
      loopP99Over: over("loopP99"),
      loopMaxOver: over("loopMax"),
      rssRatio: ratio("peakRss"),
    };
  });
}

const withNoise = (value, noise) =>
  value === undefined ? "–" : `${formatNumber(value, 2)}${noise === undefined ? "" : ` ± ${formatNumber(noise, 2)}`}`;

const COLUMNS = [
  ["scenario", (row) => row.title, "left"],
  ["variant", (row) => row.variant, "left"],
  ["CPU µs a call", (row) => formatNumber(row.cpuMicros, 0)],
  ["CPU ×", (row) => withNoise(row.cpuRatio, row.cpuNoise)],
  ["wall ×", (row) => withNoise(row.wallRatio, row.wallNoise)],
  ["first chunk p50, ms over", (row) => formatNumber(row.firstP50, 2)],
  ["p99", (row) => formatNumber(row.firstP99, 2)],
  ["loop delay p99, ms over", (row) => formatNumber(row.loopP99Over, 2)],
  ["longest", (row) => formatNumber(row.loopMaxOver, 1)],
  ["peak RSS ×", (row) => formatNumber(row.rssRatio, 2)],
  ["recorded", (row) => (row.calls ? `${row.recorded} of ${row.calls}` : "–")],
];

export function writeReport({ own, rows, peers, rounds, load }) {
  const parts = [
    "# Benchmarks",
    "",
    "Written by `npm run bench` (with `-- --peers` for the last table). Numbers of one machine, to be compared with each other only.",
    "",
    `Node ${process.version}, ${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown processor"}, ${rounds} interleaved rounds, load average ${load.map((value) => formatNumber(value, 1)).join(" → ")}.`,
    "",
    "## The tap's own cost",
    "",
    "On a dispatcher that answers at once, over the same calls without the tap; µs unless it says otherwise. The noise is bare against bare.",
    "",
    makeTable(own, [
      ["work", (row) => row.work, "left"],
      ["cost", (row) => formatNumber(row["µs"], 2)],
      ["noise", (row) => formatNumber(row.noise, 2)],
      ["budget", (row) => formatNumber(row.budget, 2)],
      ["met", (row) => row.met],
    ]),
    "",
    "## End to end",
    "",
    "A client process against a loopback server in another process. Medians; each variant runs in a process of its own. CPU is that of the whole process, its threads and garbage collection included, until all records are in the sink. `×` is the ratio to `none`; behind ± is how far a second run of `none` was off.",
    "",
    makeTable(addRatios(rows), COLUMNS),
  ];
  if (peers !== undefined) {
    parts.push(
      "",
      "## Peers",
      "",
      "The same client and server; what the peers would send is dropped in the process, after they have made it. `recorded` counts what they would have sent with tokens in it.",
      "",
      makeTable(addRatios(peers), COLUMNS),
    );
    const failures = peers.filter((row) => row.failure !== undefined);
    for (const row of failures) parts.push("", `${row.variant}, ${row.title}: ${row.failure.split("\n").at(-1)}`);
  }
  return `${parts.join("\n")}\n`;
}
