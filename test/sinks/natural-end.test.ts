import { execFile } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";

/** Far above any process start, far below the 10 s for which the SDK's timer holds a process. */
const PROMPT_MS = 8_000;

const root = new URL("../../", import.meta.url);
let built = "";
let amplitude: FakeAmplitude;

beforeAll(async () => {
  // Children run the compiled sinks: Node 20 does not strip types.
  built = fs.mkdtempSync(join(tmpdir(), "llm-tap-natural-end-"));
  fs.symlinkSync(new URL("node_modules", root).pathname, join(built, "node_modules"));
  fs.writeFileSync(join(built, "package.json"), '{"name":"natural-end","type":"module"}');
  const config = {
    extends: new URL("tsconfig.build.json", root).pathname,
    compilerOptions: {
      outDir: join(built, "dist"),
      rootDir: new URL("src", root).pathname,
      declaration: false,
      isolatedDeclarations: false,
      declarationMap: false,
      sourceMap: false,
    },
    include: [],
    files: ["sinks/amplitude", "sinks/jsonl", "sinks/console", "sinks/memory", "testing/sample-records"].map(
      (file) => new URL(`src/${file}.ts`, root).pathname,
    ),
  };
  fs.writeFileSync(join(built, "tsconfig.json"), JSON.stringify(config));
  await new Promise<void>((resolve, reject) => {
    execFile(
      process.execPath,
      [new URL("node_modules/typescript/bin/tsc", root).pathname, "-p", join(built, "tsconfig.json")],
      (error, stdout) => (error ? reject(new Error(stdout)) : resolve()),
    );
  });
}, 60_000);
afterAll(() => {
  // Before the rest: nothing recursive may ever follow this link.
  fs.unlinkSync(join(built, "node_modules"));
  fs.rmSync(built, { recursive: true, force: true });
});

beforeEach(async () => {
  amplitude = await startFakeAmplitude();
});
afterEach(() => amplitude.close());

/** Runs a module in a process of its own to its natural end. */
async function run(lines: string[]): Promise<{ ms: number; output: string; code: number }> {
  const script = join(built, `${Math.random()}.mjs`);
  fs.writeFileSync(
    script,
    [
      'import { amplitudeSink } from "./dist/sinks/amplitude.js";',
      'import { jsonlSink } from "./dist/sinks/jsonl.js";',
      'import { consoleSink } from "./dist/sinks/console.js";',
      'import { memorySink } from "./dist/sinks/memory.js";',
      'import { sampleRecords } from "./dist/testing/sample-records.js";',
      "const options = { signal: new AbortController().signal };",
      ...lines,
    ].join("\n"),
  );
  const started = performance.now();
  return new Promise((resolve) => {
    execFile(process.execPath, [script], { timeout: 30_000 }, (error, stdout) => {
      resolve({
        ms: performance.now() - started,
        output: stdout.trim(),
        code: error === null ? 0 : Number(error.code ?? -1),
      });
    });
  });
}

const report = "console.log(JSON.stringify([...new Set(results)]));";

describe("a process that has written ends by itself, promptly", () => {
  const sinks: [string, () => string][] = [
    ["memorySink", () => "memorySink()"],
    ["jsonlSink", () => `jsonlSink(${JSON.stringify(join(built, "calls.jsonl"))})`],
    ["consoleSink", () => "consoleSink()"],
    ["amplitudeSink with a key", () => `amplitudeSink({ apiKey: "key", serverUrl: ${JSON.stringify(amplitude.url)} })`],
    [
      "amplitudeSink with plugins",
      () =>
        `amplitudeSink({ apiKey: "key", serverUrl: ${JSON.stringify(amplitude.url)}, plugins: [{ name: "x", execute: async (event) => event }] })`,
    ],
  ];

  it.each(sinks)("%s", async (_name, create) => {
    const { ms, output, code } = await run([
      `const sink = ${create()};`,
      "const { results } = await sink.write(sampleRecords(100), options);",
      report,
    ]);
    expect([code, output]).toEqual([0, '["delivered"]']);
    expect(ms).toBeLessThan(PROMPT_MS);
  });

  it.each(["503", '"refuse"', '"html"'])("amplitudeSink while Amplitude answers %s", async (fault) => {
    await amplitude.setFault(JSON.parse(fault) as number | "refuse" | "html");
    const { ms, output, code } = await run([
      `const sink = amplitudeSink({ apiKey: "key", serverUrl: ${JSON.stringify(amplitude.url)} });`,
      "const { results } = await sink.write(sampleRecords(100), options);",
      report,
    ]);
    expect([code, output]).toEqual([0, '["retry"]']);
    expect(ms).toBeLessThan(PROMPT_MS);
  });

  it("amplitudeSink whose write was aborted while Amplitude hangs", async () => {
    await amplitude.setFault("hang");
    const { ms, output, code } = await run([
      `const sink = amplitudeSink({ apiKey: "key", serverUrl: ${JSON.stringify(amplitude.url)} });`,
      "const signal = AbortSignal.timeout(300);",
      "const { results } = await sink.write(sampleRecords(100), { signal });",
      report,
    ]);
    expect([code, output]).toEqual([0, '["retry"]']);
    expect(ms).toBeLessThan(PROMPT_MS);
  });

  it("loading and making the sinks loads neither the SDK nor starts anything", async () => {
    const { output, code } = await run([
      'import { createRequire } from "node:module";',
      'amplitudeSink({ apiKey: "key" }); jsonlSink("/nonexistent/x"); consoleSink(); memorySink();',
      "const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes('@amplitude'));",
      "const running = process.getActiveResourcesInfo().filter((kind) => /Timeout|Immediate|TCP|Worker/.test(kind));",
      "console.log(JSON.stringify([loaded, running]));",
    ]);
    expect([code, output]).toEqual([0, "[[],[]]"]);
  });
});
