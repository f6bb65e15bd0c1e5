/**
 * The tap's own cost, without a network: a stub dispatcher that answers at once. Two kinds of numbers: what is added
 * inside the app's call, and the CPU of everything until the record is in a sink. Each is a median over rounds in which
 * bare and tapped take turns; bare against bare, in the same rounds, is the noise floor.
 *
 *   node bench/null-dispatcher.mjs [--quick] [--json]
 */
import { parseArgs } from "node:util";
import { createTap } from "llm-tap";
import { makeChatChunks, makeChatRequest, makeChatResponse } from "./shared/payloads.mjs";
import { lowest, median, round, spread } from "./shared/statistics.mjs";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean" },
    json: { type: "boolean" },
    /** One case, for a profile: `interceptor-new-json`, `fetch-legacy-stream`, `other`, … */
    only: { type: "string", default: "" },
  },
});
const ROUNDS = flags.quick ? 40 : 150;
const BATCH = 200;

const request = JSON.stringify(makeChatRequest());
const answer = Buffer.from(makeChatResponse());
const events = makeChatChunks({ count: 204 }).map((event) => Buffer.from(event));
const url = "https://api.openai.com/v1/chat/completions";
const requestHeaders = {
  accept: "application/json",
  "content-type": "application/json",
  "user-agent": "OpenAI/JS 6.49.0",
  "x-stainless-lang": "js",
  "x-stainless-package-version": "6.49.0",
  "x-stainless-os": "Linux",
  "x-stainless-arch": "x64",
  "x-stainless-runtime": "node",
  "x-stainless-runtime-version": process.version,
  "x-stainless-retry-count": "0",
  authorization: "Bearer sk-bench",
};
const headerPairs = (contentType) => [
  ["date", "Tue, 24 Nov 2026 00:00:00 GMT"],
  ["content-type", contentType],
  ["connection", "keep-alive"],
  ["x-request-id", "req_bench_0123456789"],
  ["openai-organization", "bench"],
  ["openai-processing-ms", "412"],
  ["openai-version", "2020-10-01"],
  ["x-ratelimit-limit-requests", "10000"],
  ["x-ratelimit-limit-tokens", "2000000"],
  ["x-ratelimit-remaining-requests", "9999"],
  ["x-ratelimit-remaining-tokens", "1999000"],
  ["x-ratelimit-reset-requests", "6ms"],
  ["x-ratelimit-reset-tokens", "30ms"],
  ["server", "cloudflare"],
  ["cf-ray", "9a0b1c2d3e4f-FRA"],
];

/** Answers as undici does. Fetch hands its handler raw pairs in 6 and 7, an object in 8. */
function createStub(kind, contentType, chunks) {
  const pairs = headerPairs(contentType);
  if (kind === "legacy") {
    const raw = pairs.flat().map((text) => Buffer.from(text));
    const resume = () => {};
    return (_options, handler) => {
      handler.onConnect(resume);
      handler.onHeaders(200, raw, resume, "OK");
      for (let index = 0; index < chunks.length; index += 1) handler.onData(chunks[index]);
      handler.onComplete([]);
      return true;
    };
  }
  const headers = Object.fromEntries(pairs);
  const controller = { aborted: false, abort() {}, pause() {}, resume() {}, rawHeaders: [] };
  return (_options, handler) => {
    handler.onRequestStart(controller, {});
    handler.onResponseStart(controller, 200, headers, "OK");
    for (let index = 0; index < chunks.length; index += 1) handler.onResponseData(controller, chunks[index]);
    handler.onResponseEnd(controller, {});
    return true;
  };
}

function createHandler(kind) {
  return kind === "legacy"
    ? {
        onConnect() {},
        onHeaders: () => true,
        onData: () => true,
        onComplete() {},
        onError() {},
        onUpgrade() {},
        onResponseStarted() {},
        onBodySent() {},
      }
    : {
        onRequestStart() {},
        onRequestUpgrade() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd() {},
        onResponseError() {},
      };
}

let received = 0;
const nullSink = {
  name: "memory",
  write(records) {
    received += records.length;
    return Promise.resolve({ results: records.map(() => "delivered") });
  },
};

const newTap = () => createTap({ sinks: [nullSink] });

/** A call at the level of `dispatch`. */
function dispatchCase(kind, contentType, chunks, wrap) {
  const stub = createStub(kind, contentType, chunks);
  const dispatch = wrap(stub);
  return () => {
    dispatch(
      {
        origin: "https://api.openai.com",
        path: "/v1/chat/completions",
        method: "POST",
        body: request,
        headers: requestHeaders,
      },
      createHandler(kind),
    );
  };
}

/** A call at the level of `fetch`: the stub dispatches as undici's fetch does, and makes no Response. */
function fetchCase(kind, contentType, chunks, wrap) {
  const stub = createStub(kind, contentType, chunks);
  const dispatcher = { dispatch: stub };
  const response = new Response("");
  const done = Promise.resolve(response);
  const baseFetch = (_input, init) => {
    (init.dispatcher ?? dispatcher).dispatch(
      {
        origin: "https://api.openai.com",
        path: "/v1/chat/completions",
        method: "POST",
        body: init.body,
        headers: init.headers,
      },
      createHandler(kind),
    );
    return done;
  };
  const fetch = wrap(baseFetch);
  return () => {
    void fetch(url, { method: "POST", headers: requestHeaders, body: request, dispatcher });
  };
}

