/**
 * The demo without keys and network: each flow runs bare and tapped against mock providers, and everything is compared
 * with the mock's script. Events go to a server that speaks Amplitude's HTTP API.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isDeepStrictEqual } from "node:util";
import { createTap } from "llm-tap";
import { amplitudeSink } from "llm-tap/sinks/amplitude";
import { memorySink } from "llm-tap/sinks/memory";
import { compareCall, startFakeAmplitude, startMockProviders } from "llm-tap/testing";
import { flows } from "./flows.mjs";
import { runFlow } from "./run-flow.mjs";

/** @returns {Promise<{ rows: object[], problems: string[] }>} */
export async function runMocked({ seed }) {
  const mock = await startMockProviders({ seed });
  const amplitude = await startFakeAmplitude();
  const memory = memorySink();
  const tap = createTap({
    hosts: mock.hosts,
    sinks: [memory, amplitudeSink({ apiKey: "demo-key", serverUrl: amplitude.url })],
    context: () => ({ userId: "demo-user" }),
  });
  const rows = [];
  const problems = [];
  try {
    for (const [index, flow] of flows.entries()) {
      const row = await runBoth(flow, `flow-${index}`, { mock, tap, memory });
      rows.push(row);
      problems.push(...row.problems.map((problem) => `${flow.name}: ${problem}`));
    }
    problems.push(...checkEvents(rows, amplitude));
    problems.push(...checkStats(tap.stats(), memory.calls.length));
  } finally {
    await tap.close();
    await Promise.all([mock.close(), amplitude.close()]);
  }
  return { rows, problems };
}

async function runBoth(flow, reply, { mock, tap, memory }) {
  const options = { baseUrl: mock.baseUrl(flow.provider, reply), apiKey: "demo-key" };
  mock.setReply(reply, flow.reply ?? {});
  const bare = await watch(mock, () => runFlow(flow, options));
  const callsBefore = memory.calls.length;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const tapped = await watch(mock, () => runFlow(flow, { ...options, tap }));
  delay.disable();
  await tap.flush();
  const calls = memory.calls.slice(callsBefore);

  const problems = [];
  if (Boolean(tapped.seen.error) !== Boolean(flow.fails)) problems.push(`the app saw ${JSON.stringify(tapped.seen)}`);
  if (!isDeepStrictEqual(tapped.seen, bare.seen)) {
    problems.push(`the app saw ${JSON.stringify(tapped.seen)}, without the tap ${JSON.stringify(bare.seen)}`);
  }
  problems.push(...compareRequests(bare.requests, tapped.requests));
  problems.push(...(await checkRecords(flow, calls, tapped.requests, delay.max / 1e6)));
  return { flow, calls, problems };
}

/** Runs it and waits until the mock knows how each exchange ended. */
async function watch(mock, run) {
  const before = mock.requests.length;
  const seen = await run();
  const requests = mock.requests.slice(before);
  await Promise.all(requests.map((request) => request.expected));
  return { seen, requests };
}

/** Request line, headers in their order and case, and the bytes of the body. */
function compareRequests(bare, tapped) {
  if (bare.length !== tapped.length) return [`${tapped.length} requests instead of ${bare.length}`];
  return bare.flatMap((request, index) => {
    const other = tapped[index];
    return [
      ["request line", `${request.method} ${request.path}`, `${other.method} ${other.path}`],
      ["headers", request.headers, other.headers],
      ["body", request.body, other.body],
    ].flatMap(([what, left, right]) =>
      isDeepStrictEqual(left, right) ? [] : [`${what} differ from an untapped run: ${JSON.stringify([left, right])}`],
    );
  });
}

async function checkRecords(flow, calls, requests, delayMs) {
  if (calls.length !== requests.length) return [`${calls.length} records for ${requests.length} requests`];
  const problems = [];
  for (const [index, call] of calls.entries()) {
    const expected = await requests[index].expected;
    problems.push(...compareCall(call, expected));
    if (flow.leaves && call.outcome !== "cancelled") problems.push(`outcome ${call.outcome} though the app left`);
    if (call.context.userId !== "demo-user") problems.push("the context is missing");
    problems.push(...checkFirstToken(call.timing, requests[index].measured, expected, delayMs));
  }
  return problems;
}

/**
 * The record's clock starts at the dispatch, the mock's at the arrival: the same within 10 % and a breath, which is a
 * longer one on a machine that is busy with something else.
 */
function checkFirstToken({ firstTokenMs }, { firstTokenMs: measured }, { streaming, outcome }, delayMs) {
  if (!streaming || outcome === "error" || measured === undefined) return [];
  const off = Math.abs((firstTokenMs ?? Infinity) - measured);
  return off <= measured * 0.1 + 25 + 2 * delayMs
    ? []
    : [`first token after ${firstTokenMs} ms, the mock sent it after ${measured} ms`];
}

/** Every record arrived at Amplitude's side, once, and nothing else did. */
function checkEvents(rows, { events, duplicates }) {
  const problems = duplicates === 0 ? [] : [`${duplicates} events came to Amplitude twice`];
  for (const row of rows) {
    row.arrived = row.calls.map((call) => events.filter((event) => event.insert_id.startsWith(`${call.id}:`)).length);
    if (row.arrived.some((count) => count !== 1))
      problems.push(`${row.flow.name}: events at Amplitude: ${row.arrived}`);
  }
  const calls = rows.reduce((sum, row) => sum + row.calls.length, 0);
  if (events.length !== calls) problems.push(`${events.length} events at Amplitude for ${calls} records`);
  return problems;
}

function checkStats({ seen, recorded, dropped, inFlight, errors }, calls) {
  const fine = seen === calls && recorded === calls && inFlight === 0;
  const nothing = Object.keys(dropped).length + Object.keys(errors).length === 0;
  return fine && nothing ? [] : [`counters: ${JSON.stringify({ seen, recorded, dropped, inFlight, errors, calls })}`];
}
