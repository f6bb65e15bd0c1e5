/**
 * Time and memory to turn recorded exchanges into records, against the official SDKs' own accumulators and against the
 * least that can be done: splitting into events and `JSON.parse`. Needs the recordings of ../shared/traffic.
 *
 *   npm run bench:parse [-- --rounds 9] [--json]
 *
 * Each variant runs in a process of its own, over the same bytes in chunks of 1 KB, and takes turns with the others; what
 * is printed are medians. A SDK gets what it would get from a server, through a `fetch` that answers at once: its time
 * holds the making of its request, as far as there is no way around it; ours holds the reading of the request. Memory is what
 * one exchange takes of the heap until it is collected.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { getHeapStatistics } from "node:v8";
import { hasTraffic, readExchanges, readExpected } from "../scripts/score-exchanges.mjs";
import { isStream, makeAccumulator } from "./shared/accumulators.mjs";
import { median, round } from "./shared/statistics.mjs";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    json: { type: "boolean" },
    set: { type: "string" },
    variant: { type: "string" },
  },
});

const CHUNK = 1024;
/** So that a process works long enough to be measured. */
const BYTES_PER_ROUND = 24 * 1024 * 1024;

const isOk = ({ response }) => response.status === 200 && response.body !== undefined;
const set = (dialect, streams, sdk) => ({
  sdk,
  wants: (exchange, expected) => isOk(exchange) && expected.dialect === dialect && isStream(exchange) === streams,
});

/** Which exchanges, and which accumulator reads the same. */
const SETS = {
  "whole corpus": { wants: () => true },
  "openai-chat, streams": set("openai-chat", true, "openai-chat"),
  "openai-chat, bodies": set("openai-chat", false, "openai-chat"),
  "openai-responses, streams": set("openai-responses", true, "openai-responses"),
  "anthropic-messages, streams": set("anthropic", true, "anthropic"),
  "anthropic-messages, bodies": set("anthropic", false, "anthropic"),
  "gemini, streams": set("gemini", true, "gemini"),
};

const VARIANTS = {
  "JSON.parse": makeFloor,
  "llm-tap": () => makeOurs({}),
  "llm-tap, no content": () => makeOurs({ privacyMode: true }),
  SDK: makeAccumulator,
};

/** In a process of its own. */
async function measure(setName, variant) {
  const all = readExchanges();
  const expected = new Map(readExpected().map((entry) => [entry.id, entry]));
  const { wants, sdk } = SETS[setName];
  let chosen = all.filter((exchange) => wants(exchange, expected.get(exchange.id) ?? {}));
  // What the SDK cannot read is left out for all.
  if (sdk !== undefined) chosen = await keepReadable(chosen, sdk);
  for (const { response } of chosen) response.chunks = split(response.body ?? Buffer.alloc(0));
  const bytes = chosen.reduce((sum, { response }) => sum + (response.body?.length ?? 0), 0);
  const repeats = Math.max(1, Math.ceil(BYTES_PER_ROUND / bytes));
  const run = await VARIANTS[variant](sdk);
  for (const exchange of chosen) await run(exchange);
  const start = process.cpuUsage();
  for (let count = 0; count < repeats; count += 1) {
    for (const exchange of chosen) {
      const pending = run(exchange);
      if (pending !== undefined) await pending;
    }
  }
  const { user, system } = process.cpuUsage(start);
  return {
    exchanges: chosen.length,
    bytes,
    microseconds: (user + system) / repeats / chosen.length,
    kilobytes: await measureAllocation(chosen, run),
  };
}

/** What one exchange takes of the heap while it is read. A collection in between would hide it: that step is left out. */
async function measureAllocation(exchanges, run) {
  const used = () => getHeapStatistics().used_heap_size + process.memoryUsage().arrayBuffers;
  let sum = 0;
  let count = 0;
  for (const exchange of exchanges) {
    if (count % 200 === 0) globalThis.gc();
    const before = used();
    const pending = run(exchange);
    if (pending !== undefined) await pending;
    const grown = used() - before;
    if (grown < 0) continue;
    sum += grown;
    count += 1;
  }
  return sum / count / 1024;
}

