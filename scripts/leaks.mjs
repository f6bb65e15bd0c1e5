/**
 * Does anything stay behind? The same calls in processes of the same shape, without a tap and with one, each way to tap;
 * what is left after a collection must be what is left without.
 *
 *   npm run test:leaks                                10,000 calls, 1,000 unread responses
 *   npm run test:leaks -- --calls 500 --unread 60 --ways "bare,tap.fetch"
 */
import { fork } from "node:child_process";
import { getEventListeners, setMaxListeners } from "node:events";
import { createServer } from "node:http";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Agent, fetch as undiciFetch } from "undici";
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";

const { values: flags } = parseArgs({
  options: {
    calls: { type: "string", default: "10000" },
    unread: { type: "string", default: "1000" },
    /** Default: all. */
    ways: { type: "string" },
    /** Set by this script for its children. */
    child: { type: "string" },
    port: { type: "string" },
    way: { type: "string" },
  },
});
const self = fileURLToPath(import.meta.url);
const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));
const BIG = 200 * 1024 * 1024;

// The provider: it knows what it has sent and who is still there.

const ANSWER = JSON.stringify({
  id: "chatcmpl-1",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "word ".repeat(100) }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
});
const delta = (content, finish = null) =>
  `data: ${JSON.stringify({ id: "c", model: "m", choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
const MOODS = {
  json: (response) => response.writeHead(200, { "content-type": "application/json" }).end(ANSWER),
  stream: (response) =>
    response
      .writeHead(200, { "content-type": "text/event-stream" })
      .end(`${delta("a").repeat(10)}${delta("", "stop")}data: [DONE]\n\n`),
  failed: (response) => response.writeHead(500).end("oops"),
  endless(response) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(delta("a"));
  },
  reset: (response) => response.destroy(),
  big(response) {
    response.writeHead(200, { "content-type": "application/json", "content-length": String(BIG) });
    const block = Buffer.alloc(64 * 1024, 32);
    let sent = 0;
    const send = () => {
      while (sent < BIG && !response.destroyed) {
        sent += block.length;
        if (!response.write(block)) return;
      }
    };
    response.on("drain", send);
    send();
  },
};

function serve() {
  const open = new Set();
  let closedBytes = 0;
  const server = createServer((request, response) => {
    const mood = MOODS[new URL(request.url, "http://localhost").searchParams.get("as")];
    request.resume().on("end", () => mood(response));
  });
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      closedBytes += socket.bytesWritten;
      open.delete(socket);
    });
  });
  process.on("message", () => {
    const openBytes = [...open].reduce((sum, socket) => sum + socket.bytesWritten, 0);
    process.send({ open: open.size, bytes: closedBytes + openBytes });
  });
  process.on("disconnect", () => process.exit());
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => process.send({ port: server.address().port }));
}

// The app.

const tapOf = () => {
  const sink = memorySink();
  const hosts = { [`127.0.0.1:${flags.port}`]: { provider: "openai" } };
  const errors = [];
  const tap = createTap({ sinks: [sink], hosts, onError: (error) => errors.push(error.message) });
  return { tap, sink, errors };
};
const globalFetch = (...given) => globalThis.fetch(...given);
const through = (dispatcher) => (input, init) => undiciFetch(input, { ...init, dispatcher });

/** Each beside the way that is the same without a tap. */
const WAYS = {
  bare: { make: () => ({ fetch: globalFetch }) },
  "tap.fetch": {
    like: "bare",
    make(given) {
      return { fetch: given.tap.fetch };
    },
  },
  "tap.install()": {
    like: "bare",
    make(given) {
      given.tap.install();
      return { fetch: globalFetch };
    },
  },
  "bare dispatcher": { make: () => ({ fetch: through(new Agent()) }) },
  "composed dispatcher": {
    like: "bare dispatcher",
    make(given) {
      return { fetch: through(new Agent().compose(given.tap.interceptor)) };
    },
  },
  "wrapped foreign fetch": {
    like: "bare dispatcher",
    make(given) {
      return { fetch: given.tap.wrapFetch(through(new Agent())) };
    },
  },
};

async function collect() {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc();
    await sleep(10);
  }
}

function measure(signal) {
  const resources = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return {
    heap: process.memoryUsage().heapUsed,
    sockets: resources.TCPSocketWrap ?? 0,
    handles: Object.values(resources).reduce((sum, count) => sum + count, 0),
    listeners: getEventListeners(signal, "abort").length,
    processListeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
  };
}

const MIX = ["json", "stream", "json", "failed", "break", "json", "abort", "stream", "reset", "cancel"];

async function callOnce(fetch, turn, signal) {
  const kind = MIX[turn % MIX.length];
  const mood = kind === "break" || kind === "abort" || kind === "cancel" ? "endless" : kind;
  const controller = new AbortController();
  const init = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"model":"m","messages":[{"role":"user","content":"Hi"}]}',
    signal: kind === "abort" ? controller.signal : signal,
  };
  try {
    const response = await fetch(`http://127.0.0.1:${flags.port}/v1/chat/completions?as=${mood}`, init);
    if (kind === "cancel") await response.body.cancel();
    else if (kind === "abort") {
      controller.abort();
      await response.text();
    } else for await (const _chunk of response.body) if (kind === "break") break;
  } catch {
    // What goes wrong is meant to.
  }
}

