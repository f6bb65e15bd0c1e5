/** What is recorded of a request does not depend on whether its beginning was known. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLinker } from "../../src/enrich/link.ts";
import { noteEnd } from "../../src/interceptor/exchange.ts";
import { createJob } from "../../src/pipeline/exchange-job.ts";
import { createRequestMemory, type RequestMemory } from "../../src/pipeline/request-memory.ts";
import type { RemoteReader } from "../../src/pipeline/remote-reader.ts";
import { createKeyedHash } from "../../src/platform/node.ts";
import { DEFAULT_LIMITS } from "../../src/options.ts";
import { createReading } from "../../src/reading.ts";
import { createRecorder } from "../../src/record-call.ts";
import type { Api, Exchange, LlmCall, TapOptions } from "../../src/types.ts";
import { addBody, startExchange } from "./exchanges.ts";

const key = new Uint8Array(32).fill(7);
const maxBytes = 8 * 1024 * 1024;

interface Recorder {
  record(exchange: Exchange): LlmCall;
  /** Requests whose beginning was known. */
  known: number;
}

function createTestRecorder(options: TapOptions, memory?: RequestMemory): Recorder {
  let serial = 0;
  const recordCall = createRecorder({
    options,
    cost: { ready: () => Promise.resolve(), readyNow: () => undefined, price: () => undefined },
    linker: createLinker({
      randomHex: (digits) => (serial += 1).toString(16).padStart(digits, "0"),
      hash: createKeyedHash(key),
    }),
    report: (_place, error) => {
      throw error;
    },
    onContentSampledOut: () => undefined,
  });
  const recorder: Recorder = {
    known: 0,
    record(exchange) {
      const job = createJob(exchange, { exchangeBytes: 8 * 1024 * 1024, hasCallShape: () => true, memory });
      while (job.work(() => true) || !job.isDrained());
      const assembled = job.finish();
      if (assembled?.request.knownBeginning !== undefined) recorder.known += 1;
      const recorded = recordCall(exchange, assembled);
      if (recorded === undefined || recorded === "poll") throw new Error("nothing was recorded");
      return recorded.call;
    },
  };
  return recorder;
}

/** A turn of a conversation, before an API gives it its form. */
type Turn =
  | { by: "user"; text: string; image?: string }
  | { by: "model"; text: string }
  | { by: "model"; call: string; id: string; input: unknown }
  | { by: "tool"; id: string; result: unknown };

interface Dialect {
  api: Api;
  path: string;
  write(system: string, turns: readonly Turn[]): Record<string, unknown>;
  answer(turn: Turn & { by: "model" }): unknown;
}

const usage = { prompt_tokens: 11, completion_tokens: 22, total_tokens: 33 };

const dialects: Dialect[] = [
  {
    api: "openai-chat",
    path: "/v1/chat/completions",
    write: (system, turns) => ({ messages: [{ role: "system", content: system }, ...turns.map(toChatMessage)] }),
    answer: (turn) => ({
      id: "c",
      choices: [{ index: 0, message: toChatMessage(turn), finish_reason: "stop" }],
      usage,
    }),
  },
  {
    api: "anthropic-messages",
    path: "/v1/messages",
    write: (system, turns) => ({
      system,
      messages: turns.map((turn) => ({ role: turn.by === "model" ? "assistant" : "user", content: toBlocks(turn) })),
    }),
    answer: (turn) => ({
      id: "c",
      type: "message",
      role: "assistant",
      content: toBlocks(turn),
      stop_reason: "end_turn",
      usage: { input_tokens: 3, output_tokens: 4 },
    }),
  },
  {
    api: "openai-responses",
    path: "/v1/responses",
    write: (system, turns) => ({ instructions: system, input: turns.map(toItem) }),
    answer: (turn) => ({ id: "c", object: "response", status: "completed", output: [toItem(turn)] }),
  },
  {
    api: "gemini",
    path: "/v1beta/models/m:generateContent",
    write: (system, turns) => ({
      contents: [
        { role: "user", parts: [{ text: system }] },
        ...turns.map((turn) => ({ role: turn.by === "model" ? "model" : "user", parts: toGeminiParts(turn) })),
      ],
      systemInstruction: { parts: [{ text: system.slice(-100) }] },
    }),
    answer: (turn) => ({
      candidates: [{ content: { role: "model", parts: toGeminiParts(turn) }, finishReason: "STOP" }],
    }),
  },
  {
    api: "bedrock-converse",
    path: "/model/anthropic.claude-3-haiku-20240307-v1:0/converse",
    write: (system, turns) => ({
      system: [{ text: system }],
      messages: turns.map((turn) => ({ role: turn.by === "model" ? "assistant" : "user", content: toConverse(turn) })),
    }),
    answer: (turn) => ({
      output: { message: { role: "assistant", content: toConverse(turn) } },
      stopReason: "end_turn",
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 },
    }),
  },
  {
    api: "ollama",
    path: "/api/chat",
    write: (system, turns) => ({
      stream: false,
      messages: [{ role: "system", content: system }, ...turns.map(toOllamaMessage)],
    }),
    answer: (turn) => ({ model: "m", message: toOllamaMessage(turn), done: true, done_reason: "stop", eval_count: 3 }),
  },
  {
    api: "cohere-v2",
    path: "/v2/chat",
    write: (system, turns) => ({
      messages: [{ role: "system", content: system }, ...turns.map(toCohereMessage)],
      documents: [{ data: { text: "a document" } }],
    }),
    answer: (turn) => ({
      id: "c",
      finish_reason: "COMPLETE",
      message: toCohereMessage(turn),
      usage: { tokens: { input_tokens: 3, output_tokens: 4 } },
    }),
  },
];

