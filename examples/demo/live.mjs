/**
 * The demo for real: providers whose key is in the environment, and Amplitude where `AMPLITUDE_API_KEY` is. There is no
 * script to compare with, so a record must agree with what the SDK told the app. `OPENAI_BASE_URL` and its like, and
 * `AMPLITUDE_SERVER_URL`, lead elsewhere.
 */
import { createTap } from "llm-tap";
import { amplitudeSink } from "llm-tap/sinks/amplitude";
import { memorySink } from "llm-tap/sinks/memory";
import { flows } from "./flows.mjs";
import { runFlow } from "./run-flow.mjs";

const providers = {
  openai: { prefix: "OPENAI", baseUrl: "https://api.openai.com/v1" },
  anthropic: { prefix: "ANTHROPIC", baseUrl: "https://api.anthropic.com" },
  gemini: { prefix: "GEMINI", baseUrl: "https://generativelanguage.googleapis.com" },
};

/** @returns {Promise<{ rows: object[], problems: string[], skipped: string[] }>} */
export async function runLive({ environment }) {
  const memory = memorySink();
  const amplitude = makeAmplitudeSink(environment);
  const tap = createTap({
    sinks: amplitude ? [memory, amplitude] : [memory],
    context: () => ({ userId: "llm-tap-demo" }),
  });
  const rows = [];
  const problems = [];
  const skipped = amplitude ? [] : ["Amplitude: AMPLITUDE_API_KEY is not set"];
  for (const [name, { prefix }] of Object.entries(providers)) {
    if (!environment[`${prefix}_API_KEY`]) skipped.push(`${name}: ${prefix}_API_KEY is not set`);
  }
  try {
    for (const flow of flows) {
      const { prefix } = providers[flow.provider];
      const apiKey = environment[`${prefix}_API_KEY`];
      const baseUrl = environment[`${prefix}_BASE_URL`] ?? providers[flow.provider].baseUrl;
      if (flow.mockOnly || !apiKey) continue;
      const row = await runTapped(flow, { tap, memory, amplitude, baseUrl, apiKey });
      rows.push(row);
      problems.push(...row.problems.map((problem) => `${flow.name}: ${problem}`));
    }
  } finally {
    await tap.close();
  }
  if (rows.length === 0) problems.push("no provider has a key: nothing was called");
  return { rows, problems, skipped };
}

function makeAmplitudeSink({ AMPLITUDE_API_KEY, AMPLITUDE_SERVER_ZONE, AMPLITUDE_SERVER_URL }) {
  if (!AMPLITUDE_API_KEY) return undefined;
  return amplitudeSink({
    apiKey: AMPLITUDE_API_KEY,
    ...(AMPLITUDE_SERVER_ZONE ? { serverZone: AMPLITUDE_SERVER_ZONE } : {}),
    ...(AMPLITUDE_SERVER_URL ? { serverUrl: AMPLITUDE_SERVER_URL } : {}),
  });
}

async function runTapped(flow, { tap, memory, amplitude, baseUrl, apiKey }) {
  const callsBefore = memory.calls.length;
  const deliveredBefore = amplitude ? (await tap.flush()).bySink[amplitude.name].delivered : 0;
  const seen = await runFlow(flow, { tap, baseUrl, apiKey });
  const { bySink } = await tap.flush({ timeoutMs: 30_000 });
  const calls = memory.calls.slice(callsBefore);
  const delivered = amplitude ? bySink[amplitude.name].delivered - deliveredBefore : 0;

  const problems = [];
  if (seen.error) problems.push(`the app saw ${JSON.stringify(seen.error)}`);
  if (calls.length !== 1) problems.push(`${calls.length} records for one call`);
  for (const call of calls) problems.push(...compareWithApp(flow, call, seen.value ?? {}));
  if (amplitude && delivered !== calls.length)
    problems.push(`Amplitude confirmed ${delivered} of ${calls.length} events`);
  return {
    flow,
    calls,
    problems,
    ...(amplitude ? { arrived: calls.map((_, index) => (index < delivered ? 1 : 0)) } : {}),
  };
}

function compareWithApp(flow, call, { inputTokens, outputTokens }) {
  const problems = [];
  // A short answer may be there as a whole before the app leaves.
  const outcomes = flow.leaves ? ["cancelled", "success"] : ["success"];
  if (!outcomes.includes(call.outcome)) problems.push(`outcome ${call.outcome}, ${outcomes.join(" or ")} expected`);
  for (const [name, value] of Object.entries({ inputTokens, outputTokens })) {
    if (value !== undefined && call.usage[name] !== value)
      problems.push(`${name}: record ${call.usage[name]}, SDK ${value}`);
  }
  return problems;
}
