/**
 * One behaviour of a client, run bare and tapped against the same mock: what the app sees and what the server receives
 * must be the same, and the record must say what the mock's script says.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap, type Tap } from "../../src/index.ts";
import { type MockProviders, type ReceivedRequest, startMockProviders } from "../../src/testing/mock-providers.ts";
import { compareCall } from "../../src/testing/mock/expect.ts";
import type { ExpectedCall, MockProvider, MockReply } from "../../src/testing/mock/types.ts";
import type { LlmCall, Sink, TapOptions } from "../../src/types.ts";

export type Fetch = typeof globalThis.fetch;

/** Given to a run, so that it can say when the app first saw output of the model. */
export interface Clock {
  firstToken: () => void;
}

export interface Behaviour<Client> {
  name: string;
  /** Default: a text by the seed. */
  reply?: MockReply | readonly MockReply[];
  /** Uses the client and returns what the app saw, as plain values. A throw is compared, too. */
  run: (client: Client, clock: Clock) => Promise<unknown>;
  /** What only the app's side knows: that it left after the model had finished, for example. */
  adjust?: (expected: ExpectedCall) => ExpectedCall;
  /** More about the records of the tapped run. */
  check?: (calls: LlmCall[], seen: Seen) => void;
  /** The run calls `clock.firstToken()`; the record's time must be within 10 % of it. */
  timed?: boolean;
  /** The app has left, but its SDK neither cancels nor aborts: the response runs on without a reader. */
  runsOn?: boolean;
}

/** `fetch`: the client is given `tap.fetch`. In the other modes it is given nothing. */
export type Mode = "fetch" | "install" | "interceptor";

const MODE_TITLES: Readonly<Record<Mode, string>> = {
  fetch: "tap.fetch",
  install: "tap.install()",
  interceptor: "setGlobalDispatcher(new Agent().compose(tap.interceptor))",
};

export interface Seen {
  value?: unknown;
  error?: unknown;
  firstTokenMs?: number;
}

export interface DifferentialOptions<Client> {
  provider: MockProvider;
  makeClient: (options: { baseURL: string; fetch?: Fetch }) => Client;
  behaviours: readonly Behaviour<Client>[];
  modes?: readonly Mode[];
  tapOptions?: TapOptions;
}

/** Texts, token counts and chunks come from it: `LLM_TAP_SEED=… npx vitest run test/sdk` tries others. */
const SEED = Number(process.env["LLM_TAP_SEED"] ?? 20);

export function describeDifferential<Client>(options: DifferentialOptions<Client>): void {
  let mock: MockProviders;
  beforeAll(async () => {
    mock = await startMockProviders({ seed: SEED });
  });
  afterAll(() => mock.close());

  for (const mode of options.modes ?? ["fetch", "install"]) {
    describe(`through ${MODE_TITLES[mode]}`, () => {
      for (const behaviour of options.behaviours) {
        it(behaviour.name, () => runDifferential(mock, mode, behaviour, options));
      }
    });
  }
}

async function runDifferential<Client>(
  mock: MockProviders,
  mode: Mode,
  behaviour: Behaviour<Client>,
  options: DifferentialOptions<Client>,
): Promise<void> {
  const { provider, makeClient } = options;
  const reply = behaviour.name.replaceAll(/[^a-z0-9]+/gi, "-");
  const baseURL = mock.baseUrl(provider, reply);
  const run = async (fetch?: Fetch): Promise<{ seen: Seen; requests: ReceivedRequest[] }> => {
    mock.setReply(reply, behaviour.reply ?? {});
    const before = mock.requests.length;
    const seen = await observe((clock) => behaviour.run(makeClient(fetch ? { baseURL, fetch } : { baseURL }), clock));
    const requests = mock.requests.slice(before);
    await Promise.all(requests.map((request) => request.expected));
    return { seen, requests };
  };

  const bare = await withMode(mode, undefined, run);
  const sink = collectCalls();
  const tap = createTap({ hosts: mock.hosts, ...options.tapOptions, sinks: [sink.sink] });
  const tapped = await withMode(mode, tap, run);
  await tap.flush();
  for (let turn = 0; behaviour.runsOn === true && sink.calls.length === 0 && turn < 100; turn++) {
    await delay(20);
    await tap.flush();
  }
  const stats = tap.stats();
  await tap.close();

  const { firstTokenMs: _bareTime, ...bareSeen } = bare.seen;
  const { firstTokenMs, ...tappedSeen } = tapped.seen;
  expect(tappedSeen).toEqual(bareSeen);
  expect(tapped.requests.map(describeRequest)).toEqual(bare.requests.map(describeRequest));

  const inference = await withExpected(tapped.requests);
  expect(sink.calls).toHaveLength(inference.length);
  for (const [index, { expected, request }] of inference.entries()) {
    const call = sink.calls[index] as LlmCall;
    const differences = compareCall(call, behaviour.adjust?.(expected) ?? expected);
    expect(differences, differences.join("\n")).toEqual([]);
    expect(call.request.bytes).toBe(request.body.byteLength);
    if (call.response && !expected.partial) expect(call.response.bytes).toBe(request.measured.bodyBytes);
  }
  behaviour.check?.(sink.calls, tapped.seen);
  if (behaviour.timed) expectFirstToken(sink.calls[0], firstTokenMs, tapped.requests[0]);
  expect(stats).toMatchObject({ recorded: inference.length, inFlight: 0, errors: {} });
}

