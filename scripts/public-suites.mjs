/**
 * The test suites of public SDKs, run plain, with `--import llm-tap/register`, and with that and a tap installed on top of
 * the suite's own mock of fetch (under it a tap sees nothing of what is mocked): each test must end the same.
 *
 *   npm run test:public [-- cohere-ai]
 *
 * Few packages bring their tests along; these do. Suites and what they need are kept in the user's cache, outside the tree.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const SUITES = [
  {
    name: "cohere-ai",
    version: "8.1.0",
    tools: { vitest: "4.1.12", msw: "2.11.2" },
    /** Far fewer, and the suite was not run. */
    atLeast: 100,
    /** Calls that must be on record with a tap on top. */
    records: 20,
    prepare(folder) {
      // The tests import `src`, what is published is built from it.
      symlinkSync(".", join(folder, "src"));
      // A host that the tap knows: nothing leaves, all of it is mocked.
      const host = join(folder, "tests/mock-server/randomBaseUrl.ts");
      writeFileSync(host, 'export const randomBaseUrl = (): string => "https://api.cohere.com";\n');
    },
    config: `export default { test: {
      globals: true,
      include: ["tests/**/*.test.ts"],
      setupFiles: ["./tests/setup.ts", "./tests/mock-server/setup.ts", "./tap-on-top.mjs"],
      server: { deps: { external: [/\\/package\\/(?!tests|tap-on-top)/, /\\/dist\\//] } },
    } };`,
  },
  {
    name: "@gradio/client",
    version: "2.7.0",
    tools: { vitest: "4.1.12", msw: "2.11.3" },
    atLeast: 50,
    records: 0,
    prepare() {},
    config: `export default { test: {
      include: ["src/test/**/*.test.ts"],
      env: { TEST_MODE: "node" },
      setupFiles: ["./tap-on-top.mjs"],
      server: { deps: { external: [/\\/dist\\//] } },
    } };`,
  },
];

/** Before each test, because the mocks come when they like. */
const TAP_ON_TOP = `import { afterEach, beforeEach } from "vitest";
if (process.env.TAP_ON_TOP !== undefined) {
  const { createTap } = await import(process.env.TAP_ON_TOP + "index.js");
  const { jsonlSink } = await import(process.env.TAP_ON_TOP + "sinks/jsonl.js");
  const tap = createTap({ sinks: [jsonlSink(process.env.TAP_RECORDS)] });
  let restore;
  beforeEach(() => { restore = tap.install(); });
  afterEach(async () => { restore(); await tap.flush(); });
}
`;

const { positionals } = parseArgs({ allowPositionals: true });
const suites = positionals.length > 0 ? SUITES.filter(({ name }) => positionals.includes(name)) : SUITES;
const dist = new URL("../dist/", import.meta.url).href;
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "llm-tap", "public-suites");

function install({ name, version, tools, prepare, config }) {
  const folder = join(cache, `${name.replaceAll("/", "-")}-${version}`);
  const suite = join(folder, "package");
  if (!existsSync(join(folder, "installed"))) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const dependencies = { [name]: version, ...tools };
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
    const { status } = spawnSync(
      "npm",
      ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
      {
        cwd: folder,
        stdio: "inherit",
      },
    );
    if (status !== 0) throw new Error(`${name} ${version} could not be installed`);
    writeFileSync(join(folder, "installed"), "");
  }
  // Out of node_modules, where no test runner looks.
  rmSync(suite, { recursive: true, force: true });
  cpSync(join(folder, "node_modules", name), suite, { recursive: true });
  prepare(suite);
  rmSync(join(suite, "vite.config.ts"), { force: true });
  rmSync(join(suite, "vitest.config.mts"), { force: true });
  writeFileSync(join(suite, "vitest.config.mjs"), config);
  writeFileSync(join(suite, "tap-on-top.mjs"), TAP_ON_TOP);
  return { folder, suite };
}

/** @returns for each test how it has ended; one that comes twice is counted */
function run({ folder, suite }, kind, env) {
  const report = join(folder, `${kind}.json`);
  rmSync(report, { force: true });
  const vitest = join(folder, "node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", "--reporter=json", `--outputFile=${report}`];
  const result = spawnSync(process.execPath, args, {
    cwd: suite,
    env: { ...process.env, CI: "1", ...env },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 10 * 60_000,
  });
  if (!existsSync(report)) throw new Error(`no report: ${String(result.stderr).slice(-2_000)}`);
  const ends = new Map();
  const { testResults } = JSON.parse(readFileSync(report, "utf8"));
  for (const { name: file, assertionResults, status, message } of testResults) {
    if (assertionResults.length === 0) ends.set(file, `${status} ${message}`);
    for (const { fullName, status: end, failureMessages } of assertionResults) {
      const reason = (failureMessages?.[0] ?? "").split("\n")[0];
      const key = `${pathToFileURL(file).pathname.slice(suite.length)} ${fullName}`;
      ends.set(ends.has(key) ? `${key} (again)` : key, `${end} ${reason}`.trim());
    }
  }
  return ends;
}

const count = (ends, status) => [...ends.values()].filter((end) => end.startsWith(status)).length;

function findDifferent(kind, plain, other) {
  const names = [...new Set([...plain.keys(), ...other.keys()])];
  const different = names.filter((name) => plain.get(name) !== other.get(name));
  for (const name of different) {
    console.error(`${name}\n  plain: ${plain.get(name)}\n  ${kind}: ${other.get(name)}`);
  }
  return different.length;
}

function compare(suite) {
  const place = install(suite);
  const records = join(place.folder, "records.jsonl");
  rmSync(records, { force: true });
  const env = {
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import ${dist}register.js`.trim(),
    LLM_TAP_SINKS: `jsonl:${join(place.folder, "register.jsonl")}`,
  };
  const plain = run(place, "plain", {});
  const registered = run(place, "registered", env);
  const onTop = run(place, "on top", { ...env, TAP_ON_TOP: dist, TAP_RECORDS: records });
  const different = findDifferent("registered", plain, registered) + findDifferent("on top", plain, onTop);
  const seen = existsSync(records) ? readFileSync(records, "utf8").split("\n").length - 1 : 0;
  const isRight = different === 0 && plain.size >= suite.atLeast && seen >= suite.records;
  return {
    suite: `${suite.name} ${suite.version}`,
    tests: plain.size,
    "passed plain": count(plain, "passed"),
    registered: count(registered, "passed"),
    "tap on top": count(onTop, "passed"),
    different,
    "calls on record": seen,
    ok: isRight ? "✓" : "✗",
  };
}

const rows = suites.map(compare);
console.table(rows);
console.log(`Node ${process.versions.node}`);
process.exit(rows.length > 0 && rows.every(({ ok }) => ok === "✓") ? 0 : 1);
