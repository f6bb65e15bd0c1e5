/** Processes that end in every way, at random moments: what they had promised arrives once. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { durable } from "../../src/outbox/index.ts";
import { amplitudeSink } from "../../src/sinks/amplitude.ts";
import { type FakeAmplitude, type FakeAmplitudeFault, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { listFiles } from "./helpers.ts";
import { buildWorkplace, type ProgramOptions, startProgram, type Workplace } from "./program.ts";

/** Of each way to end. `npm run test:kills` makes more than two hundred in all. */
const ROUNDS = Number(process.env["LLM_TAP_CRASHES"] ?? 2);
/** At once: two are what the machine of a small runner has. */
const WORKERS = 2;

let workplace: Workplace;
let amplitude: FakeAmplitude;
let other: FakeAmplitude;
let directory = "";

beforeAll(async () => {
  workplace = await buildWorkplace();
  [amplitude, other] = await Promise.all([
    startFakeAmplitude({ limitRates: false }),
    startFakeAmplitude({ limitRates: false }),
  ]);
  directory = fs.mkdtempSync(join(tmpdir(), "llm-tap-crash-"));
}, 60_000);
afterAll(async () => {
  workplace.remove();
  await Promise.all([amplitude.close(), other.close()]);
  fs.rmSync(directory, { recursive: true, force: true });
});

const FAULTS: readonly (FakeAmplitudeFault | undefined)[] = [
  undefined,
  undefined,
  503,
  "reset",
  "accept_then_reset",
  "truncated",
  "html",
];

interface Ending {
  name: string;
  options: Partial<ProgramOptions>;
  signal?: NodeJS.Signals;
  /** What the process may not lose: what was stored, or all that was recorded. */
  promise: "stored" | "recorded";
  expected: { code: number | null; signal: NodeJS.Signals | null };
}

const ENDINGS: Ending[] = [
  { name: "SIGKILL", options: {}, signal: "SIGKILL", promise: "stored", expected: { code: null, signal: "SIGKILL" } },
  { name: "SIGTERM", options: {}, signal: "SIGTERM", promise: "recorded", expected: { code: null, signal: "SIGTERM" } },
  { name: "SIGINT", options: {}, signal: "SIGINT", promise: "recorded", expected: { code: null, signal: "SIGINT" } },
  {
    name: "SIGTERM with a handler that closes the tap",
    options: { end: "handler" },
    signal: "SIGTERM",
    promise: "recorded",
    expected: { code: 0, signal: null },
  },
  {
    name: "process.exit",
    options: { end: "exit" },
    promise: "recorded",
    expected: { code: 3, signal: null },
  },
  {
    name: "an uncaught exception",
    options: { end: "throw" },
    promise: "recorded",
    expected: { code: 1, signal: null },
  },
];

function readIds(file: string): string[] {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
}

/** One process from its start to its end. @returns the ids that it may not lose */
async function crash({ options, signal, promise, expected }: Ending, round: string): Promise<string[]> {
  const files = { stored: join(directory, `${round}.stored`), recorded: join(directory, `${round}.recorded`) };
  const afterMs = Math.random() * 400;
  const program = startProgram(workplace, {
    dir: join(directory, "outbox"),
    serverUrl: amplitude.url,
    otherUrl: other.url,
    endAfterMs: afterMs,
    ...files,
    ...options,
  });
  if (signal !== undefined) {
    await program.ready;
    await new Promise((resolve) => {
      setTimeout(resolve, afterMs);
    });
    program.kill(signal);
  }
  const { code, signal: endSignal, stderr } = await program.ended;
  expect({ code, signal: endSignal, stderr: endSignal === null && code !== 1 ? stderr : "" }).toMatchObject(expected);
  return readIds(files[promise]);
}

describe("a process that ends, with a server that fails now and then", () => {
  it.each(ENDINGS)(
    "by $name loses nothing that it had promised",
    { timeout: 180_000 + ROUNDS * 15_000 },
    async (ending) => {
      const fault = (): FakeAmplitudeFault | undefined => FAULTS[Math.floor(Math.random() * FAULTS.length)];
      await Promise.all([amplitude.setFault(fault), other.setFault(fault)]);
      const promised: string[] = [];
      let round = 0;
      const work = async (): Promise<void> => {
        while (round < ROUNDS) promised.push(...(await crash(ending, `${ending.name} ${++round}`)));
      };
      await Promise.all(Array.from({ length: WORKERS }, work));
      expect(promised.length).toBeGreaterThan(ROUNDS);

      await Promise.all([amplitude.setFault(), other.setFault()]);
      await deliverRest("amplitude", amplitude.url);
      await deliverRest("other", other.url);
      expect(listFiles(join(directory, "outbox"))).toEqual([]);

      // Each event once at each project, though two taps have sent it to the first one.
      for (const { name, project, ids } of [
        { name: "first", project: amplitude, ids: promised },
        // Of what the second tap had stored when it was killed, only what it did is known.
        { name: "second", project: other, ids: ending.promise === "recorded" ? promised : [] },
      ]) {
        const arrived = project.events.map(({ insert_id }) => insert_id as string);
        expect(new Set(arrived).size, name).toBe(arrived.length);
        const known = new Set(arrived);
        expect(
          ids.filter((id) => !known.has(`${id}:ai_generation`)),
          name,
        ).toEqual([]);
      }
      console.log(
        `${ending.name}: ${ROUNDS} processes, ${promised.length} events promised, ${amplitude.duplicates} sent twice`,
      );
      amplitude.clear();
      other.clear();
    },
  );
});

/** The next process. */
async function deliverRest(name: string, serverUrl: string): Promise<void> {
  const sink = durable(amplitudeSink({ apiKey: "key", serverUrl, name }), { dir: join(directory, "outbox") });
  try {
    await sink.flush?.({ signal: AbortSignal.timeout(120_000) });
    expect(sink.report()).toMatchObject({ pending: 0, dropped: 0, unknown: 0 });
    expect(sink.stats().corrupt).toBe(0);
  } finally {
    // Left open, it would take over what later tests leave behind.
    await sink.close?.();
  }
}

describe("a process without an outbox", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "that ends by %s has sent what it had before, and then ends by it",
    { timeout: 60_000 },
    async (signal) => {
      const files = { stored: join(directory, `plain ${signal}.stored`), recorded: join(directory, `plain ${signal}`) };
      const program = startProgram(workplace, {
        dir: directory,
        serverUrl: amplitude.url,
        hasOutbox: false,
        calls: 40,
        end: "wait",
        ...files,
      });
      await program.ready;
      program.kill(signal);
      expect(await program.ended).toMatchObject({ code: null, signal });
      const arrived = amplitude.events.map(({ insert_id }) => insert_id as string);
      expect(new Set(arrived).size).toBe(arrived.length);
      expect(new Set(arrived)).toEqual(new Set(readIds(files.recorded).map((id) => `${id}:ai_generation`)));
      expect(arrived.length).toBeGreaterThan(0);
      amplitude.clear();
    },
  );
});