/** Runs bare (without a tap) or tapped, and leaves everything as it was. */
async function withMode<Result>(
  mode: Mode,
  tap: Tap | undefined,
  run: (fetch?: Fetch) => Promise<Result>,
): Promise<Result> {
  if (mode === "fetch") return run(tap?.fetch);
  if (mode === "install") {
    const restore = tap?.install();
    try {
      return await run();
    } finally {
      restore?.();
    }
  }
  const before = getGlobalDispatcher();
  const agent = new Agent();
  setGlobalDispatcher(tap ? agent.compose(tap.interceptor) : agent);
  try {
    return await run();
  } finally {
    setGlobalDispatcher(before);
    await agent.destroy();
  }
}

async function withExpected(
  requests: readonly ReceivedRequest[],
): Promise<{ request: ReceivedRequest; expected: ExpectedCall }[]> {
  const all = await Promise.all(requests.map(async (request) => ({ request, expected: await request.expected })));
  return all.flatMap(({ request, expected }) => (expected === undefined ? [] : [{ request, expected }]));
}

/** Runs it and keeps what came of it, and when the first token was seen. */
async function observe(run: (clock: Clock) => Promise<unknown>): Promise<Seen> {
  const startedAt = performance.now();
  const seen: Seen = {};
  const clock = { firstToken: () => void (seen.firstTokenMs ??= performance.now() - startedAt) };
  try {
    seen.value = await run(clock);
  } catch (error) {
    seen.error = describeError(error);
  }
  return seen;
}

/** What an app can see of an error: class, message, fields, cause. */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { thrown: error };
  const { status, code, type, param, request_id, headers, error: body } = error as Error & Record<string, unknown>;
  return {
    class: error.constructor.name,
    name: error.name,
    message: error.message,
    fields: { status, code, type, param, request_id, body },
    headers: headers instanceof Headers ? describeHeaders(headers) : undefined,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

/** Response headers without the one that says the time of day. */
export function describeHeaders(headers: Headers): [string, string][] {
  return [...headers].filter(([name]) => name !== "date");
}

/** What an app can see of a Response, besides its body. */
export function describeResponse(response: Response): unknown {
  const { status, statusText, ok, url, redirected, type, bodyUsed } = response;
  const { name } = response.constructor;
  return { name, status, statusText, ok, url, redirected, type, bodyUsed, headers: describeHeaders(response.headers) };
}

/** A request as the server received it: line, headers in their order, bytes. */
function describeRequest(request: ReceivedRequest): unknown {
  return {
    line: `${request.method} ${request.path}`,
    headers: request.headers,
    body: Buffer.from(request.body).toString("latin1"),
  };
}

/** Reads a stream to its end; an error on the way is part of what was seen. */
export async function readAll<T>(
  stream: AsyncIterable<T>,
  onItem: (item: T) => void = () => {},
): Promise<{ items: T[]; error?: unknown }> {
  const items: T[] = [];
  try {
    for await (const item of stream) {
      onItem(item);
      items.push(item);
    }
  } catch (error) {
    return { items, error: describeError(error) };
  }
  return { items };
}

/** Reads `count` items and breaks out. */
export async function readSome<T>(stream: AsyncIterable<T>, count: number): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) {
    items.push(item);
    if (items.length >= count) break;
  }
  return items;
}

function expectFirstToken(call: LlmCall | undefined, observedMs = Number.NaN, request?: ReceivedRequest): void {
  const recorded = call?.timing.firstTokenMs ?? Number.NaN;
  const { headersMs = 0, firstTokenMs = Number.NaN } = request?.measured ?? {};
  // The script must have kept the token back for longer than the headers, or the test shows nothing.
  expect(firstTokenMs).toBeGreaterThan(headersMs * 1.5);
  expect(Math.abs(recorded - observedMs) / observedMs).toBeLessThan(0.1);
  expect(Math.abs(recorded - firstTokenMs) / firstTokenMs).toBeLessThan(0.1);
  expect(call?.timing.headersMs).toBeLessThan(recorded);
  expect(call?.timing.durationMs).toBeGreaterThanOrEqual(recorded);
}

/** A sink of the smallest kind. */
export function collectCalls(): { sink: Sink; calls: LlmCall[] } {
  const calls: LlmCall[] = [];
  const sink: Sink = {
    name: "collect",
    write: (records) => {
      for (const record of records) if (record.type === "call") calls.push(record);
      return Promise.resolve({ results: records.map(() => "delivered" as const) });
    },
  };
  return { sink, calls };
}
