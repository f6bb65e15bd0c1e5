import { createHash, randomBytes } from "node:crypto";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createJob } from "../../src/pipeline/exchange-job.ts";
import type { AssembledExchange } from "../../src/pipeline/assemble.ts";
import type { RemoteAnswer } from "../../src/pipeline/remote-reader.ts";
import { createWorkerHost, type WorkerHost, type WorkerHostOptions } from "../../src/pipeline/worker-host.ts";
import type { WorkerPolicy } from "../../src/pipeline/worker-messages.ts";
import type { Exchange } from "../../src/types.ts";
import { type BuiltWorker, buildWorker } from "./build-worker.ts";
import { makeAnswer, makeExchange } from "./exchanges.ts";

const exchangeBytes = 8 * 1024 * 1024;
const policy: WorkerPolicy = {
  privacyMode: false,
  excludeInput: false,
  excludeOutput: false,
  captureMedia: false,
  maxContentLength: 100_000,
};

let built: BuiltWorker;
beforeAll(async () => {
  built = await buildWorker();
}, 60_000);
afterAll(() => built.remove());

const hosts: WorkerHost[] = [];
afterEach(() => {
  for (const host of hosts.splice(0)) host.close();
});

function startHost(options: Partial<WorkerHostOptions> = {}): { host: WorkerHost; errors: unknown[] } {
  const errors: unknown[] = [];
  const host = createWorkerHost({
    exchangeBytes,
    readPolicy: () => policy,
    hashKey: new Uint8Array(32).fill(7),
    onError: (error) => errors.push(error),
    entry: built.entry,
    ...options,
  }) as WorkerHost;
  hosts.push(host);
  return { host, errors };
}

function readHere(exchange: Exchange): AssembledExchange {
  const job = createJob(exchange, { exchangeBytes, hasCallShape: () => true });
  while (job.work(() => false));
  return job.finish() as AssembledExchange;
}

/** Through a job, as the queue does it. */
async function readThrough(host: WorkerHost, exchange: Exchange): Promise<AssembledExchange> {
  const job = createJob(exchange, { exchangeBytes, hasCallShape: () => true, reader: host });
  do {
    while (job.work(() => false));
    await job.busy;
  } while (!job.isDrained());
  return job.finish() as AssembledExchange;
}

function textOf({ response }: AssembledExchange): string | undefined {
  const part = response.choices[0]?.message.parts[0];
  return part?.type === "text" ? part.content : undefined;
}

const big = makeAnswer("word ".repeat(15_000) + "y".repeat(130_000));

