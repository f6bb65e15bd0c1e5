import { createInstance, Types } from "@amplitude/analytics-node";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  amplitudeSink,
  type AmplitudeClient,
  type AmplitudeEvent,
  type AmplitudePlugin,
} from "../../src/sinks/amplitude.ts";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import { testSink } from "../../src/testing/sink-contract.ts";

type Settle = (event: AmplitudeEvent, index: number) => Promise<{ code: number; message: string }>;

const options = { signal: new AbortController().signal };
const never = new Promise<never>(() => undefined);

/** A client that answers as told, without a network. */
function createClient(settle: Settle): AmplitudeClient & { tracked: AmplitudeEvent[]; flushes: number } {
  const client = {
    tracked: [] as AmplitudeEvent[],
    flushes: 0,
    track(event: AmplitudeEvent) {
      client.tracked.push(event);
      return { promise: settle(event, client.tracked.length - 1) };
    },
    flush() {
      client.flushes += 1;
      return { promise: Promise.resolve() };
    },
  };
  return client;
}

const answer = (code: number): Promise<{ code: number; message: string }> => Promise.resolve({ code, message: "" });

let contractClient = createClient(() => answer(200));
let hanging = false;
testSink(
  {
    name: "amplitude with a client",
    create() {
      hanging = false;
      contractClient = createClient(() => (hanging ? never : answer(200)));
      return amplitudeSink({ client: contractClient });
    },
    received: () => contractClient.tracked.map((event) => event.insert_id.split(":")[0] ?? ""),
    hang: () => void (hanging = true),
  },
  { describe, it, expect },
);

describe("amplitudeSink with the app's client", () => {
  it("takes the SDK's client and plugins by their types", () => {
    expectTypeOf<Types.NodeClient>().toExtend<AmplitudeClient>();
    expectTypeOf<Types.EnrichmentPlugin>().toExtend<AmplitudePlugin>();
    expectTypeOf<Types.DestinationPlugin>().toExtend<AmplitudePlugin>();
    expectTypeOf<AmplitudeEvent>().toExtend<Types.BaseEvent>();
  });

  it.each([
    [200, "delivered"],
    [100, "rejected"],
    [400, "rejected"],
    [413, "rejected"],
    [429, "rejected"],
    [0, "unknown"],
    [500, "unknown"],
    [503, "unknown"],
  ] as const)("code %i counts as %s", async (code, result) => {
    const sink = amplitudeSink({ client: createClient(() => answer(code)) });
    expect((await sink.write([sampleCall()], options)).results).toEqual([result]);
  });

  it("answers each record for itself, in order, whatever the order in which the client settles", async () => {
    const codes = [200, 400, 0, 200, 500];
    const client = createClient(
      (_event, index) =>
        new Promise((resolve) => setTimeout(() => resolve({ code: codes[index] as number, message: "" }), 20 - index)),
    );
    const { results } = await amplitudeSink({ client }).write(sampleRecords(5), options);
    expect(results).toEqual(["delivered", "rejected", "unknown", "delivered", "unknown"]);
  });

  it("does not wait for ever, and what settles too late changes nothing", async () => {
    let settle: (result: { code: number; message: string }) => void = () => undefined;
    const client = createClient((_event, index) =>
      index === 0 ? answer(200) : new Promise((resolve) => (settle = resolve)),
    );
    const sink = amplitudeSink({ client, confirmTimeoutMs: 30 });
    const { results } = await sink.write(sampleRecords(2), options);
    expect(results).toEqual(["delivered", "unknown"]);
    settle({ code: 200, message: "" });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(results).toEqual(["delivered", "unknown"]);
  });

  it("what the client has taken is unknown after an abort; what it has not, can be given again", async () => {
    const client = createClient(() => never);
    const controller = new AbortController();
    const written = amplitudeSink({ client }).write(sampleRecords(2), { signal: controller.signal });
    await vi.waitFor(() => expect(client.tracked).toHaveLength(2));
    controller.abort();
    expect((await written).results).toEqual(["unknown", "unknown"]);
    expect((await amplitudeSink({ client }).write(sampleRecords(1), { signal: AbortSignal.abort() })).results).toEqual([
      "retry",
    ]);
    expect(client.tracked).toHaveLength(2);
  });

  it("survives a client that throws, rejects, or answers with nothing", async () => {
    const client = createClient((_event, index) => {
      if (index === 0) throw new Error("not initialised");
      return index === 1 ? Promise.reject(new Error("later")) : (Promise.resolve(undefined) as never);
    });
    expect((await amplitudeSink({ client }).write(sampleRecords(3), options)).results).toEqual([
      "retry",
      "unknown",
      "unknown",
    ]);
  });

  it("flushes a client only when told to", async () => {
    const client = createClient(() => answer(200));
    await amplitudeSink({ client }).write(sampleRecords(2), options);
    expect(client.flushes).toBe(0);
    await amplitudeSink({ client, flushClient: true }).write(sampleRecords(2), options);
    expect(client.flushes).toBe(1);
  });
});

describe("amplitudeSink with a client of the SDK", () => {
  let amplitude: FakeAmplitude;
  beforeEach(async () => {
    amplitude = await startFakeAmplitude();
  });
  afterEach(() => amplitude.close());

  async function initialise(): Promise<Types.NodeClient> {
    const client = createInstance();
    await client.init("key", {
      serverUrl: amplitude.url,
      flushIntervalMillis: 20,
      logLevel: Types.LogLevel.None,
      minIdLength: 1,
    }).promise;
    return client;
  }

  it("delivers through its plugins and its queue", async () => {
    const client = await initialise();
    await client.add({
      name: "mark",
      execute: (event: Types.Event) =>
        Promise.resolve({ ...event, event_properties: { ...event.event_properties, marked: true } }),
    }).promise;
    const records = sampleRecords(20);
    const { results } = await amplitudeSink({ client }).write(records, options);
    expect(new Set(results)).toEqual(new Set(["delivered"]));
    expect(amplitude.events.map((event) => event.insert_id?.split(":")[0])).toEqual(records.map((record) => record.id));
    expect(amplitude.events.every((event) => event.event_properties["marked"] === true)).toBe(true);
  });

  it("reports what the SDK dropped as unknown or rejected, never as delivered", async () => {
    const client = await initialise();
    await amplitude.setFault("refuse");
    const { results } = await amplitudeSink({ client, confirmTimeoutMs: 2_000 }).write(sampleRecords(3), options);
    expect(results).toEqual(["unknown", "unknown", "unknown"]);
    expect(amplitude.events).toEqual([]);
  });
});
