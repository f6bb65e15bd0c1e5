/** A tap with an outbox: what `flush` and `close` say, and how a process ends. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTap, type Tap } from "../../src/index.ts";
import { durable } from "../../src/outbox/index.ts";
import { amplitudeSink } from "../../src/sinks/amplitude.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { type FakeAmplitude, type FaultScript, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { createDestination, ids, listFiles, until, useWorkspace } from "./helpers.ts";
import { buildWorkplace, startProgram, type Workplace } from "./program.ts";

const ANSWER = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "small-2",
  choices: [{ index: 0, message: { role: "assistant", content: "the answer" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
});

const workspace = useWorkspace();

async function call(tap: Tap, count: number): Promise<void> {
  const fetch = tap.wrapFetch(() =>
    Promise.resolve(new Response(ANSWER, { headers: { "content-type": "application/json" } })),
  );
  for (let made = 0; made < count; made += 1) {
    const body = JSON.stringify({ model: "small", messages: [{ role: "user", content: "a secret question" }] });
    await (await fetch("https://api.openai.com/v1/chat/completions", { method: "POST", body })).json();
  }
}

describe("tap.flush()", () => {
  it("counts a record as pending until the destination has confirmed it", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const outbox = workspace.open(destination);
    const tap = createTap({ sinks: [outbox, memorySink()] });
    await call(tap, 5);
    await until(() => outbox.report().pending === 5);
    const before = await tap.flush({ timeoutMs: 1_000 });
    expect(before).toEqual({
      delivered: 5,
      pending: 5,
      dropped: 0,
      unknown: 0,
      bySink: {
        destination: { delivered: 0, pending: 5, dropped: 0, unknown: 0 },
        memory: { delivered: 5, pending: 0, dropped: 0, unknown: 0 },
      },
    });
    destination.answer = "delivered";
    const after = await tap.flush();
    expect(after.bySink["destination"]).toEqual({ delivered: 5, pending: 0, dropped: 0, unknown: 0 });
    expect(destination.arrived).toHaveLength(5);
    await tap.close();
  });

  it("counts as pending what was not even read in time", async () => {
    const tap = createTap({ sinks: [workspace.open(createDestination()), memorySink()] });
    await call(tap, 3);
    const { delivered, pending, bySink } = await tap.flush({ timeoutMs: 0 });
    expect(delivered + pending).toBe(6);
    for (const sink of Object.values(bySink)) expect(sink.delivered + sink.pending).toBe(3);
    expect(await tap.close()).toMatchObject({ delivered: 6, pending: 0 });
  });

  it("close loses nothing that it has no time to read or to store", async () => {
    const destination = createDestination();
    const outbox = workspace.open(destination);
    const memory = memorySink();
    const tap = createTap({ sinks: [outbox, memory] });
    await call(tap, 30);
    expect(await tap.close({ timeoutMs: 0 })).toMatchObject({ dropped: 0, unknown: 0 });
    expect(memory.calls).toHaveLength(30);
    // What the outbox could not send by then is there for the next one.
    await workspace.open(destination).flush?.({ signal: AbortSignal.timeout(20_000) });
    expect(new Set(ids(destination.arrived))).toEqual(new Set(ids(memory.calls)));
  });

  it("counts what an earlier process left, and close leaves what is pending for the next", async () => {
    const destination = createDestination();
    destination.answer = "retry";
    const first = createTap({ sinks: [workspace.open(destination)] });
    await call(first, 3);
    expect(await first.close({ timeoutMs: 1_000 })).toMatchObject({ delivered: 0, pending: 3 });

    destination.answer = "delivered";
    const second = createTap({ sinks: [workspace.open(destination)] });
    // Nothing but the tap itself makes it look.
    await until(() => destination.arrived.length === 3);
    await call(second, 1);
    expect(await second.close()).toMatchObject({ delivered: 4, pending: 0 });
    expect(new Set(ids(destination.arrived)).size).toBe(4);
    expect(listFiles(workspace.dir)).toEqual([]);
  });

  it.each([{ privacyMode: true }, { content: "metadata" as const }])(
    "what may not be kept is not on disk: %j",
    async ({ privacyMode = false, content = "full" }: { privacyMode?: boolean; content?: "full" | "metadata" }) => {
      const destination = createDestination({ content });
      destination.answer = "retry";
      const sink = workspace.open(destination);
      const tap = createTap({ sinks: [sink], privacyMode });
      await call(tap, 2);
      await tap.flush({ timeoutMs: 500 });
      const files = listFiles(workspace.dir);
      const disk = files.map((file) => fs.readFileSync(join(workspace.dir, file), "utf8")).join("");
      expect(disk).toContain('"type":"call"');
      expect(disk).not.toMatch(/secret question|the answer/);
      await tap.close({ timeoutMs: 100 });
    },
  );

  it("the outbox's own requests are not tapped", async () => {
    const amplitude = await startFakeAmplitude();
    const url = new URL(amplitude.url);
    const sink = workspace.open(amplitudeSink({ apiKey: "key", serverUrl: amplitude.url }));
    // Everything there would be looked at.
    const tap = createTap({ sinks: [sink], hosts: { [url.host]: { provider: "openai" } } });
    const restore = tap.install();
    await amplitude.setFault([503]);
    await call(tap, 2);
    await until(() => amplitude.events.length === 2);
    restore();
    expect(tap.stats()).toMatchObject({ seen: 2, recorded: 2, ignored: {} });
    await tap.close();
    await amplitude.close();
  });
});

describe("a process that ends by itself", () => {
  let workplace: Workplace;
  let amplitude: FakeAmplitude;
  let directory = "";
  beforeAll(async () => {
    workplace = await buildWorkplace();
  }, 60_000);
  afterAll(() => workplace.remove());
  beforeEach(async () => {
    amplitude = await startFakeAmplitude({ limitRates: false });
    directory = fs.mkdtempSync(join(tmpdir(), "llm-tap-outbox-end-"));
  });
  afterEach(async () => {
    await amplitude.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  const cases: [string, FaultScript | undefined, number][] = [
    ["with the server up: all is delivered, nothing is left", undefined, 20],
    ["with the server down: soon, and all is kept", "refuse", 0],
    ["with a server that fails: soon, and all is kept", 503, 0],
    ["with a server that hangs: soon, and all is kept", "hang", 0],
  ];
  it.each(cases)("%s", { timeout: 60_000 }, async (_name, fault, delivered) => {
    await amplitude.setFault(fault);
    const dir = join(directory, "outbox");
    const files = { recorded: join(directory, "recorded"), stored: join(directory, "stored") };
    const options = { dir, serverUrl: amplitude.url, ...files };
    // How long a process takes that does nothing, on a machine that may be busy.
    const idle = await startProgram(workplace, { ...options, calls: 0 }).ended;
    const { code, ms, stderr } = await startProgram(workplace, { ...options, calls: 20 }).ended;
    expect([code, stderr.replaceAll(/^llm-tap:.*\n/gm, "")]).toEqual([0, ""]);
    // Two seconds of trying.
    expect(ms).toBeLessThan(8_000 + 4 * idle.ms);
    expect(amplitude.events).toHaveLength(delivered);
    const left = listFiles(dir);
    expect(left.length > 0).toBe(delivered === 0);

    await amplitude.setFault();
    const next = durable(amplitudeSink({ apiKey: "key", serverUrl: amplitude.url }), { dir });
    await next.flush?.({ signal: AbortSignal.timeout(10_000) });
    await next.close?.();
    expect(new Set(amplitude.events.map(({ insert_id }) => insert_id)).size).toBe(20);
    expect(amplitude.events).toHaveLength(20);
  });
});