function toConverse(turn: Turn): unknown[] {
  if (turn.by === "tool") return [{ toolResult: { toolUseId: turn.id, content: [{ json: { result: turn.result } }] } }];
  if ("call" in turn) return [{ toolUse: { toolUseId: turn.id, name: turn.call, input: turn.input } }];
  if (turn.by === "model" || turn.image === undefined) return [{ text: turn.text }];
  return [{ text: turn.text }, { image: { format: "png", source: { bytes: turn.image } } }];
}

function toOllamaMessage(turn: Turn): unknown {
  if (turn.by === "tool") return { role: "tool", tool_name: "look_up", content: JSON.stringify(turn.result) };
  if ("call" in turn) {
    const called = { name: turn.call, arguments: { given: turn.input } };
    return { role: "assistant", content: "", thinking: "hm", tool_calls: [{ function: called }] };
  }
  if (turn.by === "model") return { role: "assistant", content: turn.text };
  return { role: "user", content: turn.text, ...(turn.image !== undefined && { images: [turn.image] }) };
}

function toCohereMessage(turn: Turn): unknown {
  if (turn.by !== "tool" && "call" in turn) {
    return { ...(toChatMessage(turn) as object), tool_plan: "I will look it up." };
  }
  if (turn.by !== "tool") return toChatMessage(turn);
  const content = [{ type: "document", document: { data: { result: turn.result } } }];
  return { role: "tool", tool_call_id: turn.id, content };
}

function toChatMessage(turn: Turn): unknown {
  if (turn.by === "tool") return { role: "tool", tool_call_id: turn.id, content: JSON.stringify(turn.result) };
  if ("call" in turn) {
    const called = { name: turn.call, arguments: JSON.stringify(turn.input) };
    return { role: "assistant", content: null, tool_calls: [{ id: turn.id, type: "function", function: called }] };
  }
  if (turn.by === "model") return { role: "assistant", content: turn.text };
  if (turn.image === undefined) return { role: "user", content: turn.text };
  const url = `data:image/png;base64,${turn.image}`;
  return {
    role: "user",
    content: [
      { type: "text", text: turn.text },
      { type: "image_url", image_url: { url } },
    ],
  };
}

function toBlocks(turn: Turn): unknown[] {
  if (turn.by === "tool")
    return [
      { type: "tool_result", tool_use_id: turn.id, content: [{ type: "text", text: JSON.stringify(turn.result) }] },
    ];
  if ("call" in turn) return [{ type: "tool_use", id: turn.id, name: turn.call, input: turn.input }];
  return [{ type: "text", text: turn.text }];
}

function toItem(turn: Turn): unknown {
  if (turn.by === "tool")
    return { type: "function_call_output", call_id: turn.id, output: JSON.stringify(turn.result) };
  if ("call" in turn) {
    return { type: "function_call", call_id: turn.id, name: turn.call, arguments: JSON.stringify(turn.input) };
  }
  const type = turn.by === "model" ? "output_text" : "input_text";
  return { type: "message", role: turn.by === "model" ? "assistant" : "user", content: [{ type, text: turn.text }] };
}

function toGeminiParts(turn: Turn): unknown[] {
  if (turn.by === "tool") return [{ functionResponse: { name: "look_up", response: { result: turn.result } } }];
  if ("call" in turn) return [{ functionCall: { name: turn.call, args: turn.input } }];
  return [{ text: turn.text }];
}

const texts = fc.oneof(
  fc.string({ maxLength: 400 }),
  fc.lorem({ maxCount: 60 }),
  fc.constantFrom(
    "mail me: jane.doe@example.com, or +49 170 1234567",
    'say "hi" \\ {"messages":[1,2]} ]}',
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ",
    "漢字 🚀 é",
    "",
  ),
);
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constant(JSON.parse('{"__proto__":{"a":1},"password":"hunter2","n":4111111111111111}') as fc.JsonValue),
);
const image = fc.constantFrom("iVBORw0KGgo=".repeat(40), "AAAA".repeat(200));
const turn: fc.Arbitrary<Turn> = fc.oneof(
  fc.record({ by: fc.constant("user" as const), text: texts }),
  fc.record({ by: fc.constant("user" as const), text: texts, image }),
  fc.record({ by: fc.constant("model" as const), text: texts }),
  fc.record({ by: fc.constant("model" as const), call: fc.constant("look_up"), id: fc.uuid(), input: json }),
  fc.record({ by: fc.constant("tool" as const), id: fc.uuid(), result: json }),
);
const answer = turn.filter((one): one is Turn & { by: "model" } => one.by === "model");

