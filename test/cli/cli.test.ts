import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildWorkplace, REGISTER, run, type Run, type Workplace } from "../register/harness.ts";

let workplace: Workplace;

beforeAll(async () => {
  workplace = await buildWorkplace();
}, 60_000);
afterAll(() => workplace.remove());

let apps = 0;

interface Package {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
  /** The text of its `index.js`. */
  index?: string;
}

/** A directory with packages, of which only what is needed is there. */
function makeApp(packages: readonly Package[]): string {
  const directory = join(workplace.directory, `app-${(apps += 1)}`);
  for (const { index, ...manifest } of packages) {
    const home = join(directory, "node_modules", manifest.name === "undici" ? "undici-of-app" : manifest.name);
    fs.mkdirSync(home, { recursive: true });
    fs.writeFileSync(join(home, "package.json"), JSON.stringify(manifest));
    if (index !== undefined) fs.writeFileSync(join(home, "index.js"), index);
  }
  fs.mkdirSync(directory, { recursive: true });
  return directory;
}

function cli(args: readonly string[], env: Record<string, string> = {}, preload: readonly string[] = []): Promise<Run> {
  const main = join(workplace.directory, "node_modules/llm-tap/dist/cli/main.js");
  return run({ workplace, args: [...preload, main, ...args], env });
}

const doctor = (directory: string, env?: Record<string, string>, preload?: readonly string[]): Promise<Run> =>
  cli(["doctor", "--directory", directory], env, preload);

