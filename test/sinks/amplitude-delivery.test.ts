import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { amplitudeSink, type AmplitudeSinkKeyOptions } from "../../src/sinks/amplitude.ts";
import { type FakeAmplitude, type FaultScript, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import type { DeliveryResult, Sink, TapRecord, WriteResult } from "../../src/types.ts";

let amplitude: FakeAmplitude;
const warnings: string[] = [];

beforeEach(async () => {
  amplitude = await startFakeAmplitude();
  warnings.length = 0;
});
afterEach(() => amplitude.close());

function createSink(options: Partial<AmplitudeSinkKeyOptions> = {}): Sink {
  return amplitudeSink({
    apiKey: "key",
    serverUrl: amplitude.url,
    requestTimeoutMs: 300,
    onWarning: (message) => warnings.push(message),
    ...options,
  });
}

function write(sink: Sink, records: readonly TapRecord[], signal = new AbortController().signal): Promise<WriteResult> {
  return sink.write(records, { signal });
}

/** What the tap does: gives again what was answered with `retry`, until nothing is. */
async function deliver(sink: Sink, records: readonly TapRecord[], pauseMs = 0): Promise<Map<string, DeliveryResult>> {
  const settled = new Map<string, DeliveryResult>();
  let open = [...records];
  for (let round = 0; open.length > 0; round++) {
    if (round > 50) throw new Error(`${open.length} records are still open`);
    const { results } = await write(sink, open);
    open.forEach((record, index) => settled.set(record.id, results[index] as DeliveryResult));
    open = open.filter((_, index) => results[index] === "retry");
    if (open.length > 0) await sleep(pauseMs);
  }
  return settled;
}

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const arrivedIds = (): string[] => amplitude.events.map((event) => event.insert_id?.split(":")[0] as string);
const idsOf = (records: readonly TapRecord[]): string[] => records.map((record) => record.id);
const withUser = (userId: string | undefined): TapRecord =>
  sampleCall({ context: userId === undefined ? {} : { userId } });

describe("amplitudeSink under faults: each event exactly once", () => {
  const cases: [string, FaultScript][] = [
    ["a 500", [500, 500]],
    ["a 502, 503, 504 and a 408", [502, 503, 504, 408]],
    ["a 429 without names", [{ status: 429, body: "slow down" }]],
    ["a reset before the answer", ["reset", "reset", "reset"]],
    ["a reset after the events were taken", ["accept_then_reset", "accept_then_reset"]],
    ["no answer", ["hang"]],
    ["no answer after the events were taken", ["accept_then_hang"]],
    ["a 200 that is a page", ["html", "html"]],
    ["a 200 without a body", ["empty"]],
    ["a 200 whose JSON has no code", [{ status: 200, body: { ok: true } }]],
    ["a 200 whose JSON has another code", [{ status: 200, body: { code: 503, error: "Service unavailable" } }]],
    ["a 202", [{ status: 202, body: { code: 200 } }]],
    ["an acknowledgement that breaks off", ["truncated"]],
    ["a redirect to a page", ["redirect"]],
    [
      "pages with 400, 401, 403 and 404",
      [400, 401, 403, 404].map((status) => ({ status, body: "<html>blocked</html>" })),
    ],
    ["JSON of someone else with a 400", [{ status: 400, body: { message: "bad gateway configuration" } }]],
    ["a body that was damaged on the way", [{ status: 400, body: { code: 400, error: "Invalid JSON request body" } }]],
    ["a flood instead of an answer", [{ status: 200, body: "x".repeat(3_000_000) }]],
  ];

  it.each(cases)("%s", async (_name, script) => {
    const sink = createSink();
    const records = sampleRecords(50);
    await amplitude.setFault(script);
    // A throttled sink waits by itself; the clock is moved instead of slept.
    const clock = vi.spyOn(performance, "now");
    const base = performance.now();
    let skipped = 0;
    clock.mockImplementation(() => base + (skipped += 20_000));
    try {
      const results = await deliver(sink, records);
      expect(new Set(results.values())).toEqual(new Set(["delivered"]));
    } finally {
      clock.mockRestore();
    }
    expect(arrivedIds()).toEqual(idsOf(records));
    expect(amplitude.requests.length).toBeGreaterThan(1);
  });

  it("a refused connection, then back", async () => {
    const sink = createSink();
    const records = sampleRecords(200);
    await amplitude.setFault("refuse");
    expect(new Set((await write(sink, records)).results)).toEqual(new Set(["retry"]));
    await amplitude.setFault();
    expect(new Set((await deliver(sink, records)).values())).toEqual(new Set(["delivered"]));
    expect(arrivedIds()).toEqual(idsOf(records));
  });

  it("every third request fails in a different way, with many requests and writes at the same time", async () => {
    const faults = [503, "reset", "accept_then_reset", "html", "truncated", 500] as const;
    await amplitude.setFault(({ index }) => (index % 3 === 2 ? faults[((index / 3) % faults.length) | 0] : undefined));
    const sink = createSink({ maxRequestBytes: 20_000 });
    const batches = Array.from({ length: 4 }, () => sampleRecords(100));
    await Promise.all(batches.map((batch) => deliver(sink, batch, 1)));
    expect(arrivedIds().sort()).toEqual(batches.flatMap(idsOf).sort());
  });

  it("answers a failing request without waiting, and leaves the rest of the batch for later", async () => {
    await amplitude.setFault(503);
    const { results, retryAfterMs } = await write(createSink({ maxRequestBytes: 5_000 }), sampleRecords(50));
    expect(new Set(results)).toEqual(new Set(["retry"]));
    expect(retryAfterMs).toBeUndefined();
    expect(amplitude.requests).toHaveLength(1);
  });

  it.each([
    ["a page", "<html>blocked</html>"],
    ["JSON of someone else", { message: "blocked by policy" }],
    ["JSON with another code", { code: 40013, error: "Invalid field values on some events" }],
  ])("a 400 that is %s condemns no event", async (_name, body) => {
    await amplitude.setFault({ status: 400, body });
    expect((await write(createSink(), sampleRecords(3))).results).toEqual(["retry", "retry", "retry"]);
    expect(amplitude.requests).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  it("takes neither its key nor its events to where a redirect points", async () => {
    await amplitude.setFault([{ status: 307, body: "", headers: { location: `${amplitude.origin}/elsewhere` } }]);
    await write(createSink(), sampleRecords(1));
    expect(amplitude.requests.map((request) => request.path)).toEqual(["/batch"]);
  });

  it("passes on how long to wait", async () => {
    await amplitude.setFault({ status: 503, body: "", headers: { "retry-after": "7" } });
    expect((await write(createSink(), sampleRecords(1))).retryAfterMs).toBe(7_000);
  });
});

describe("amplitudeSink with events that Amplitude refuses", () => {
  /** Refuses what the fake would take: events of these users, naming at most `named` of them each time. */
  function refuseUsers(users: ReadonlySet<string>, named: number): FaultScript {
    return ({ events }) => {
      const indexes = events.flatMap((event, index) => (users.has(event.user_id ?? "") ? [index] : []));
      if (indexes.length === 0) return undefined;
      const body = { code: 400, error: "Invalid field values on some events" };
      if (named === 0) return { status: 400, body };
      return { status: 400, body: { ...body, events_with_invalid_fields: { user_id: indexes.slice(0, named) } } };
    };
  }

  it.each([
    { refused: 1, named: 1 },
    { refused: 16, named: 1 },
    { refused: 16, named: 16 },
    { refused: 1, named: 0 },
    { refused: 5, named: 0 },
  ])("$refused invalid among 200, $named named at a time: the others arrive", async ({ refused, named }) => {
    const users = new Set(Array.from({ length: refused }, (_, index) => `bad-${index}`));
    const records = Array.from({ length: 200 }, (_, index) =>
      withUser(index % 12 === 3 && index < refused * 12 ? `bad-${(index - 3) / 12}` : "good"),
    );
    await amplitude.setFault(refuseUsers(users, named));
    const { results } = await write(createSink(), records);
    const expected = records.map((record) => (users.has(record.context.userId ?? "") ? "rejected" : "delivered"));
    expect(results).toEqual(expected);
    expect(arrivedIds().sort()).toEqual(idsOf(records.filter((_, index) => expected[index] === "delivered")).sort());
    expect(amplitude.requests.length).toBeLessThan(110);
    expect(warnings).toHaveLength(1);
  });

  it("all invalid: all rejected, in a bounded number of requests", async () => {
    await amplitude.setFault(refuseUsers(new Set(["good"]), 1));
    const { results } = await write(
      createSink(),
      Array.from({ length: 100 }, () => withUser("good")),
    );
    expect(new Set(results)).toEqual(new Set(["rejected"]));
    expect(amplitude.requests.length).toBeLessThan(210);
    // Sending all but one again and again would be 5,050 events.
    expect(amplitude.requests.reduce((sum, request) => sum + request.events, 0)).toBeLessThan(2_000);
  });

  it("takes any map of indexes for what it is", async () => {
    const records = [sampleCall(), sampleCall(), sampleCall()];
    await amplitude.setFault(({ index }) =>
      index === 0
        ? { status: 400, body: { code: 400, error: "x", events_with_missing_fields: { time: [1] } } }
        : undefined,
    );
    expect((await write(createSink(), records)).results).toEqual(["delivered", "rejected", "delivered"]);
  });

  it("counts silenced events as rejected", async () => {
    await amplitude.setFault([
      { status: 400, body: { code: 400, error: "x", silenced_events: [0], silenced_devices: ["d"] } },
    ]);
    expect((await write(createSink(), sampleRecords(2))).results).toEqual(["rejected", "delivered"]);
  });

  it("survives indexes that make no sense", async () => {
    const indexes = [-1, 1.5, 99, "0", null, {}];
    await amplitude.setFault([
      { status: 400, body: { code: 400, error: "x", events_with_invalid_fields: { time: indexes } } },
    ]);
    expect((await write(createSink(), sampleRecords(4))).results).toEqual([
      "delivered",
      "delivered",
      "delivered",
      "delivered",
    ]);
  });

  it("a wrong key: keeps everything, says so once, and does not hammer", async () => {
    await amplitude.close();
    amplitude = await startFakeAmplitude({ apiKey: "right" });
    const sink = createSink({ apiKey: "wrong" });
    for (let round = 0; round < 3; round++) {
      const { results, retryAfterMs } = await write(sink, sampleRecords(2));
      expect(results).toEqual(["retry", "retry"]);
      expect(retryAfterMs).toBeGreaterThan(1_000);
    }
    expect(amplitude.requests).toHaveLength(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/Invalid API key.*kept.*apiKey/);
  });
});

describe("amplitudeSink and sizes", () => {
  const long = (length: number, userId = "user-1001"): TapRecord => {
    const call = sampleCall({ context: { userId } });
    return {
      ...call,
      request: {
        ...call.request,
        messages: [{ role: "user", parts: [{ type: "text", content: "y".repeat(length) }] }],
      },
    };
  };

  it("keeps every request under 900 kB", async () => {
    const records = Array.from({ length: 60 }, () => long(40_000));
    expect(new Set((await write(createSink(), records)).results)).toEqual(new Set(["delivered"]));
    expect(Math.max(...amplitude.requests.map((request) => request.bytes))).toBeLessThanOrEqual(900_000);
    expect(amplitude.requests.length).toBe(3);
    expect(arrivedIds()).toEqual(idsOf(records));
  });

  it("keeps every request under 1,000 events", async () => {
    await write(createSink({ content: "metadata" }), sampleRecords(1_500));
    expect(Math.max(...amplitude.requests.map((request) => request.events))).toBeLessThanOrEqual(1_000);
  });

  it("an event of megabytes is shrunk and arrives", async () => {
    const records = [sampleCall(), long(5_000_000), sampleCall()];
    expect((await write(createSink(), records)).results).toEqual(["delivered", "delivered", "delivered"]);
    const event = amplitude.events[1];
    expect(event?.event_properties).toMatchObject({ ai_input_tokens: 100, ai_model: "gpt-5-mini-2025-08-07" });
    expect(event?.event_properties["ai_truncated"]).toMatch(/texts over 65536 characters/);
    expect(JSON.stringify(event?.event_properties["ai_input"])).toContain("[cut: 5000000 characters]");
  });

  it("a server with a smaller limit: requests are split, an event that is too large alone keeps its facts", async () => {
    await amplitude.setFault(({ bytes }) => (bytes > 10_000 ? 413 : undefined));
    const records = [...Array.from({ length: 40 }, () => long(1_000)), long(50_000), sampleCall()];
    const { results } = await write(createSink(), records);
    expect(new Set(results)).toEqual(new Set(["delivered"]));
    expect(arrivedIds()).toEqual(idsOf(records));
    expect(amplitude.events[40]?.event_properties).toMatchObject({
      ai_truncated: "content and properties of the app",
      ai_output_tokens: 50,
    });
    expect(amplitude.events[41]?.event_properties).toHaveProperty("ai_input");
  });

  it("a server that takes nothing at all: rejected, in a bounded number of requests", async () => {
    await amplitude.setFault({ status: 413, body: "<html>too large</html>" });
    expect(new Set((await write(createSink(), sampleRecords(10))).results)).toEqual(new Set(["rejected"]));
    expect(amplitude.requests.length).toBeLessThan(40);
  });
});

describe("amplitudeSink and rates", () => {
  it("only what Amplitude names has to wait, and it is not asked again before its time", async () => {
    await amplitude.setFault(({ events }) => {
      const indexes = events.flatMap((event, index) => (event.user_id === "busy" ? [index] : []));
      if (indexes.length === 0) return undefined;
      return {
        status: 429,
        body: { code: 429, error: "Too many requests", throttled_users: { busy: 31 }, throttled_events: indexes },
      };
    });
    const sink = createSink();
    const records = ["busy", "calm", undefined, "busy"].map(withUser);
    const first = await write(sink, records);
    expect(first).toEqual({
      results: ["retry", "delivered", "delivered", "retry"],
      retryAfterMs: 30_000,
      othersMayPass: true,
    });

    const second = await write(sink, [withUser("busy"), withUser("other")]);
    expect(second.results).toEqual(["retry", "delivered"]);
    expect(second.retryAfterMs).toBeGreaterThan(20_000);
    expect(amplitude.requests).toHaveLength(3);
  });

  it("events that are named only by index wait with all that share their ids", async () => {
    await amplitude.setFault([{ status: 429, body: { code: 429, error: "Too many requests", throttled_events: [0] } }]);
    const records = [withUser("busy"), withUser("calm"), withUser("busy")];
    expect((await write(createSink(), records)).results).toEqual(["retry", "delivered", "retry"]);
  });

  it("HTTP V2 lets one service send 30 events a second, the batch endpoint 1,000: the sink takes batch by default", async () => {
    const records = Array.from({ length: 2_000 }, () => withUser(undefined));
    expect(new Set((await write(createSink({ serverUrl: amplitude.origin }), records)).results)).toEqual(
      new Set(["delivered"]),
    );
    expect(
      new Set((await write(createSink({ serverUrl: amplitude.origin, useBatch: false }), records)).results),
    ).toEqual(new Set(["retry"]));
    expect(amplitude.requests.map((request) => request.path)).toContain("/2/httpapi");
  });
});

describe("amplitudeSink under abort", () => {
  it("says delivered only of what was confirmed, and a later try makes no duplicates", async () => {
    const sink = createSink({ maxRequestBytes: 20_000, requestTimeoutMs: 60_000 });
    const records = sampleRecords(60);
    await amplitude.setFault(({ index }) => (index === 1 ? "accept_then_hang" : undefined));
    const controller = new AbortController();
    const written = write(sink, records, controller.signal);
    await vi.waitFor(() => expect(amplitude.requests).toHaveLength(2));
    controller.abort();
    const { results } = await written;
    const sent = amplitude.requests[0]?.events as number;
    expect(results).toEqual(records.map((_, index) => (index < sent ? "delivered" : "retry")));

    const later = await write(sink, records.slice(sent));
    expect(new Set(later.results)).toEqual(new Set(["delivered"]));
    expect(arrivedIds()).toEqual(idsOf(records));
    expect(amplitude.duplicates).toBe(amplitude.requests[1]?.events);
  });

  it("leaves no listeners on a signal that many writes share", async () => {
    const emitted = vi.spyOn(process, "emitWarning");
    const sink = createSink();
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 30 }, () => write(sink, sampleRecords(2), signal)));
    expect(emitted).not.toHaveBeenCalled();
  });
});
