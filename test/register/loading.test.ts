import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LlmCall } from "../../src/types.ts";
import {
  buildWorkplace,
  type Provider,
  readRecords,
  REGISTER,
  run,
  type Run,
  startProvider,
  type Workplace,
} from "./harness.ts";

let workplace: Workplace;
let provider: Provider;

beforeAll(async () => {
  [workplace, provider] = await Promise.all([buildWorkplace(), startProvider()]);
}, 60_000);
afterAll(async () => {
  workplace.remove();
  await provider.close();
});

/** One call, in whatever kind of file. */
const CALL = `fetch(process.env.PROVIDER, { method: "POST", headers: { "content-type": "application/json" },
  body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "A question" }] }) }).then((response) => response.json())`;

/** Takes types off, as the loaders of TypeScript do. */
const HOOKS = `export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return next(url, context);
  const { readFileSync } = await import("node:fs");
  const source = readFileSync(new URL(url), "utf8").replaceAll(": string", "");
  return { format: "module", shortCircuit: true, source };
}`;
const asModule = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;
/** Node 26 warns of its way to do so. */
const LOADER = asModule(
  `import { register } from "node:module"; process.noDeprecation = true; register(${JSON.stringify(asModule(HOOKS))});`,
);

let runs = 0;

interface AppOptions {
  /** File name → text; the first one is run. */
  files: Record<string, string>;
  /** Default: `--import llm-tap/register`. */
  args?: readonly string[];
  env?: Record<string, string>;
}

/** Runs an app in a directory of its own name space, tapped into a file. */
async function runApp({ files, args = REGISTER, env = {} }: AppOptions): Promise<Run & { records: LlmCall[] }> {
  runs += 1;
  const paths = Object.entries(files).map(([name, text]) =>
    workplace.write(`${runs}-${name}`, text.replaceAll("./", `./${runs}-`)),
  );
  const records = join(workplace.directory, `${runs}-records.jsonl`);
  const result = await run({
    workplace,
    args: [...args, paths[0] as string],
    env: { PROVIDER: provider.url, LLM_TAP_SINKS: `jsonl:${records}`, LLM_TAP_HOSTS: provider.hosts, ...env },
  });
  return { ...result, records: readRecords(records) };
}

const success = { outcome: "success", provider: "openai", usage: { inputTokens: 11, outputTokens: 5 } };

describe.concurrent("sees the calls of", () => {
  const register = "--import llm-tap/register";
  const apps: [name: string, app: AppOptions, calls: number][] = [
    ["an ESM app", { files: { "app.mjs": `await ${CALL};` } }, 1],
    ["a CommonJS app", { files: { "app.cjs": `${CALL}.then(() => require("node:fs"));` } }, 1],
    [
      "an app that is read from the command line",
      { files: {}, args: [...REGISTER, "--input-type=module", "-e", `await ${CALL};`] },
      1,
    ],
    [
      "an app under NODE_OPTIONS",
      { files: { "app.mjs": `await ${CALL};` }, args: [], env: { NODE_OPTIONS: register } },
      1,
    ],
    ["an app under --require", { files: { "app.cjs": `${CALL};` }, args: ["--require", "llm-tap/register"] }, 1],
    [
      "an app that imports it itself",
      { files: { "app.mjs": `import "llm-tap/register"; await ${CALL};` }, args: [] },
      1,
    ],
    [
      "an app that keeps fetch before anything else",
      {
        files: {
          "app.cjs": `const { fetch: kept } = globalThis; globalThis.fetch = undefined; ((fetch) => ${CALL})(kept);`,
        },
      },
      1,
    ],
    [
      "a TypeScript app, whose loader comes after",
      { files: { "app.ts": `const kind: string = "x"; await ${CALL};` }, args: [...REGISTER, "--import", LOADER] },
      1,
    ],
    [
      "a TypeScript app, whose loader comes before",
      { files: { "app.ts": `const kind: string = "x"; await ${CALL};` }, args: ["--import", LOADER, ...REGISTER] },
      1,
    ],
    ["an app without a HOME", { files: { "app.mjs": `await ${CALL};` }, env: { HOME: "", USERPROFILE: "" } }, 1],
    [
      "an app whose directory is gone",
      {
        files: {
          "app.mjs": `import fs from "node:fs"; import os from "node:os"; const gone = fs.mkdtempSync(os.tmpdir() + "/gone-"); process.chdir(gone); fs.rmdirSync(gone); await ${CALL};`,
        },
      },
      1,
    ],
    [
      "undici of npm",
      {
        files: {
          "app.mjs": `import { request } from "undici"; const { body } = await request(process.env.PROVIDER, { method: "POST", headers: { "content-type": "application/json" }, body: '{"model":"gpt-5-mini","messages":[]}' }); await body.json();`,
        },
      },
      1,
    ],
    [
      "a worker thread",
      {
        files: {
          "app.mjs": `import { Worker } from "node:worker_threads"; await ${CALL}; new Worker(new URL("./worker.mjs", import.meta.url));`,
          "worker.mjs": `await ${CALL};`,
        },
      },
      2,
    ],
    [
      "a worker thread that ends in the middle of one",
      {
        files: {
          "app.cjs": `const { Worker } = require("node:worker_threads"); new Worker(require.resolve("./worker.cjs"));`,
          "worker.cjs": `${CALL}.then(() => process.exit(0));`,
        },
      },
      1,
    ],
    [
      "a fork",
      {
        files: {
          "app.mjs": `import { fork } from "node:child_process"; import { fileURLToPath } from "node:url"; await ${CALL}; fork(fileURLToPath(new URL("./child.mjs", import.meta.url)));`,
          "child.mjs": `await ${CALL};`,
        },
      },
      2,
    ],
    [
      "a fork and a worker under NODE_OPTIONS",
      {
        args: [],
        env: { NODE_OPTIONS: register },
        files: {
          "app.cjs": `const { fork } = require("node:child_process"); const { Worker } = require("node:worker_threads"); fork(require.resolve("./child.mjs"), { execArgv: [] }); new Worker(require.resolve("./child.mjs"), { execArgv: [] });`,
          "child.mjs": `await ${CALL};`,
        },
      },
      2,
    ],
  ];

  it.each(apps)("%s", async (_name, app, calls) => {
    const { records, ...result } = await runApp(app);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(records).toHaveLength(calls);
    for (const record of records) expect(record).toMatchObject(success);
  });
});

