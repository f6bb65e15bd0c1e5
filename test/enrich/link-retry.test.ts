/** Attempts of one call, and calls that only look like it. */
import { describe, expect, it } from "vitest";
import type { LinkHints } from "../../src/enrich/link.ts";
import type { SampleCall } from "../../src/testing/sample-records.ts";
import type { CallError } from "../../src/types.ts";
import { type Asked, createTestLinker, text, toolCall, toolResult, user } from "./link-helpers.ts";

const messages = [user("What is the weather?")];

function failure(status: number, more: Partial<CallError> = {}): SampleCall {
  return {
    outcome: "error",
    response: { status, choices: [], bytes: 0, chunks: 0 },
    error: { kind: "http", status, message: "no", ...more },
  };
}
const network: SampleCall = { outcome: "error", error: { kind: "network", message: "reset" } };
const aborted: SampleCall = { outcome: "cancelled", error: { kind: "abort", message: "aborted" } };
const success: SampleCall = {};

interface Try {
  call?: SampleCall;
  at: [start: number, end: number];
  body?: string;
  headers?: Record<string, string>;
  hints?: Partial<LinkHints>;
}

function play(tries: Try[]): Asked[] {
  const { ask } = createTestLinker();
  return tries.map(({ call = success, at, body = "the body", headers = {}, hints }) =>
    ask(messages, call.outcome === undefined ? [text("Sunny.")] : [], {
      call,
      hints: { startTime: at[0], endTime: at[1], readBody: () => body, headers, ...hints },
    }),
  );
}

const attempts = (asked: readonly Asked[]) => asked.map(({ call }) => call.request.attempt);
const count = (retries: number) => ({ "x-stainless-retry-count": String(retries) });

describe("are attempts of one call", () => {
  it.each<[string, Try[]]>([
    ["a refusal and what came after it", [{ call: failure(429), at: [0, 10] }, { at: [500, 900] }]],
    [
      "an SDK's own count",
      [
        { call: failure(500), at: [0, 10], headers: count(0) },
        { call: network, at: [500, 510], headers: count(1) },
        { at: [1500, 1900], headers: count(2) },
      ],
    ],
    [
      "a time-out of the SDK, when the SDK says so",
      [
        { call: aborted, at: [0, 1000], headers: count(0) },
        { at: [1500, 1900], headers: count(1) },
      ],
    ],
    [
      "one key",
      [
        { call: aborted, at: [0, 10], headers: { "idempotency-key": "k" }, body: "a" },
        { at: [30, 40], headers: { "idempotency-key": "k" }, body: "b" },
      ],
    ],
    [
      "AWS's count",
      [
        { call: failure(503), at: [0, 10], headers: { "amz-sdk-invocation-id": "i", "amz-sdk-request": "attempt=1" } },
        { at: [30, 40], headers: { "amz-sdk-invocation-id": "i", "amz-sdk-request": "attempt=2; max=3" } },
      ],
    ],
    [
      "a server that asked to wait",
      [{ call: failure(429, { retryAfterMs: 120_000 }), at: [0, 10] }, { at: [120_010, 120_900] }],
    ],
    [
      "an error in the stream",
      [{ call: { outcome: "error", error: { kind: "stream", message: "overloaded" } }, at: [0, 9] }, { at: [20, 30] }],
    ],
    ["a stream that broke off", [{ call: { outcome: "truncated" }, at: [0, 9] }, { at: [20, 30] }]],
    [
      "the app's own loop around an SDK that has given up",
      [
        { call: failure(500), at: [0, 10], headers: count(0) },
        { call: failure(500), at: [20, 30], headers: count(1) },
        { call: failure(500), at: [40, 50], headers: count(0) },
        { at: [60, 70], headers: count(1) },
      ],
    ],
  ])("%s", (_name, tries) => {
    const asked = play(tries);
    const first = asked[0]?.call;
    expect(attempts(asked)).toEqual(tries.map((_, index) => index + 1));
    expect(new Set(asked.map(({ call }) => call.request.logicalCallId))).toEqual(new Set([first?.id]));
    expect(asked.map(({ call }) => call.request.retryOf)).toEqual([
      undefined,
      ...asked.slice(0, -1).map(({ call }) => call.id),
    ]);
    expect(new Set(asked.map(({ call }) => call.trace.traceId)).size).toBe(1);
    expect(new Set(asked.map(({ call }) => call.trace.spanId)).size).toBe(asked.length);
    expect(asked.map(({ call }) => call.trace.newUserMessages)).toEqual([1, ...asked.slice(1).map(() => 0)]);
    expect(asked.map(({ call }) => call.trace.turn)).toEqual(asked.map(() => 1));
  });
});