/** What an app does next. */
type Step =
  | { type: "go on"; turns: Turn[]; answer: Turn & { by: "model" } }
  | { type: "again" }
  | { type: "edit"; at: number; turn: Turn }
  | { type: "cut"; length: number }
  | { type: "begin anew"; system: string }
  | { type: "other tools"; count: number }
  | { type: "other format"; indent: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ type: fc.constant("go on" as const), turns: fc.array(turn, { maxLength: 4 }), answer }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("again" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("edit" as const), at: fc.nat(), turn }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cut" as const), length: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("begin anew" as const), system: texts }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("other tools" as const), count: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("other format" as const), indent: fc.nat(2) }) },
);

const options: fc.Arbitrary<TapOptions> = fc.constantFrom<TapOptions[]>(
  {},
  { redactPii: true },
  { excludeOutput: true },
  { excludeInput: true },
  { privacyMode: true },
  { captureMedia: true },
  { maxContentLength: 60 },
  { redact: (text) => text.toUpperCase() },
);

const LONG = "You are a helpful assistant that never gives up. ".repeat(170);

function* writeRequests(dialect: Dialect, steps: readonly Step[]): Generator<{ request: string; body: string }> {
  let system = LONG;
  let turns: Turn[] = [];
  let said: Turn & { by: "model" } = { by: "model", text: "Hello." };
  let tools = 1;
  let indent = 0;
  for (const next of steps) {
    if (next.type === "go on") {
      turns = turns.concat(said, next.turns, { by: "user", text: "And now?" });
      said = next.answer;
    } else if (next.type === "edit" && turns.length > 0) turns = turns.with(next.at % turns.length, next.turn);
    else if (next.type === "cut") turns = turns.slice(0, next.length);
    else if (next.type === "begin anew") [turns, system] = [[], LONG + next.system];
    else if (next.type === "other tools") tools = next.count;
    else if (next.type === "other format") indent = next.indent;
    const list = Array.from({ length: tools }, (_, index) => ({
      type: "function",
      function: { name: `tool_${index}`, parameters: { type: "object", properties: { api_key: { type: "string" } } } },
    }));
    const request = { model: "m", ...dialect.write(system, turns), tools: list, temperature: tools };
    yield { request: JSON.stringify(request, undefined, indent), body: JSON.stringify(dialect.answer(said)) };
  }
}

function makeExchange(dialect: Dialect, { request, body }: { request: string; body: string }, time: number): Exchange {
  const exchange = startExchange({ request, path: dialect.path });
  exchange.route.api = dialect.api;
  addBody(exchange, body);
  noteEnd(exchange, false);
  return Object.assign(exchange, {
    startTime: time,
    headersTime: time + 1,
    firstByteTime: time + 2,
    lastByteTime: time + 3,
    endTime: time + 4,
    startedAt: 1_700_000_000_000 + time,
  });
}

describe("requests that begin as earlier ones did", () => {
  it.each(dialects)("are recorded as if each had been read as a whole: $api", (dialect) => {
    let [known, all] = [0, 0];
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 24 }), options, (steps, given) => {
        const remembering = createTestRecorder(given, createRequestMemory({ maxBytes }));
        const forgetful = createTestRecorder(given);
        let time = 0;
        for (const exchange of writeRequests(dialect, steps)) {
          time += 10;
          const one = remembering.record(makeExchange(dialect, exchange, time));
          expect(one).toEqual(forgetful.record(makeExchange(dialect, exchange, time)));
          all += 1;
        }
        known += remembering.known;
      }),
      { numRuns: 150 },
    );
    expect(known / all).toBeGreaterThan(0.15);
  });

  const chat = dialects[0] as Dialect;
  const grow = (turns: number): { request: string; body: string } => {
    const said = Array.from({ length: turns }, (_, index): Turn =>
      index % 2 === 0 ? { by: "user", text: `question ${index}` } : { by: "model", text: `answer ${index}` },
    );
    const body = JSON.stringify(chat.answer({ by: "model", text: `answer ${turns}` }));
    return { request: JSON.stringify({ model: "m", ...chat.write(LONG, said), temperature: 1 }), body };
  };

  it("are known from the third one on, however long the conversation gets", () => {
    const recorder = createTestRecorder({}, createRequestMemory({ maxBytes }));
    for (let turns = 1; turns < 400; turns += 2) {
      const call = recorder.record(makeExchange(chat, grow(turns), turns * 10));
      expect(call.request.messages).toHaveLength(turns);
      expect(call.trace.turn).toBe((turns + 1) / 2);
      expect(recorder.known).toBe(Math.max(0, (turns + 1) / 2 - 2));
    }
  });

  it("share nothing with each other that a sink could change", () => {
    const recorder = createTestRecorder({}, createRequestMemory({ maxBytes }));
    const input = { deep: [{ list: [1, { a: "b" }] }] };
    const turns: Turn[] = [
      { by: "user", text: "one" },
      { by: "model", call: "look_up", id: "call_1", input },
      { by: "tool", id: "call_1", result: "two" },
      { by: "model", text: "three" },
      { by: "user", text: "four" },
    ];
    const anthropic = dialects[1] as Dialect;
    const body = JSON.stringify(anthropic.answer({ by: "model", text: "five" }));
    const tools = [{ name: "look_up", input_schema: { type: "object", properties: input } }];
    const more: Turn[] = [...turns, { by: "tool", id: "call_2", result: { long: [LONG, { a: [1] }] } }, ...turns];
    const forgetful = createTestRecorder({});
    for (const said of [turns, turns, turns, turns, more, more, more, more]) {
      const request = JSON.stringify({ model: "m", tools, ...anthropic.write(LONG, said), metadata: input });
      const given = recorder.record(makeExchange(anthropic, { request, body }, 1)).request;
      expect(given).toEqual(forgetful.record(makeExchange(anthropic, { request, body }, 1)).request);
      spoil(given);
    }
    expect(recorder.known).toBe(6);
  });
});

