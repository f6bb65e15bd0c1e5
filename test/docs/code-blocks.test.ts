/** Every TypeScript block of the documentation compiles against the sources, and two of them are run. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listCodeBlocks, readPage, readPages, root } from "./pages.ts";

const run = promisify(execFile);
const folder = `${root}.cache/docs-${process.pid}/`;

/** SDKs that are no dependency: their blocks are checked for everything but the SDK's own types. */
const OTHER_SDKS = [
  "groq-sdk",
  "together-ai",
  "@mistralai/mistralai",
  "@openrouter/sdk",
  "@cerebras/cerebras_cloud_sdk",
  "cohere-ai",
  "ollama",
  "replicate",
  "@langchain/openai",
  "@langchain/anthropic",
  "@huggingface/inference",
  "@aws-sdk/client-bedrock-runtime",
  "@smithy/fetch-http-handler",
  "@opentelemetry/sdk-node",
];

/** What a block may use without saying where it comes from. */
const GLOBALS = `
import type OpenAI from "openai";
import type * as core from "llm-tap";
declare global {
  const createTap: typeof core.createTap;
  const tap: core.Tap;
  const openai: OpenAI;
  const messages: OpenAI.ChatCompletionMessageParam[];
}
`;

const TSCONFIG = {
  extends: "../../tsconfig.json",
  compilerOptions: {
    noUnusedLocals: false,
    noUnusedParameters: false,
    types: ["node"],
    paths: {
      "#platform": ["../../src/platform/node.ts"],
      "llm-tap": ["../../src/index.ts"],
      "llm-tap/sinks/*": ["../../src/sinks/*.ts"],
      "llm-tap/outbox": ["../../src/outbox/index.ts"],
      "llm-tap/parsers": ["../../src/parsers/index.ts"],
      "llm-tap/testing": ["../../src/testing/index.ts"],
      "llm-tap/amplitude-plugin": ["../../src/amplitude-plugin.ts"],
      "llm-tap/register": ["../../src/register.ts"],
    },
  },
  include: ["."],
};

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("compile", { timeout: 60_000 }, async () => {
  writeFileSync(`${folder}tsconfig.json`, JSON.stringify(TSCONFIG));
  writeFileSync(`${folder}globals.d.ts`, GLOBALS);
  writeFileSync(`${folder}sdks.d.ts`, OTHER_SDKS.map((name) => `declare module "${name}";\n`).join(""));
  const places = new Map<string, string>();
  for (const { path, text } of readPages()) {
    for (const { language, code, line } of listCodeBlocks(text)) {
      if (language !== "ts") continue;
      const name = `block-${places.size}.ts`;
      places.set(name, `${path}:${line}`);
      writeFileSync(folder + name, `${code}\nexport {};\n`);
    }
  }
  expect(places.size).toBeGreaterThan(15);

  const { stdout } = await run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", folder], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error);
  // What is broken in src is for the compiler's own step to tell.
  const problems = stdout
    .split("\n")
    .filter((line) => line.startsWith("block-") || line.startsWith("globals"))
    .map((line) => line.replace(/^block-\d+\.ts/, (name) => `${places.get(name) ?? name} +`));
  expect(problems, problems.join("\n")).toEqual([]);
});

describe.skipIf(!existsSync(`${root}dist/index.js`))("run (they need `npm run build`)", () => {
  it.each([
    ["Testing your own app", /^$/],
    ["Recordings", /^openai-chat 9\n$/],
  ])("%s", { timeout: 30_000 }, async (heading, output) => {
    const block = listCodeBlocks(readPage("README.md")).find((candidate) => candidate.heading === heading);
    const file = `${folder}${heading.replaceAll(" ", "-")}.mjs`;
    writeFileSync(file, block?.code ?? "throw new Error('no such block')");
    const { stdout, stderr } = await run(process.execPath, [file], { cwd: root });
    expect(stderr).toBe("");
    expect(stdout).toMatch(output);
  });
});
