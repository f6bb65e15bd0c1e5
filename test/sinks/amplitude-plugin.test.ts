import { createInstance, Types } from "@amplitude/analytics-node";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { amplitudePlugin, type AmplitudeTapPlugin } from "../../src/amplitude-plugin.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { startMockProviders } from "../../src/testing/index.ts";

type Mock = Awaited<ReturnType<typeof startMockProviders>>;

let amplitude: FakeAmplitude;
let mock: Mock;
const plugins: AmplitudeTapPlugin[] = [];

beforeEach(async () => {
  amplitude = await startFakeAmplitude();
  mock = await startMockProviders();
});
afterEach(async () => {
  await Promise.all(plugins.splice(0).map((plugin) => plugin.tap.close()));
  await amplitude.close();
  await mock.close();
});

async function createClient(): Promise<ReturnType<typeof createInstance>> {
  const client = createInstance();
  await client.init("key", { serverUrl: amplitude.httpV2Url, flushIntervalMillis: 50, logLevel: Types.LogLevel.None })
    .promise;
  return client;
}

function createPlugin(options: Parameters<typeof amplitudePlugin>[0] = {}): AmplitudeTapPlugin {
  const plugin = amplitudePlugin({ hosts: mock.hosts, ...options });
  plugins.push(plugin);
  return plugin;
}

async function ask(): Promise<void> {
  const response = await fetch(`${mock.baseUrl("openai")}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Hello" }] }),
  });
  await response.text();
}

describe("amplitudePlugin", () => {
  it("is a plugin by the SDK's own types", () => {
    expectTypeOf<AmplitudeTapPlugin>().toExtend<Types.EnrichmentPlugin>();
  });

  it("one line taps the process, and events go through the client with its other plugins", async () => {
    const before = globalThis.fetch;
    const client = await createClient();
    await client.add({
      name: "stamp",
      type: "enrichment",
      execute: (event) => Promise.resolve({ ...event, event_properties: { ...event.event_properties, stamped: true } }),
    }).promise;
    const plugin = createPlugin();
    await client.add(plugin).promise;
    expect(globalThis.fetch).not.toBe(before);

    await plugin.tap.run({ userId: "user-1001" }, ask);
    expect(await plugin.tap.flush()).toMatchObject({ delivered: 1, pending: 0, dropped: 0, unknown: 0 });
    expect(amplitude.events).toMatchObject([
      {
        event_type: "ai_generation",
        user_id: "user-1001",
        event_properties: { ai_request_model: "gpt-5-mini", ai_provider: "openai", stamped: true },
      },
    ]);

    await client.remove("llm-tap").promise;
    expect(globalThis.fetch).toBe(before);
    await ask();
    expect(plugin.tap.stats().recorded).toBe(1);
  });

  it("the app's own events pass as they are", async () => {
    const client = await createClient();
    await client.add(createPlugin()).promise;
    const { code } = await client.track("Clicked", { where: "here" }, { user_id: "user-1001" }).promise;
    expect(code).toBe(200);
    expect(amplitude.events).toMatchObject([{ event_type: "Clicked", event_properties: { where: "here" } }]);
  });

  it("passes on what is for the tap and what is for the sink", async () => {
    const client = await createClient();
    const memory = memorySink();
    const plugin = createPlugin({ schema: "agent", content: "metadata", sinks: [memory], excludeOutput: true });
    await client.add(plugin).promise;
    await ask();
    expect(await plugin.tap.flush()).toMatchObject({
      bySink: { amplitude: { delivered: 1 }, memory: { delivered: 1 } },
    });
    expect(amplitude.events.map((event) => event.event_type)).toEqual(["[Agent] User Message", "[Agent] AI Response"]);
    expect(amplitude.events[0]!.event_properties).not.toHaveProperty("$llm_message");
    expect(memory.calls[0]!.request.messages).toHaveLength(1);
    expect(memory.calls[0]!.response!.choices[0]!.message.parts).toEqual([]);
  });

  it("added twice it taps once", async () => {
    const client = await createClient();
    const plugin = createPlugin();
    await client.add(plugin).promise;
    await client.add(plugin).promise;
    await ask();
    expect(await plugin.tap.flush()).toMatchObject({ delivered: 1 });
    expect(amplitude.events).toHaveLength(1);
  });

  it("says a wrong option where it is written", () => {
    expect(() => amplitudePlugin({ schema: "other" as "ai" })).toThrow(/unknown schema "other"/);
    expect(() => amplitudePlugin({ sampleRate: 7 })).toThrow(TypeError);
  });

  it("before it is added it changes nothing", () => {
    const before = globalThis.fetch;
    createPlugin();
    expect(globalThis.fetch).toBe(before);
  });
});
