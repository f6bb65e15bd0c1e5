/**
 * Mixed traffic with faults and aborts, for as long as it is told; fails when memory grows, when a handle, socket or
 * listener stays behind, or when a call is not accounted for.
 *
 *   npm run soak                     30 minutes
 *   npm run soak -- --minutes 2      the form for CI
 *   npm run soak -- --seconds 20     the form for a test
 *   npm run soak -- --overload       more calls than a slow sink takes, beside the same without the tap; the app has
 *                                    one core for itself where `taskset` is there
 */
import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createTap } from "llm-tap";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string" },
    seconds: { type: "string" },
    overload: { type: "boolean", default: false },
    /** Set by this script for its children. */
    child: { type: "string" },
    port: { type: "string" },
    tapped: { type: "string" },
  },
});
const milliseconds = Number(flags.seconds ?? Number(flags.minutes ?? 30) * 60) * 1000;
const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));

// The provider, with its moods.

const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 };
const answer = (length) =>
  JSON.stringify({
    id: "chatcmpl-soak",
    object: "chat.completion",
    model: "soak-1",
    choices: [{ index: 0, message: { role: "assistant", content: "word ".repeat(length / 5) }, finish_reason: "stop" }],
    usage,
  });
const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
const delta = (content) =>
  event({
    id: "chatcmpl-soak",
    object: "chat.completion.chunk",
    model: "soak-1",
    choices: [{ index: 0, delta: { content } }],
  });
const small = answer(1500);
const large = answer(400_000);

async function stream(response, { count, delay, breakAt = Infinity, ends = true }) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let index = 0; index < count && !response.destroyed; index += 1) {
    if (index === breakAt) {
      response.destroy();
      return;
    }
    response.write(delta(` word${index}`));
    if (delay > 0) await sleep(delay);
  }
  if (ends) {
    response.write(
      event({ id: "chatcmpl-soak", model: "soak-1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
    );
    response.write(event({ id: "chatcmpl-soak", model: "soak-1", choices: [], usage }));
    response.write("data: [DONE]\n\n");
  }
  response.end();
}

function send(response, status, type, body) {
  response.writeHead(status, { "content-type": type });
  response.end(body);
}

const MOODS = {
  small: (response) => send(response, 200, "application/json", small),
  large: (response) => send(response, 200, "application/json", large),
  stream: (response) => stream(response, { count: 40, delay: 0 }),
  slow: (response) => stream(response, { count: 20, delay: 10 }),
  broken: (response) => stream(response, { count: 40, delay: 1, breakAt: 20 }),
  endless: (response) => stream(response, { count: 1000, delay: 5, ends: false }),
  refused: (response) =>
    send(response, 429, "application/json", '{"error":{"message":"slow down","type":"rate_limit"}}'),
  failed: (response) => send(response, 500, "text/html", "<h1>oops</h1>"),
  garbage: (response) => send(response, 200, "application/json", '{"choices":[{'),
  reset: (response) => response.destroy(),
  silent: () => {},
};

function serve() {
  const server = createServer((request, response) => {
    request.resume();
    response.on("error", () => {});
    request.on("end", () => {
      const mood = MOODS[request.headers["x-mood"]] ?? MOODS.small;
      void mood(response);
    });
  });
  server.requestTimeout = 0;
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => process.send({ port: server.address().port }));
  process.on("disconnect", () => process.exit());
}

function startServer() {
  const child = fork(fileURLToPath(import.meta.url), ["--child", "server"]);
  return new Promise((resolve) => {
    child.once("message", ({ port }) => resolve({ port, stop: () => child.kill() }));
  });
}

// The app.

const body = JSON.stringify({ model: "soak-1", messages: [{ role: "user", content: "hello ".repeat(50) }] });
const largeBody = JSON.stringify({ model: "soak-1", messages: [{ role: "user", content: "hello ".repeat(50_000) }] });

/** One call as an app makes it; what goes wrong is the app's. */
async function makeCall(fetch, url, mood, { abortAfter, breakAfter, isUnread, isLarge } = {}) {
  const controller = new AbortController();
  const timer = abortAfter === undefined ? undefined : setTimeout(() => controller.abort(), abortAfter);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-mood": mood },
      body: isLarge ? largeBody : body,
      signal: controller.signal,
    });
    if (isUnread) {
      await response.body?.cancel();
      return;
    }
    let chunks = 0;
    for await (const _chunk of response.body ?? []) {
      chunks += 1;
      if (chunks === breakAfter) break;
    }
  } catch {
    // Faults are what this is about.
  } finally {
    clearTimeout(timer);
  }
}