describe("the worker thread", () => {
  it("reads what is read here, with texts cut to length", async () => {
    const { host } = startHost();
    const there = await readThrough(host, makeExchange({ body: big }));
    const here = readHere(makeExchange({ body: big }));
    expect({ ...there.response, choices: [] }).toEqual({ ...here.response, choices: [] });
    expect(there.request).toEqual(here.request);
    expect(there.isGated).toBe(true);
    expect(textOf(there)).toMatch(/^word .*… \[cut, 205000 characters\]$/);
    expect(there.response.choices[0]?.message.parts[1]).toEqual({
      type: "tool_call",
      id: "call_1",
      name: "look_up",
      arguments: { q: "x" },
    });
  });

  it("takes small exchanges nowhere", async () => {
    const { host } = startHost({ entry: new URL("file:///nowhere/none.js") });
    expect(textOf(await readThrough(host, makeExchange()))).toBe("hello");
  });

  it("undoes the content encoding", async () => {
    const { host } = startHost();
    const words = randomBytes(60_000).toString("hex");
    const exchange = makeExchange({ body: gzipSync(makeAnswer(words)) });
    exchange.responseHeaders["content-encoding"] = "gzip";
    const assembled = await readThrough(host, exchange);
    expect(assembled.isGated).toBe(true);
    expect(assembled.response.usage.totalTokens).toBe(33);
  });

  it("keeps media there: a descriptor comes back", async () => {
    const { host } = startHost();
    const image = randomBytes(600_000);
    const body = JSON.stringify({ created: 1, data: [{ b64_json: image.toString("base64") }] });
    const assembled = await readThrough(
      host,
      makeExchange({ body, api: "openai-images", path: "/v1/images/generations" }),
    );
    expect(assembled.response.choices[0]?.message.parts[0]).toMatchObject({
      type: "blob",
      bytes: 600_000,
      sha256: createHash("sha256").update(image).digest("hex"),
    });
    expect(JSON.stringify(assembled).length).toBeLessThan(5_000);
  });

  it("keeps content there when content is off", async () => {
    const { host } = startHost({ readPolicy: () => ({ ...policy, privacyMode: true }) });
    const request = JSON.stringify({
      model: "m-1",
      temperature: 0.5,
      user: "secret-user",
      messages: [{ role: "user", content: "secret ".repeat(30_000) }],
    });
    const assembled = await readThrough(host, makeExchange({ body: makeAnswer("secret answer"), request }));
    expect(JSON.stringify(assembled).includes("secret")).toBe(false);
    expect(assembled.request).toEqual({ model: "m-1", parameters: { temperature: 0.5 } });
    expect(assembled.response.choices[0]?.finishReason).toBe("tool_calls");
  });

  it("sends back what redaction has to see, but no more than a bound", async () => {
    const { host } = startHost({ readPolicy: () => ({ ...policy, maxContentLength: undefined }) });
    const whole = await readThrough(host, makeExchange({ body: big }));
    expect(textOf(whole)?.length).toBe(205_000);
    const tooMuch = await readThrough(host, makeExchange({ body: makeAnswer("z".repeat(3_000_000)) }));
    expect(JSON.stringify(tooMuch).length).toBeLessThan(600_000);
    expect(tooMuch.responseTruncated).toBe(true);
    expect(tooMuch.response.usage.totalTokens).toBe(33);
  });

  it("knows a request that is no call", async () => {
    const { host } = startHost();
    const request = JSON.stringify({ subject: "x".repeat(200_000) });
    const exchange = { ...makeExchange({ request }), sniffed: true };
    expect(await readThrough(host, exchange)).toBeUndefined();
  });

  it("is started again when it dies, and records the call that it was on", async () => {
    const dying = built.write(
      "dying.mjs.js",
      `import { parentPort } from "node:worker_threads";
       parentPort.on("message", ({ exchange }) => {
         if (exchange.path.includes("deadly")) process.exit(7);
         parentPort.postMessage({ type: "assembled", assembled: { isGated: true, notes: [], request: { parameters: {} }, response: { choices: [] } } });
       });`,
    );
    const { host, errors } = startHost({ entry: dying });
    const [first, deadly, third] = await Promise.all([
      readThrough(host, makeExchange({ body: big })),
      readThrough(host, makeExchange({ body: big, path: "/v1/chat/completions?deadly" })),
      readThrough(host, makeExchange({ body: big })),
    ]);
    expect([first.isGated, deadly.isGated, third.isGated]).toEqual([true, undefined, true]);
    // Its beginning and its end were still here.
    expect(deadly.response).toMatchObject({ id: "chatcmpl-1", model: "m-1-2026", usage: { totalTokens: 33 } });
    expect(deadly.responseTruncated).toBe(true);
    expect(errors).toHaveLength(1);
  });

  it("notes on the exchange that its reader has failed", async () => {
    const { host } = startHost({ entry: built.write("gone.js", "process.exit(1);") });
    const exchange = makeExchange({ body: big });
    await readThrough(host, exchange);
    expect(exchange.notes).toContain("worker_failed");
  });

  it("leaves of a shortened request its ends too, where it is still big", async () => {
    const { host } = startHost({ entry: built.write("gone.js", "process.exit(1);") });
    const read = async (size: number) => {
      const words = "a ".repeat(size / 2);
      const request = (content: string) =>
        JSON.stringify({ model: "m-1", messages: [{ role: "user", content }], n: 3 });
      const exchange = makeExchange({ body: big, request: request(words + words) });
      exchange.abridgedRequest = new TextEncoder().encode(request(words));
      return [await readThrough(host, exchange), exchange] as const;
    };
    const [cut, ofCut] = await read(200_000);
    expect(ofCut).toMatchObject({ abridgedRequest: undefined, requestTruncated: true });
    expect(cut.request).toMatchObject({ model: "m-1" });
    const [whole, ofWhole] = await read(60_000);
    expect(ofWhole.requestTruncated).toBe(false);
    expect(whole.request).toMatchObject({ model: "m-1", parameters: { n: 3 } });
  });

  it("is not started for ever", async () => {
    const { host, errors } = startHost({ entry: built.write("gone.js", "process.exit(1);") });
    for (let count = 0; count < 8; count += 1) await readThrough(host, makeExchange({ body: big }));
    expect(host.isClosed).toBe(true);
    expect(errors).toHaveLength(5);
  });

  it("is given up when it does not answer", async () => {
    const { host } = startHost({
      entry: built.write(
        "mute.js",
        'require("node:worker_threads").parentPort.on("message", () => {});'.replace(
          "require",
          "(await import('node:module')).createRequire(import.meta.url)",
        ),
      ),
      timeoutMs: 200,
    });
    expect((await readThrough(host, makeExchange({ body: big }))).response.usage.totalTokens).toBe(33);
  });

  it("runs without the preloads and flags of the process", async () => {
    const before = process.env["NODE_OPTIONS"];
    process.env["NODE_OPTIONS"] = "--import=data:text/javascript,globalThis.preloaded=true";
    const spy = built.write(
      "spy.js",
      `import { parentPort } from "node:worker_threads";
       parentPort.on("message", () => parentPort.postMessage({ type: "assembled", assembled: {
         preloaded: globalThis.preloaded, options: process.env.NODE_OPTIONS, flags: process.execArgv, secret: process.env.SPY_SECRET } }));`,
    );
    try {
      const { host } = startHost({ entry: spy });
      const answer: RemoteAnswer = await host.read(makeExchange({ body: big }));
      expect(answer).toEqual({
        type: "assembled",
        assembled: { preloaded: undefined, options: undefined, flags: [], secret: undefined },
      });
    } finally {
      if (before === undefined) delete process.env["NODE_OPTIONS"];
      else process.env["NODE_OPTIONS"] = before;
    }
  });

  it("leaves bytes alone that other exchanges share", async () => {
    const { host } = startHost();
    // Its first block is cut from memory that the next one's is cut from too.
    const request = JSON.stringify({ model: "m-1", messages: [{ role: "user", content: "x".repeat(200_000) }] });
    const [first, second] = [makeExchange({ request }), makeExchange()];
    await readThrough(host, first);
    expect(textOf(readHere(second))).toBe("hello");
  });
});
