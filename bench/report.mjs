/** The text of docs/benchmarks.md. */
import os from "node:os";
import process from "node:process";
import { listBudgets } from "./budgets.mjs";
import { SCENARIOS } from "./end-to-end/scenarios.mjs";
import { formatNumber, makeTable } from "./shared/markdown.mjs";

/** Ratios to and differences from the same run without anything, with what a second run without anything gave. */
export function compareToBare(rows) {
  return rows.map((row) => {
    const of = (variant) => rows.find((other) => other.scenario === row.scenario && other.variant === variant);
    const bare = of("none");
    const again = of("none again");
    const ratio = (field) => {
      if (!(bare?.[field] > 0) || row[field] === undefined) return undefined;
      return { value: row[field] / bare[field], noise: Math.abs(again?.[field] / bare[field] - 1) };
    };
    const over = (field) => {
      if (bare?.[field] === undefined || row[field] === undefined) return undefined;
      return { value: row[field] - bare[field], noise: Math.abs(again?.[field] - bare[field]) };
    };
    return {
      ...row,
      cpu: ratio("cpuMicros"),
      wall: ratio("wallMicros"),
      firstP50: over("firstChunkP50"),
      firstP99: over("firstChunkP99"),
      loopP99Over: over("loopP99"),
      loopMaxOver: over("loopMax"),
      rss: ratio("peakRss"),
      rssOver: over("peakRss"),
      importOver: over("importMs"),
    };
  });
}

const withNoise = (measured, digits = 2) =>
  measured === undefined
    ? "–"
    : `${formatNumber(measured.value, digits)}${Number.isFinite(measured.noise) ? ` ± ${formatNumber(measured.noise, digits)}` : ""}`;

/** What recorded nothing of a call has not done its work. */
function describeRecorded({ recorded, calls, failure }) {
  if (failure !== undefined) return "**failed**";
  if (!calls) return "–";
  if (recorded === calls) return "all";
  return recorded === 0 ? "**none**" : `**${recorded} of ${calls}**`;
}

const COLUMNS = [
  ["scenario", (row) => row.title, "left"],
  ["variant", (row) => row.variant, "left"],
  ["CPU, µs a call", (row) => formatNumber(row.cpuMicros, 0)],
  ["CPU, ×", (row) => withNoise(row.cpu)],
  ["wall, ×", (row) => withNoise(row.wall)],
  ["first chunk p50, ms over", (row) => withNoise(row.firstP50)],
  ["p99", (row) => withNoise(row.firstP99)],
  ["loop delay p99, ms over", (row) => withNoise(row.loopP99Over, 1)],
  ["longest", (row) => withNoise(row.loopMaxOver, 1)],
  ["peak RSS, ×", (row) => withNoise(row.rss)],
  ["import, ms", (row) => formatNumber(row.importMs, 0)],
  ["recorded", describeRecorded],
  ["rounds", (row) => formatNumber(row.rounds, 0)],
];

/** @param {{ own: object[], rows: object[], peers: string[], rounds: number, load: number[] }} measured */
export function writeReport({ own, rows, peers, rounds, load }) {
  const compared = compareToBare(rows);
  const ours = compared.filter((row) => !peers.includes(row.variant) && SCENARIOS[row.scenario].peers !== "only");
  const parts = [
    "# Benchmarks",
    "",
    "Written by `npm run bench` (with `-- --peers` for the last table). Numbers of one machine, to be compared with each other only.",
    "",
    `Node ${process.version}, ${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown processor"}, up to ${rounds} interleaved rounds, load average ${load.map((value) => formatNumber(value, 1)).join(" → ")}.`,
    "",
    "## The tap's own cost",
    "",
    "On a dispatcher that answers at once, over the same calls without the tap; µs unless it says otherwise. `undisturbed` is the same of the tenth of the rounds in which the machine disturbed least. The noise is bare against bare.",
    "",
    makeTable(own, [
      ["work", (row) => row.work, "left"],
      ["cost", (row) => formatNumber(row["µs"], 2)],
      ["undisturbed", (row) => formatNumber(row.undisturbed, 2)],
      ["noise", (row) => formatNumber(row.noise, 2)],
      ["budget", (row) => formatNumber(row.budget, 2)],
      ["met", (row) => row.met],
    ]),
    "",
    "## Budgets, end to end",
    "",
    "A client process against a loopback server in another process. A budget is met where the number, less the noise of bare against bare in the same run, is within it.",
    "",
    makeTable(listBudgets(compared), [
      ["work", (row) => row.work, "left"],
      ["variant", (row) => row.variant, "left"],
      ["measured", (row) => withNoise(row.measured)],
      ["budget", (row) => formatNumber(row.budget, 2)],
      ["met", (row) => row.met],
    ]),
    "",
    "## End to end",
    "",
    "Medians; each variant runs in a process of its own. CPU is that of the whole process, its threads and garbage collection included, until all records are in the sink. `×` is the ratio to `none`, `over` the difference; behind ± is how far a second run of `none` was off. The longest delay of the event loop is that of the app's own work too.",
    "",
    makeTable(ours, COLUMNS),
  ];
  if (peers.length > 0) {
    const withPeers = compared.filter((row) => SCENARIOS[row.scenario].peers !== undefined);
    parts.push(
      "",
      "## Peers",
      "",
      "The same client and server, through the OpenAI SDK. What the peers would send is made and then dropped in the process. `recorded` counts what they would have sent with the model and its tokens in it; where it is not all, the rest of the row is the price of less.",
      "",
      makeTable(withPeers, COLUMNS),
    );
    for (const { variant, title, failure } of withPeers) {
      if (failure !== undefined) parts.push("", `${variant}, ${title}: ${failure.split("\n").at(-1)}`);
    }
  }
  return `${parts.join("\n")}\n`;
}