/** Changes all that can be changed. */
function spoil(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    spoil(item);
    if (Array.isArray(value)) value.length = 0;
    else (value as Record<string, unknown>)[key] = "spoilt";
  }
}

describe("the memory of requests", () => {
  const list = Array.from({ length: 20 }, (_, index) => ({ role: "user", content: `${index} ${"x".repeat(900)}` }));
  const first = JSON.stringify({ model: "m", messages: list });

  function teach(memory: RequestMemory, text: string): void {
    memory.note("openai-chat", text);
    memory.note("openai-chat", text);
  }

  const add = (text: string, more: string): string => text.replace("]}", more);

  it("knows of a request only what has come before", () => {
    const memory = createRequestMemory({ maxBytes });
    memory.note("openai-chat", first);
    expect(memory.read("openai-chat", first)).toBeUndefined();
    expect(memory.countUnknown("openai-chat", first)).toBe(first.length);
    memory.note("openai-chat", first);
    expect(memory.read("openai-chat", first)?.value).toEqual({ model: "m", messages: [] });
    expect(memory.countUnknown("openai-chat", first)).toBe("]}".length);
    const more = add(first, ',{"role":"user","content":"and now"}],"n":1}');
    for (let time = 0; time < 3; time += 1) {
      const body = memory.read("openai-chat", more);
      expect(body?.value).toEqual({ model: "m", messages: [{ role: "user", content: "and now" }], n: 1 });
      expect(body?.known?.take()).toHaveLength(20);
    }
    expect(memory.read("openai-chat", first.replace("x", "y"))).toBeUndefined();
    expect(memory.read("anthropic-messages", first)).toBeUndefined();
    memory.clear();
    expect(memory.read("openai-chat", first)).toBeUndefined();
  });

  it("comes to know what is added once it has come twice", () => {
    const memory = createRequestMemory({ maxBytes });
    teach(memory, first);
    const more = add(first, `${`,{"role":"user","content":"${"y".repeat(2_000)}"}`.repeat(8)}]}`);
    for (const known of [20, 20, 28]) expect(memory.read("openai-chat", more)?.known?.take()).toHaveLength(known);
    // Another branch: what both begin with is still known.
    expect(memory.read("openai-chat", add(first, ',{"role":"user","content":"no"}]}'))?.known?.take()).toHaveLength(20);
    // What was known in between is forgotten.
    const most = add(more, `${`,{"role":"user","content":"${"z".repeat(2_000)}"}`.repeat(8)}]}`);
    for (const known of [28, 28, 36]) expect(memory.read("openai-chat", most)?.known?.take()).toHaveLength(known);
    expect(memory.read("openai-chat", more)?.known?.take()).toHaveLength(20);
    // What is new each time is not worth it.
    const other = createRequestMemory({ maxBytes });
    teach(other, first);
    for (let time = 0; time < 6; time += 1) {
      const next = add(first, `${`,{"role":"user","content":"${time} ${"y".repeat(2_000)}"}`.repeat(8)}]}`);
      expect(other.read("openai-chat", next)?.known?.take()).toHaveLength(20);
    }
  });

  it.each([
    ["a second list of that name", '],"messages":[]}'],
    ["a second list under an escaped name", '],"\\u006dessages":[]}'],
    ["something else of that name", '],"messages":"no"}'],
    ["no end", "]"],
    ["no separator", '{"role":"user"}]}'],
    ["two of them", ',,{"role":"user"}]}'],
    ["something behind its end", "]}}"],
    ["another list behind it", "],[1]}"],
    ["too much depth", `,${"[".repeat(300)}${"]".repeat(300)}]}`],
  ])("leaves a request to be read as a whole that has %s", (_name, end) => {
    for (const isFramed of [false, true]) {
      const memory = createRequestMemory({ maxBytes });
      teach(memory, first);
      if (isFramed) memory.read("openai-chat", first);
      for (let time = 0; time < 3; time += 1) expect(memory.read("openai-chat", add(first, end))).toBeUndefined();
      expect(memory.read("openai-chat", first)).toBeDefined();
    }
  });

  it("leaves a request to be read as a whole that ends its list where others go on, and then ends as they do", () => {
    const memory = createRequestMemory({ maxBytes });
    const text = add(first, '],"x":5}');
    teach(memory, text);
    for (let time = 0; time < 3; time += 1) memory.read("openai-chat", text);
    expect(memory.read("openai-chat", add(first, '],"y":[1],"x":5}'))).toBeUndefined();
    expect(memory.read("openai-chat", add(first, '],"x":[1],"x":5}'))).toBeUndefined();
    expect(memory.read("openai-chat", add(first, '],"x":5}\n'))?.value).toEqual({ model: "m", messages: [], x: 5 });
  });

  it("leaves a request to be read as a whole that ends in the middle, as others end", () => {
    const memory = createRequestMemory({ maxBytes });
    const text = first.replaceAll(/"content":("[^"]*")/g, '"content":[{"type":"text","text":$1}]');
    const lines = `${text}\n`;
    teach(memory, lines);
    for (let time = 0; time < 3; time += 1) expect(memory.read("openai-chat", lines)).toBeDefined();
    expect(memory.read("openai-chat", `${text.slice(0, -2)}\n`)).toBeUndefined();
  });

  it("keeps the lists apart of which only the last one counts", () => {
    const memory = createRequestMemory({ maxBytes });
    teach(memory, add(first, '],"messages":[{"role":"user","content":"other"}]}'));
    const messages = memory.read("openai-chat", first)?.known?.take() ?? [];
    expect(messages.map(({ parts }) => parts)).toEqual(list.map(({ content }) => [{ type: "text", content }]));
  });

  it("does not take a number for a part of a longer one", () => {
    const memory = createRequestMemory({ maxBytes });
    const text = add(first, ",1]}");
    teach(memory, text);
    expect(memory.read("openai-chat", text)).toBeDefined();
    expect(memory.read("openai-chat", add(first, ",12]}"))).toBeUndefined();
  });

  const long = (name: number): string =>
    JSON.stringify({
      model: `m-${name}`,
      messages: list.map(({ content }) => ({ role: "user", content, name: "n".repeat(4_000) })),
    });

  it("forgets the conversations that were used least, and is never larger than it may be", () => {
    const memory = createRequestMemory({ maxBytes });
    const all = Array.from({ length: 120 }, (_, index) => long(index));
    for (const text of all) {
      teach(memory, text);
      expect(memory.read("openai-chat", all[0] as string)).toBeDefined();
    }
    const kept = all.filter((text) => memory.read("openai-chat", text) !== undefined);
    expect(kept).toContain(all[0]);
    expect(kept).toContain(all.at(-1));
    expect(kept.length).toBeGreaterThan(20);
    expect(kept.reduce((length, text) => length + text.length, 0)).toBeLessThan(8 * 1024 * 1024);
    const small = Array.from({ length: 200 }, (_, index) => first.replace('"m"', `"m-${index}"`));
    for (const text of small) teach(memory, text);
    expect(small.filter((text) => memory.read("openai-chat", text) !== undefined)).toHaveLength(128);
  });

  it("counts what small values take, and knows no more than 1,000 items", () => {
    const memory = createRequestMemory({ maxBytes });
    const make = (name: number): string =>
      JSON.stringify({
        model: `m-${name}`,
        messages: [{ role: "user", content: Array.from({ length: 10_000 }, () => ({ type: "a", b: [] })) }],
      });
    const many = Array.from({ length: 40 }, (_, index) => make(index)).filter((text) => text.length < 128 * 1024 * 4);
    for (const text of many) teach(memory, text);
    const kept = many.filter((text) => memory.read("openai-chat", text) !== undefined);
    expect(kept.length).toBeLessThan(12);
    const empty = JSON.stringify({ messages: Array.from({ length: 5_000 }, () => ({ role: "user" })) });
    teach(memory, empty);
    expect(memory.read("openai-chat", empty)?.known?.take()).toHaveLength(1_000);
    const growing = createRequestMemory({ maxBytes });
    const grow = (count: number): string =>
      JSON.stringify({
        messages: Array.from({ length: count }, () => ({ role: "user", name: "somebody who says nothing" })),
      });
    teach(growing, grow(700));
    for (let time = 0; time < 3; time += 1) growing.read("openai-chat", grow(1_800));
    expect(growing.read("openai-chat", grow(1_800))?.known?.take()).toHaveLength(1_000);
  });

  it("knows a conversation up to 1 MiB", () => {
    const memory = createRequestMemory({ maxBytes });
    const message = { role: "user", content: "x".repeat(8_000) };
    const make = (count: number): string => JSON.stringify({ messages: Array.from({ length: count }, () => message) });
    teach(memory, make(15));
    for (let count = 16; count < 200; count += 4) {
      memory.read("openai-chat", make(count));
      memory.read("openai-chat", make(count));
    }
    const known = make(200).length - memory.countUnknown("openai-chat", make(200));
    expect(known).toBeGreaterThan(1_000_000);
    expect(known).toBeLessThan(1024 * 1024);
  });

  it("learns what is longer than 128 KiB little by little", () => {
    const memory = createRequestMemory({ maxBytes });
    const text = JSON.stringify({ messages: Array.from({ length: 350 }, () => list[0]) });
    let unknown = text.length;
    memory.note("openai-chat", text);
    for (const room of [128, 128, 128]) {
      memory.note("openai-chat", text);
      const less = memory.countUnknown("openai-chat", text);
      expect(unknown - less).toBeGreaterThan(Math.min(unknown - 1_000, (room - 1) * 1024));
      expect(unknown - less).toBeLessThanOrEqual(room * 1024 + 100);
      unknown = less;
    }
    expect(unknown).toBeLessThan(10);
    expect(memory.read("openai-chat", text)?.known?.take()).toHaveLength(350);
  });

  it("remembers no more than the last 64 requests, and 2 Mi characters of them", () => {
    const seen = (others: string[]): boolean => {
      const memory = createRequestMemory({ maxBytes });
      for (const text of [first, ...others, first]) memory.note("openai-chat", text);
      return memory.read("openai-chat", first) !== undefined;
    };
    const small = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => first.replace('"m"', `"n-${index}"`));
    expect(seen(small(63))).toBe(true);
    expect(seen(small(64))).toBe(false);
    expect(seen(Array.from({ length: 19 }, (_, index) => long(index)))).toBe(true);
    expect(seen(Array.from({ length: 22 }, (_, index) => long(index)))).toBe(false);
  });

  it("forgets what has not come for an hour", () => {
    let now = 0;
    const memory = createRequestMemory({ maxBytes, now: () => now });
    teach(memory, first);
    for (now = 0; now < 3 * 3_600_000; now += 3_000_000) expect(memory.read("openai-chat", first)).toBeDefined();
    now += 3_600_001;
    expect(memory.read("openai-chat", first)).toBeUndefined();
    memory.note("openai-chat", first);
    expect(memory.read("openai-chat", first)).toBeUndefined();
    now += 3_600_001;
    memory.read("openai-chat", first);
    memory.note("openai-chat", first);
    expect(memory.read("openai-chat", first)).toBeUndefined();
  });

  it("keeps to the room that it is given", () => {
    const memory = createRequestMemory({ maxBytes: 64 * 1024 });
    const small = Array.from({ length: 10 }, (_, index) => first.replace('"m"', `"m-${index}"`));
    // 16 KiB for what was seen is less than one of them.
    for (const text of small) teach(memory, text);
    expect(small.filter((text) => memory.read("openai-chat", text) !== undefined)).toEqual([]);
    const more = createRequestMemory({ maxBytes: 128 * 1024 });
    for (const text of small) teach(more, text);
    expect(small.filter((text) => more.read("openai-chat", text) !== undefined)).toEqual(small.slice(-3));
  });

  it("never throws", () => {
    const memory = createRequestMemory({ maxBytes });
    const nested = `{"messages":[${"[".repeat(100_000)}${"]".repeat(100_000)}],"messages":[]}`;
    for (const text of [add(first, ""), add(first, "]"), "x".repeat(9_000), first.replaceAll("}", "]"), nested]) {
      for (let time = 0; time < 3; time += 1) {
        memory.note("openai-chat", text);
        memory.read("openai-chat", text);
        memory.countUnknown("openai-chat", text);
      }
    }
  });
});

