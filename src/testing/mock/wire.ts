/** Small helpers that the dialects share. */
import type { ExpectedFacts, MockAnswer, Plan, PlannedEvent } from "./types.ts";

/** One server-sent event with a JSON payload. */
export function sseEvent(payload: unknown, name?: string): string {
  const head = name === undefined ? "" : `event: ${name}\n`;
  return `${head}data: ${typeof payload === "string" ? payload : JSON.stringify(payload)}\n\n`;
}

export const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
};

/** A plan for one JSON body, which is output as a whole: nothing of it is known before it has left. */
export function jsonPlan(payload: unknown, facts: ExpectedFacts, status = 200): Plan {
  const { requestModel, ...rest } = facts;
  return {
    status,
    headers: { "content-type": "application/json" },
    facts: requestModel === undefined ? {} : { requestModel },
    events: [{ bytes: JSON.stringify(payload), output: status < 400, facts: rest }],
  };
}

export function ssePlan(facts: ExpectedFacts, events: PlannedEvent[], errorEvent: PlannedEvent): Plan {
  return { status: 200, headers: { ...SSE_HEADERS }, facts: { ...facts, streaming: true }, events, errorEvent };
}

/** `{ [name]: text }` when there is text: absent facts are absent, not empty. */
export function textFact(name: "text" | "reasoning" | "refusal", text: string): ExpectedFacts {
  return text === "" ? {} : { [name]: text };
}

/** Facts that do not depend on how far the answer came. */
export function answerFacts(answer: MockAnswer): ExpectedFacts {
  return { requestModel: answer.requestModel, responseModel: answer.model };
}

/** Everything that a complete answer says, for bodies that come in one piece. */
export function contentFacts(answer: MockAnswer): ExpectedFacts {
  return {
    ...answerFacts(answer),
    ...textFact("text", answer.text),
    ...textFact("reasoning", answer.reasoning),
    ...textFact("refusal", answer.refusal),
    toolCalls: answer.toolCalls.map((call) => ({ ...call })),
  };
}

/** Seconds; fixed, so that two runs of one seed give the same bytes. */
export const CREATED_AT = 1_790_000_000;
