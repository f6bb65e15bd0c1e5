/** Calls whose answer comes later: two records, usage once. */
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJobStore } from "../../src/enrich/jobs.ts";
import { createTap, type Tap, type TapOptions } from "../../src/index.ts";
import type { ParsedResponse } from "../../src/parsers/index.ts";
import { type MemorySink, memorySink } from "../../src/sinks/memory.ts";
import type { Exchange, LlmCall } from "../../src/types.ts";

/** Answers in the order in which they are asked for, by method and path. */
let answers: Record<string, (string | { status: number; body: string; type?: string })[]>;
let server: Server;
let origin: string;
let sink: MemorySink;
let tap: Tap;

beforeEach(async () => {
  answers = {};
  server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const next = answers[`${request.method} ${request.url}`]?.shift() ?? { status: 404, body: "{}" };
      const { status, body, type } = typeof next === "string" ? { status: 200, body: next, type: undefined } : next;
      response.writeHead(status, { "content-type": type ?? "application/json" }).end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await tap.close();
  server.closeAllConnections();
  server.close();
});

function makeTap(provider: string, options: TapOptions = {}): Tap {
  sink = memorySink();
  tap = createTap({ costTracking: false, hosts: { [origin]: { provider } }, ...options, sinks: [sink] });
  return tap;
}

const usage = {
  input_tokens: 11,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 2 },
  total_tokens: 18,
};
const output = [
  { type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "the answer" }] },
];
const respond = (status: string, fields: object = {}): string =>
  JSON.stringify({ id: "resp_1", object: "response", model: "gpt-5", status, output: [], usage: null, ...fields });
const done = respond("completed", { output, usage });
const start = (): OpenAI => new OpenAI({ apiKey: "sk-x", baseURL: `${origin}/v1`, fetch: tap.fetch, maxRetries: 0 });
const background = { model: "gpt-5", input: "the question", background: true };

/** What is left to count, besides the calls. */
function expectStats(stats: object): void {
  expect(tap.stats()).toMatchObject({ inFlight: 0, errors: {}, dropped: {}, ...stats });
}

