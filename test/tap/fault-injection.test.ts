/** What callbacks and sinks do wrong reaches no call, is counted, and makes no call go missing. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTap, type Sink, type Tap, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest, type LoopbackServer, startServer } from "./helpers.ts";

let server: LoopbackServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** Rejections that nobody handles end an app. */
const unhandled: unknown[] = [];
const note = (error: unknown): void => {
  unhandled.push(error);
};
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});
afterEach(() => {
  process.off("unhandledRejection", note);
});

const boom = (): never => {
  throw new Error("boom");
};
const reject = (): Promise<never> => Promise.reject(new Error("boom"));
const hang = (): Promise<never> => new Promise(() => {});
/** Whatever is done with it throws. */
const hostile: object = new Proxy(
  {},
  { get: boom, has: boom, ownKeys: boom, getPrototypeOf: boom, getOwnPropertyDescriptor: boom },
);
const trapped = {
  get userId() {
    return boom();
  },
};
const huge = { tags: { text: "x".repeat(2_000_000) }, userId: "u".repeat(1_000_000) };
const circle: Record<string, unknown> = {};
circle["self"] = circle;

const any = (value: unknown): never => value as never;
/** Everything that a function may do, for an answer that is not the right one. */
const WRONG: [name: string, run: () => unknown][] = [
  ["throws", boom],
  ["rejects", reject],
  ["hangs", hang],
  ["answers undefined", () => undefined],
  ["answers a number", () => 7],
  ["answers a symbol", () => Symbol("no")],
  ["answers a function", () => boom],
  ["answers an object that throws", () => hostile],
  ["answers a getter that throws", () => trapped],
  ["answers something huge", () => huge],
  ["answers a circle", () => circle],
  [
    "throws an object that throws",
    () => {
      throw hostile;
    },
  ],
  [
    "throws nothing",
    () => {
      throw undefined;
    },
  ],
];

const CALLBACKS = ["context", "capture", "sample", "redact", "onCall", "onError"] as const;

async function chat(fetch: typeof globalThis.fetch): Promise<unknown> {
  const response = await fetch(`${server.origin}/v1/chat/completions`, chatRequest());
  return [response.status, await response.json()];
}

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 10);
  });

/** One call in all ways at once; @returns what the good sink got */
async function expectUnharmed(options: TapOptions): Promise<{ tap: Tap; count: number }> {
  const good = memorySink();
  const tap = createTap({
    ...options,
    sinks: [...(options.sinks ?? []), good],
    hosts: { [server.host]: { provider: "custom" } },
  });
  const before = server.requests.length;
  const restore = tap.install();
  expect(await chat(tap.fetch)).toEqual([200, CHAT_ANSWER]);
  expect(await chat(globalThis.fetch)).toEqual([200, CHAT_ANSWER]);
  restore();
  for (let turn = 0; turn < 100 && tap.stats().inFlight > 0; turn += 1) await tap.flush({ timeoutMs: 300 });
  await tap.flush({ timeoutMs: 300 });
  await settle();
  expect(server.requests.length - before).toBeGreaterThanOrEqual(2);
  expect(tap.stats().inFlight).toBe(0);
  expect(unhandled).toEqual([]);
  return { tap, count: good.calls.length };
}

describe.each(CALLBACKS)("%s", (name) => {
  it.each(WRONG)("%s", async (_how, run) => {
    // `onError` is told only of something that fails.
    const others: TapOptions = name === "onError" ? { onCall: boom } : {};
    const { tap, count } = await expectUnharmed({ ...others, [name]: any(run) });
    const { seen, recorded, sampledOut } = tap.stats();
    expect(seen).toBe(2);
    expect(recorded + sampledOut).toBe(2);
    expect(count).toBe(recorded);
    await tap.close({ timeoutMs: 300 });
  });

  it("calls an LLM itself, through all that is tapped, and nothing goes round in circles", async () => {
    let runs = 0;
    let tap: Tap | undefined;
    const { tap: made, count } = await expectUnharmed({
      onCall: name === "onError" ? boom : () => {},
      [name]: any(() => {
        runs += 1;
        const pending = [chat((tap ?? { fetch: globalThis.fetch }).fetch), chat(globalThis.fetch)];
        for (const each of pending) each.catch(() => {});
        return name === "context" ? undefined : "full";
      }),
    });
    tap = made;
    expect(runs).toBeLessThan(50);
    expect(count).toBe(2);
    expect(made.stats().seen).toBe(2);
    await made.close({ timeoutMs: 300 });
  });
});

