// A part of the suite on one Node, in a process group of its own: what does not end in time is ended with all it has started.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { CACHE } from "./find-node.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Tests that skip on each Node, by file, for a reason that the suite names: undici 8 does not load on Node 20, and pairs
 * that fail without a tap are not run with one. Another count means that something was left out unnoticed.
 */
const EXPECTED_SKIPS = JSON.parse(
  readFileSync(new URL("../../test/interception/expected-skips.json", import.meta.url), "utf8"),
);

/** @returns counts and problems; `undefined` when it had no time to end */
export async function runPart({ node, version, files, seconds }) {
  const report = join(CACHE, `report-${version}-${process.pid}.json`);
  mkdirSync(CACHE, { recursive: true });
  const started = performance.now();
  const args = [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...files,
    "--silent=passed-only",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
  const child = spawn(node, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], detached: true });
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  };
  process.once("exit", stop);
  let isLate = false;
  const timer =
    seconds === undefined
      ? undefined
      : setTimeout(() => {
          isLate = true;
          stop();
        }, seconds * 1000);
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  clearTimeout(timer);
  process.off("exit", stop);
  if (isLate) return undefined;
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
  rmSync(report, { force: true });
  const problems = listSkipProblems(testResults, version);
  if (numFailedTests > 0) problems.push(`${numFailedTests} tests failed`);
  else if (code !== 0) problems.push(`vitest ended with ${code}`);
  return {
    passed: numPassedTests,
    failed: numFailedTests > 0 ? numFailedTests : problems.length,
    skipped: numPendingTests,
    seconds: (performance.now() - started) / 1000,
    problems,
  };
}

/** Nobody has counted on a Node that is not in the list. */
function listSkipProblems(testResults, version) {
  const expected = EXPECTED_SKIPS[version];
  if (expected === undefined) return [];
  return testResults.flatMap(({ name, assertionResults }) => {
    const file = relative(root, name).replaceAll("\\", "/");
    const skipped = assertionResults.filter(({ status }) => status === "skipped" || status === "pending").length;
    const planned = expected[file] ?? 0;
    return skipped === planned ? [] : [`${file} skips ${skipped} tests; expected are ${planned}`];
  });
}
