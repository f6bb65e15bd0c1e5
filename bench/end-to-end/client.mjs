/** One variant in one scenario: `node client.mjs <variant> <scenario> <port>`; prints what it measured as JSON. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";
import { makeAgents, makeChatRequest } from "../shared/payloads.mjs";
import { percentile } from "../shared/statistics.mjs";
import { SCENARIOS } from "./scenarios.mjs";
import { SPECIAL_VARIANTS, VARIANTS } from "./variants.mjs";

const [variantName, scenarioName, portText] = process.argv.slice(2);
const scenario = SCENARIOS[scenarioName];
const isFirstCall = scenario.client === "first";
const port = Number(portText);
const baseURL = `http://127.0.0.1:${port}/v1`;

const importStarted = performance.now();
const cpuBeforeImport = process.cpuUsage();
const setUp =
  { ...VARIANTS, ...SPECIAL_VARIANTS }[variantName] ?? (await import("../peers/variants.mjs")).PEERS[variantName];
const variant = await setUp(port);
let importMs = performance.now() - importStarted;

const isEmbeddings = scenario.model.startsWith("bench:embeddings");
const isImage = scenario.model.startsWith("bench:image");
const path = isEmbeddings ? "embeddings" : isImage ? "images/generations" : "chat/completions";
const request = isEmbeddings
  ? { model: scenario.model, input: ["a", "b"], encoding_format: "float" }
  : isImage
    ? { model: scenario.model, prompt: "a lighthouse" }
    : makeChatRequest({ model: scenario.model, stream: scenario.stream, length: scenario.requestLength ?? 600 });
let made = 0;
/** Nobody asks the same again and again. */
function changeFirstWord() {
  const [system, { role, content }] = request.messages;
  made += 1;
  return { ...request, messages: [system, { role, content: `${made} ${content}` }] };
}
const nextRequest = scenario.requestLength === undefined ? () => request : changeFirstWord;

const firstChunks = [];
// Some work in threads that let the process end; `process.exit` is at the end of this file.
setInterval(() => {}, 1_000);

async function makeClient() {
  const options = { apiKey: "sk-bench", baseURL, maxRetries: 0 };
  if (variant.fetch !== undefined) options.fetch = variant.fetch;
  if (variant.makeClient !== undefined) return variant.makeClient(options);
  const { default: OpenAI } = await import("openai");
  const plain = new OpenAI(options);
  return variant.wrap === undefined ? plain : variant.wrap(plain);
}

async function makeCall() {
  if (scenario.client === "sdk" || isFirstCall) {
    const client = await makeClient();
    if (isEmbeddings) return () => client.embeddings.create(request);
    if (scenario.turns !== undefined) {
      const runNext = makeAgents({ ...scenario, calls: scenario.warmUp + scenario.calls });
      const send = async (body) => (await client.chat.completions.create(body)).choices[0].message;
      return () => runNext(send);
    }
    if (!scenario.stream) return () => client.chat.completions.create(nextRequest());
    return async () => {
      const started = performance.now();
      const stream = await client.chat.completions.create(request);
      let isFirst = true;
      for await (const chunk of stream) {
        if (isFirst && chunk.choices[0]?.delta?.content) {
          firstChunks.push(performance.now() - started);
          isFirst = false;
        }
      }
    };
  }
  if (scenario.client === "other") {
    return async () => {
      const response = await globalThis.fetch(`http://localhost:${port}/items`);
      await response.text();
    };
  }
  const body = JSON.stringify(request);
  const headers = { "content-type": "application/json", authorization: "Bearer sk-bench" };
  return async () => {
    const started = performance.now();
    const response = await (variant.fetch ?? globalThis.fetch)(`${baseURL}/${path}`, { method: "POST", headers, body });
    if (!scenario.stream) {
      // The app's own work on the body would hide what is measured.
      await response.arrayBuffer();
      return;
    }
    let isFirst = true;
    for await (const chunk of response.body) {
      if (isFirst && chunk.length > 0) firstChunks.push(performance.now() - started);
      isFirst = false;
    }
  };
}

async function run(call, count, atOnce) {
  let left = count;
  async function work() {
    while (left > 0) {
      left -= 1;
      await call();
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
}

const call = await makeCall();
if (isFirstCall) importMs = performance.now() - importStarted;
await run(call, scenario.warmUp ?? 0, scenario.atOnce);
await variant.finish();
const before = variant.countRecorded() ?? 0;
firstChunks.length = 0;
// No collection is forced here: in an idle process V8 lets go of the shapes of all objects of which none lives just then,
// and of the code that it had optimised for them, and what is measured would be its making it once more.
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
// What is loaded with the first call, and what is loaded before it, is one cost to who starts a process.
const cpu = isFirstCall ? cpuBeforeImport : process.cpuUsage();
const started = isFirstCall ? importStarted : performance.now();
await run(call, scenario.calls, scenario.atOnce);
const wallMs = performance.now() - started;
await variant.finish();
const { user, system } = process.cpuUsage(cpu);
delay.disable();
const recorded = variant.countRecorded();
process.stdout.write(
  `${JSON.stringify({
    cpuMicros: (user + system) / scenario.calls,
    wallMicros: (wallMs * 1000) / scenario.calls,
    firstChunkP50: percentile(firstChunks, 0.5),
    firstChunkP99: percentile(firstChunks, 0.99),
    loopP99: delay.percentile(99) / 1e6,
    loopMax: delay.max / 1e6,
    peakRss: process.resourceUsage().maxRSS / 1024,
    importMs,
    recorded: recorded === undefined ? undefined : recorded - before,
    calls: scenario.client === "other" ? 0 : scenario.calls,
  })}\n`,
);
process.exit(0);
