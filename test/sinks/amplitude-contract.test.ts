import { describe, expect, it } from "vitest";
import { amplitudeSink } from "../../src/sinks/amplitude.ts";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { testSink } from "../../src/testing/sink-contract.ts";

let amplitude: FakeAmplitude;

async function start(): Promise<FakeAmplitude> {
  amplitude = await startFakeAmplitude();
  return amplitude;
}

const shared = {
  received: () => amplitude.events.map((event) => event.insert_id?.split(":")[0] ?? ""),
  hang: () => amplitude.setFault("hang"),
  destroy: () => amplitude.close(),
};

testSink(
  {
    name: "amplitude with a key",
    create: async () => amplitudeSink({ apiKey: "key", serverUrl: (await start()).url }),
    ...shared,
  },
  { describe, it, expect },
);

testSink(
  {
    name: "amplitude with a key and plugins",
    create: async () =>
      amplitudeSink({
        apiKey: "key",
        serverUrl: (await start()).url,
        plugins: [{ name: "noop", execute: (event) => Promise.resolve(event) }],
      }),
    ...shared,
  },
  { describe, it, expect },
);
