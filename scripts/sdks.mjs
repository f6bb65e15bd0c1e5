// Every SDK of docs/sdks.md against mocks, without the tap, through `tap.fetch` and through `tap.install()`: the app must
// see the same, the server must get the same, and the record must say what the mock sent.
// `npm run test:sdks [-- "@mistralai/mistralai" …]`. The SDKs are kept in the user's cache, outside the tree.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { clients } from "./sdks/clients.mjs";

/** The newest that run on this Node. */
const VERSIONS = {
  "@anthropic-ai/sdk": "1.14.0",
  "@cerebras/cerebras_cloud_sdk": "1.91.0",
  "@huggingface/inference": "4.13.30",
  "@langchain/anthropic": "1.5.11",
  "@langchain/core": "1.4.0",
  "@mistralai/mistralai": "2.7.0",
  "@openrouter/sdk": "1.3.19",
  "cohere-ai": "8.1.0",
  "groq-sdk": "1.6.0",
  "together-ai": "0.52.0",
  ollama: "0.6.4",
  replicate: "1.4.0",
  voyageai: "0.4.0",
  zod: "4.6.7",
  ...(Number.parseInt(process.versions.node, 10) >= 22
    ? {
        "@ai-sdk/anthropic": "4.0.105",
        "@ai-sdk/google": "4.0.121",
        "@ai-sdk/groq": "4.0.84",
        "@ai-sdk/openai": "4.0.118",
        "@google/genai": "3.3.0",
        "@langchain/openai": "1.6.0",
        ai: "7.0.173",
        openai: "7.57.0",
      }
    : {
        "@ai-sdk/anthropic": "3.0.140",
        "@ai-sdk/google": "3.0.141",
        "@ai-sdk/groq": "3.0.71",
        "@ai-sdk/openai": "3.0.141",
        "@google/genai": "2.32.0",
        "@langchain/openai": "1.4.7",
        ai: "6.0.326",
        openai: "6.49.0",
      }),
};
const WAYS = ["bare", "fetch", "install"];

const names = process.argv.slice(2);
const loader = installSdks();
const runner = fileURLToPath(new URL("sdks/run.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "llm-tap-sdks-"));
const [bare, ...tapped] = WAYS.map(runWay);
const rows = [];
let failed = 0;
for (const [index, { client, flow, seen, requests }] of bare.entries()) {
  const row = { sdk: client, flow, requests: requests.length };
  for (const [way, results] of tapped.entries()) {
    const problems = compare({ client, flow, seen, requests }, results);
    row[WAYS[way + 1]] = problems === undefined ? "–" : problems.length === 0 ? "✓" : "✗";
    if (problems === undefined || problems.length === 0) continue;
    failed += 1;
    console.error(`${client}, ${flow}, ${WAYS[way + 1]}:\n  ${problems.join("\n  ")}`);
  }
  if (seen.error !== undefined || requests.length === 0) {
    failed += 1;
    console.error(`${client}, ${flow}, without the tap: ${JSON.stringify(seen)}`);
  }
  rows[index] = row;
}
rmSync(folder, { recursive: true });
console.table(rows);
const ran = tapped.reduce((sum, results) => sum + results.length, 0);
console.log(`${ran - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function installSdks() {
  const wanted = [...new Set(clients.flatMap(({ packages }) => packages))].toSorted();
  const specifiers = wanted.map((name) => `${name}@${VERSIONS[name]}`);
  const key = createHash("sha256").update(specifiers.join()).digest("hex").slice(0, 12);
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "llm-tap", "sdks", key);
  const file = join(cache, "load.mjs");
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "package.json"), "{}");
  const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...specifiers];
  const { status } = spawnSync("npm", args, { cwd: cache, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`npm could not install ${specifiers.join(" ")}`);
  // From here, so that they are found here.
  writeFileSync(file, "export const load = (name) => import(name);\n");
  return file;
}

function runWay(way) {
  const out = join(folder, `${way}.json`);
  const { status } = spawnSync(process.execPath, [runner, way, loader, out, ...names], {
    stdio: ["ignore", "ignore", "inherit"],
    // A key of one's own would change what is sent.
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    timeout: 240_000,
  });
  if (status !== 0) throw new Error(`the run "${way}" ended with ${status}`);
  return JSON.parse(readFileSync(out, "utf8"));
}

/** `undefined`: it was not run this way. */
function compare(plain, results) {
  const other = results.find(({ client, flow }) => client === plain.client && flow === plain.flow);
  if (other === undefined) return undefined;
  const problems = [...other.problems];
  for (const what of ["seen", "requests"]) {
    if (isDeepStrictEqual(other[what], plain[what])) continue;
    problems.push(`${what}: ${JSON.stringify(other[what])}\n    without the tap: ${JSON.stringify(plain[what])}`);
  }
  return problems;
}
