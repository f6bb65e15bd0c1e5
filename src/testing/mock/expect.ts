/** From what a mock sent to what a record must say, and the comparison of the two. */
import { isDeepStrictEqual } from "node:util";
import type { Choice, LlmCall, Part } from "../../types.ts";
import type { Dialect } from "./dialects.ts";
import type { Played } from "./play.ts";
import type { ExpectedCall, ExpectedFacts, MockFault, Plan } from "./types.ts";

/** Adds up the facts of the events that left. */
export function expectCall(
  dialect: Dialect,
  provider: string,
  plan: Plan,
  played: Played,
  fault: MockFault | undefined,
): ExpectedCall {
  const { api, operation } = dialect;
  const base: ExpectedCall = {
    provider,
    api,
    operation,
    streaming: false,
    outcome: "success",
    status: plan.status,
    toolCalls: [],
  };
  const expected = [plan.facts, ...played.sent.map((event) => event.facts ?? {})].reduce<ExpectedCall>(addFacts, base);
  if (played.ending === "left") {
    const seen = played.measured.headersMs === undefined ? requestFacts(expected) : expected;
    return { ...seen, outcome: "cancelled", partial: true };
  }
  return played.ending === "fault" && fault !== undefined ? afterFault(expected, fault) : expected;
}

function afterFault(expected: ExpectedCall, fault: MockFault): ExpectedCall {
  const usage = expected.usage ?? { source: "missing" };
  if (fault.kind === "error_event") {
    return { ...expected, usage, outcome: "error", error: { kind: "stream", ...expected.error } };
  }
  if (fault.kind !== "no_response") return { ...expected, usage, outcome: "truncated" };
  return { ...requestFacts(expected), outcome: "error", error: { kind: "network" } };
}

/** What is left of an exchange without a response. */
function requestFacts({ provider, api, operation, requestModel }: ExpectedCall): Omit<ExpectedCall, "outcome"> {
  return {
    provider,
    api,
    operation,
    ...(requestModel === undefined ? {} : { requestModel }),
    streaming: false,
    toolCalls: [],
    usage: { source: "missing" },
  };
}

function addFacts(expected: ExpectedCall, facts: ExpectedFacts): ExpectedCall {
  const merged = { ...expected, ...facts };
  for (const name of ["text", "reasoning", "refusal"] as const) {
    const joined = (expected[name] ?? "") + (facts[name] ?? "");
    if (joined !== "") merged[name] = joined;
  }
  return merged;
}

/** What a record says, in the words of `ExpectedCall`. */
export function factsOf(call: LlmCall): ExpectedCall {
  const choice = call.response?.choices[0];
  const parts = choice?.message.parts ?? [];
  const facts: { [Name in keyof ExpectedCall]: ExpectedCall[Name] | undefined } = {
    provider: call.provider,
    api: call.api,
    operation: call.operation,
    streaming: call.streaming,
    outcome: call.outcome,
    status: call.response?.status,
    requestModel: call.request.model,
    responseModel: call.response?.model,
    responseId: call.response?.id,
    requestId: call.response?.requestId,
    text: joinText(parts, "text"),
    reasoning: joinText(parts, "reasoning"),
    refusal: joinText(parts, "refusal"),
    toolCalls: readToolCalls(choice),
    finishReason: choice?.finishReason,
    rawFinishReason: choice?.rawFinishReason,
    usage: call.usage,
    embeddings: call.response?.embeddings as ExpectedCall["embeddings"],
    error: call.error,
  };
  return facts as ExpectedCall;
}

function joinText(parts: readonly Part[], type: "text" | "reasoning" | "refusal"): string | undefined {
  const texts = parts.flatMap((part) => (part.type === type ? [part.content] : []));
  return texts.length === 0 ? undefined : texts.join("");
}

function readToolCalls(choice: Choice | undefined): ExpectedCall["toolCalls"] {
  const parts = choice?.message.parts ?? [];
  return parts.flatMap((part) => (part.type === "tool_call" ? [{ name: part.name, arguments: part.arguments }] : []));
}

// Absent in the expectation means absent in the record; the rest is judged only where the mock named it.
const JUDGED_WHEN_ABSENT: ReadonlySet<string> = new Set(["text", "reasoning", "refusal"]);
// Grow with what the app still reads while it leaves, so that only the mock's upper bound is known.
const OPEN_WHEN_PARTIAL: ReadonlySet<string> = new Set([
  "toolCalls",
  "finishReason",
  "rawFinishReason",
  "usage",
  "error",
]);

/**
 * Compares a record with the ground truth of its exchange.
 * @returns one line for each fact that differs; empty when the record is right
 */
export function compareCall(call: LlmCall, expected: ExpectedCall): string[] {
  const actual = factsOf(call);
  const differences: string[] = [];
  for (const name of Object.keys(actual) as (keyof ExpectedCall)[]) {
    const wanted = expected[name];
    if (wanted === undefined && !JUDGED_WHEN_ABSENT.has(name)) continue;
    if (expected.partial && OPEN_WHEN_PARTIAL.has(name)) continue;
    if (!matches(actual[name], wanted, expected.partial === true)) {
      differences.push(`${name}: expected ${print(wanted)}, got ${print(actual[name])}`);
    }
  }
  return differences;
}

/** Objects match when all that is wanted is there; with `prefix` a text may stop earlier. */
function matches(actual: unknown, wanted: unknown, prefix: boolean): boolean {
  if (
    prefix &&
    (wanted === undefined || typeof wanted === "string") &&
    (actual === undefined || typeof actual === "string")
  ) {
    return (wanted ?? "").startsWith(actual ?? "");
  }
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) return isDeepStrictEqual(actual, wanted);
  if (typeof actual !== "object" || actual === null) return false;
  return Object.entries(wanted).every(([key, value]) =>
    isDeepStrictEqual((actual as Record<string, unknown>)[key], value),
  );
}

function print(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
