/**
 * Time and memory to turn recorded exchanges into records, against the official SDKs' own accumulators and against the
 * least that can be done: splitting into events and `JSON.parse`. Needs the recordings of ../shared/traffic.
 *
 *   npm run bench:parse [-- --rounds 3] [--set "openai-chat, streams"] [--json] [--write]
 *
 * Each variant runs in a process of its own, over the same bytes in chunks of 1 KB, and takes turns with the others; each
 * warms up before it is timed; what is printed are medians over the rounds, of CPU time, which a busy machine disturbs
 * less than the clock. Processes differ from each other by more than a longer one differs from a shorter: three short ones
 * tell more than a long one. An SDK gets what it would get from a server, through a `fetch` that answers at once: its time
 * holds the making of its request, as far as there is no way around it; ours holds the reading of the request. Memory is
 * what one exchange takes of the heap until it is collected. `--write` rewrites docs/benchmarks-parsing.md. All of it takes
 * some three minutes.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import os from "node:os";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { getHeapStatistics } from "node:v8";
import { hasTraffic, readExchanges, readExpected } from "../scripts/score-exchanges.mjs";
import { isStream, makeAccumulator } from "./shared/accumulators.mjs";
import { formatNumber, makeTable } from "./shared/markdown.mjs";
import { median, round } from "./shared/statistics.mjs";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    json: { type: "boolean" },
    write: { type: "boolean" },
    set: { type: "string" },
    variant: { type: "string" },
  },
});

const CHUNK = 1024;
/** CPU seconds of work: until the code is compiled, of which the floor has little, and that are measured. */
const WARM_UP_SECONDS = 1.5;
const FLOOR_WARM_UP_SECONDS = 0.5;
const MEASURED_SECONDS = 0.5;

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

/** The ids of a set's exchanges. What the SDK cannot read is left out for all. */
async function choose({ wants, sdk }) {
  const expected = new Map(readExpected().map((entry) => [entry.id, entry]));
  const chosen = readExchanges().filter((exchange) => wants(exchange, expected.get(exchange.id) ?? {}));
  const kept = sdk === undefined ? chosen : await keepReadable(chosen, sdk);
  return kept.map(({ id }) => id);
}

/** In a process of its own, which is given the ids. */
async function measure(setName, variant) {
  const ids = new Set(await json(process.stdin));
  const chosen = readExchanges().filter(({ id }) => ids.has(id));
  for (const { response } of chosen) response.chunks = split(response.body ?? Buffer.alloc(0));
  const bytes = chosen.reduce((sum, { response }) => sum + (response.body?.length ?? 0), 0);
  const run = await VARIANTS[variant](SETS[setName].sdk);
  await repeat(chosen, run, variant === "JSON.parse" ? FLOOR_WARM_UP_SECONDS : WARM_UP_SECONDS);
  const { seconds, passes } = await repeat(chosen, run, MEASURED_SECONDS);
  return {
    exchanges: chosen.length,
    bytes,
    microseconds: (seconds * 1e6) / passes / chosen.length,
    kilobytes: await measureAllocation(chosen, run),
  };
}