describe.concurrent("registers once", () => {
  it.each([
    ["on the command line twice", { files: { "app.mjs": `await ${CALL};` }, args: [...REGISTER, ...REGISTER] }],
    [
      "in NODE_OPTIONS too",
      { files: { "app.mjs": `await ${CALL};` }, env: { NODE_OPTIONS: "--import llm-tap/register" } },
    ],
    ["in the app too", { files: { "app.mjs": `import "llm-tap/register"; await ${CALL};` } }],
    ["by require too", { files: { "app.cjs": `require("llm-tap/register"); ${CALL};` } }],
  ])("%s", async (_name, app) => {
    const { records, ...result } = await runApp(app);
    // One line announces the one sink.
    expect(result).toMatchObject({ code: 0, stderr: "", said: ["llm-tap: content: on → jsonl"] });
    expect(records).toHaveLength(1);
  });

  it("in two copies of the package", async () => {
    const copy = pathToFileURL(join(workplace.directory, "node_modules/llm-tap/dist/register.js")).href;
    const { records } = await runApp({
      files: { "app.mjs": `await ${CALL};` },
      args: [...REGISTER, "--import", `${copy}?copy`],
    });
    expect(records).toHaveLength(1);
  });
});

describe.concurrent("goes along with", () => {
  it("an app's own tap: each has the call, with the same id", async () => {
    const { records, stdout } = await runApp({
      files: {
        "app.mjs": `import { createTap } from "llm-tap"; import { memorySink } from "llm-tap/sinks/memory";
          const sink = memorySink();
          const tap = createTap({ sinks: [sink], hosts: { [new URL(process.env.PROVIDER).host]: { provider: "mine" } } });
          for (const fetch of [tap.fetch, globalThis.fetch]) { const restore = tap.install(); await ${CALL}; restore(); }
          await tap.flush();
          console.log(JSON.stringify(sink.calls.map(({ id, provider }) => [id, provider])));`,
      },
    });
    expect(records).toHaveLength(2);
    expect(JSON.parse(stdout)).toEqual(records.map(({ id }) => [id, "mine"]));
  });

  it("the context of an app that knows nothing but llm-tap's run", async () => {
    const { records } = await runApp({
      files: {
        "app.mjs": `import { createTap } from "llm-tap"; await createTap().run({ userId: "u-1" }, () => ${CALL});`,
      },
    });
    expect(records).toMatchObject([{ context: { userId: "u-1" } }]);
  });
});

