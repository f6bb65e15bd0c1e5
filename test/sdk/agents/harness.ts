/**
 * Agent loops of real SDKs, driven by a script that says what the model answers. The script, and what the tools saw of
 * their own runs, are the truth; the records have to tell the same, without a line of context in the app.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap } from "../../../src/index.ts";
import { memorySink } from "../../../src/sinks/memory.ts";
import { type MockProviders, startMockProviders } from "../../../src/testing/mock-providers.ts";
import type { MockProvider, MockReply, MockToolCall } from "../../../src/testing/mock/types.ts";
import type { LlmCall, Span } from "../../../src/types.ts";

/** What an SDK is given. */
export interface AgentOptions {
  fetch: typeof globalThis.fetch;
  baseUrl: string;
  tools: Record<ToolName, (given: Record<string, unknown>) => Promise<string>>;
}

export type ToolName = "get_weather" | "get_time";

/** One conversation: each question is asked with all that was said before. */
export interface Agent {
  ask(question: string): Promise<string>;
}

export interface AgentSdk {
  name: string;
  provider: MockProvider;
  start(options: AgentOptions): Agent;
  /** What tells a call after a tool, and one after a text. */
  linkedBy: { tool: LlmCall["trace"]["linkedBy"]; text: LlmCall["trace"]["linkedBy"] };
  /** It tries again by itself. */
  retries?: boolean;
  /** It takes no fetch of its own. */
  installs?: boolean;
  /** Ids of tool calls are not on the wire. */
  withoutIds?: boolean;
}

export const QUESTIONS = ["How is it in Oslo?", "Thanks. And in Rome?"] as const;
export const SYSTEM = "You tell the weather.";

const DELAYS: Record<ToolName, number> = { get_weather: 15, get_time: 30 };

/** Two questions: parallel tools, one tool, a text; a tool, a text. */
function script(seed: number): { replies: MockReply[]; tools: MockToolCall[][] } {
  const tools: MockToolCall[][] = [
    [
      { name: "get_weather", arguments: { city: "Oslo" } },
      { name: "get_time", arguments: { city: "Oslo" } },
      { name: "get_weather", arguments: { city: "Bergen" } },
    ],
    [{ name: "get_time", arguments: { city: "Bergen" } }],
    [],
    [{ name: "get_weather", arguments: { city: "Rome" } }],
    [],
  ];
  const texts = ["", "", "Cold in Oslo.", "", "Warm in Rome."];
  const replies = tools.map((toolCalls, index) => ({ toolCalls, text: texts[index] ?? "", seed: seed * 100 + index }));
  return { replies, tools };
}

interface ToolTruth {
  name: string;
  arguments: unknown;
  result: string;
  startedAt: number;
  endedAt: number;
}

interface Told {
  calls: LlmCall[];
  spans: Span[];
  ran: ToolTruth[];
  answers: string[];
}