describe("what passes the gate with a request that is known", () => {
  const system = { role: "system", content: LONG };
  const mail = "jane.doe@example.com";

  interface Asked {
    api: Api;
    path: string;
    request: unknown;
    settings?: object;
  }

  function recordAll(recorder: Recorder, requests: readonly Asked[]): LlmCall[] {
    return requests.map(({ api, path, request, settings }, index) => {
      const dialect = dialects.find((one) => one.api === api) as Dialect;
      const body = JSON.stringify(dialect.answer({ by: "model", text: "ok" }));
      const exchange = makeExchange({ ...dialect, path }, { request: JSON.stringify(request), body }, index * 10);
      Object.assign(exchange.settings, settings);
      return recorder.record(exchange);
    });
  }

  /** @returns the last of the records */
  function expectSame(
    given: () => TapOptions,
    requests: readonly Asked[],
    around = (run: () => void) => run(),
  ): LlmCall {
    const remembering = createTestRecorder(given(), createRequestMemory({ maxBytes }));
    const forgetful = createTestRecorder(given());
    let one: LlmCall[] = [];
    let other: LlmCall[] = [];
    around(() => {
      one = recordAll(remembering, requests);
      other = recordAll(forgetful, requests);
    });
    expect(one).toEqual(other);
    expect(remembering.known).toBeGreaterThan(0);
    return one.at(-1) as LlmCall;
  }

  const repeat = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);
  const chat = { api: "openai-chat" as const, path: "/v1/chat/completions" };
  const user = { role: "user", content: "hello" };

  it.each<[string, TapOptions, object]>([
    ["a credential", {}, { extra: [{ api_key: "sk-proj-abcdefghijklmnopqrstuvwxyz" }] }],
    ["an address", { redactPii: true }, { stop: [`mail ${mail}`] }],
    ["a function", {}, { functions: [{ name: "a", parameters: { api_key: "sk-abc" } }] }],
  ])("is looked at where %s comes in front of what is known to pass", (_name, given, more) => {
    const request = { model: "m", messages: [system, user], tools: [], stream: false };
    const { model, messages, ...others } = request;
    const changed = { model, messages, ...more, ...others };
    expectSame(() => given, [...repeat(5, { ...chat, request }), { ...chat, request: changed }]);
  });

  it("is looked at where what is known of one API comes to another", () => {
    const anthropic = { api: "anthropic-messages" as const, path: "/v1/messages" };
    const long = [user, { role: "assistant", content: LONG }, user];
    const request = { model: "m", messages: long, system: `mail ${mail}`, max_tokens: 5 };
    const call = expectSame(
      () => ({ redactPii: true }),
      [...repeat(5, { ...anthropic, request }), ...repeat(5, { ...chat, request })],
    );
    expect(JSON.stringify(call)).not.toContain(mail);
  });

  it("is looked at where a message that passed is added to", () => {
    const ask = (input: unknown): Asked => ({ api: "openai-responses", path: "/v1/responses", request: { input } });
    const said = (text: string) => ({ type: "message", role: "assistant", content: [{ type: "output_text", text }] });
    const base = [{ role: "user", content: LONG }, said("hi")];
    const branch = [...base, said(`mail ${mail}`), { role: "user", content: LONG }, user, user, user];
    const call = expectSame(
      () => ({ redactPii: true }),
      [...["a", "b", "c", "d"].map((content) => ask([...base, { role: "user", content }])), ...repeat(6, ask(branch))],
    );
    expect(JSON.stringify(call)).not.toContain(mail);
  });

  it("is that of the request inside of another one, where that is what counts", () => {
    const gemini = { api: "gemini" as const, path: "/v1beta/models/m:countTokens" };
    const contents = (text: string): object[] => [{ role: "user", parts: [{ text }] }];
    const request = { contents: contents(LONG), generateContentRequest: { contents: contents("inner") } };
    const outer = { contents: contents(LONG) };
    expectSame(() => ({}), [...repeat(4, { ...gemini, request: outer }), ...repeat(4, { ...gemini, request })]);
  });

  it("is what the options of each call say", () => {
    const called = { id: "call_1", type: "function", function: { name: "a", arguments: `{"to":"${mail}"}` } };
    const messages = [system, user, { role: "assistant", content: "hi", tool_calls: [called] }, user];
    const request = { model: "m", messages, tools: [{ type: "function", function: { name: mail } }], stop: [mail] };
    const settings = [{}, {}, {}, {}, { excludeOutput: true }, {}, { excludeInput: true }, { privacyMode: true }, {}];
    const calls = [...settings, { excludeOutput: true }, { privacyMode: true }];
    expectSame(
      () => ({}),
      calls.map((one) => Object.assign({ request, settings: one }, chat)),
    );
    expectSame(
      () => {
        let isFull = false;
        return {
          capture() {
            isFull = !isFull;
            return isFull ? "full" : "metadata";
          },
        };
      },
      repeat(12, { ...chat, request }),
    );
    let asked = 0;
    const remembering = createTestRecorder({ redact: () => `${(asked += 1)}` }, createRequestMemory({ maxBytes }));
    const exchange = {
      request: JSON.stringify(request),
      body: JSON.stringify(dialects[0]?.answer({ by: "model", text: "ok" })),
    };
    const answers = repeat(5, 0).map(() => {
      asked = 0;
      remembering.record(makeExchange(dialects[0] as Dialect, exchange, 1));
      return asked;
    });
    expect(new Set(answers).size).toBe(1);
  });

  it("is not kept where it must not be recorded", () => {
    const memory = createRequestMemory({ maxBytes });
    const recorder = createTestRecorder({}, memory);
    const request = JSON.stringify({ model: "m", messages: [system, user] });
    const ask = (): Exchange => makeExchange(dialects[0] as Dialect, { request, body: "{}" }, 1);
    for (const settings of [{ privacyMode: true }, { excludeInput: true }]) {
      for (let time = 0; time < 3; time += 1) {
        const exchange = ask();
        Object.assign(exchange.settings, settings);
        recorder.record(exchange);
      }
    }
    // Nor of what may be no call at all.
    for (let time = 0; time < 3; time += 1) recorder.record(Object.assign(ask(), { sniffed: true }));
    expect(memory.read("openai-chat", request)).toBeUndefined();
    memory.note("openai-chat", request);
    expect(memory.read("openai-chat", request)).toBeUndefined();
  });

  it("does not depend on what an app has added to all objects", () => {
    const anthropic = { api: "anthropic-messages" as const, path: "/v1/messages" };
    const input = { deep: { list: [1] } };
    const messages = [user, { role: "assistant", content: [{ type: "tool_use", id: "t", name: "a", input }] }, user];
    const requests = repeat(5, { ...anthropic, request: { system: LONG, messages, metadata: input } });
    for (const added of ["text", { on: true }]) {
      const around = (run: () => void): void => {
        // oxlint-disable-next-line no-extend-native -- other people's code does
        Object.defineProperty(Object.prototype, "added", {
          value: added,
          enumerable: true,
          configurable: true,
          writable: true,
        });
        try {
          run();
        } finally {
          delete (Object.prototype as { added?: unknown }).added;
        }
      };
      expectSame(() => ({}), requests, around);
    }
  });
});