function printTable() {
  if (!hasTraffic()) return;
  const rows = [];
  for (const [name, { sdk }] of Object.entries(SETS)) {
    const results = Object.fromEntries(Object.keys(VARIANTS).map((variant) => [variant, []]));
    for (let count = 0; count < Number(flags.rounds); count += 1) {
      for (const variant of Object.keys(VARIANTS)) {
        if (variant === "SDK" && sdk === undefined) continue;
        results[variant].push(runChild(name, variant));
      }
    }
    const [sample] = results["llm-tap"];
    const row = { name, exchanges: sample.exchanges, kilobytes: round(sample.bytes / 1024 / sample.exchanges, 1) };
    for (const [variant, list] of Object.entries(results)) {
      row[variant] = {
        microseconds: round(median(list.map(({ microseconds }) => microseconds)), 1),
        kilobytes: round(median(list.map(({ kilobytes }) => kilobytes)), 0),
      };
    }
    rows.push(row);
  }
  if (flags.json) console.log(JSON.stringify({ node: process.version, rows }, null, 2));
  else for (const line of formatRows(rows)) console.log(line);
}

function runChild(name, variant) {
  const self = fileURLToPath(import.meta.url);
  const child = spawnSync(
    process.execPath,
    ["--expose-gc", "--max-semi-space-size=256", self, "--set", name, "--variant", variant],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  return JSON.parse(child.stdout.trim().split("\n").at(-1));
}

function formatRows(rows) {
  const variants = Object.keys(VARIANTS);
  const head = ["exchanges of", "n", "KB each", ...variants, "CPU to SDK"];
  const cell = ({ microseconds, kilobytes }) => (microseconds >= 0 ? `${microseconds} µs ${kilobytes} KB` : "–");
  const lines = rows.map((row) => {
    const ratio = row.SDK.microseconds > 0 ? `${round(row["llm-tap"].microseconds / row.SDK.microseconds)} ×` : "–";
    return [row.name, row.exchanges, row.kilobytes, ...variants.map((variant) => cell(row[variant])), ratio];
  });
  const table = [head, ...lines].map((line) => line.map(String));
  const widths = head.map((_, index) => Math.max(...table.map((line) => line[index].length)));
  return [
    `CPU and allocated memory per exchange; Node ${process.version}`,
    ...table.map((line) => line.map((text, index) => text.padEnd(widths[index])).join("  ")),
  ];
}

function split(body) {
  const chunks = [];
  for (let at = 0; at < body.length; at += CHUNK) chunks.push({ bytes: body.subarray(at, at + CHUNK), atMs: at });
  return chunks;
}

/** The least that any reader has to do. */
async function makeFloor() {
  const { createParser } = await import("eventsource-parser");
  return function floor({ response }) {
    if (!isStream({ response })) {
      try {
        JSON.parse(response.body ?? "");
      } catch {
        // Not JSON.
      }
      return;
    }
    const decoder = new TextDecoder();
    const parser = createParser({
      onEvent({ data }) {
        try {
          JSON.parse(data);
        } catch {
          // `[DONE]`.
        }
      },
    });
    for (const { bytes } of response.chunks) parser.feed(decoder.decode(bytes, { stream: true }));
  };
}

/** The whole way to a record: request, response, privacy gate. */
async function makeOurs(options) {
  const { parseExchange } = await import("llm-tap/parsers");
  return function ours({ request, response }) {
    const { status, headers, chunks } = response;
    parseExchange({ request, response: { status, headers, chunks } }, options);
  };
}

async function keepReadable(exchanges, sdk) {
  const run = await makeAccumulator(sdk);
  const kept = [];
  for (const exchange of exchanges) {
    exchange.response.chunks = split(exchange.response.body);
    try {
      await run(exchange);
      kept.push(exchange);
    } catch {
      // Not in the form that this SDK knows.
    }
  }
  return kept;
}

if (flags.variant === undefined) printTable();
else console.log(JSON.stringify(await measure(flags.set, flags.variant)));