/** @param prepare - where the replies come from: a name for each person, or one for both */
async function talk(
  sdk: AgentSdk,
  mock: MockProviders,
  people: readonly { id: string; reply: string }[],
  { questions = QUESTIONS, apart = false }: { questions?: readonly string[]; apart?: boolean } = {},
): Promise<Map<string, Told>> {
  const sink = memorySink();
  const tap = createTap({ hosts: mock.hosts, sinks: [sink] });
  const restore = sdk.installs === true ? tap.install() : undefined;
  const ran = new Map<string, ToolTruth[]>();
  const answers = new Map<string, string[]>();

  async function converse({ id, reply }: { id: string; reply: string }): Promise<void> {
    const own: ToolTruth[] = [];
    ran.set(id, own);
    const makeTool = (name: ToolName) => async (given: Record<string, unknown>) => {
      const startedAt = performance.now();
      await delay(DELAYS[name]);
      const result = `${name} of ${String(given["city"])}: fine`;
      own.push({ name, arguments: given, result, startedAt, endedAt: performance.now() });
      return result;
    };
    // The label is for the test alone: only users and sessions take part in linking.
    await tap.run({ properties: { person: id } }, async () => {
      const agent = sdk.start({
        fetch: tap.fetch,
        baseUrl: mock.baseUrl(sdk.provider, reply),
        tools: { get_weather: makeTool("get_weather"), get_time: makeTool("get_time") },
      });
      const said: string[] = [];
      answers.set(id, said);
      for (const question of questions) said.push(await agent.ask(question));
    });
  }

  if (apart) for (const person of people) await converse(person);
  else await Promise.all(people.map(converse));
  restore?.();
  await tap.flush();
  await tap.close();
  const ofPerson = <Entry extends { context: LlmCall["context"] }>(records: readonly Entry[], id: string): Entry[] =>
    records.filter(({ context }) => context.properties?.["person"] === id);
  return new Map(
    people.map(({ id }) => [
      id,
      {
        calls: ofPerson(sink.calls, id).toSorted((one, other) => one.timing.startedAt - other.timing.startedAt),
        spans: ofPerson(sink.spans, id),
        ran: ran.get(id) ?? [],
        answers: answers.get(id) ?? [],
      },
    ]),
  );
}

const traceIds = (records: readonly { trace: { traceId: string } }[]): Set<string> =>
  new Set(records.map(({ trace }) => trace.traceId));

/** The records of one conversation tell what has happened in it. */
function expectTruth({ calls, spans, ran, answers }: Told, sdk: AgentSdk, tools: readonly MockToolCall[][]): void {
  expect(answers).toEqual(["Cold in Oslo.", "Warm in Rome."]);
  expect(calls).toHaveLength(tools.length);
  expect(traceIds([...calls, ...spans]).size).toBe(1);
  expect(calls.map(({ trace }) => trace.turn)).toEqual(tools.map((_, index) => index + 1));
  for (const [index, call] of calls.entries()) {
    const before = calls[index - 1];
    expect(call.trace.parentSpanId).toBe(before?.trace.spanId);
    const asked = tools[index - 1] ?? [];
    const expected = before === undefined ? undefined : asked.length > 0 ? sdk.linkedBy.tool : sdk.linkedBy.text;
    expect(call.trace.linkedBy).toBe(expected);
    expect(call.request.attempt).toBe(1);
  }
  expect(calls.map(({ trace }) => trace.newUserMessages)).toEqual([1, 0, 0, 1, 0]);
  for (const { request, trace } of calls) {
    const added = (request.messages ?? []).slice(trace.newMessagesFrom);
    expect(added.length).toBeGreaterThan(0);
    expect(added.some(({ parts }) => parts.some(({ type }) => type === "tool_call"))).toBe(false);
  }
  expectTools(calls, spans, ran, sdk);
}

function expectTools(
  calls: readonly LlmCall[],
  spans: readonly Span[],
  ran: readonly ToolTruth[],
  sdk: AgentSdk,
): void {
  expect(spans).toHaveLength(ran.length);
  for (const truth of ran) {
    const span = spans.find(({ output }) => JSON.stringify(output)?.includes(truth.result));
    expect(span).toMatchObject({ kind: "tool", source: "inferred", name: truth.name, input: truth.arguments });
    const parent = calls.find(({ trace }) => trace.spanId === span?.trace.parentSpanId);
    const asked = (parent?.response?.choices ?? []).flatMap(({ message }) => message.parts);
    const call = asked.find(
      (part) =>
        part.type === "tool_call" &&
        part.name === truth.name &&
        JSON.stringify(part.arguments) === JSON.stringify(truth.arguments),
    );
    expect(call).toBeDefined();
    if (!sdk.withoutIds) expect(span?.tool?.callId).toBe((call as { id?: string }).id);
    // From the answer to the next request: the tools run in between, all of them.
    const ranFor = truth.endedAt - truth.startedAt;
    expect(span?.timing.durationMs).toBeGreaterThan(ranFor - 3);
    expect(span?.timing.durationMs).toBeLessThan(ranFor + 5_000);
    const endedAt = (parent?.timing.startedAt ?? 0) + (parent?.timing.durationMs ?? 0);
    expect(Math.abs((span?.timing.startedAt ?? 0) - endedAt)).toBeLessThan(5_000);
  }
}