async function makeCalls(fetch, count, signal) {
  let turn = 0;
  const lane = async () => {
    while (turn < count) {
      turn += 1;
      await callOnce(fetch, turn, signal);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

/** Responses that nobody reads, a batch at a time. */
async function leaveUnread(fetch, count, mood) {
  const leave = async () => {
    await fetch(`http://127.0.0.1:${flags.port}/v1/chat/completions?as=${mood}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"model":"m","messages":[]}',
    });
  };
  for (let done = 0; done < count; done += 50) {
    await Promise.all(Array.from({ length: Math.min(50, count - done) }, leave));
    await collect();
  }
}

const ask = (request) =>
  new Promise((resolve) => {
    process.once("message", resolve);
    process.send(request);
  });

/** Sockets are freed some time after a collection: before Node 26 undici waits for the server's keep-alive to end. */
async function waitUntilFreed(limit) {
  let { open } = await ask("server");
  for (let round = 0; round < 400 && open > limit; round += 1) {
    await collect();
    ({ open } = await ask("server"));
  }
  return open;
}

async function work() {
  const given = flags.way.startsWith("bare") ? undefined : tapOf();
  const { fetch } = WAYS[flags.way].make(given);
  const calls = Number(flags.calls);
  const unread = Number(flags.unread);
  /** Lives as long as the app: whatever is hung on it stays. */
  const { signal } = new AbortController();
  // Undici takes its own off when a Request is collected; Node would warn of many meanwhile.
  setMaxListeners(0, signal);

  async function settle() {
    await given?.tap.flush();
    given?.sink.clear();
    await collect();
    await sleep(50);
    await collect();
  }

  // As many: what the tap keeps of the past, bounded, to link what comes, is full by then.
  await makeCalls(fetch, Math.max(200, calls), signal);
  await settle();
  const before = measure(signal);
  await makeCalls(fetch, calls, signal);
  await settle();
  const after = measure(signal);

  const openBefore = (await ask("server")).open;
  await leaveUnread(fetch, unread, "endless");
  const open = await waitUntilFreed(openBefore);
  await given?.tap.flush();
  const records = given?.sink.calls ?? [];
  const unreadRecords = records.filter(
    ({ outcome, capture }) => outcome === "cancelled" && capture.notes.includes("body_not_read"),
  ).length;

  const bytesBefore = (await ask("server")).bytes;
  await leaveUnread(fetch, 10, "big");
  const openBig = await waitUntilFreed(openBefore);
  const { bytes } = await ask("server");
  await given?.tap.flush();
  await settle();
  const { stats } = given === undefined ? {} : { stats: given.tap.stats() };
  await ask({
    heapGrowth: (after.heap - before.heap) / 1e6,
    sockets: after.sockets,
    handles: after.handles,
    listeners: after.listeners,
    processListeners: after.processListeners - before.processListeners,
    unreadLeft: open - openBefore,
    bigLeft: openBig - openBefore,
    bigSentMB: (bytes - bytesBefore) / 1e6,
    unreadRecords: given === undefined ? undefined : unreadRecords,
    inFlight: stats?.inFlight,
    isEven: stats === undefined ? true : isEven(stats),
    errors: given?.errors.length,
  });
  process.exit(0);
}

function isEven({ seen, recorded, sampledOut, dropped, ignored, inFlight }) {
  const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
  return seen === recorded + sampledOut + sum(dropped) + sum(ignored) + inFlight;
}

// Both.

async function runWay(way) {
  const server = fork(self, ["--child", "server"], { execArgv: [] });
  const { port } = await new Promise((resolve) => server.once("message", resolve));
  const args = [
    "--child",
    "app",
    "--way",
    way,
    "--port",
    String(port),
    "--calls",
    flags.calls,
    "--unread",
    flags.unread,
  ];
  const app = fork(self, args, { execArgv: ["--expose-gc"] });
  try {
    return await new Promise((resolve, reject) => {
      app.on("message", (message) => {
        if (message !== "server") {
          resolve(message);
          app.send("done");
          return;
        }
        server.once("message", (answer) => app.send(answer));
        server.send("report");
      });
      app.once("exit", (code, signal) => reject(new Error(`${way} has ended with ${code ?? signal}`)));
    });
  } finally {
    server.kill();
  }
}

/** Two runs of the same are never the same to the byte. */
const NOISE = { heapMB: 1.5, sockets: 8, handles: 10, bigMB: 12 };

function findProblems(way, result, bare) {
  const unread = Number(flags.unread);
  const checks = [
    [
      result.heapGrowth <= Math.max(0, bare.heapGrowth) + NOISE.heapMB,
      `the heap grew by ${result.heapGrowth.toFixed(2)} MB`,
    ],
    [result.sockets <= bare.sockets + NOISE.sockets, `${result.sockets} sockets are left`],
    [result.handles <= bare.handles + NOISE.handles, `${result.handles} handles are left`],
    [result.listeners <= bare.listeners, `${result.listeners} listeners are left on a signal`],
    [result.processListeners <= bare.processListeners, `${result.processListeners} listeners are left on the process`],
    [result.unreadLeft <= Math.max(0, bare.unreadLeft), `${result.unreadLeft} unread responses hold their sockets`],
    [result.bigLeft <= Math.max(0, bare.bigLeft), `${result.bigLeft} big unread responses hold their sockets`],
    [
      result.bigSentMB <= bare.bigSentMB + NOISE.bigMB,
      `the server sent ${result.bigSentMB.toFixed(0)} MB that nobody read`,
    ],
    [result.unreadRecords === unread, `${result.unreadRecords} records of ${unread} unread responses`],
    [result.inFlight === 0, `${result.inFlight} calls never ended`],
    [result.isEven, "not all calls are accounted for"],
    [result.errors === 0, `${result.errors} errors of the tap`],
  ];
  return checks.filter(([isRight]) => !isRight).map(([, problem]) => `${way}: ${problem}`);
}

async function main() {
  const results = new Map();
  const problems = [];
  const ways = flags.ways?.split(",") ?? Object.keys(WAYS);
  for (const [way, { like }] of Object.entries(WAYS)) {
    if (!ways.includes(way)) continue;
    const result = await runWay(way);
    results.set(way, result);
    if (like !== undefined) problems.push(...findProblems(way, result, results.get(like)));
  }
  console.table(
    Object.fromEntries(
      [...results].map(([way, { heapGrowth, bigSentMB, ...result }]) => [
        way,
        { "heap growth, MB": heapGrowth.toFixed(2), ...result, bigSentMB: bigSentMB.toFixed(1) },
      ]),
    ),
  );
  for (const problem of problems) console.error(`FAILED: ${problem}`);
  if (problems.length === 0) console.log(`Node ${process.versions.node}: nothing is left of ${flags.calls} calls.`);
  process.exit(problems.length === 0 ? 0 : 1);
}

if (flags.child === "server") serve();
else if (flags.child === "app") await work();
else await main();
