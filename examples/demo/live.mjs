/**
 * The demo for real: providers whose key is in the environment, and Amplitude where `AMPLITUDE_API_KEY` is. There is no
 * script to compare with, so a record must agree with what the SDK told the app.
 */
import { createTap } from "llm-tap";
import { amplitudeSink } from "llm-tap/sinks/amplitude";
import { memorySink } from "llm-tap/sinks/memory";
import { flows } from "./flows.mjs";
import { runFlow } from "./run-flow.mjs";

const providers = {
  openai: { variable: "OPENAI_API_KEY", baseUrl: "https://api.openai.com/v1" },
  anthropic: { variable: "ANTHROPIC_API_KEY", baseUrl: "https://api.anthropic.com" },
  gemini: { variable: "GEMINI_API_KEY", baseUrl: "https://generativelanguage.googleapis.com" },
};

/** @returns {Promise<{ rows: object[], problems: string[], skipped: string[] }>} */
export async function runLive({ environment }) {
  const amplitudeKey = environment.AMPLITUDE_API_KEY;
  const memory = memorySink();
  const zone = environment.AMPLITUDE_SERVER_ZONE;
  const amplitude = amplitudeKey && amplitudeSink({ apiKey: amplitudeKey, ...(zone ? { serverZone: zone } : {}) });
  const tap = createTap({
    sinks: amplitude ? [memory, amplitude] : [memory],
    context: () => ({ userId: "llm-tap-demo" }),
  });
  const rows = [];
  const problems = [];
  const skipped = amplitude ? [] : ["Amplitude: AMPLITUDE_API_KEY is not set"];
  for (const [name, { variable }] of Object.entries(providers)) {
    if (!environment[variable]) skipped.push(`${name}: ${variable} is not set`);
  }
  try {
    for (const flow of flows) {
      const { variable, baseUrl } = providers[flow.provider];
      const apiKey = environment[variable];
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
  const outcome = flow.leaves ? "cancelled" : "success";
  if (call.outcome !== outcome) problems.push(`outcome ${call.outcome}, ${outcome} expected`);
  for (const [name, value] of Object.entries({ inputTokens, outputTokens })) {
    if (value !== undefined && call.usage[name] !== value)
      problems.push(`${name}: record ${call.usage[name]}, SDK ${value}`);
  }
  return problems;
}