describe("a long request", () => {
  const makeReader = (): RemoteReader & { asked: number } => ({
    asked: 0,
    isClosed: false,
    giveBack: () => undefined,
    read() {
      this.asked += 1;
      return Promise.resolve({ type: "no_call" });
    },
  });
  const chat = dialects[0] as Dialect;
  const turns = (count: number): Turn[] =>
    Array.from({ length: count }, (_, index) => ({ by: "user", text: `${index} ${"word ".repeat(200)}` }));
  const write = (count: number): string => JSON.stringify(chat.write("Be kind.", turns(count)));

  async function ask(
    request: string,
    memory: RequestMemory | undefined,
    change: Partial<Exchange> = {},
  ): Promise<number> {
    const reader = makeReader();
    const exchange = Object.assign(makeExchange(chat, { request, body: "{}" }, 1), change);
    const job = createJob(exchange, { exchangeBytes: 8 * 1024 * 1024, hasCallShape: () => true, memory, reader });
    while (job.work(() => true) || !job.isDrained()) await job.busy;
    job.finish();
    return reader.asked;
  }

  it("is read on the app's thread where most of it is known", async () => {
    const memory = createRequestMemory({ maxBytes });
    for (let count = 100; count < 128; count += 1) expect(await ask(write(count), memory)).toBe(0);
    for (let count = 128; count < 400; count += 4) expect(await ask(write(count), memory)).toBe(0);
    // One that was long when it came first: what can be told of it is learned while it is read elsewhere.
    const other = createRequestMemory({ maxBytes });
    const asked: number[] = [];
    for (let count = 300; count < 308; count += 1) asked.push(await ask(write(count), other));
    expect(asked).toEqual([1, 1, 1, 0, 0, 0, 0, 0]);
    expect(await ask(write(400), undefined)).toBe(1);
    expect(await ask(write(400).replace("Be kind", "Be cruel"), memory)).toBe(1);
    expect(await ask(write(600), memory)).toBe(1);
    expect(await ask(write(400), memory, { requestTruncated: true })).toBe(1);
    const { settings } = makeExchange(chat, { request: "", body: "" }, 1);
    expect(await ask(write(400), memory, { settings: { ...settings, privacyMode: true } })).toBe(1);
    expect(await ask(write(400), memory)).toBe(0);
  });
});

describe("limits.conversationBytes", () => {
  const chat = dialects[0] as Dialect;
  const said: Turn[] = Array.from({ length: 2 }, (_, index) => ({ by: "user", text: `${index} ${LONG}` }));
  const request = JSON.stringify(chat.write("Be kind.", said));
  const body = JSON.stringify(chat.answer({ by: "model", text: "ok" }));

  it.each([
    ["by default", {}, [false, false, true, true]],
    ["not with 0", { conversationBytes: 0 }, [false, false, false, false]],
  ])("decides what is kept: %s", async (_name, limits, expected) => {
    const reading = createReading({
      options: { costTracking: false },
      limits: { ...DEFAULT_LIMITS, ...limits },
      report: (_place, error) => {
        throw error;
      },
      onContentSampledOut: () => undefined,
    });
    await reading.ready();
    const known = expected.map(() => {
      const job = reading.makeJob(makeExchange(chat, { request, body }, 1));
      while (job.work(() => true) || !job.isDrained());
      return job.finish()?.request.knownBeginning !== undefined;
    });
    expect(known).toEqual(expected);
    reading.close();
  });
});
