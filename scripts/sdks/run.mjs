/**
 * Runs every flow of every client one way, in a process of its own, and writes what the app saw, what the server got and
 * what was recorded. `node scripts/sdks/run.mjs bare|fetch|install <file with SDKs> <out> [name ...]`
 */
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import { compareCall, startMockProviders } from "llm-tap/testing";
import { clients } from "./clients.mjs";
import { ownReplies } from "./own-replies.mjs";

const [way, loader, out, ...names] = process.argv.slice(2);
const { load } = await import(pathToFileURL(loader));
const mock = await startMockProviders({ seed: 3 });
const realFetch = globalThis.fetch;
/** Where the calls of the flow at hand go. */
let target = "";

/** Every host is the mock's: the SDKs go where they always go, and the tap sees the real addresses. */
globalThis.fetch = function fetch(input, init) {
  const url = new URL(input instanceof Request ? input.url : input);
  // Hugging Face asks who serves a model first.
  if (url.host === "huggingface.co") return Promise.resolve(Response.json(findMapping(url)));
  const redirected = target + url.pathname + url.search;
  return realFetch(input instanceof Request ? new Request(redirected, input) : redirected, init);
};

function findMapping(url) {
  const serves = { status: "live", providerId: "llama", task: "conversational" };
  return { id: url.pathname.slice("/api/models/".length), inferenceProviderMapping: { "fireworks-ai": serves } };
}

const memory = memorySink();
const tap = way === "bare" ? undefined : createTap({ sinks: [memory] });
if (way === "install") tap.install();

const results = [];
for (const client of clients) {
  if (names.length > 0 && !names.includes(client.name)) continue;
  if ((way === "fetch" && client.installOnly) || (way === "install" && client.needsFetch)) continue;
  for (const [flow, run] of Object.entries(client.flows)) results.push(await runFlow(client, flow, run));
}
writeFileSync(
  out,
  JSON.stringify(results, (_key, value) => (value === undefined ? null : value)),
);
await tap?.close();
await mock.close();

async function runFlow(client, flow, run) {
  const own = ownReplies[client.replies]?.[flow];
  const reply = `${client.name}-${flow}`.replaceAll(/\W+/g, "-");
  mock.setReply(reply, own === undefined ? {} : { raw: own });
  target = `${mock.origins[client.mock ?? "openai"]}/~${reply}`;
  const requestsBefore = mock.requests.length;
  const callsBefore = memory.calls.length;
  const fetch = way === "fetch" ? tap.fetch : client.needsFetch ? globalThis.fetch : undefined;
  const seen = await look(() => run({ load, model: client.model, fetch }));
  const requests = mock.requests.slice(requestsBefore);
  await tap?.flush();
  const calls = memory.calls.slice(callsBefore);
  return {
    client: client.name,
    flow,
    seen,
    requests: requests.map(describeRequest),
    problems: tap === undefined ? [] : await judge(client, own, calls, requests),
    tokens: calls.map(({ usage }) => [usage.inputTokens, usage.outputTokens]),
  };
}

async function look(run) {
  try {
    return { value: await run() };
  } catch (error) {
    return { error: { name: error?.constructor?.name, message: String(error?.message) } };
  }
}

/** But for what names the connection, or is drawn anew each time. */
function describeRequest({ method, path, headers, body }) {
  const kept = headers.filter(([name]) => !/^(?:host|idempotency-key|traceparent)$/i.test(name));
  return { method, path, headers: kept, body: Buffer.from(body).toString("utf8") };
}

async function judge(client, own, calls, requests) {
  if (calls.length !== requests.length) return [`${calls.length} records of ${requests.length} requests`];
  const problems = [];
  for (const [index, call] of calls.entries()) {
    const expected = own?.expected ?? (await requests[index].expected);
    const facts = { requestModel: client.model, ...expected, provider: client.provider };
    for (const name of client.ignores ?? []) delete facts[name];
    problems.push(...compareCall(call, facts));
    if (own?.cost !== undefined && call.cost?.totalUsd !== own.cost) problems.push(`cost ${call.cost?.totalUsd}`);
    if (own?.upstreamProvider !== undefined && call.response?.upstreamProvider !== own.upstreamProvider) {
      problems.push(`answered by ${call.response?.upstreamProvider}`);
    }
  }
  return problems;
}