describe.concurrent("llm-tap", () => {
  it.each([["--help"], ["-h"], []])("%s says how it is used", async (...args) => {
    expect(await cli(args)).toMatchObject({
      code: 0,
      stderr: "",
      stdout: expect.stringMatching(/llm-tap doctor/) as string,
    });
  });

  it("--version is that of the package", async () => {
    const { version } = JSON.parse(fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(await cli(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each([["docter"], ["doctor", "more"], ["--colour"], ["doctor", "--directory"]])(
    "refuses %s %s with the exit code 2 and says how it is used",
    async (...args) => {
      const { code, stdout, said, stderr } = await cli(args);
      expect([code, stdout]).toEqual([2, ""]);
      expect(said).toHaveLength(1);
      expect(stderr).toMatch(/Usage/);
    },
  );
});

describe.concurrent("llm-tap doctor", () => {
  it("says what is at work, and that the hooks work", async () => {
    const { code, stdout, stderr } = await doctor(makeApp([]));
    const { undici = "" } = process.versions;
    expect([code, stderr]).toEqual([0, ""]);
    for (const line of [
      `  ✓ Node ${process.versions.node}`,
      `  · undici ${undici} is behind the built-in fetch`,
      "  ✓ globalThis.fetch",
      "  · no variable is set",
      "  ✓ tap.fetch: seen, 12 tokens in, 3 out",
      "  ✓ install(): fetch: seen, 12 tokens in, 3 out",
      "  ✓ install(): fetch, a stream: seen, 12 tokens in, 3 out",
      "  ✓ install() can be taken back: fetch is what it was",
      "  ✓ the hooks work here",
    ]) {
      expect(stdout.split("\n")).toContain(line);
    }
    expect(stdout).toMatch(/✓ undici 7\..* of npm \(\.\.\/node_modules\/undici\)/);
    expect(stdout).toMatch(/✓ install\(\): undici\.request of undici 7\..*: seen/);
    // Plain words on what is not seen.
    expect(stdout).toMatch(/✗ .*node:http.*node:http2/);
    expect(stdout).toMatch(/✗ WebSockets .* gRPC/);
    expect(stdout).not.toContain("\u001b");
  });

  it("names each SDK with its version and how it is seen", async () => {
    const { stdout } = await doctor(
      makeApp([
        { name: "openai", version: "6.49.0" },
        { name: "groq-sdk", version: "0.9.0", dependencies: { "node-fetch": "^2" } },
        { name: "@mistralai/mistralai", version: "2.7.0" },
        { name: "@aws-sdk/client-bedrock-runtime", version: "3.1164.0" },
        { name: "@google-cloud/aiplatform", version: "5.0.0" },
        { name: "axios", version: "1.9.0" },
        { name: "ws", version: "8.0.0" },
      ]),
    );
    for (const pattern of [
      /✓ openai 6\.49\.0: seen by register, install\(\), or new OpenAI\(\{ fetch: tap\.fetch \}\)/,
      /! groq-sdk 0\.9\.0: this version brings node-fetch, which only new Groq\(\{ fetch: tap\.fetch \}\) makes visible/,
      /✓ @mistralai\/mistralai 2\.7\.0: .*fetcher: tap\.fetch/,
      /! @smithy\/fetch-http-handler is not in reach: npm install @smithy\/fetch-http-handler/,
      /! @aws-sdk\/client-bedrock-runtime 3\.1164\.0: .*@smithy\/fetch-http-handler.*requestHandler: new FetchHttpHandler\(\)/,
      /✗ @google-cloud\/aiplatform 5\.0\.0: speaks gRPC/,
      /! axios 1\.9\.0: .*adapter: "fetch"/,
      /✗ ws 8\.0\.0: WebSockets/,
    ]) {
      expect(stdout).toMatch(pattern);
    }
  });

  it("says which variables are set and valid, and shows no secret", async () => {
    const { stdout, code } = await doctor(makeApp([]), {
      LLM_TAP_AMPLITUDE_API_KEY: "very-s3cret",
      AMPLITUDE_SERVER_URL: "https://user:s3cret@proxy.example.com/batch?token=s3cret",
      LLM_TAP_SINKS: "amplitude,jsonl:./calls.jsonl",
      LLM_TAP_PRIVACY_MODE: "perhaps",
      LLM_TAP_PRIVACY: "1",
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/✓ LLM_TAP_AMPLITUDE_API_KEY = set, 11 characters/);
    expect(stdout).toMatch(/✓ AMPLITUDE_SERVER_URL = https:\/\/proxy\.example\.com\/batch \(/);
    expect(stdout).toMatch(/✗ LLM_TAP_PRIVACY_MODE: got "perhaps"; expected true or false \(taken as true\)/);
    expect(stdout).toMatch(/! LLM_TAP_PRIVACY is not known/);
    expect(stdout).toMatch(/· register would send records to amplitude, jsonl \(\.\/calls\.jsonl\)/);
    expect(stdout).not.toContain("s3cret");
  });

  it("fails with the exit code 1 when a hook does not see a call", async () => {
    const index = `const http = require("node:http");
      exports.request = (url, { method, headers, body }) => new Promise((resolve, reject) => {
        const request = http.request(url, { method, headers }, (response) => {
          let text = ""; response.on("data", (chunk) => (text += chunk)).on("end", () => resolve({ body: { text: async () => text } }));
        });
        request.on("error", reject).end(body);
      });`;
    const { code, stdout } = await doctor(makeApp([{ name: "undici", version: "7.99.0", index }]));
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /✗ install\(\): undici\.request of undici 7\.99\.0 \(node_modules\/undici-of-app\): not seen/,
    );
    expect(stdout).toMatch(/✗ the hooks do not all work here/);
  });

  it("says what an undici of npm throws", async () => {
    const index = 'exports.request = async () => { throw new Error("no such luck"); };';
    const { code, stdout } = await doctor(makeApp([{ name: "undici", version: "7.98.0", index }]));
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ install\(\): undici\.request of undici 7\.98\.0 .*: no such luck/);
  });

  it.each([
    ["5.28.4", "is older than what llm-tap knows (6.19)"],
    ["6.18.0", "is older than what llm-tap knows (6.19)"],
    ["9.0.0", "is newer than what llm-tap was tested with (8)"],
  ])("says of undici %s that it %s", async (version, remark) => {
    const { stdout } = await doctor(makeApp([{ name: "undici", version }]));
    expect(stdout).toContain(`! undici ${version} of npm (node_modules/undici-of-app) ${remark}`);
  });

  it("runs under register, and notices", async () => {
    const { code, stdout, said } = await doctor(makeApp([]), { LLM_TAP_SINKS: "console" }, REGISTER);
    expect(code).toBe(0);
    expect(stdout).toMatch(/· llm-tap\/register is loaded in this process/);
    expect(said).toEqual(["llm-tap: content: off → console"]);
  });

  it("is coloured where that is wanted", async () => {
    const { stdout } = await cli(["doctor", "--directory", makeApp([])], { FORCE_COLOR: "1" });
    expect(stdout).toContain("\u001b[32m✓");
  });
});
