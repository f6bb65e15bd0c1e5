import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import {
  buildWorkplace,
  type Provider,
  readRecords,
  REGISTER,
  run,
  type Run,
  startProvider,
  type Workplace,
} from "./harness.ts";

let workplace: Workplace;
let provider: Provider;

beforeAll(async () => {
  [workplace, provider] = await Promise.all([buildWorkplace(), startProvider()]);
}, 60_000);
afterAll(async () => {
  workplace.remove();
  await provider.close();
});

/** What each script may use. */
const PRELUDE = `
const send = (as, init) => fetch(process.env.PROVIDER + "?as=" + as, {
  method: "POST",
  body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Hi" }] }),
  headers: { "content-type": "application/json" },
  ...init,
});
const call = async (as = "json") => (await send(as)).json();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

let scripts = 0;

interface Outcome {
  bare: Run;
  tapped: Run;
  /** \`outcome\` and notes of each record in the file. */
  file: string[];
  /** Model of each event that Amplitude has. */
  amplitude: string[];
}

interface EndOptions {
  signal?: NodeJS.Signals;
  prepare?: (amplitude: FakeAmplitude) => Promise<void>;
}

/** Runs a script without and with the tap. */
async function compare(script: string, { signal, prepare }: EndOptions = {}): Promise<Outcome> {
  const amplitude = await startFakeAmplitude();
  try {
    await prepare?.(amplitude);
    const file = workplace.write(`script-${(scripts += 1)}.mjs`, PRELUDE + script);
    const records = join(workplace.directory, `records-${scripts}.jsonl`);
    const env = { PROVIDER: provider.url };
    const tapEnv = {
      ...env,
      LLM_TAP_SINKS: `amplitude,jsonl:${records}`,
      LLM_TAP_AMPLITUDE_API_KEY: "key",
      AMPLITUDE_SERVER_URL: amplitude.url,
      LLM_TAP_HOSTS: provider.hosts,
    };
    const signalled = signal === undefined ? {} : { signal };
    const [bare, tapped] = await Promise.all([
      run({ workplace, args: [file], env, ...signalled }),
      run({ workplace, args: [...REGISTER, file], env: tapEnv, ...signalled }),
    ]);
    return {
      bare,
      tapped,
      file: readRecords(records)
        .map(({ outcome, capture }) => [outcome, ...capture.notes.filter((note) => note === "process_exit")].join(" "))
        .toSorted(),
      amplitude: amplitude.events.map((event) => event.event_type),
    };
  } finally {
    await amplitude.close();
  }
}

function expectSame({ bare, tapped }: Outcome): void {
  const { ms: _bareMs, said: _bareSaid, ...expected } = bare;
  const { ms: _ms, said: _said, ...seen } = tapped;
  expect(seen).toEqual(expected);
}

describe.concurrent("the end of a process is what it is without the tap", () => {
  const generation = "ai_generation";
  const cases: {
    name: string;
    script: string;
    file: string[];
    amplitude: string[];
    end?: Partial<Run>;
    signal?: NodeJS.Signals;
  }[] = [
    { name: "a script that makes no call", script: `console.log("done");`, file: [], amplitude: [], end: { code: 0 } },
    {
      name: "a script that has made a call",
      script: `console.log((await call()).id);`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 0, stdout: "chatcmpl-1\n" },
    },
    {
      name: "an exit code that was set before",
      script: `await call(); process.exitCode = 7;`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 7 },
    },
    {
      name: "a body that nobody has read",
      script: `const response = await send("stream"); console.log(response.status); globalThis.kept = response; setTimeout(() => process.exit(0), 50);`,
      file: ["cancelled process_exit"],
      amplitude: [generation],
    },
    {
      name: "process.exit right after a call",
      script: `await call(); process.exit(3);`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 3 },
    },
    {
      name: "process.exit right after a compressed answer",
      script: `await call("gzip"); process.exit(0);`,
      file: ["success"],
      amplitude: [generation],
    },
    {
      name: "process.exit while a call waits for its answer",
      script: `void send("hang"); setTimeout(() => process.exit(4), 100);`,
      file: ["cancelled process_exit"],
      amplitude: [generation],
      end: { code: 4 },
    },
    {
      name: "process.exit in the middle of a stream",
      script: `const response = await send("stream"); for await (const _ of response.body) process.exit(0);`,
      file: ["cancelled process_exit"],
      amplitude: [generation],
    },
    {
      name: "process.exit in a listener of beforeExit",
      script: `process.on("beforeExit", () => process.exit(6)); await call();`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 6 },
    },
    {
      name: "an exception that nobody catches",
      script: `await call(); setTimeout(() => { throw new TypeError("boom"); }, 0);`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 1 },
    },
    {
      name: "a rejection that nobody handles",
      script: `await call(); void Promise.reject(new Error("nobody"));  await sleep(1000);`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 1 },
    },
    {
      name: "an exception that the app survives",
      script: `process.on("uncaughtException", (error) => console.log("caught", error.message)); setTimeout(() => { throw new Error("boom"); }, 0); await sleep(10); await call();`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 0, stdout: "caught boom\n" },
    },
    {
      name: "a top-level await that never settles",
      script: `await call(); await new Promise(() => {});`,
      file: ["success"],
      amplitude: [generation],
      end: { code: 13 },
    },
    {
      name: "SIGTERM with nothing pending",
      script: `setInterval(() => {}, 1000); console.log("ready");`,
      signal: "SIGTERM",
      file: [],
      amplitude: [],
      end: { signal: "SIGTERM" },
    },
    {
      name: "SIGTERM in the middle of a computation",
      script: `console.log("ready"); const until = Date.now() + 15_000; while (Date.now() < until);`,
      signal: "SIGTERM",
      file: [],
      amplitude: [],
      end: { signal: "SIGTERM" },
    },
    {
      name: "SIGTERM right after a call",
      script: `await call(); setInterval(() => {}, 1000); console.log("ready");`,
      signal: "SIGTERM",
      file: ["success"],
      amplitude: [generation],
      end: { signal: "SIGTERM" },
    },
    {
      name: "SIGINT while a call waits for its answer",
      script: `void send("hang"); await sleep(100); console.log("ready"); await sleep(10_000);`,
      signal: "SIGINT",
      file: ["cancelled process_exit"],
      amplitude: [generation],
      end: { signal: "SIGINT" },
    },
    {
      name: "SIGTERM that the app handles and ends after",
      script: `process.on("SIGTERM", async () => { console.log("bye"); await sleep(100); process.exit(5); }); await call(); void send("hang"); await sleep(50); console.log("ready"); await sleep(10_000);`,
      signal: "SIGTERM",
      file: ["cancelled process_exit", "success"],
      amplitude: [generation, generation],
      end: { code: 5, stdout: "ready\nbye\n" },
    },
    {
      name: "SIGTERM that the app handles from the middle of a call on, and survives",
      script: `const running = send("hang"); running.catch(() => {}); await sleep(50); process.once("SIGTERM", () => { console.log("no"); clearInterval(timer); setTimeout(() => process.exit(0), 100) }); const timer = setInterval(() => {}, 1000); console.log("ready");`,
      signal: "SIGTERM",
      file: ["cancelled process_exit"],
      amplitude: [generation],
      end: { code: 0, stdout: "ready\nno\n" },
    },
    {
      name: "SIGTERM with a listener that counts the others, as signal-exit does",
      script: `void send("hang"); await sleep(50);
        const listener = () => { if (process.listeners("SIGTERM").length === 1) { process.off("SIGTERM", listener); console.log("alone"); process.kill(process.pid, "SIGTERM"); } };
        process.on("SIGTERM", listener); console.log("ready"); await sleep(10_000);`,
      signal: "SIGTERM",
      file: [],
      amplitude: [],
      end: { signal: "SIGTERM", stdout: "ready\nalone\n" },
    },
    {
      name: "SIGTERM after the app's listener was taken off",
      script: `await call(); const listener = () => {}; process.on("SIGTERM", listener); await sleep(20); void send("hang"); await sleep(20); process.off("SIGTERM", listener); await sleep(20); console.log("ready"); await sleep(10_000);`,
      signal: "SIGTERM",
      file: ["cancelled process_exit", "success"],
      amplitude: [generation, generation],
      end: { signal: "SIGTERM" },
    },
    {
      name: "SIGKILL",
      script: `await call(); await sleep(4000); console.log("ready"); await sleep(10_000);`,
      signal: "SIGKILL",
      file: ["success"],
      amplitude: [],
      end: { signal: "SIGKILL" },
    },
  ];

  it.each(cases)("$name", async ({ script, signal, file, amplitude, end }) => {
    const outcome = await compare(script, signal === undefined ? {} : { signal });
    expectSame(outcome);
    expect(outcome.tapped).toMatchObject(end ?? {});
    expect(outcome.file).toEqual(file);
    // In time, or the loss is said.
    expect(outcome.amplitude.length).toBeLessThanOrEqual(Math.max(amplitude.length, file.length));
    expect(outcome.amplitude.length + countLost(outcome)).toBeGreaterThanOrEqual(amplitude.length);
  });
});

function countLost({ tapped }: Outcome): number {
  const counts = tapped.said.map((line) =>
    Number(/before (\d+) record\(s\) were delivered to amplitude/.exec(line)?.[1] ?? 0),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

describe("Amplitude gets, in time on a machine that is not too busy,", () => {
  it.each([
    ["what is pending at process.exit", `await call(); process.exit(3);`],
    [
      "what is running at process.exit",
      `const { body } = await send("stream"); for await (const _ of body) process.exit(0);`,
    ],
    ["what is pending when an exception ends the process", `await call(); throw new Error("boom");`],
    [
      "what is pending when a rejection ends it",
      `await call(); void Promise.reject(new Error("boom")); await sleep(100);`,
    ],
    ["what is pending at SIGTERM", `await call(); console.log("ready"); await sleep(10_000);`, "SIGTERM" as const],
  ])("%s", { retry: 3 }, async (_name, script, signal?: NodeJS.Signals) => {
    const outcome = await compare(script, signal === undefined ? {} : { signal });
    expect([outcome.amplitude, countLost(outcome)]).toEqual([["ai_generation"], 0]);
  });
});

// Node tells nobody then, not even listeners of `exit`: what had not been written by itself is lost.
it("an exception in the listener for exceptions ends the process as it does without the tap", async () => {
  const outcome = await compare(
    `process.on("uncaughtException", () => { throw new Error("again"); });
     await call(); setTimeout(() => { throw new Error("boom"); }, 0);`,
  );
  expectSame(outcome);
  expect(outcome.tapped.code).toBe(7);
});

/** What the tap may add to the life of a process, with room for a busy machine. */
const BOUND_MS = 9_000;

describe.concurrent("an Amplitude that does not answer", () => {
  const ends: [name: string, script: string, signal?: NodeJS.Signals][] = [
    ["a script that ends by itself", `await call();`],
    ["a script that ends while something is being sent", `await call(); await sleep(300);`],
    ["process.exit", `await call(); process.exit(3);`],
    ["an exception", `await call(); throw new Error("boom");`],
    ["SIGTERM", `await call(); setInterval(() => {}, 1000); console.log("ready");`, "SIGTERM"],
  ];

  it.each(ends)("does not hold %s for long", async (_name, script, signal) => {
    const prepare = (amplitude: FakeAmplitude): Promise<void> => amplitude.setFault("hang");
    const outcome = await compare(script, signal === undefined ? { prepare } : { prepare, signal });
    expectSame(outcome);
    expect(outcome.tapped.ms).toBeLessThan(outcome.bare.ms + BOUND_MS);
    expect([outcome.file, outcome.amplitude]).toEqual([["success"], []]);
    expect(outcome.tapped.said.at(-1)).toBe(
      "llm-tap: the process has ended before 1 record(s) were delivered to amplitude",
    );
  });

  it("is not waited for when it refuses connections and the app goes on by itself", async () => {
    const prepare = (amplitude: FakeAmplitude): Promise<void> => amplitude.setFault("refuse");
    const outcome = await compare(`await call(); await sleep(100); process.exit(0);`, { prepare });
    expectSame(outcome);
    expect(outcome.tapped.ms).toBeLessThan(outcome.bare.ms + BOUND_MS);
  });
});

describe.concurrent("at process.exit", () => {
  it("every call is in the file, however many there are", async () => {
    const outcome = await compare(
      `await Promise.all(Array.from({ length: 150 }, () => call("gzip")));
       for (let index = 0; index < 50; index += 1) void send("hang");
       setTimeout(() => process.exit(0), 100);`,
    );
    expectSame(outcome);
    expect(outcome.file.filter((line) => line === "success")).toHaveLength(150);
    expect(outcome.file.filter((line) => line === "cancelled process_exit")).toHaveLength(50);
    expect(outcome.amplitude.length + countLost(outcome)).toBeGreaterThanOrEqual(200);
  });

  it("a compressed answer has its usage, and so has a stream its beginning", async () => {
    const records = join(workplace.directory, "contents.jsonl");
    const file = workplace.write(
      "contents.mjs",
      `${PRELUDE} await call("gzip"); const { body } = await send("stream"); for await (const _ of body) process.exit(0);`,
    );
    const env = { PROVIDER: provider.url, LLM_TAP_SINKS: `jsonl:${records}`, LLM_TAP_HOSTS: provider.hosts };
    await run({ workplace, args: [...REGISTER, file], env });
    const calls = readRecords(records);
    const compressed = calls.find(({ streaming }) => !streaming);
    const streamed = calls.find(({ streaming }) => streaming);
    expect(compressed).toMatchObject({ outcome: "success", usage: { inputTokens: 11, outputTokens: 5 } });
    expect(streamed?.response?.choices[0]?.message.parts).toEqual([{ type: "text", content: "The beginning" }]);
  });

  it("two taps each have all of it, with the same ids", async () => {
    const [first, second] = ["first.jsonl", "second.jsonl"].map((name) => join(workplace.directory, name)) as [
      string,
      string,
    ];
    const file = workplace.write(
      "two-taps.mjs",
      `${PRELUDE}
       const { createTap } = await import("llm-tap");
       const { jsonlSink } = await import("llm-tap/sinks/jsonl");
       const tap = createTap({ sinks: [jsonlSink(${JSON.stringify(second)})], hosts: { [new URL(process.env.PROVIDER).host]: { provider: "openai" } } });
       globalThis.fetch = tap.wrapFetch(globalThis.fetch);
       await call(); void send("hang"); setTimeout(() => process.exit(0), 100);`,
    );
    const env = { PROVIDER: provider.url, LLM_TAP_SINKS: `jsonl:${first}`, LLM_TAP_HOSTS: provider.hosts };
    await run({ workplace, args: [...REGISTER, file], env });
    const [calls, sameCalls] = [first, second].map((path) =>
      readRecords(path)
        .map(({ id, outcome }) => `${outcome} ${id}`)
        .toSorted(),
    );
    expect(calls).toEqual([expect.stringMatching(/^cancelled /), expect.stringMatching(/^success /)]);
    expect(sameCalls).toEqual(calls);
  });
});

it("with an outbox, what could not be sent is sent by the next process", async () => {
  const amplitude = await startFakeAmplitude();
  const env = {
    PROVIDER: provider.url,
    LLM_TAP_SINKS: "amplitude",
    LLM_TAP_AMPLITUDE_API_KEY: "key",
    AMPLITUDE_SERVER_URL: amplitude.url,
    LLM_TAP_HOSTS: provider.hosts,
    LLM_TAP_OUTBOX: join(workplace.directory, "outbox"),
  };
  const call = workplace.write("outbox-call.mjs", `${PRELUDE} await call(); process.exit(3);`);
  const later = workplace.write("outbox-later.mjs", `${PRELUDE} await call();`);
  await amplitude.setFault("refuse");
  expect(await run({ workplace, args: [...REGISTER, call], env })).toMatchObject({ code: 3 });
  expect(amplitude.events).toHaveLength(0);
  await amplitude.setFault();
  expect(await run({ workplace, args: [...REGISTER, later], env })).toMatchObject({ code: 0 });
  expect(amplitude.events.map(({ event_type }) => event_type)).toEqual(["ai_generation", "ai_generation"]);
  expect(new Set(amplitude.events.map(({ insert_id }) => insert_id)).size).toBe(2);
  await amplitude.close();
});

describe.concurrent("a process that makes no call", () => {
  it("is left as it is: no listener for signals, nothing that keeps it alive", async () => {
    const script = `
      await sleep(50);
      console.log(process.listenerCount("SIGTERM"), process.listenerCount("SIGINT"), process.getActiveResourcesInfo().filter((kind) => kind !== "PipeWrap"));`;
    const outcome = await compare(script);
    expectSame(outcome);
  });

  it("gets its signals back once all is delivered", async () => {
    const outcome = await compare(`await call(); await sleep(200);
       for (let count = 0; count < 80 && process.listenerCount("SIGTERM") > 0; count += 1) await sleep(100);
       console.log(process.listenerCount("SIGTERM"));`);
    expectSame(outcome);
  });
});

it("however often calls come and are flushed, an app that counts listeners finds one at most, and none once all is delivered", async () => {
  const script = `
    import { createTap } from "llm-tap";
    import { memorySink } from "llm-tap/sinks/memory";
    const count = () => ["SIGTERM", "SIGINT", "newListener", "removeListener"].map((name) => process.listenerCount(name));
    const bare = count();
    const tap = createTap({ sinks: [memorySink()], hosts: { [new URL(process.env.PROVIDER).host]: { provider: "openai" } } });
    const most = [0, 0, 0, 0];
    const look = () => count().forEach((number, index) => (most[index] = Math.max(most[index], number)));
    const lane = async (wait) => {
      for (let turn = 0; turn < 40; turn += 1) {
        const response = await tap.fetch(process.env.PROVIDER, { method: "POST", body: "{}" });
        await response.text();
        look();
        if (turn % 2 === 0) await tap.flush();
        await sleep(wait);
        look();
      }
    };
    await Promise.all([lane(0), lane(1), lane(13)]);
    await tap.flush();
    const flushed = count();
    await (await tap.fetch(process.env.PROVIDER, { method: "POST", body: "{}" })).text();
    await tap.close();
    console.log(JSON.stringify({ bare, most, flushed, closed: count() }));`;
  const file = workplace.write("counted.mjs", `${PRELUDE}${script}`);
  const outcome = await run({ workplace, args: [file], env: { PROVIDER: provider.url } });
  const { bare, most, flushed, closed } = JSON.parse(outcome.stdout) as Record<string, number[]>;
  expect(bare?.slice(0, 2)).toEqual([0, 0]);
  expect(most).toEqual(bare?.map((number) => number + 1));
  expect(flushed).toEqual(bare);
  expect(closed).toEqual(bare);
});

it("a signal that comes while the last record is being delivered ends the process all the same", async () => {
  const script = `
    import { createTap } from "llm-tap";
    const flush = async () => {
      console.log(process.listenerCount("SIGTERM") > 0 ? "ready" : "nobody listens");
      for (const start = Date.now(); Date.now() - start < 300; );
    };
    const write = async (records) => ({ results: records.map(() => "delivered") });
    const hosts = { [new URL(process.env.PROVIDER).host]: { provider: "openai" } };
    const tap = createTap({ sinks: [{ name: "slow", write, flush }], hosts });
    await (await tap.fetch(process.env.PROVIDER, { method: "POST", body: "{}" })).text();
    await sleep(5);
    await tap.flush();
    await sleep(2_000);
    console.log("it was lost");`;
  const file = workplace.write("signalled.mjs", `${PRELUDE}${script}`);
  const outcome = await run({ workplace, args: [file], env: { PROVIDER: provider.url }, signal: "SIGTERM" });
  expect(outcome).toMatchObject({ code: null, signal: "SIGTERM", stdout: "ready\n" });
});

it("a stderr that is closed ends nobody", async () => {
  const file = workplace.write("quiet.mjs", `${PRELUDE} await call(); await sleep(50); console.log("done");`);
  const env = { PROVIDER: provider.url, LLM_TAP_HOSTS: provider.hosts, LLM_TAP_DEBUG: "1", LLM_TAP_UNKNOWN: "1" };
  const command = [process.execPath, ...REGISTER, file].map((word) => `'${word}'`).join(" ");
  const closed = await run({ workplace, args: ["-e", spawnWithBrokenStderr(command)], env });
  expect(closed).toMatchObject({ code: 0, stdout: "done\n0 null\n" });
});

/** The reader of the child's stderr goes away before it has read anything. */
function spawnWithBrokenStderr(command: string): string {
  return `const child = require("node:child_process").spawn("/bin/sh", ["-c", ${JSON.stringify(`exec ${command}`)}], { stdio: ["ignore", "inherit", "pipe"] });
    child.stderr.destroy();
    child.on("close", (code, signal) => console.log(code, signal));`;
}
