/**
 * A world of people who talk to models at the same time, through one tap, over a network that is made up. Who said what
 * is known, so what the records say of it can be judged: joins that are right, that are missing, and that are wrong.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createTap, type TapOptions } from "../../../src/index.ts";
import { memorySink } from "../../../src/sinks/memory.ts";
import { seededRandom as createRandom } from "../../../src/testing/mock/random.ts";
import type { LlmCall, RunContext, Span } from "../../../src/types.ts";
import { type Answer, type Called, type Dialect, itemIdsOf, type Said, type Stored } from "./dialects.ts";

export type Random = () => number;

/** How ids of tool calls look. */
export type IdStyle = "random" | "call_0" | "named:0" | "camelCase_0" | "call-0001" | "stamp";

/** How a model answers: the same to everybody, or to each in its own words. */
export type AnswerStyle = "same" | "own";

export interface World {
  random: Random;
  /** Sends one request as a person; gives the server's answer. */
  send(person: string, dialect: Dialect, call: Sent): Promise<Answer>;
  /** The record of an answer, once all was judged. */
  find(answer: Answer): LlmCall;
  /** All that was recorded, and the truth about it. */
  judge(): Promise<Verdict>;
}

export interface Sent {
  system: string;
  said: readonly Said[];
  answer: Answer;
  stored?: Stored;
  /** Refuse it like this instead. */
  status?: number;
  headers?: Record<string, string>;
  /** What the app says of itself. */
  context?: RunContext;
  isStreamed?: boolean;
  /** The person leaves a stream after so many events. */
  leavesAfter?: number;
  /** What the truth is: the call that it goes on from, by the id of its answer. `undefined`: a new conversation. */
  after: string | undefined;
  /** It is a retry of the call with this answer. */
  retryOf?: string;
  /** Answered when so many calls have begun. Default: at once. */
  atOnce?: number;
}

export interface Verdict {
  calls: LlmCall[];
  spans: Span[];
  /** Traces that hold calls of two conversations. */
  wrong: string[];
  /** Parents that are not the call that it goes on from. */
  wrongParents: string[];
  /** Attempts that were said to be of a call that they are not of. */
  wrongRetries: string[];
  /** Calls that go on from another, and how many of them were told so. */
  continued: number;
  linked: number;
}

interface Truth {
  person: string;
  after: string | undefined;
  retryOf: string | undefined;
}

function streamOf(text: string): ReadableStream<Uint8Array> {
  const events = text.split(/(?<=\n\n)/);
  return new ReadableStream({
    pull(controller) {
      const event = events.shift();
      if (event === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(event));
    },
  });
}

async function leave(response: Response, events: number): Promise<void> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  for (let index = 0; index < events; index += 1) await reader.read();
  await reader.cancel();
}

const pause = (random: Random): Promise<unknown> => delay(Math.floor(random() * 4));

export function createWorld(seed: number, options: TapOptions = {}): World {
  const random = createRandom(seed);
  const sink = memorySink();
  const truths = new Map<string, Truth>();
  const answers = new Map<string, { sent: Sent; dialect: Dialect }>();
  const tap = createTap({ ...options, sinks: [sink] });
  let serial = 0;
  let begun = 0;
  const fetch = tap.wrapFetch(async (_url, init) => {
    const key = new Headers(init?.headers).get("x-key") ?? "";
    const { sent, dialect } = answers.get(key) as { sent: Sent; dialect: Dialect };
    begun += 1;
    while (begun < (sent.atOnce ?? 0)) await delay(1);
    await pause(random);
    if (sent.status !== undefined) return Response.json({ error: { message: "no" } }, { status: sent.status });
    return sent.isStreamed === true && dialect.stream !== undefined
      ? new Response(streamOf(dialect.stream(sent.answer)), { headers: { "content-type": "text/event-stream" } })
      : Response.json(dialect.response(sent.answer));
  });

  async function send(person: string, dialect: Dialect, sent: Sent): Promise<Answer> {
    await pause(random);
    const key = `k${(serial += 1)}`;
    answers.set(key, { sent, dialect });
    truths.set(key, { person, after: sent.after, retryOf: sent.retryOf });
    const body = dialect.request(sent.system, sent.said, sent.stored ?? {});
    // The label is for the judge alone: no rule looks at it.
    const response = await tap.run({ ...sent.context, properties: { key } }, () =>
      fetch(dialect.url, {
        method: "POST",
        headers: { "content-type": "application/json", "x-key": key, ...sent.headers },
        body: JSON.stringify(sent.isStreamed === true ? { ...(body as object), stream: true } : body),
      }),
    );
    if (sent.leavesAfter === undefined) await response.text();
    else await leave(response, sent.leavesAfter);
    return sent.answer;
  }

  const byAnswer = new Map<string, LlmCall>();

  async function judge(): Promise<Verdict> {
    await tap.flush();
    await tap.close();
    const keyOf = (record: LlmCall | Span): string => String(record.context.properties?.["key"]);
    for (const call of sink.calls) {
      const sent = answers.get(keyOf(call))?.sent;
      if (sent !== undefined) byAnswer.set(sent.answer.id, call);
    }
    const persons = new Map<string, Set<string>>();
    for (const record of [...sink.calls, ...sink.spans]) {
      const { traceId } = record.trace;
      const person = truths.get(keyOf(record))?.person ?? "?";
      persons.set(traceId, (persons.get(traceId) ?? new Set()).add(person));
    }
    const verdict: Verdict = {
      calls: [...sink.calls],
      spans: [...sink.spans],
      wrong: [...persons].filter(([, set]) => set.size > 1).map(([id, set]) => `${id}: ${[...set].join(", ")}`),
      wrongParents: [],
      wrongRetries: [],
      continued: 0,
      linked: 0,
    };
    for (const call of sink.calls) {
      const truth = truths.get(keyOf(call));
      const before = truth?.after === undefined ? undefined : byAnswer.get(truth.after);
      if (before !== undefined) verdict.continued += 1;
      const { parentSpanId } = call.trace;
      if (parentSpanId !== undefined && parentSpanId === before?.trace.spanId) verdict.linked += 1;
      else if (parentSpanId !== undefined) verdict.wrongParents.push(keyOf(call));
      const { retryOf } = call.request;
      if (retryOf !== undefined && byAnswer.get(truth?.retryOf ?? "")?.id !== retryOf)
        verdict.wrongRetries.push(keyOf(call));
    }
    return verdict;
  }

  return { random, send, judge, find: ({ id }) => byAnswer.get(id) as LlmCall };
}