const MIX = [
  ["small", {}],
  ["small", {}],
  ["small", { isLarge: true }],
  ["large", {}],
  ["stream", {}],
  ["stream", {}],
  ["stream", { breakAfter: 3 }],
  ["slow", {}],
  ["slow", { abortAfter: 60 }],
  ["broken", {}],
  ["endless", { abortAfter: 150 }],
  ["endless", { breakAfter: 5 }],
  ["refused", {}],
  ["failed", {}],
  ["garbage", {}],
  ["reset", {}],
  ["silent", { abortAfter: 100 }],
  ["small", { isUnread: true }],
];

function createMoodySink() {
  let writes = 0;
  return {
    name: "memory",
    async write(records) {
      writes += 1;
      await sleep(writes % 7 === 0 ? 50 : 1);
      if (writes % 11 === 0) throw new Error("the sink is down");
      if (writes % 13 === 0) return { results: records.map((_, index) => (index % 2 === 0 ? "delivered" : "retry")) };
      return { results: records.map(() => "delivered") };
    },
  };
}

function countSocketsAndTimers() {
  const counts = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function countListeners() {
  return ["exit", "beforeExit", "uncaughtException", "unhandledRejection", "warning", "SIGTERM"].reduce(
    (sum, name) => sum + process.listenerCount(name),
    0,
  );
}

const collect = () => {
  globalThis.gc?.();
  globalThis.gc?.();
};

async function soak() {
  const problems = [];
  const warnings = [];
  process.on("warning", (warning) => warnings.push(String(warning)));
  process.on("unhandledRejection", (error) => problems.push(`unhandled rejection: ${String(error)}`));
  const server = await startServer();
  const url = `http://127.0.0.1:${server.port}/v1/chat/completions`;
  const hosts = { [`127.0.0.1:${server.port}`]: { provider: "openai" } };
  const tap = createTap({ sinks: [createMoodySink()], hosts, onError: () => {} });
  const restore = tap.install();
  const wrapped = createTap({ sinks: [createMoodySink()], hosts, onError: () => {} });
  const ways = [globalThis.fetch, wrapped.fetch];
  const startListeners = countListeners();
  const samples = [];
  const until = performance.now() + milliseconds;
  let calls = 0;
  let nextSample = performance.now() + milliseconds * 0.2;

  async function work(lane) {
    for (let turn = lane; performance.now() < until; turn += 1) {
      const [mood, how] = MIX[(turn * 7) % MIX.length];
      calls += 1;
      await makeCall(ways[turn % ways.length], url, mood, how);
      if (lane === 0 && performance.now() >= nextSample) {
        nextSample += milliseconds * 0.1;
        collect();
        const { rss, heapUsed, external } = process.memoryUsage();
        samples.push({ rss: rss / 1e6, heap: heapUsed / 1e6, external: external / 1e6 });
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, lane) => work(lane)));

  // All accounted for, and nothing left.
  for (const { name, one } of [
    { name: "installed", one: tap },
    { name: "wrapped", one: wrapped },
  ]) {
    const flushed = await one.close({ timeoutMs: 20_000 });
    const stats = one.stats();
    const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
    const known = stats.recorded + stats.sampledOut + sum(stats.dropped) + sum(stats.ignored) + stats.inFlight;
    console.log(name, JSON.stringify({ ...stats, flushed: { ...flushed, bySink: undefined } }));
    if (stats.seen !== known) problems.push(`${name}: seen ${stats.seen}, accounted for ${known}`);
    if (stats.inFlight !== 0) problems.push(`${name}: ${stats.inFlight} calls never ended`);
    if (stats.queuedBytes !== 0) problems.push(`${name}: ${stats.queuedBytes} bytes are still counted as held`);
    const delivered = flushed.delivered + flushed.pending + flushed.dropped + flushed.unknown;
    if (delivered !== stats.recorded) problems.push(`${name}: recorded ${stats.recorded}, in deliveries ${delivered}`);
  }
  restore();
  server.stop();
  await sleep(Math.min(6_000, 1_000 + milliseconds / 10));
  collect();
  const left = countSocketsAndTimers();
  const sockets = (left.TCPSocketWrap ?? 0) + (left.TCPWRAP ?? 0);
  if (sockets > 4) problems.push(`${sockets} sockets are left: ${JSON.stringify(left)}`);
  if (countListeners() > startListeners) problems.push(`listeners grew from ${startListeners} to ${countListeners()}`);
  if (warnings.length > 0) problems.push(...warnings);

  // Flat: what is live at the end is what was live after the start.
  const middle = Math.floor(samples.length / 2);
  const sorted = (list, field) => list.map((sample) => sample[field]).sort((a, b) => a - b);
  const [early, late] = [samples.slice(0, middle), samples.slice(middle)];
  const medianOf = (list, field) => sorted(list, field)[Math.floor(list.length / 2)] ?? 0;
  const growth = {
    // What the system has given is not taken back at once: only what lies above the highest of before is growth.
    rss: medianOf(late, "rss") - (sorted(early, "rss").at(-1) ?? 0),
    heap: medianOf(late, "heap") - medianOf(early, "heap"),
    external: medianOf(late, "external") - medianOf(early, "external"),
  };
  console.log(
    `${calls} calls; RSS ${samples.map(({ rss }) => rss.toFixed(0)).join(" ")} MB; heap ${samples.map(({ heap }) => heap.toFixed(1)).join(" ")} MB; external ${samples.map(({ external }) => external.toFixed(1)).join(" ")} MB`,
  );
  if (globalThis.gc !== undefined && milliseconds >= 60_000 && growth.heap > 10)
    problems.push(`the heap grew by ${growth.heap.toFixed(1)} MB`);
  if (globalThis.gc !== undefined && milliseconds >= 60_000 && growth.external > 10)
    problems.push(`memory outside of the heap grew by ${growth.external.toFixed(1)} MB`);
  if (milliseconds >= 60_000 && growth.rss > 40) problems.push(`RSS grew by ${growth.rss.toFixed(0)} MB`);
  return problems;
}

// Overload.

const RATE = 500;

async function runOverload() {
  const url = `http://127.0.0.1:${flags.port}/v1/chat/completions`;
  const hosts = { [`127.0.0.1:${flags.port}`]: { provider: "openai" } };
  const sink = {
    name: "memory",
    async write(records) {
      await sleep(1000);
      return { results: records.map(() => "delivered") };
    },
  };
  const limits = { queueExchanges: 1000, queueBytes: 16 * 1024 * 1024 };
  const tap = flags.tapped === "true" ? createTap({ sinks: [sink], hosts, limits }) : undefined;
  const fetch = tap?.fetch ?? globalThis.fetch;
  const times = [];
  const open = new Set();
  let maxRss = 0;
  async function timed(isKept) {
    const started = performance.now();
    await makeCall(fetch, url, "small");
    if (isKept) times.push(performance.now() - started);
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const started = performance.now();
  const warmUp = Math.min(3_000, milliseconds / 3);
  for (let count = 0; performance.now() - started < milliseconds + warmUp;) {
    const elapsed = performance.now() - started;
    if (elapsed > warmUp) delay.enable();
    for (; count < (elapsed / 1000) * RATE; count += 1) {
      const call = timed(elapsed > warmUp).finally(() => open.delete(call));
      open.add(call);
    }
    maxRss = Math.max(maxRss, process.memoryUsage.rss() / 1e6);
    await sleep(2);
  }
  await Promise.all(open);
  delay.disable();
  times.sort((a, b) => a - b);
  const flushed = await tap?.flush({ timeoutMs: 10 });
  process.send({
    calls: times.length,
    p50: times[Math.floor(times.length * 0.5)],
    p99: times[Math.floor(times.length * 0.99)],
    loopP99: delay.percentile(99) / 1e6,
    maxRss,
    stats: tap?.stats(),
    flushed: flushed && { ...flushed, bySink: undefined },
  });
  process.exit(0);
}

const TASKSET = "/usr/bin/taskset";
const onOneCore = existsSync(TASKSET)
  ? { execPath: TASKSET, execArgv: ["-c", "0", process.execPath, "--expose-gc"] }
  : { execArgv: ["--expose-gc"] };

async function overload() {
  const server = await startServer();
  const problems = [];
  const latencies = { bare: [], tapped: [] };
  for (const tapped of [false, true, false, true]) {
    const child = fork(
      fileURLToPath(import.meta.url),
      [
        "--child",
        "overload",
        "--port",
        String(server.port),
        "--tapped",
        String(tapped),
        "--seconds",
        String(milliseconds / 1000 / 4),
      ],
      onOneCore,
    );
    const result = await new Promise((resolve) => child.once("message", resolve));
    console.log(tapped ? "tapped" : "bare", JSON.stringify(result));
    latencies[tapped ? "tapped" : "bare"].push(result.p50);
    const { stats } = result;
    if (stats === undefined) continue;
    const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
    if (stats.seen !== stats.recorded + stats.sampledOut + sum(stats.dropped) + sum(stats.ignored) + stats.inFlight) {
      problems.push(`not all are accounted for: ${JSON.stringify(stats)}`);
    }
  }
  const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length;
  const noise = Math.abs(latencies.bare[1] / latencies.bare[0] - 1);
  console.log(
    `median latency, tapped to bare: ${(mean(latencies.tapped) / mean(latencies.bare)).toFixed(3)}; bare to bare: 1 ± ${noise.toFixed(3)}`,
  );
  server.stop();
  return problems;
}

if (flags.child === "server") serve();
else if (flags.child === "overload") await runOverload();
else {
  const problems = await (flags.overload ? overload() : soak());
  for (const problem of problems) console.error(`FAILED: ${problem}`);
  if (problems.length === 0) console.log("All accounted for; nothing is left.");
  process.exit(problems.length === 0 ? 0 : 1);
}
