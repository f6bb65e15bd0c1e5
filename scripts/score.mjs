#!/usr/bin/env node
// Scores the whole tap against recorded traffic: each exchange is replayed over a loopback server and fetched, by its
// real URL, through `tap.fetch` of the built package.
//   npm run score -- [--dialect openai-chat,anthropic-messages] [--api openai-chat] [--id part] [--seed N] [--notes]
//        [--show N field]… [--mismatches out.jsonl] [--by a,b] [--fail-under PCT]
// --dialect filters on the expected dialect, --api on the API that the tap's router finds, --id on a part of the
// exchange's id, --notes prints how often each note came. Other options go to score.mjs beside the recordings.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Agent } from "undici";
import { hasTraffic, readExchanges, readExpected, root, trafficFolder } from "./score-exchanges.mjs";
import { callToFacts } from "./score-facts.mjs";

const ownOptions = {
  dialect: { type: "string" },
  api: { type: "string" },
  id: { type: "string" },
  seed: { type: "string" },
  notes: { type: "boolean" },
};
// Set by fetch or of one connection: a recorded value would be refused or wrong.
const notReplayed = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "transfer-encoding",
  "upgrade",
]);
const atOnce = 8;

const { own, passed } = splitArguments(process.argv.slice(2));
if (hasTraffic()) await main();

async function main() {
  const { createTap } = await import("llm-tap");
  const { startReplayServer } = await import("llm-tap/testing");
  const chosen = await chooseExchanges();
  const byId = new Map(chosen.map(({ exchange }) => [exchange.id, exchange]));
  const server = await startReplayServer({ find: (id) => byId.get(id)?.response, seed: Number(own.seed ?? 1) });
  const dispatcher = new Agent({ connect: connectTo(server.port) });
  const sink = collect();
  const tap = createTap({ sinks: [sink], maxContentLength: 50_000_000, costTracking: false });

  const queue = [...byId.values()];
  const failures = [];
  const work = async () => {
    for (let exchange = queue.pop(); exchange !== undefined; exchange = queue.pop()) {
      const failure = await replay(exchange, tap, dispatcher);
      if (failure !== undefined) failures.push(`${exchange.id}: ${failure}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  await tap.flush({ timeoutMs: 60_000 });
  const { seen, recorded, ignored, dropped, errors } = tap.stats();
  await tap.close();
  await dispatcher.close();
  await server.close();

  const actual = chosen.map(({ exchange: { id } }) => ({ id, calls: (sink.byId.get(id) ?? []).map(callToFacts) }));
  process.exitCode = runScorer(
    chosen.map(({ entry }) => entry),
    actual,
  );
  console.log("tap:", JSON.stringify({ seen, recorded, ignored, dropped, errors }));
  if (own.notes) console.log("notes:", sink.notes);
  for (const failure of failures) console.log(`not replayed: ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

/** The judged exchanges that the filters let through. */
async function chooseExchanges() {
  const { parseExchange } = own.api === undefined ? {} : await import("llm-tap/parsers");
  const dialects = own.dialect?.split(",");
  const apis = own.api?.split(",");
  const expected = new Map(readExpected().map((entry) => [entry.id, entry]));
  return readExchanges().flatMap((exchange) => {
    const entry = expected.get(exchange.id);
    const wanted =
      entry !== undefined &&
      (dialects === undefined || dialects.includes(entry.dialect)) &&
      (own.id === undefined || exchange.id.includes(own.id)) &&
      (apis === undefined || apis.includes(parseExchange(exchange)?.api));
    return wanted ? [{ exchange, entry }] : [];
  });
}

/** Whatever the host and the scheme, the connection goes to the replay server, without TLS. */
function connectTo(port) {
  return function connect(_options, callback) {
    const socket = net.connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    socket.once("connect", () => callback(null, socket)).once("error", (error) => callback(error, null));
  };
}

/** @returns what kept it from being replayed, if anything did */
async function replay({ id, request }, tap, dispatcher) {
  const headers = new Headers({ "x-replay-id": encodeURIComponent(id) });
  for (const [name, value] of Object.entries(request.headers)) {
    if (!notReplayed.has(name.toLowerCase())) headers.set(name, String(value));
  }
  const method = request.method.toUpperCase();
  const body = method === "GET" || method === "HEAD" ? undefined : request.body;
  try {
    await tap.run({ properties: { replayId: id } }, async () => {
      const init = { method, headers, redirect: "manual", dispatcher, ...(body === undefined ? {} : { body }) };
      const response = await tap.fetch(request.url, init);
      await response.arrayBuffer();
    });
    return undefined;
  } catch (error) {
    return `${error.message} ${error.cause?.message ?? ""}`;
  }
}

/** A sink that sorts calls by the exchange that they came from. */
function collect() {
  const byId = new Map();
  const notes = {};
  return {
    name: "score",
    byId,
    notes,
    write: async (records) => {
      for (const call of records) {
        // Spans that were inferred from calls say nothing that the list of facts knows.
        if (call.type !== "call") continue;
        const id = call.context.properties?.replayId;
        byId.set(id, [...(byId.get(id) ?? []), call]);
        for (const note of call.capture.notes) notes[note] = (notes[note] ?? 0) + 1;
      }
      return { results: records.map(() => "delivered") };
    },
  };
}

/** @returns {number} the scorer's exit code */
function runScorer(expected, actual) {
  const folder = path.join(root, "node_modules/.cache", `llm-tap-score-${process.pid}`);
  fs.mkdirSync(folder, { recursive: true });
  const write = (name, lines) => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return file;
  };
  const files = ["--expected", write("expected.jsonl", expected), "--actual", write("actual.jsonl", actual)];
  const grouping = passed.includes("--by") ? [] : ["--by", "dialect,streaming"];
  const scorer = path.join(trafficFolder, "score.mjs");
  const { status } = spawnSync(process.execPath, [scorer, ...files, ...grouping, ...passed], { stdio: "inherit" });
  fs.rmSync(folder, { recursive: true, force: true });
  return status ?? 1;
}

/** Our options apart from those of the scorer. */
function splitArguments(list) {
  const { tokens, values } = parseArgs({ args: list, strict: false, tokens: true, options: ownOptions });
  const mine = new Set();
  for (const token of tokens) {
    if (token.kind !== "option" || !Object.hasOwn(ownOptions, token.name)) continue;
    mine.add(token.index);
    if (token.value !== undefined && !token.inlineValue) mine.add(token.index + 1);
  }
  return { own: values, passed: list.filter((_, index) => !mine.has(index)) };
}