describe("what throws is counted by its place", () => {
  it.each(["context", "capture", "sample", "redact"] as const)("%s", async (name) => {
    const { tap } = await expectUnharmed({ [name]: boom });
    expect(tap.stats().errors[name]).toBeGreaterThanOrEqual(2);
    await tap.close({ timeoutMs: 300 });
  });
  it.each(["capture", "sample", "redact", "context"] as const)("%s that answers a promise", async (name) => {
    const { tap } = await expectUnharmed({ [name]: any(reject) });
    expect(tap.stats().errors[name]).toBeGreaterThanOrEqual(2);
    await tap.close({ timeoutMs: 300 });
  });
});

describe("a sink whose write", () => {
  const lies: [string, () => unknown][] = [
    ...WRONG,
    ["answers no list", () => Promise.resolve({ results: "delivered" })],
    ["answers too few", () => Promise.resolve({ results: [] })],
    ["answers words that nobody knows", () => Promise.resolve({ results: ["fine", 7, null, hostile] })],
    ["answers late and wrong", () => settle().then(() => hostile)],
    ["asks to wait for ever", () => Promise.resolve({ results: ["retry", "retry"], retryAfterMs: Number.NaN })],
    ["asks to wait a word", () => Promise.resolve({ results: ["retry", "retry"], retryAfterMs: any("soon") })],
  ];
  it.each(lies)("%s", async (_how, write) => {
    const sink: Sink = { name: "bad", write: any(write) };
    const { tap, count } = await expectUnharmed({ sinks: [sink] });
    expect(count).toBe(2);
    expect(tap.stats().recorded).toBe(2);
    const flushed = await tap.flush({ timeoutMs: 50 });
    const { delivered = 0, pending = 0, dropped = 0, unknown = 0 } = flushed.bySink["bad"] ?? {};
    expect(delivered + pending + dropped + unknown).toBe(2);
    await tap.close({ timeoutMs: 100 });
  });

  it("changes the records that others get too", async () => {
    const vandal: Sink = {
      name: "vandal",
      write(records) {
        for (const record of records) for (const key of Object.keys(record)) delete (record as never)[key];
        return Promise.resolve({ results: records.map(() => "delivered") });
      },
    };
    const { tap } = await expectUnharmed({ sinks: [vandal] });
    expect(tap.stats().recorded).toBe(2);
    await tap.close();
  });
});

it("all sinks hang: calls go on, and what waits is bounded", async () => {
  const sinks = [1, 2, 3].map((index): Sink => ({ name: `hangs-${index}`, write: hang, flush: hang, close: hang }));
  const tap = createTap({ sinks, hosts: { [server.host]: { provider: "custom" } }, limits: { queueExchanges: 20 } });
  for (let turn = 0; turn < 60; turn += 1) expect(await chat(tap.fetch)).toEqual([200, CHAT_ANSWER]);
  const { pending, dropped } = await tap.flush({ timeoutMs: 100 });
  expect(pending + dropped).toBe(3 * tap.stats().recorded);
  expect(pending).toBeLessThanOrEqual(3 * 220);
  await tap.close({ timeoutMs: 100 });
});

describe("the traffic of a sink is never tapped", () => {
  it.each(["its own tap", "another tap"])("by %s", async (whose) => {
    const sink: Sink = {
      name: "sends",
      async write(records) {
        await Promise.all([chat(globalThis.fetch), chat(own.fetch), chat(wrapped)]);
        return { results: records.map(() => "delivered") };
      },
    };
    const good = memorySink();
    const hosts = { [server.host]: { provider: "custom" } };
    const own = createTap({ sinks: [sink, good], hosts });
    const other = createTap({ sinks: [good], hosts });
    const wrapped = (whose === "its own tap" ? own : other).wrapFetch((...given) => globalThis.fetch(...given));
    const restores = [own.install(), other.install()];
    await chat(own.fetch);
    await own.flush();
    await other.flush();
    for (const restore of restores) restore();
    // One call, seen by both.
    expect(good.calls).toHaveLength(2);
    expect(new Set(good.calls.map(({ id }) => id)).size).toBe(1);
    await own.close();
    await other.close();
  });
});