describe("are calls of their own", () => {
  it.each<[string, Try[]]>([
    ["two at once", [{ call: failure(429), at: [0, 100] }, { at: [50, 90] }]],
    ["what follows a success", [{ at: [0, 10] }, { at: [20, 30] }]],
    ["what follows a mistake", [{ call: failure(400), at: [0, 10] }, { at: [20, 30] }]],
    ["what the app gave up and began anew", [{ call: aborted, at: [0, 10] }, { at: [20, 30] }]],
    [
      "another body",
      [
        { call: failure(429), at: [0, 10] },
        { at: [20, 30], body: "the bodY" },
      ],
    ],
    [
      "a body that nobody knows",
      [
        { call: failure(429), at: [0, 10] },
        { at: [20, 30], hints: { readBody: () => undefined } },
      ],
    ],
    [
      "another address",
      [
        { call: failure(429), at: [0, 10] },
        { at: [20, 30], call: { request: { url: "https://b.example/" } as never } },
      ],
    ],
    ["much later", [{ call: failure(429), at: [0, 10] }, { at: [120_000, 120_030] }]],
    [
      "other keys",
      [
        { call: failure(429), at: [0, 10], headers: { "idempotency-key": "k" } },
        { at: [20, 30], headers: { "idempotency-key": "l" } },
      ],
    ],
  ])("%s", (_name, tries) => {
    const asked = play(tries);
    expect(attempts(asked)).toEqual(asked.map(() => 1));
    expect(asked.map(({ call }) => call.request.logicalCallId)).toEqual(asked.map(({ call }) => call.id));
    expect(asked.every(({ call }) => call.request.retryOf === undefined)).toBe(true);
    expect(new Set(asked.map(({ call }) => call.trace.traceId)).size).toBe(asked.length);
  });

  it("those of two people who are refused at once, unless it is known who they are", () => {
    const two = (users: (string | undefined)[]) => {
      const { ask } = createTestLinker();
      return [0, 20].flatMap((start) =>
        users.map((userId) =>
          ask(messages, [], {
            call: { ...failure(429), context: userId === undefined ? {} : { userId } },
            hints: { startTime: start, endTime: start + 10, readBody: () => "the body", headers: count(start / 20) },
          }),
        ),
      );
    };
    const strangers = two([undefined, undefined]);
    expect(strangers.map(({ call }) => call.request.retryOf)).toEqual([undefined, undefined, undefined, undefined]);
    expect(attempts(strangers)).toEqual([1, 1, 2, 2]);
    expect(strangers.map(({ call }) => call.request.logicalCallId)).toEqual([
      ...strangers.slice(0, 2).map(({ call }) => call.id),
      undefined,
      undefined,
    ]);
    const known = two(["ann", "bob"]);
    expect(known.map(({ call }) => call.request.retryOf)).toEqual([
      undefined,
      undefined,
      known[0]?.call.id,
      known[1]?.call.id,
    ]);
  });
});

describe("a retry", () => {
  it("stands where its first attempt stood, and the tools are run once", () => {
    const { ask } = createTestLinker();
    const id = `call_${crypto.randomUUID()}`;
    const one = ask(messages, [toolCall(id, "weather")]);
    const next = [...one.history, toolResult(id, "rain")];
    const hints = { readBody: () => "next" };
    const refused = ask(next, [], { call: failure(529), hints });
    const again = ask(next, [text("Rain.")], { hints });
    const after = ask([...again.history, user("Thanks")], [text("Bye.")]);
    expect([refused.toolRuns.length, again.toolRuns.length]).toEqual([1, 0]);
    expect(again.call.trace).toMatchObject({
      traceId: one.call.trace.traceId,
      parentSpanId: one.call.trace.spanId,
      turn: 2,
      linkedBy: "tool_result",
      newMessagesFrom: 3,
      newUserMessages: 0,
    });
    expect(after.call.trace).toMatchObject({ turn: 3, parentSpanId: again.call.trace.spanId });
  });

  it("of embeddings is one too", () => {
    const { ask } = createTestLinker();
    const asked = [failure(429), success].map((call) =>
      ask(messages, [], { call: { ...call, operation: "embeddings" }, hints: { readBody: () => "x" } }),
    );
    expect(attempts(asked)).toEqual([1, 2]);
    expect(asked[1]?.call.trace.traceId).toBe(asked[0]?.call.trace.traceId);
  });

  it.each([
    ["x-stainless-retry-count", "-1"],
    ["x-stainless-retry-count", "many"],
    ["amz-sdk-request", "ttl=1"],
  ])("is not told by %s: %s", (name, value) => {
    expect(attempts(play([{ at: [0, 1], headers: { [name]: value } }]))).toEqual([1]);
  });
});
