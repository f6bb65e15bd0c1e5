/** Runs each example as a user would, against the built package and without any key. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { startMockProviders } from "../../src/testing/mock-providers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const run = promisify(execFile);

/** What the tap's own line or the example's last lines say, once it has run. */
const OUTPUT: Record<string, RegExp> = {
  "anthropic.mjs": /tool_use \{[^]*anthropic claude-sonnet-4-6 chat success/,
  "context-headers.mjs": /user-1 \{ plan: 'pro' \} full\n张三 \{\} metadata/,
  "custom-sink.mjs": /gpt-4\.1-mini: 2 calls, \d+ tokens, \$0\.\d+\ngpt-4\.1: 1 calls/,
  "express.mjs": /(?=[^]*ann session-of-ann)(?=[^]*bob session-of-bob)/,
  "fastify.mjs": /(?=[^]*ann session-of-ann)(?=[^]*bob session-of-bob)/,
  "gemini.mjs": /gcp\.gemini gemini-2\.5-flash chat success \d+ in/,
  "hono.mjs": /(?=[^]*ann session-of-ann)(?=[^]*bob session-of-bob)/,
  "install.mjs": /2 vectors[^]*openai text-embedding-3-small embeddings success \d+ in/,
  "next.mjs": /(?=[^]*ann session-of-ann)(?=[^]*bob session-of-bob)/,
  "openai.mjs": /openai gpt-4\.1-mini chat success \d+ in .*\d+ out/,
  "raw-fetch.mjs": /openai gpt-4\.1-mini: \d+ in, \d+ out/,
  "undici-interceptor.mjs": /^200 [^]*anthropic claude-sonnet-4-6 chat success/,
  "vercel-ai.mjs": /2 steps: [^]*openai gpt-4\.1-mini chat success[^]*openai gpt-4\.1-mini chat success/,
};

/** stdout, then stderr; no key of the developer's gets in. */
async function runScript(path: string, options: string[] = [], environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/_API_KEY$|_BASE_URL$/.test(name)));
  const { stdout, stderr } = await run(process.execPath, [path, ...options], {
    cwd: root,
    env: { ...clean, ...environment, NO_COLOR: "1" },
    timeout: 60_000,
  });
  return stdout + stderr;
}

describe.skipIf(!existsSync(`${root}dist/index.js`))("examples (they need `npm run build`)", () => {
  it("are all tested here", () => {
    const files = readdirSync(examples).filter((name) => name.endsWith(".mjs") && name !== "demo.mjs");
    expect(files.toSorted()).toEqual(Object.keys(OUTPUT).toSorted());
  });

  it.concurrent.each(Object.entries(OUTPUT))("%s", { timeout: 60_000 }, async (file, output) => {
    expect(await runScript(examples + file)).toMatch(output);
  });

  it.each(["1", "2", "77"])("the demo, with seed %s", { timeout: 120_000 }, async (seed) => {
    expect(await runScript(`${examples}demo.mjs`, ["--seed", seed])).toMatch(/every event arrived once/);
  });

  it("the demo's live mode, with keys for some and their servers played", { timeout: 120_000 }, async () => {
    const mock = await startMockProviders({ seed: 5 });
    const amplitude = await startFakeAmplitude();
    try {
      const output = await runScript(`${examples}demo.mjs`, ["--live"], {
        OPENAI_API_KEY: "key",
        OPENAI_BASE_URL: mock.baseUrl("openai"),
        ANTHROPIC_API_KEY: "key",
        ANTHROPIC_BASE_URL: mock.baseUrl("anthropic"),
        AMPLITUDE_API_KEY: "key",
        AMPLITUDE_SERVER_URL: amplitude.url,
      });
      expect(output).toMatch(/skipped {2}gemini: GEMINI_API_KEY is not set\n\n\d+ calls: each record agrees/);
      expect(amplitude.events.length).toBe(mock.requests.length);
    } finally {
      await Promise.all([mock.close(), amplitude.close()]);
    }
  });

  it("the demo's live mode without any key fails and says why", async () => {
    await expect(runScript(`${examples}demo.mjs`, ["--live"])).rejects.toThrow(/Command failed/);
  });
});