const HEX = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

export function createIds(random: Random, style: IdStyle): (name: string, index: number) => string {
  const letters = (count: number): string =>
    Array.from({ length: count }, () => HEX[Math.floor(random() * HEX.length)]).join("");
  const styles: Record<IdStyle, (name: string, index: number) => string> = {
    random: () => `call_${letters(24)}`,
    call_0: (_name, index) => `call_${index}`,
    "named:0": (name, index) => `functions.${name}:${index}`,
    camelCase_0: (name, index) => `call_${name}ForTheWholeCity_${index}`,
    "call-0001": (_name, index) => `call-000${index}`,
    stamp: (_name, index) => `toolcall20260101${index}`,
  };
  return styles[style];
}

export interface TalkOptions {
  dialect: Dialect;
  ids: IdStyle;
  answers: AnswerStyle;
  /** Questions; more than one turn each where tools are used. */
  turns: number;
  tools?: boolean;
  system?: string;
  /** Sends an earlier history again, with another question, or the same one. */
  edits?: "edit" | "regenerate";
  isStreamed?: boolean;
  /** Names that are the same for everybody when false. */
  question?: (turn: number) => string;
}

let answerSerial = 0;
/** Ids of answers, as providers make them: unique. */
export const nextAnswerId = (): string =>
  `resp_${(answerSerial += 1).toString(36)}x${Math.random().toString(36).slice(2, 12)}`;

/** One conversation from its first question to its last answer. */
export async function talk(world: World, person: string, options: TalkOptions): Promise<void> {
  const { dialect, system = "You are kind." } = options;
  const makeId = createIds(world.random, options.ids);
  const own = (text: string): string => (options.answers === "own" ? `${text} (${person}, ${world.random()})` : text);
  const question = options.question ?? ((turn) => (turn === 0 ? "Hello" : `And ${turn}?`));
  const stored: Stored = { conversationId: dialect.stores === "conversation" ? `conv_${person}` : undefined };
  let said: Said[] = [];
  let unsent: Said[] = [];
  let last: string | undefined;
  const branches: { said: Said[]; last: string | undefined; stored: Stored; turn: number }[] = [];

  async function ask(answer: Omit<Answer, "id">): Promise<Answer> {
    const full: Answer = { ...answer, id: nextAnswerId() };
    const onlyNew = dialect.stores === "previous" || dialect.stores === "conversation";
    await world.send(person, dialect, {
      system,
      said: onlyNew ? unsent : [...said, ...unsent],
      answer: full,
      stored: { ...stored },
      after: last,
      ...(options.isStreamed === true && { isStreamed: true }),
    });
    said = [
      ...said,
      ...unsent,
      dialect.stores === "items"
        ? { by: "model", itemIds: itemIdsOf(full), ...(full.calls && { calls: full.calls }) }
        : { by: "model", ...answer },
    ];
    unsent = [];
    last = full.id;
    if (dialect.stores === "previous") stored.previousId = full.id;
    return full;
  }

  async function turnOf(turn: number): Promise<void> {
    if (options.tools === true) {
      const calls: Called[] = ["weather", "time"].map((name, index) => ({
        id: makeId(name, index),
        name,
        arguments: { city: options.answers === "own" ? person : "Oslo", turn },
      }));
      await ask({ calls });
      const results = calls.map((call) => ({ call, result: `${call.name}: fine` }));
      // In any order.
      if (!dialect.withoutIds && world.random() < 0.5) results.reverse();
      unsent = [{ by: "tools", results }];
    }
    await ask({ text: own(`Answer ${turn}.`) });
  }

  for (let turn = 0; turn < options.turns; turn += 1) {
    if (turn > 0) branches.push({ said, last, stored: { ...stored }, turn });
    unsent = [{ by: "user", text: question(turn) }];
    await turnOf(turn);
  }
  if (options.edits === undefined) return;
  for (const branch of branches) {
    // What the provider keeps in one line has no branches.
    if (dialect.stores === "conversation") said = [];
    else ({ said, last } = branch);
    Object.assign(stored, branch.stored);
    unsent = [{ by: "user", text: options.edits === "edit" ? `Rather ${branch.turn}` : question(branch.turn) }];
    await turnOf(branch.turn);
  }
}
