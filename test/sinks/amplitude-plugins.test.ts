import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TapError } from "../../src/errors.ts";
import { loadAmplitudeSdk } from "../../src/sinks/amplitude/delivery/plugins.ts";
import { amplitudeSink, type AmplitudePlugin, type AmplitudeSinkKeyOptions } from "../../src/sinks/amplitude.ts";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { sampleCall, sampleErrorCall, sampleRecords } from "../../src/testing/sample-records.ts";
import type { Sink } from "../../src/types.ts";

const options = { signal: new AbortController().signal };

let amplitude: FakeAmplitude;
let warnings: string[];
beforeEach(async () => {
  amplitude = await startFakeAmplitude();
  warnings = [];
});
afterEach(() => amplitude.close());

function createSink(plugins: AmplitudePlugin[], more: Partial<AmplitudeSinkKeyOptions> = {}): Sink {
  return amplitudeSink({
    apiKey: "key",
    serverUrl: amplitude.url,
    plugins,
    onWarning: (message) => warnings.push(message),
    ...more,
  });
}

describe("amplitudeSink with plugins", () => {
  it("runs them in the SDK's order, with its context, and sends what they made", async () => {
    const order: string[] = [];
    const plugins: AmplitudePlugin[] = [
      {
        name: "late",
        type: "enrichment",
        execute: (event) => (order.push("enrichment"), Promise.resolve({ ...event, app_version: "1.2.3" })),
      },
      { name: "early", type: "before", execute: (event) => (order.push("before"), Promise.resolve(event)) },
    ];
    const call = sampleCall();
    const sink = createSink(plugins);
    expect((await sink.write([call], options)).results).toEqual(["delivered"]);
    expect(order).toEqual(["before", "enrichment"]);
    expect(amplitude.events[0]).toMatchObject({
      app_version: "1.2.3",
      insert_id: `${call.id}:ai_generation`,
      user_id: "user-1001",
    });
    await sink.close?.();
  });

  it("a plugin that is an instance of a class works, and is torn down on close", async () => {
    class Counter {
      name = "counter";
      count = 0;
      down = 0;
      async execute(event: unknown): Promise<unknown> {
        this.count += 1;
        return event;
      }
      async teardown(): Promise<void> {
        this.down += 1;
      }
    }
    const counter = new Counter();
    const sink = createSink([counter]);
    await sink.write(sampleRecords(3), options);
    await sink.close?.();
    await sink.close?.();
    expect(counter).toMatchObject({ down: 1 });
    expect(amplitude.events).toHaveLength(3);
  });

  it("what a plugin filters out is rejected, the rest arrives", async () => {
    const sink = createSink([
      { name: "filter", execute: (event) => Promise.resolve(event.event_type === "ai_error" ? null : event) },
    ]);
    const { results } = await sink.write([sampleCall(), sampleErrorCall(), sampleCall()], options);
    expect(results).toEqual(["delivered", "rejected", "delivered"]);
    expect(amplitude.events).toHaveLength(2);
  });

  it("a plugin that throws drops its event, says so once, and wedges nothing", async () => {
    let runs = 0;
    const sink = createSink([
      {
        name: "fragile",
        execute(event) {
          runs += 1;
          if (runs % 2 === 0) throw new Error("no");
          return Promise.resolve(event);
        },
      },
    ]);
    expect((await sink.write(sampleRecords(4), options)).results).toEqual([
      "delivered",
      "rejected",
      "delivered",
      "rejected",
    ]);
    expect((await sink.write(sampleRecords(1), options)).results).toEqual(["delivered"]);
    expect(warnings).toEqual([expect.stringMatching(/plugin "fragile" threw.*Error: no/)]);
  });

  it("a plugin that hangs leaves its events for later, and no others", async () => {
    const sink = createSink(
      [
        {
          name: "slow",
          execute: (event) => (event.event_type === "ai_error" ? new Promise(() => undefined) : Promise.resolve(event)),
        },
      ],
      { requestTimeoutMs: 100 },
    );
    expect((await sink.write([sampleCall(), sampleErrorCall()], options)).results).toEqual(["delivered", "retry"]);
  });

  it("a plugin can't take away what delivery relies on, nor add what JSON can't say", async () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const sink = createSink([
      {
        name: "careless",
        execute: ({ insert_id: _insertId, time: _time, ...event }) =>
          Promise.resolve({ ...event, event_properties: { big: 1n, cycle, ...event.event_properties } }),
      },
    ]);
    const call = sampleCall();
    expect((await sink.write([call], options)).results).toEqual(["delivered"]);
    expect(amplitude.events[0]).toMatchObject({ insert_id: `${call.id}:ai_generation`, time: call.timing.startedAt });
    expect(amplitude.events[0]?.event_properties).toMatchObject({ big: "1", cycle: { self: "[circular]" } });
  });

  it("says what to install when the SDK is missing", async () => {
    const loading = loadAmplitudeSdk(() =>
      Promise.reject(new Error("Cannot find package '@amplitude/analytics-node'")),
    );
    await expect(loading).rejects.toThrow(TapError);
    await expect(loading).rejects.toMatchObject({
      code: "missing_dependency",
      message: expect.stringContaining("npm install @amplitude/analytics-node") as string,
    });
  });
});