describe("runs of assistants, which are asked for until they are done", () => {
  const run = (status: string, fields: object = {}): string =>
    JSON.stringify({
      id: "run_1",
      object: "thread.run",
      model: "gpt-5",
      thread_id: "t",
      status,
      usage: null,
      ...fields,
    });
  const action = {
    required_action: {
      type: "submit_tool_outputs",
      submit_tool_outputs: { tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }] },
    },
  };
  const counts = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
  const post = (path: string): Promise<unknown> =>
    tap
      .fetch(`${origin}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ assistant_id: "a", tool_outputs: [] }),
      })
      .then((response) => response.text());
  const get = (path: string): Promise<unknown> => tap.fetch(`${origin}${path}`).then((response) => response.text());

  it("count their usage once, also when the app has to run a tool in between", async () => {
    makeTap("openai");
    answers = {
      "POST /v1/threads/t/runs": [run("queued")],
      "GET /v1/threads/t/runs/run_1": [
        run("in_progress"),
        run("requires_action", action),
        run("in_progress"),
        run("completed", { usage: counts }),
        run("completed", { usage: counts }),
      ],
      "POST /v1/threads/t/runs/run_1/submit_tool_outputs": [run("queued")],
    };
    await post("/v1/threads/t/runs");
    await get("/v1/threads/t/runs/run_1");
    await get("/v1/threads/t/runs/run_1");
    await post("/v1/threads/t/runs/run_1/submit_tool_outputs");
    for (let count = 0; count < 3; count += 1) await get("/v1/threads/t/runs/run_1");
    await tap.flush();
    expect(
      sink.calls.map(({ request, usage: { source, totalTokens } }) => [request.method, source, totalTokens]),
    ).toEqual([
      ["POST", "missing", undefined],
      ["GET", "missing", undefined],
      ["POST", "missing", undefined],
      ["GET", "reported", 18],
    ]);
    expect(sink.calls[1]?.response?.choices[0]?.message.parts).toEqual([
      { type: "tool_call", id: "c1", name: "f", arguments: {} },
    ]);
    expect(sink.calls.every(({ response }) => response?.id === "run_1")).toBe(true);
    expectStats({ seen: 7, recorded: 4, ignored: { poll: 3 } });
  });
});

it("Perplexity's asynchronous calls count once", async () => {
  makeTap("perplexity");
  const job = (status: string, answer: object | null): string =>
    JSON.stringify({ id: "job-1", model: "sonar", status, error_message: null, response: answer });
  const answer = {
    id: "x",
    model: "sonar",
    choices: [{ index: 0, message: { role: "assistant", content: "the answer" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  };
  answers = {
    "POST /async/chat/completions": [job("CREATED", null)],
    "GET /async/chat/completions/job-1": [job("IN_PROGRESS", null), job("COMPLETED", answer), job("COMPLETED", answer)],
  };
  const body = JSON.stringify({ request: { model: "sonar", messages: [{ role: "user", content: "the question" }] } });
  await (await tap.fetch(`${origin}/async/chat/completions`, { method: "POST", body })).text();
  for (let count = 0; count < 3; count += 1) {
    await (await tap.fetch(`${origin}/async/chat/completions/job-1`)).text();
  }
  await tap.flush();
  expect(sink.calls).toMatchObject([
    { response: { jobId: "job-1" }, usage: { missingReason: "deferred" } },
    { response: { id: "job-1" }, usage: { totalTokens: 3 }, capture: { notes: ["deferred_result"] } },
  ]);
  expectStats({ seen: 4, recorded: 2, ignored: { poll: 2 } });
});

describe("Responses in the background", () => {
  it("give a record at once, and one with usage when a poll brings the end", async () => {
    makeTap("openai");
    answers = {
      "POST /v1/responses": [respond("queued")],
      "GET /v1/responses/resp_1": [respond("queued"), respond("in_progress"), done, done],
    };
    const openai = start();
    const { id } = await tap.run({ userId: "u-1", sessionId: "s-1", properties: { feature: "report" } }, () =>
      openai.responses.create(background),
    );
    // Whoever polls need not be who asked.
    await tap.run({ userId: "worker" }, async () => {
      for (let count = 0; count < 4; count += 1) await openai.responses.retrieve(id);
    });
    await tap.flush();
    expect(sink.calls).toHaveLength(2);
    const [first, last] = sink.calls as [LlmCall, LlmCall];
    expect(first).toMatchObject({
      request: { method: "POST", model: "gpt-5", messages: [{ role: "user" }] },
      response: { id: "resp_1", jobId: "resp_1", choices: [{ finishReason: "other" }] },
      usage: { source: "missing", missingReason: "deferred", complete: false },
    });
    expect(last).toMatchObject({
      provider: "openai",
      api: "openai-responses",
      operation: "chat",
      outcome: "success",
      streaming: false,
      request: { method: "GET", model: "gpt-5", logicalCallId: first.id, bytes: 0 },
      response: {
        id: "resp_1",
        model: "gpt-5",
        choices: [{ message: { parts: [{ type: "text", content: "the answer" }] }, finishReason: "stop" }],
      },
      usage: {
        source: "reported",
        complete: true,
        inputTokens: 11,
        outputTokens: 7,
        reasoningTokens: 2,
        totalTokens: 18,
      },
      context: { userId: "u-1", sessionId: "s-1", properties: { feature: "report" } },
      trace: { traceId: first.trace.traceId, parentSpanId: first.trace.spanId, linkedBy: "response_id" },
      capture: { notes: ["deferred_result"] },
    });
    expect(last.id).not.toBe(first.id);
    expect(last.trace.spanId).not.toBe(first.trace.spanId);
    // From the question to the answer.
    expect(last.timing).toEqual({ startedAt: first.timing.startedAt, durationMs: expect.any(Number) });
    expect(last.timing.durationMs).toBeGreaterThan(first.timing.durationMs);
    expectStats({ seen: 5, recorded: 2, ignored: { poll: 3 } });
  });

  it("may end without an answer", async () => {
    makeTap("openai");
    answers = {
      "POST /v1/responses": [respond("queued"), respond("queued", { id: "resp_2" })],
      "GET /v1/responses/resp_1": [respond("failed", { error: { code: "server_error", message: "no luck" } })],
      "GET /v1/responses/resp_2": [respond("cancelled", { id: "resp_2" })],
    };
    const openai = start();
    for (const id of ["resp_1", "resp_2"]) {
      await openai.responses.create(background);
      await openai.responses.retrieve(id);
    }
    await tap.flush();
    expect(sink.calls.map(({ outcome, error }) => [outcome, error?.message])).toEqual([
      ["success", undefined],
      ["error", "no luck"],
      ["success", undefined],
      ["success", undefined],
    ]);
    expect(sink.calls[3]).toMatchObject({ response: { id: "resp_2" }, usage: { source: "missing" } });
  });

  it("may be read as a stream that goes on", async () => {
    makeTap("openai");
    const event = (value: { type: string }): string => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
    const response = JSON.parse(done) as object;
    const body =
      event({ type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "the answer" } as never) +
      event({ type: "response.completed", response } as never);
    const path = "GET /v1/responses/resp_1?stream=true&starting_after=3";
    answers = {
      "POST /v1/responses": [respond("in_progress")],
      // The first one breaks off: the job goes on.
      [path]: [
        { status: 200, body: body.slice(0, 90), type: "text/event-stream" },
        { status: 200, body, type: "text/event-stream" },
      ],
    };
    const openai = start();
    await openai.responses.create(background);
    for (let count = 0; count < 2; count += 1) {
      await (await tap.fetch(origin + path.slice(4))).text();
    }
    await tap.flush();
    expect(sink.calls).toHaveLength(2);
    expect(sink.calls[1]).toMatchObject({ streaming: true, outcome: "success", usage: { totalTokens: 18 } });
    expectStats({ recorded: 2, ignored: { poll: 1 } });
  });

  it.each([
    ["a response that nobody here has begun", done],
    ["an answer that failed", { status: 500, body: '{"error":{"message":"later"}}' }],
    ["what is no JSON", "<html>"],
    ["another response", done.replace("resp_1", "resp_9")],
  ])("%s is no end", async (name, answer) => {
    makeTap("openai");
    answers = { "POST /v1/responses": [respond("queued")], "GET /v1/responses/resp_1": [answer, done] };
    const openai = start();
    const isUnknown = name.includes("nobody");
    if (!isUnknown) await openai.responses.create(background);
    for (let count = 0; count < 2; count += 1) await (await tap.fetch(`${origin}/v1/responses/resp_1`)).text();
    await tap.flush();
    expect(sink.calls.map(({ usage: { totalTokens } }) => totalTokens)).toEqual(isUnknown ? [] : [undefined, 18]);
    expectStats({ ignored: { poll: isUnknown ? 2 : 1 } });
  });

  it("keep to the stricter privacy of the two", async () => {
    makeTap("openai");
    answers = { "POST /v1/responses": [respond("queued")], "GET /v1/responses/resp_1": [done] };
    const openai = start();
    await tap.run({ privacyMode: true }, () => openai.responses.create(background));
    await openai.responses.retrieve("resp_1");
    await tap.flush();
    expect(sink.calls).toHaveLength(2);
    expect(JSON.stringify(sink.calls)).not.toMatch(/the answer|the question/);
    expect(sink.calls[1]?.usage.totalTokens).toBe(18);
  });

  it("are sampled with their call", async () => {
    makeTap("openai", { sampleRate: 0 });
    answers = { "POST /v1/responses": [respond("queued")], "GET /v1/responses/resp_1": [done] };
    const openai = start();
    await openai.responses.create(background);
    await openai.responses.retrieve("resp_1");
    await tap.flush();
    expectStats({ recorded: 0, sampledOut: 2 });
  });

  it("that are not in the background leave nothing behind", async () => {
    makeTap("openai");
    answers = { "POST /v1/responses": [done], "GET /v1/responses/resp_1": [done] };
    const openai = start();
    await openai.responses.create({ model: "gpt-5", input: "the question" });
    await openai.responses.retrieve("resp_1");
    await tap.flush();
    expect(sink.calls).toHaveLength(1);
    expectStats({ recorded: 1, ignored: { poll: 1 } });
  });
});

describe("predictions of Replicate", () => {
  const predict = (status: string, fields: object = {}): string =>
    JSON.stringify({
      id: "p1",
      model: "meta/llama",
      version: "v",
      status,
      input: {},
      output: null,
      error: null,
      ...fields,
    });
  const metrics = { input_token_count: 11, output_token_count: 7, predict_time: 1.5 };

  it("are joined by their id", async () => {
    makeTap("replicate");
    answers = {
      "POST /v1/models/meta/llama/predictions": [{ status: 201, body: predict("starting") }],
      "GET /v1/predictions/p1": [
        predict("processing"),
        predict("succeeded", { output: ["the ", "answer"], metrics }),
        predict("succeeded", { output: ["the ", "answer"], metrics }),
      ],
    };
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: '{"input":{"prompt":"hi"}}' };
    await (await tap.fetch(`${origin}/v1/models/meta/llama/predictions`, init)).text();
    for (let count = 0; count < 3; count += 1) await (await tap.fetch(`${origin}/v1/predictions/p1`)).text();
    await tap.flush();
    const [first, last] = sink.calls;
    expect(first?.usage).toMatchObject({ missingReason: "deferred" });
    expect(first?.response?.jobId).toBe("p1");
    expect(last).toMatchObject({
      api: "replicate",
      operation: "text_completion",
      request: { model: "meta/llama", method: "GET", logicalCallId: first?.id },
      response: { jobId: "p1", processingMs: 1500, choices: [{ message: { parts: [{ content: "the answer" }] } }] },
      usage: { source: "reported", inputTokens: 11, outputTokens: 7 },
    });
    expectStats({ recorded: 2, ignored: { poll: 2 } });
  });
});

it("batches are files: they are counted, and give no record", async () => {
  makeTap("openai");
  answers = {
    "POST /v1/batches": ['{"id":"batch_1","status":"validating"}'],
    "GET /v1/batches/batch_1": ['{"id":"batch_1","status":"completed","output_file_id":"file_1"}'],
  };
  await (await tap.fetch(`${origin}/v1/batches`, { method: "POST", body: "{}" })).text();
  await (await tap.fetch(`${origin}/v1/batches/batch_1`)).text();
  await tap.flush();
  expect(sink.calls).toEqual([]);
  expectStats({ ignored: { not_inference: 2 } });
});

describe("what is remembered of jobs", () => {
  const call = (id: string): LlmCall =>
    ({ id: `call-${id}`, request: {}, response: { jobId: id }, trace: {} }) as unknown as LlmCall;
  const exchange = (fields: Partial<Exchange>): Exchange =>
    ({ host: "h", status: 200, startTime: 0, endTime: 1, pollOf: undefined, ...fields }) as Exchange;
  const ended = (id: string): ParsedResponse => ({
    id,
    choices: [],
    usage: { source: "reported", complete: true },
    finished: true,
    notes: [],
  });

  it("is bounded in number and age", () => {
    const store = createJobStore({ maxJobs: 2, maxAgeMs: 1000 });
    for (const id of ["a", "b", "c"]) store.note(call(id), exchange({}));
    const complete = (id: string, fields: Partial<Exchange> = {}): string | undefined =>
      store.complete(exchange({ pollOf: id, ...fields }), ended(id))?.callId;
    expect(complete("a")).toBeUndefined();
    expect(complete("b", { endTime: 1001 })).toBeUndefined();
    expect(complete("b", { host: "other" })).toBeUndefined();
    expect(complete("b")).toBe("call-b");
    expect(complete("b")).toBeUndefined();
    store.note(call("d"), exchange({ startTime: 2000, endTime: 2001 }));
    expect(complete("c")).toBeUndefined();
    expect(complete("d", { endTime: 2002 })).toBe("call-d");
  });
});
