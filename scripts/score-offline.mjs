#!/usr/bin/env node
// Scores the parsers against recorded traffic, without network and without the rest of the tap.
//   node scripts/score-offline.mjs [--dialect openai-chat,anthropic] [--api openai-chat] [--provider groq]
//        [--show N field]… [--mismatches out.jsonl] [--by a,b] [--seed N] [--id part] [--dump] [--fail-under PCT]
// --dialect filters on the expected dialect, --api on the route's API, --id on a part of the exchange's id;
// --dump prints what was parsed. Other options go to score.mjs.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { inspect, parseArgs } from "node:util";
import {
  createRandom,
  hasTraffic,
  readExchanges,
  readExpected,
  root,
  splitAtRandom,
  trafficFolder,
} from "./score-exchanges.mjs";
import { callToFacts } from "./score-facts.mjs";

const noParsers = new Set(["index.js", "table.js", "parse-exchange.js", "assemble-recording.js"]);
const { passed, own } = splitArguments(process.argv.slice(2));
if (hasTraffic()) await main();

async function main() {
  const work = path.join(root, "node_modules/.cache", `llm-tap-score-${process.pid}`);
  fs.mkdirSync(work, { recursive: true });
  process.on("exit", () => fs.rmSync(work, { recursive: true, force: true }));
  build(work);
  const { parseExchange } = await import(pathToFileURL(path.join(work, "parsers/parse-exchange.js")).href);
  const parsers = await loadParsers(path.join(work, "parsers"));
  const expected = new Map(readExpected().map((entry) => [entry.id, entry]));
  const lists = Object.fromEntries(["dialect", "api", "provider"].map((name) => [name, own[name]?.split(",")]));
  const kept = [];
  const actual = [];
  const notes = new Map();
  const random = createRandom(Number(own.seed ?? 1));
  for (const exchange of readExchanges()) {
    const entry = expected.get(exchange.id);
    if (entry === undefined) continue;
    if (lists.dialect !== undefined && !lists.dialect.includes(entry.dialect)) continue;
    if (lists.provider !== undefined && !lists.provider.includes(entry.facts?.provider ?? entry.group)) continue;
    if (own.id !== undefined && !exchange.id.includes(own.id)) continue;
    const call = parse(parseExchange, parsers, exchange, random);
    if (lists.api !== undefined && !lists.api.includes(call?.api)) continue;
    kept.push(entry);
    if (own.dump)
      console.log(exchange.id, inspect(call, { depth: 12, maxStringLength: 400, colors: process.stdout.isTTY }));
    if (own.note !== undefined && call?.capture.notes.includes(own.note)) console.log(own.note, exchange.id);
    for (const note of call?.capture.notes ?? []) notes.set(note, (notes.get(note) ?? 0) + 1);
    actual.push({ id: exchange.id, calls: call === undefined ? [] : [callToFacts(call)] });
  }
  const files = { expected: path.join(work, "expected.jsonl"), actual: path.join(work, "actual.jsonl") };
  fs.writeFileSync(files.expected, kept.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  fs.writeFileSync(files.actual, actual.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  const scorer = path.join(trafficFolder, "score.mjs");
  const { status } = spawnSync(
    process.execPath,
    [scorer, "--expected", files.expected, "--actual", files.actual, ...passed],
    { stdio: "inherit" },
  );
  if (notes.size > 0) console.log("notes:", Object.fromEntries([...notes].sort((a, b) => b[1] - a[1])));
  process.exitCode = status ?? 1;
}

function parse(parseExchange, parsers, { request, response }, random) {
  const chunks = splitAtRandom(response.body ?? Buffer.alloc(0), random).map((bytes, index) => ({
    bytes,
    atMs: index,
  }));
  return parseExchange(
    { request, response: { status: response.status, headers: response.headers, chunks } },
    { findParser: (api) => parsers.get(api) },
  );
}

/** Type errors do not matter here: half-written files of others must not stop a run. */
function build(work) {
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  const config = path.join(root, "tsconfig.build.json");
  spawnSync(
    process.execPath,
    [
      compiler,
      "-p",
      config,
      "--outDir",
      work,
      "--sourceMap",
      "false",
      "--declaration",
      "false",
      "--declarationMap",
      "false",
      "--isolatedDeclarations",
      "false",
    ],
    {
      stdio: own.types ? "inherit" : "ignore",
    },
  );
  fs.writeFileSync(
    path.join(work, "package.json"),
    JSON.stringify({ type: "module", imports: { "#platform": "./platform/node.js" } }),
  );
}

/** Every parser that lies in the folder, also those that the table does not name yet. */
async function loadParsers(folder) {
  const found = new Map();
  for (const file of fs.readdirSync(folder)) {
    if (!file.endsWith(".js") || noParsers.has(file)) continue;
    let module;
    try {
      module = await import(pathToFileURL(path.join(folder, file)).href);
    } catch (error) {
      console.log(`Can't load src/parsers/${file.replace(/js$/, "ts")}: ${error.message}`);
      continue;
    }
    for (const value of Object.values(module)) {
      if (typeof value?.readRequest === "function" && typeof value.api === "string") found.set(value.api, value);
    }
  }
  return found;
}

function splitArguments(list) {
  const { tokens, values } = parseArgs({
    args: list,
    strict: false,
    tokens: true,
    options: {
      dialect: { type: "string" },
      api: { type: "string" },
      provider: { type: "string" },
      id: { type: "string" },
      seed: { type: "string" },
      dump: { type: "boolean" },
      types: { type: "boolean" },
      note: { type: "string" },
    },
  });
  const ours = new Set(["dialect", "api", "provider", "id", "seed", "dump", "types", "note"]);
  const mine = new Set();
  for (const token of tokens) {
    if (token.kind !== "option" || !ours.has(token.name)) continue;
    mine.add(token.index);
    if (token.value !== undefined && !token.inlineValue) mine.add(token.index + 1);
  }
  return { own: values, passed: list.filter((_, index) => !mine.has(index)) };
}
