// Makes every call of the grid with one undici, in each of the modes that are named, and prints what the app saw, what
// the server got, and what was recorded. It is given JSON with `undici`, `modes`, the
// `port` to listen at and a `deadPort` at which nobody does.
import { writeSync } from "node:fs";
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import { DISPATCH_SCENARIOS } from "./dispatch-scenarios.mjs";
import { FETCH_SCENARIOS } from "./fetch-scenarios.mjs";
import { enterMode, MODES, SLOW_MODES } from "./modes.mjs";
import { attempt, createLog } from "./observe.mjs";
import { startServer } from "./server.mjs";
import { PIPELINE_SCENARIOS, REQUEST_SCENARIOS, STREAM_SCENARIOS, TUNNEL_SCENARIOS } from "./undici-scenarios.mjs";
import { UNUSUAL_FETCHES, UNUSUAL_REQUESTS } from "./unusual-scenarios.mjs";

const FETCHES = { ...FETCH_SCENARIOS, ...UNUSUAL_FETCHES };
const CLIENTS = {
  "built-in fetch": FETCHES,
  "undici.fetch": FETCHES,
  request: { ...REQUEST_SCENARIOS, ...UNUSUAL_REQUESTS },
  stream: STREAM_SCENARIOS,
  pipeline: PIPELINE_SCENARIOS,
  "connect and upgrade": TUNNEL_SCENARIOS,
  dispatch: DISPATCH_SCENARIOS,
};
/** A cell that takes longer hangs. */
const CELL_LIMIT_MS = Number(process.env.GRID_CELL_LIMIT_MS ?? 15_000);
const PACKAGES = { 6: "undici6", 7: "undici", 8: "undici8" };

const { undici: version, modes, port = 0, deadPort, only } = JSON.parse(process.argv[2]);
const undici = await import(PACKAGES[version]);
const server = await startServer(port);
const { origin } = server;
const deadOrigin = `http://127.0.0.1:${deadPort}`;
const provider = { provider: "openai" };
const hosts = { [origin]: provider, [deadOrigin]: provider };
const strays = [];
process.on("unhandledRejection", (error) => strays.push(`unhandledRejection ${String(error)}`));
process.on("uncaughtException", (error) => strays.push(`uncaughtException ${error?.stack}`));
process.on("warning", (warning) => strays.push(`warning ${warning.name} ${warning.code}`));

/** Says what is going on to who waits for it, so that what hangs has a name. */
const follow = async (name, step) => {
  writeSync(3, `+${name}\n`);
  const result = await step();
  writeSync(3, `-${name}\n`);
  return result;
};

const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function makeCell(id, client, mode) {
  const log = server.logOf(id);
  return {
    id,
    server,
    undici,
    deadOrigin,
    createLog,
    url: (kind) => `${origin}/c/${kind}/${id}/v1/chat/completions`,
    fetch: mode.fetches[client],
    dispatcher: mode.dispatcher,
    with: mode.with,
    Request: client === "undici.fetch" ? undici.Request : Request,
    FormData: client === "undici.fetch" ? undici.FormData : FormData,
    async arrived() {
      while (log.requests.length === 0 || log.requests.some(({ unfinished }) => unfinished)) await later(2);
    },
    /** Bytes that have left the server when no more leave. */
    async sentUntilStill() {
      let before = -1;
      let rounds = 0;
      while (rounds < 5) {
        await later(40);
        const sent = log.sentBytes();
        rounds = sent === before ? rounds + 1 : 0;
        before = sent;
      }
      return before;
    },
  };
}

async function runCell(id, scenario, client, mode) {
  const cell = makeCell(id, client, mode);
  let timer;
  const limit = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ hangs: true }), scenario.limitMs ?? CELL_LIMIT_MS);
  });
  const seen = await Promise.race([attempt(() => scenario.run(cell)), limit]);
  clearTimeout(timer);
  const measured = seen.value?.measured;
  if (measured !== undefined) delete seen.value.measured;
  const text = JSON.stringify({
    seen,
    requests: scenario.reachesByChance === true ? [] : server.logOf(id).requests,
  });
  return {
    // What is of chance, or of this cell alone, gets one name.
    seen: JSON.parse(text.replaceAll(id, "CELL").replaceAll(origin, "ORIGIN").replaceAll(deadOrigin, "DEAD")),
    measured,
    id,
    outcome: scenario.outcome ?? null,
    records: scenario.records ?? (scenario.outcome === undefined ? 0 : 1),
  };
}

/** Whether the calls of a client go through the global dispatcher that is set with this undici. */
async function findReach(client) {
  if (client !== "built-in fetch") return true;
  const before = undici.getGlobalDispatcher();
  let reached = false;
  undici.setGlobalDispatcher(
    new undici.Agent().compose((dispatch) => (options, handler) => {
      reached = true;
      return dispatch(options, handler);
    }),
  );
  await Promise.race([fetch(`${origin}/probe`).catch(() => {}), later(2000)]);
  undici.setGlobalDispatcher(before);
  return reached;
}

const reach = { "built-in fetch": await findReach("built-in fetch") };

function listCells(name) {
  const cells = [];
  for (const [client, scenarios] of Object.entries(CLIENTS)) {
    for (const [title, scenario] of Object.entries(scenarios)) {
      if (scenario.isSlow === true && !SLOW_MODES.includes(name)) continue;
      if (only !== undefined && !`${client}/${title}`.startsWith(only)) continue;
      const id = `${name}~${client}~${title}`.replaceAll(/[^\w~]+/g, "-");
      cells.push({ id, client, title, scenario });
    }
  }
  return cells;
}

async function runMode(name) {
  const mode = enterMode(MODES[name], { undici, createTap, memorySink, hosts });
  strays.length = 0;
  const cells = listCells(name);
  const results = {};
  const run = async (cell) => {
    const title = `${cell.client}/${cell.title}`;
    results[title] = await follow(`${name}, ${title}`, () => runCell(cell.id, cell.scenario, cell.client, mode));
  };
  const together = cells.filter(({ scenario }) => scenario.isAlone !== true);
  for (const cell of cells) if (cell.scenario.isAlone === true) await run(cell);
  // Not all at once: hundreds of calls that begin together wait for each other.
  const waiting = [...together];
  await Promise.all(
    Array.from({ length: 24 }, async () => {
      for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) await run(cell);
    }),
  );
  const left = await follow(`${name}, to take the taps off`, () => mode.leave());
  const taps = [];
  for (const { ways, tap, sink, errors } of mode.taps) {
    const flushed = await follow(`${name}, flush`, () => tap.flush());
    const stats = tap.stats();
    await follow(`${name}, close`, () => tap.close());
    const calls = cells.map(({ id, client, title }) => ({
      cell: `${client}/${title}`,
      calls: sink.calls
        .filter(({ request }) => request.url.split("/").includes(id))
        .map(({ id, outcome, capture }) => ({ id, outcome, notes: capture.notes })),
    }));
    taps.push({ ways, stats, pending: flushed.pending, errors, calls });
  }
  return { results, taps, strays: [...strays], left };
}

const report = {};
for (const name of modes) report[name] = await runMode(name);
// The tap of `register` reads what has ended a moment later.
process.stdout.write(`${JSON.stringify({ reach, report })}\n`, () => {
  server.close();
  setTimeout(() => process.exit(0), 500);
});