export function describeAgent(sdk: AgentSdk): void {
  describe(sdk.name, () => {
    let mock: MockProviders;
    beforeAll(async () => {
      mock = await startMockProviders();
    });
    afterAll(() => mock.close());

    it("is told turn by turn, tool by tool", async () => {
      const { replies, tools } = script(1);
      mock.setReply("one", replies);
      const told = await talk(sdk, mock, [{ id: "ann", reply: "one" }]);
      expectTruth(told.get("ann") as Told, sdk, tools);
    });

    it("two people with the same words at the same time are told apart", async () => {
      const people = ["ann", "bob"].map((id, index) => {
        const { replies } = script(2 + index);
        mock.setReply(id, replies);
        return { id, reply: id };
      });
      const { tools } = script(2);
      const told = [...(await talk(sdk, mock, people)).values()];
      const joined = told.flatMap(({ calls }) => [...traceIds(calls)]);
      expect(new Set(joined).size).toBe(joined.length);
      // Without ids nobody can tell which of two equal answers was meant.
      if (sdk.withoutIds) return;
      for (const each of told) expectTruth(each, sdk, tools);
    });

    it("two people with the same words and the same ids are never joined", async () => {
      const { replies } = script(4);
      const people = ["ann", "bob"].map((id) => {
        mock.setReply(`same-${id}`, replies);
        return { id, reply: `same-${id}` };
      });
      const told = [...(await talk(sdk, mock, people)).values()];
      const [ann, bob] = told.map(({ calls, spans }) => traceIds([...calls, ...spans]));
      for (const traceId of ann ?? []) expect(bob).not.toContain(traceId);
    });

    it("one after the other they are whole", async () => {
      const { replies, tools } = script(5);
      mock.setReply("apart", replies);
      const people = ["ann", "bob"].map((id) => ({ id, reply: "apart" }));
      const told = await talk(sdk, mock, people, { apart: true });
      for (const each of told.values()) expectTruth(each, sdk, tools);
    });

    if (sdk.retries !== true) return;
    it("attempts of one call are told as such", async () => {
      const { replies, tools } = script(6);
      const refused: MockReply = { error: { status: 503 }, headers: { "retry-after-ms": "5" } };
      mock.setReply("retry", [replies[0] ?? {}, refused, refused, ...replies.slice(1, 3)]);
      const told = await talk(sdk, mock, [{ id: "ann", reply: "retry" }], { questions: QUESTIONS.slice(0, 1) });
      const { calls, spans, ran } = told.get("ann") as Told;
      expect(calls).toHaveLength(5);
      expect(calls.map(({ request }) => request.attempt)).toEqual([1, 1, 2, 3, 1]);
      expect(calls.map(({ request }) => request.retryOf)).toEqual([
        undefined,
        undefined,
        calls[1]?.id,
        calls[2]?.id,
        undefined,
      ]);
      const logical = calls.map(({ request }) => request.logicalCallId);
      expect(logical.slice(1, 4)).toEqual([calls[1]?.id, calls[1]?.id, calls[1]?.id]);
      expect(calls.map(({ outcome }) => outcome)).toEqual(["success", "error", "error", "success", "success"]);
      expect(calls.map(({ trace }) => trace.turn)).toEqual([1, 2, 2, 2, 3]);
      expect(traceIds([...calls, ...spans]).size).toBe(1);
      expect(calls.map(({ trace }) => trace.newUserMessages)).toEqual([1, 0, 0, 0, 0]);
      expect(spans).toHaveLength(ran.length);
      expect(tools.slice(0, 2).flat()).toHaveLength(ran.length);
    });
  });
}
