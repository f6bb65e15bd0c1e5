/**
 * A reporter that fails the run when a file skips another number of tests than `interception/expected-skips.json` says
 * for this Node: what was left out without a reason looks like what passed.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Reporter, TestModule, Vitest } from "vitest/node";

const root = fileURLToPath(new URL("..", import.meta.url));
const [major = ""] = process.versions.node.split(".");
const file = new URL("interception/expected-skips.json", import.meta.url);
const expected = (JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, number>>)[major] ?? {};
/** They read recordings that not everybody has beside the project, and say so. */
const FREE: ReadonlySet<string> = new Set([
  "test/parsers/corpus.test.ts",
  "test/enrich/recorded-traffic.test.ts",
  "test/pipeline/repeated-events.test.ts",
]);

export function createSkipCounter(): Reporter {
  let isFiltered = false;

  return {
    onInit(vitest: Vitest) {
      isFiltered = vitest.config.testNamePattern !== undefined;
    },
    onTestRunEnd(modules: readonly TestModule[]) {
      addCounts(modules);
      if (isFiltered) return;
      for (const module of modules) {
        const name = relative(root, module.moduleId).replaceAll("\\", "/");
        if (module.state() === "failed" || FREE.has(name)) continue;
        const skipped = [...module.children.allTests("skipped")].length;
        if (skipped === (expected[name] ?? 0)) continue;
        process.exitCode = 1;
        console.error(`${name} skips ${skipped} tests on Node ${major}; expected are ${expected[name] ?? 0}`);
      }
    },
  };
}

/** For the last line of `.ci/run`. A file that does not load counts as a test that failed. */
function addCounts(modules: readonly TestModule[]): void {
  const counts = process.env["TEST_COUNTS_FILE"];
  if (counts === undefined) return;
  const tests = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state));
  const [passed, failed, skipped] = ["passed", "failed", "skipped"].map(
    (state) => tests.filter((each) => each === state).length,
  ) as [number, number, number];
  const broken = modules.filter((module) => module.state() === "failed" && module.errors().length > 0).length;
  appendFileSync(counts, `${passed} ${failed + broken} ${skipped}\n`);
}