/** Passes over all exchanges until they have taken so much CPU time. */
async function repeat(exchanges, run, seconds) {
  const start = process.cpuUsage();
  for (let passes = 1; ; passes += 1) {
    for (const exchange of exchanges) {
      const pending = run(exchange);
      if (pending !== undefined) await pending;
    }
    const { user, system } = process.cpuUsage(start);
    if (user + system >= seconds * 1e6) return { seconds: (user + system) / 1e6, passes };
  }
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

async function measureAll() {
  const rows = [];
  for (const [name, set] of Object.entries(SETS)) {
    if (flags.set !== undefined && flags.set !== name) continue;
    const ids = await choose(set);
    const variants = Object.keys(VARIANTS).filter((variant) => variant !== "SDK" || set.sdk !== undefined);
    const results = Object.fromEntries(Object.keys(VARIANTS).map((variant) => [variant, []]));
    for (let count = 0; count < Number(flags.rounds); count += 1) {
      // Nobody is always the first.
      for (const position of variants.keys()) {
        const variant = variants[(position + count) % variants.length];
        results[variant].push(runChild(name, variant, ids));
      }
    }
    const [sample] = results["llm-tap"];
    const row = { name, exchanges: sample.exchanges, kilobytes: round(sample.bytes / 1024 / sample.exchanges, 1) };
    for (const [variant, list] of Object.entries(results)) {
      const times = list.map(({ microseconds }) => microseconds);
      row[variant] = {
        microseconds: round(median(times), 1),
        spread: round(Math.max(...times) - Math.min(...times), 1),
        kilobytes: round(median(list.map(({ kilobytes }) => kilobytes)), 0),
      };
    }
    rows.push(row);
  }
  return rows;
}

function runChild(name, variant, ids) {
  const self = fileURLToPath(import.meta.url);
  const child = spawnSync(
    process.execPath,
    ["--expose-gc", "--max-semi-space-size=256", self, "--set", name, "--variant", variant],
    {
      encoding: "utf8",
      input: JSON.stringify(ids),
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  return JSON.parse(child.stdout.trim().split("\n").at(-1));
}

/** Half of what lies between the lowest and the highest; of one round there is none. */
const spreadOf = (range) => (Number(flags.rounds) > 1 ? ` ± ${formatNumber(range / 2, 0)}` : "");
const isKnown = (value) => typeof value === "number" && Number.isFinite(value);
const cpuCell = ({ microseconds, spread }) =>
  isKnown(microseconds) ? `${formatNumber(microseconds, 0)}${spreadOf(spread)}` : "–";
const memoryCell = ({ kilobytes }) => formatNumber(kilobytes, 0);
const ratioOf = (row, field) =>
  row.SDK[field] > 0 ? `${formatNumber(row["llm-tap"][field] / row.SDK[field], 2)} ×` : "–";

const COLUMNS = [
  ["exchanges of", (row) => row.name, "left"],
  ["number", (row) => String(row.exchanges)],
  ["KB each", (row) => formatNumber(row.kilobytes, 1)],
];
const cpuColumns = Object.keys(VARIANTS).map((variant) => [variant, (row) => cpuCell(row[variant])]);
const memoryColumns = Object.keys(VARIANTS).map((variant) => [variant, (row) => memoryCell(row[variant])]);

function makeReport(rows, load) {
  return [
    "# Parsing, against the SDKs' own accumulators",
    "",
    "Written by `npm run bench:parse -- --write`, where recordings are at hand. From the bytes of a recorded exchange, in pieces",
    "of 1 KB, to its record (`parseExchange`: request, response, privacy gate), beside what the official SDKs do to make one",
    "message of the same bytes (`finalChatCompletion`, `finalResponse`, `finalMessage`, the parsed body), and beside the least",
    "that anyone has to do: `JSON.parse` of each event or body. The SDKs make a request as well, ours reads one. The whole",
    "corpus holds errors too, and requests that are no calls.",
    "",
    `Node ${process.version}, ${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown processor"}, load average ${load.map((value) => formatNumber(value, 1)).join(" → ")}.`,
    `Medians of ${flags.rounds} processes that take turns, ± half of what lies between the lowest and the highest; each is timed for`,
    `${MEASURED_SECONDS} s of CPU time after ${WARM_UP_SECONDS} s of warm-up (\`JSON.parse\`: ${FLOOR_WARM_UP_SECONDS} s).`,
    "",
    "## CPU, µs an exchange",
    "",
    makeTable(rows, [...COLUMNS, ...cpuColumns, ["llm-tap to SDK", (row) => ratioOf(row, "microseconds")]]),
    "",
    "## Memory allocated, KB an exchange",
    "",
    makeTable(rows, [...COLUMNS, ...memoryColumns, ["llm-tap to SDK", (row) => ratioOf(row, "kilobytes")]]),
    "",
  ].join("\n");
}

/** The formatter aligns the tables. */
function writeReport(report) {
  const page = fileURLToPath(new URL("../docs/benchmarks-parsing.md", import.meta.url));
  writeFileSync(page, report);
  spawnSync("npx", ["oxfmt", page], { stdio: "inherit" });
}

async function main() {
  if (!hasTraffic()) return;
  const [before] = os.loadavg();
  const rows = await measureAll();
  if (flags.json) {
    console.log(JSON.stringify({ node: process.version, rows }, null, 2));
    return;
  }
  const report = makeReport(rows, [before, os.loadavg()[0]]);
  console.log(report);
  if (flags.write) writeReport(report);
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

if (flags.variant === undefined) await main();
else console.log(JSON.stringify(await measure(flags.set, flags.variant)));