async function measure(chunkCount, makeRun) {
  const tap = newTap();
  // Streams are two hundred times the work.
  const rounds = chunkCount > 1 ? Math.ceil(ROUNDS / 8) : ROUNDS;
  const variants = { bare: makeRun(undefined), again: makeRun(undefined), tapped: makeRun(tap) };
  const inside = { bare: [], again: [], tapped: [] };
  const total = { bare: [], again: [], tapped: [] };
  const warmUp = Math.ceil(rounds / 2);
  for (let turn = -warmUp; turn < rounds; turn += 1) {
    for (const [name, run] of Object.entries(variants)) {
      const cpu = process.cpuUsage();
      const started = performance.now();
      for (let index = 0; index < BATCH; index += 1) run();
      const micros = ((performance.now() - started) * 1000) / BATCH;
      if (name === "tapped") await tap.flush();
      const { user, system } = process.cpuUsage(cpu);
      if (turn < 0) continue;
      inside[name].push(micros);
      total[name].push((user + system) / BATCH);
    }
  }
  const { recorded, seen, dropped } = tap.stats();
  if (recorded !== seen) throw new Error(`of ${seen} calls ${recorded} were recorded: ${JSON.stringify(dropped)}`);
  await tap.close();
  return {
    inside: median(inside.tapped) - median(inside.bare),
    insideBest: lowest(inside.tapped) - lowest(inside.bare),
    insideNoise: Math.abs(median(inside.again) - median(inside.bare)),
    total: median(total.tapped) - median(total.bare),
    totalBest: lowest(total.tapped) - lowest(total.bare),
    totalNoise: Math.abs(median(total.again) - median(total.bare)) + spread(total.bare),
  };
}

const rows = [];
/** @param best of the tenth of the rounds in which the machine disturbed least */
function add(work, budget, value, best, noise) {
  const met = value <= budget + noise ? "yes" : best <= budget ? "undisturbed" : "NO";
  rows.push({ work, µs: round(value), undisturbed: round(best), noise: round(noise), budget, met });
}

for (const [level, kind] of [
  ["interceptor", "legacy"],
  ["interceptor", "new"],
  ["fetch", "legacy"],
  ["fetch", "new"],
]) {
  const name = `${level}, ${kind} handlers`;
  const make = level === "fetch" ? fetchCase : dispatchCase;
  const wrapWith = (tap) => (inner) =>
    tap === undefined ? inner : level === "fetch" ? tap.wrapFetch(inner) : tap.interceptor(inner);
  const run = (contentType, chunks) => measure(chunks.length, (tap) => make(kind, contentType, chunks, wrapWith(tap)));
  const wants = (form) => `${level}-${kind}-${form}`.includes(flags.only);
  const json = wants("json") ? await run("application/json", [answer]) : undefined;
  const stream = wants("stream") ? await run("text/event-stream; charset=utf-8", events) : undefined;
  if (json !== undefined) {
    add(`${name}: inside the call`, 10, json.inside, json.insideBest, json.insideNoise);
    add(`${name}: until the record is in a sink, 2 KB chat JSON`, 60, json.total, json.totalBest, json.totalNoise);
  }
  if (stream !== undefined) {
    // Without the JSON case to take off, the cost of the call is spread over its chunks.
    const { inside = 0, insideBest = 0, total = 0, totalBest = 0 } = json ?? {};
    const chunks = events.length - 1;
    const perChunk = (value) => value / chunks;
    add(
      `${name}: inside, per chunk`,
      0.3,
      perChunk(stream.inside - inside),
      perChunk(stream.insideBest - insideBest),
      perChunk(stream.insideNoise),
    );
    add(
      `${name}: the same, per chat chunk`,
      4,
      perChunk(stream.total - total),
      perChunk(stream.totalBest - totalBest),
      perChunk(stream.totalNoise),
    );
  }
}

/** A request to a host that is no LLM's, through everything that `install()` hooks. */
async function measureOther() {
  const symbol = Symbol.for("undici.globalDispatcher.1");
  void globalThis.Response;
  const real = globalThis[symbol];
  const realFetch = globalThis.fetch;
  const stub = createStub("legacy", "application/json", [answer]);
  const init = { method: "GET", headers: { accept: "application/json", "user-agent": "bench" } };
  const done = Promise.resolve(undefined);
  const options = {
    origin: "https://shop.example.com",
    path: "/api/items/7",
    method: "GET",
    headers: ["accept", "*/*"],
  };
  const makeFetch = (dispatcher) => () => {
    dispatcher.dispatch(options, createHandler("legacy"));
    return done;
  };
  const bareDispatcher = { dispatch: stub };
  const tappedDispatcher = { dispatch: stub };
  const bare = makeFetch(bareDispatcher);
  globalThis[symbol] = tappedDispatcher;
  globalThis.fetch = makeFetch(tappedDispatcher);
  const tap = newTap();
  const restore = tap.install();
  const tapped = globalThis.fetch;
  const runs = { bare, again: makeFetch({ dispatch: stub }), tapped };
  const results = { bare: [], again: [], tapped: [] };
  for (let turn = -20; turn < ROUNDS * 2; turn += 1) {
    for (const [name, fetch] of Object.entries(runs)) {
      const started = performance.now();
      for (let index = 0; index < 5_000; index += 1) void fetch("https://shop.example.com/api/items/7", init);
      if (turn >= 0) results[name].push(((performance.now() - started) * 1000) / 5_000);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  restore();
  globalThis[symbol] = real;
  globalThis.fetch = realFetch;
  await tap.close();
  const base = median(results.bare);
  add(
    "install(): a request to another host",
    0.5,
    median(results.tapped) - base,
    lowest(results.tapped) - lowest(results.bare),
    Math.abs(median(results.again) - base),
  );
}
if ("other".includes(flags.only)) await measureOther();

if (flags.json) console.log(JSON.stringify(rows));
else console.table(rows);
if (received === 0 && flags.only !== "other") throw new Error("no record reached the sink");