describe.concurrent("does as the environment says", () => {
  const app = { "app.mjs": `await ${CALL};` };
  const line = /^openai gpt-5-mini-2025-08-07 chat success 11 in 5 out .*$/;

  it("with nothing set: a line on stderr for each call, without content", async () => {
    const { said, stdout, stderr } = await runApp({ files: app, env: { LLM_TAP_SINKS: "" } });
    expect(said).toEqual(["llm-tap: content: off → console", expect.stringMatching(line)]);
    expect([stdout, stderr]).toEqual(["", ""]);
    expect(said.join("\n")).not.toMatch(/question|answer/i);
  });

  it("LLM_TAP_DISABLED: nothing at all", async () => {
    const { said, records, stdout } = await runApp({
      files: {
        "app.mjs": `await ${CALL}; console.log(fetch.toString().includes("native"), Object.getOwnPropertyDescriptor(globalThis, "fetch").get === undefined);`,
      },
      env: { LLM_TAP_DISABLED: "true", LLM_TAP_DEBUG: "1" },
    });
    expect([said, records]).toEqual([[], []]);
    expect(stdout).not.toBe("");
  });

  it("content is recorded, and not with LLM_TAP_PRIVACY_MODE", async () => {
    const [open, closed] = await Promise.all([
      runApp({ files: app }),
      runApp({ files: app, env: { LLM_TAP_PRIVACY_MODE: "1" } }),
    ]);
    expect(JSON.stringify(open.records)).toMatch(/A question.*The answer\./);
    expect(closed.records).toMatchObject([{ ...success, capture: { content: "metadata" } }]);
    expect(JSON.stringify(closed.records)).not.toMatch(/question|answer/i);
  });

  it("LLM_TAP_EXCLUDE_INPUT and LLM_TAP_EXCLUDE_OUTPUT", async () => {
    const [input, output] = await Promise.all([
      runApp({ files: app, env: { LLM_TAP_EXCLUDE_INPUT: "1" } }),
      runApp({ files: app, env: { LLM_TAP_EXCLUDE_OUTPUT: "1" } }),
    ]);
    expect(JSON.stringify(input.records)).toMatch(/^(?!.*A question).*The answer\./);
    expect(JSON.stringify(output.records)).toMatch(/^(?!.*The answer\.).*A question/);
  });

  it("LLM_TAP_HOSTS: what is not named there is not seen", async () => {
    const { records } = await runApp({ files: app, env: { LLM_TAP_HOSTS: "" } });
    expect(records).toEqual([]);
  });

  it("a wrong value is one line, and the app runs", async () => {
    const { said, code, records } = await runApp({ files: app, env: { LLM_TAP_DEBUG: "perhaps" } });
    expect(said).toEqual([
      'llm-tap: LLM_TAP_DEBUG: got "perhaps"; expected true or false (ignored)',
      "llm-tap: content: on → jsonl",
    ]);
    expect([code, records.length]).toEqual([0, 1]);
  });

  it("without a sink that can be made, nothing is recorded and the app runs", async () => {
    const { said, code } = await runApp({ files: app, env: { LLM_TAP_SINKS: "amplitude" } });
    expect(said).toEqual([
      expect.stringMatching(/^llm-tap: LLM_TAP_SINKS: amplitude needs a key/),
      "llm-tap: no sink is left, so nothing is recorded",
    ]);
    expect(code).toBe(0);
  });

  it("a sink that fails says why, once", async () => {
    const { said, code } = await runApp({
      files: { "app.mjs": `await ${CALL}; await new Promise((resolve) => setTimeout(resolve, 50)); await ${CALL};` },
      env: { LLM_TAP_SINKS: "jsonl:/dev/null/calls.jsonl,console" },
    });
    expect(code).toBe(0);
    expect(said.filter((text) => text.includes("jsonl failed"))).toHaveLength(1);
    expect(said.filter((text) => line.test(text))).toHaveLength(2);
  });

  it("LLM_TAP_DEBUG: says what it does", async () => {
    const { said } = await runApp({ files: app, env: { LLM_TAP_DEBUG: "1" } });
    expect(said).toEqual([
      "llm-tap: content: on → jsonl",
      expect.stringMatching(/^llm-tap: registered in process \d+, Node .*; sinks: jsonl$/),
      expect.stringMatching(/^llm-tap: process \d+ ends: \{"seen":1,"recorded":1,/),
    ]);
  });
});

it("leaves the tap's own worker threads alone", async () => {
  const { stdout, said } = await runApp({
    files: {
      "app.mjs": `import { Worker } from "node:worker_threads";
        const ask = (workerData) => new Promise((resolve) => new Worker(new URL("./worker.mjs", import.meta.url), { workerData }).on("message", resolve));
        console.log(await ask({ "llm-tap.worker": true }), await ask({}), await ask(undefined));`,
      "worker.mjs": `import { parentPort } from "node:worker_threads"; parentPort.postMessage(Symbol.for("llm-tap.register.1") in globalThis);`,
    },
  });
  expect(stdout).toBe("false true true\n");
  expect(said).toHaveLength(3);
});
