/**
 * Bodies that are not what they are called, and errors where nobody looks for them: sent over a real connection, cut
 * anywhere, read through `tap.fetch`. The app gets the bytes as they are; the record gets the facts.
 */
import { EventStreamCodec } from "@smithy/eventstream-codec";
import { fromUtf8, toUtf8 } from "@smithy/util-utf8";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap, type LlmCall } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { type ReplayExchange, type ReplayServer, startReplayServer } from "../../src/testing/replay-server.ts";

interface Case {
  name: string;
  /** Base path: whose API it is. */
  to?: string;
  path?: string;
  /** Default JSON; `null`: none. */
  type?: string | null;
  status?: number;
  body: string | Uint8Array;
  expected: object;
  notes?: string[];
}

const SSE = "text/event-stream";
const JSON_TYPE = "application/json";

/** Providers by the first part of the path. */
const providers = {
  openai: "openai",
  groq: "groq",
  openrouter: "openrouter",
  mistral: "mistral_ai",
  anthropic: "anthropic",
  google: "gcp.gemini",
  bedrock: "aws.bedrock",
  cohere: "cohere",
  ollama: "ollama",
  huggingface: "huggingface",
  replicate: "replicate",
  watsonx: "ibm.watsonx.ai",
};

const completion = {
  id: "c-1",
  model: "m-1",
  choices: [{ index: 0, message: { role: "assistant", content: "Grüße 👋" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
};
const chunk = (delta: object, finish: string | null = null): object => ({
  id: "c-1",
  model: "m-1",
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const chunks = [
  chunk({ role: "assistant", content: "" }),
  chunk({ content: "Grüße " }),
  chunk({ content: "👋" }),
  chunk({}, "stop"),
  { choices: [], usage: completion.usage },
].map((value) => JSON.stringify(value));
const sse = (events: readonly string[], { eol = "\n", field = "data: ", done = true } = {}): string =>
  [...events, ...(done ? ["[DONE]"] : [])].map((data) => field + data + eol + eol).join("");
const named = (events: readonly { type: string }[]): string =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");

/** What each of the bodies that say the same says. */
const answered = {
  outcome: "success",
  response: {
    model: "m-1",
    choices: [{ message: { parts: [{ type: "text", content: "Grüße 👋" }] }, finishReason: "stop" }],
  },
  usage: { source: "reported", complete: true, inputTokens: 11, outputTokens: 7, totalTokens: 18 },
};
const streamed = { ...answered, streaming: true };
const whole = { ...answered, streaming: false };
const mismatch = ["content_type_mismatch"];

const lies: Case[] = [
  { name: "an event stream without a content type", type: null, body: sse(chunks), expected: streamed },
  { name: "an event stream called JSON", type: JSON_TYPE, body: sse(chunks), expected: streamed, notes: mismatch },
  { name: "an event stream called text", type: "text/plain", body: sse(chunks), expected: streamed, notes: mismatch },
  {
    name: "JSON called an event stream",
    type: SSE,
    body: JSON.stringify(completion),
    expected: whole,
    notes: mismatch,
  },
  { name: "JSON called HTML", type: "text/html", body: JSON.stringify(completion), expected: whole, notes: mismatch },
  { name: "JSON behind white space", body: `\n \r\n\t ${JSON.stringify(completion, null, 2)}\n`, expected: whole },
  { name: "JSON behind a byte order mark", body: `\uFEFF${JSON.stringify(completion)}`, expected: whole },
  { name: "lines that end with CR LF", type: SSE, body: sse(chunks, { eol: "\r\n" }), expected: streamed },
  { name: "lines that end with a lone CR", type: SSE, body: sse(chunks, { eol: "\r" }), expected: streamed },
  { name: "a byte order mark", type: SSE, body: `\uFEFF${sse(chunks)}`, expected: streamed },
  {
    name: "comments, keep-alives and other fields",
    type: SSE,
    body: `: OPENROUTER PROCESSING\n\n:\n\nretry: 3000\nid: 7\n${sse(chunks.slice(0, 2), { done: false })}: keep-alive\n\n${sse(chunks.slice(2))}`,
    expected: streamed,
  },
  { name: "fields without a space", type: SSE, body: sse(chunks, { field: "data:" }), expected: streamed },
  {
    name: "several data lines for one event",
    type: SSE,
    body: sse(
      chunks.map((text) => text.replaceAll(',"', ',\ndata: "')),
      { done: true },
    ),
    expected: streamed,
  },
  { name: "no final newline", type: SSE, body: sse(chunks).trimEnd(), expected: streamed },
  { name: "no [DONE]", type: SSE, body: sse(chunks, { done: false }), expected: streamed },
  {
    name: "no [DONE] and no final newline",
    type: SSE,
    body: sse(chunks, { done: false }).trimEnd(),
    expected: streamed,
  },
  {
    name: "something behind [DONE]",
    type: SSE,
    body: `${sse(chunks)}${sse([JSON.stringify(chunk({ content: "!!" }))])}`,
    expected: streamed,
  },
  {
    name: "padding fields",
    type: SSE,
    body: sse(chunks.map((text) => text.replace("{", '{"obfuscation":"aZ09xyz","p":"abcdefghijklmnop",'))),
    expected: streamed,
  },
  {
    name: "one event with the whole answer",
    type: SSE,
    body: sse([JSON.stringify(completion)]),
    expected: { outcome: "success", usage: { totalTokens: 18 } },
  },
  {
    name: "NDJSON called JSON",
    to: "ollama",
    path: "/api/chat",
    type: JSON_TYPE,
    body: `${[
      { model: "m-1", message: { role: "assistant", content: "Grüße " }, done: false },
      { model: "m-1", message: { role: "assistant", content: "👋" }, done: false },
      { model: "m-1", message: { content: "" }, done: true, done_reason: "stop", prompt_eval_count: 11, eval_count: 7 },
    ]
      .map((line) => JSON.stringify(line))
      .join("\n")}\n`,
    expected: streamed,
    notes: mismatch,
  },
  {
    name: "an array that streams, cut in pieces and called JSON",
    to: "google",
    path: "/v1beta/models/m-1:streamGenerateContent",
    type: JSON_TYPE,
    body: `[${[
      { candidates: [{ content: { parts: [{ text: "Grüße " }] } }] },
      {
        candidates: [{ content: { parts: [{ text: "👋" }] }, finishReason: "STOP" }],
        modelVersion: "m-1",
        usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 },
      },
    ]
      .map((value) => JSON.stringify(value, null, 1))
      .join("\n,\r\n")}]`,
    expected: streamed,
  },
];

const partial = [{ message: { parts: [{ type: "text", content: "Grü" }] } }];
const begun = JSON.stringify(chunk({ content: "Grü" }));
const codec = new EventStreamCodec(toUtf8, fromUtf8);
function awsEvent(headers: Record<string, string>, body: object): Uint8Array {
  const typed = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, { type: "string" as const, value }]),
  );
  return codec.encode({ headers: typed, body: fromUtf8(JSON.stringify(body)) });
}

interface ErrorCase extends Omit<Case, "expected"> {
  error: object;
  /** What had come before. Default: the text of OpenAI's chunk. */
  choices?: object[];
}

const errors: ErrorCase[] = [
  {
    name: "200 with an error, behind white space",
    body: '\n\n  {"error":{"message":"no luck","type":"server_error","code":"c-9"}}',
    choices: [],
    error: { kind: "http", message: "no luck", type: "server_error", code: "c-9" },
  },
  {
    name: "200 with an error that is a text",
    body: '{"error":"no luck"}',
    choices: [],
    error: { kind: "http", message: "no luck" },
  },
  {
    name: "200 with an error, called an event stream",
    type: SSE,
    body: '{"error":{"message":"no luck","type":"server_error"}}',
    choices: [],
    notes: mismatch,
    error: { kind: "http", message: "no luck", type: "server_error" },
  },
  {
    name: "OpenAI: an event with an error",
    type: SSE,
    body: sse([begun, '{"error":{"message":"no luck","type":"server_error","code":"c-9"}}']),
    error: { kind: "stream", message: "no luck", type: "server_error", code: "c-9" },
  },
  {
    name: "an error that is a text",
    type: SSE,
    body: sse([begun, '{"error":"no luck"}']),
    error: { kind: "stream", message: "no luck" },
  },
  {
    name: "vLLM: an error object of its own",
    type: SSE,
    body: sse([begun, '{"object":"error","message":"no luck","type":"BadRequestError","code":400}']),
    error: { kind: "stream", message: "no luck", type: "BadRequestError" },
  },
  {
    name: "an event that is called error",
    type: SSE,
    body: `${sse([begun], { done: false })}event: error\ndata: {"message":"no luck"}\n\n`,
    error: { kind: "stream", message: "no luck" },
  },
  {
    name: "an event that is called error, in plain words",
    type: SSE,
    body: `${sse([begun], { done: false })}event: error\ndata: no luck\n\n`,
    error: { kind: "stream", message: "no luck" },
  },
  {
    name: "Groq: in its own corner",
    to: "groq",
    type: SSE,
    body: sse([begun, JSON.stringify({ choices: [], x_groq: { error: "no luck" } })]),
    error: { kind: "stream", message: "no luck" },
  },
  {
    name: "OpenRouter: beside a choice",
    to: "openrouter",
    type: SSE,
    body: sse([
      begun,
      JSON.stringify({
        id: "c-1",
        error: { code: 502, message: "no luck", metadata: { error_type: "provider_overloaded" } },
        choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }],
      }),
    ]),
    error: { kind: "stream", message: "no luck", code: "502" },
  },
  {
    name: "Responses: a flat error event",
    path: "/v1/responses",
    type: SSE,
    body: named([
      { type: "response.created", response: { id: "r-1", model: "m-1", status: "in_progress" } } as never,
      { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "Grü" } as never,
      { type: "error", code: "server_error", message: "no luck", param: null } as never,
    ]),
    error: { kind: "stream", message: "no luck", code: "server_error" },
  },
  {
    name: "Responses: a nested error event",
    path: "/v1/responses",
    type: SSE,
    body: named([
      { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "Grü" } as never,
      { type: "error", error: { type: "server_error", code: "c-9", message: "no luck" } } as never,
    ]),
    error: { kind: "stream", message: "no luck", type: "server_error", code: "c-9" },
  },
  {
    name: "Responses: a response that failed",
    path: "/v1/responses",
    type: SSE,
    body: named([
      { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "Grü" } as never,
      {
        type: "response.failed",
        response: { id: "r-1", model: "m-1", status: "failed", error: { code: "server_error", message: "no luck" } },
      } as never,
    ]),
    error: { kind: "stream", message: "no luck", code: "server_error" },
  },
  {
    name: "Anthropic: overloaded in the middle",
    to: "anthropic",
    path: "/v1/messages",
    type: SSE,
    body: named([
      {
        type: "message_start",
        message: {
          id: "m",
          model: "m-1",
          role: "assistant",
          content: [],
          usage: { input_tokens: 11, output_tokens: 1 },
        },
      } as never,
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } } as never,
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Grü" } } as never,
      { type: "error", error: { type: "overloaded_error", message: "no luck" } } as never,
    ]),
    error: { kind: "stream", message: "no luck", type: "overloaded_error" },
  },
  {
    name: "Gemini: an error as an event",
    to: "google",
    path: "/v1beta/models/m-1:streamGenerateContent?alt=sse",
    type: SSE,
    body: sse(
      [
        '{"candidates":[{"content":{"parts":[{"text":"Grü"}]}}]}',
        '{"error":{"code":503,"message":"no luck","status":"UNAVAILABLE"}}',
      ],
      { done: false, eol: "\r\n" },
    ),
    error: { kind: "stream", message: "no luck", type: "UNAVAILABLE" },
  },
  {
    name: "Gemini: an error as the last element of an array",
    to: "google",
    path: "/v1beta/models/m-1:streamGenerateContent",
    body: '[{"candidates":[{"content":{"parts":[{"text":"Grü"}]}}]},\n{"error":{"code":503,"message":"no luck","status":"UNAVAILABLE"}}]',
    error: { kind: "stream", message: "no luck", type: "UNAVAILABLE" },
  },
  {
    name: "Bedrock: an exception between the events",
    to: "bedrock",
    path: "/model/m-1/converse-stream",
    type: "application/vnd.amazon.eventstream",
    body: Buffer.concat([
      awsEvent({ ":message-type": "event", ":event-type": "messageStart" }, { role: "assistant" }),
      awsEvent(
        { ":message-type": "event", ":event-type": "contentBlockDelta" },
        { contentBlockIndex: 0, delta: { text: "Grü" } },
      ),
      awsEvent({ ":message-type": "exception", ":exception-type": "throttlingException" }, { message: "no luck" }),
    ]),
    error: { kind: "stream", message: "no luck", type: "throttlingException" },
  },
  {
    name: "Mistral: an error object of its own",
    to: "mistral",
    type: SSE,
    body: sse([begun, '{"object":"error","message":"no luck","type":"internal_error","code":"1000"}']),
    error: { kind: "stream", message: "no luck", type: "internal_error", code: "1000" },
  },
  {
    name: "Ollama: a line with an error",
    to: "ollama",
    path: "/api/chat",
    type: "application/x-ndjson",
    body: '{"model":"m-1","message":{"role":"assistant","content":"Grü"},"done":false}\n{"error":"no luck"}\n',
    error: { kind: "stream", message: "no luck" },
  },
  {
    name: "TGI: an error between the tokens",
    to: "huggingface",
    path: "/generate_stream",
    type: SSE,
    body: 'data:{"token":{"id":1,"text":"Grü","special":false},"generated_text":null}\n\ndata:{"error":"no luck","error_type":"generation"}\n\n',
    error: { kind: "stream", message: "no luck", type: "generation" },
  },
  {
    name: "watsonx: an event that is called error",
    to: "watsonx",
    path: "/ml/v1/text/generation_stream?version=2024-01-01",
    type: SSE,
    body: 'id: 1\nevent: message\ndata: {"model_id":"m-1","results":[{"generated_text":"Grü"}]}\n\nid: 2\nevent: error\ndata: {"errors":[{"code":"internal","message":"no luck"}],"status_code":500}\n\n',
    error: { kind: "stream", message: "no luck" },
  },
];

let server: ReplayServer;
const exchanges = new Map<string, ReplayExchange>();
beforeAll(async () => {
  server = await startReplayServer({ find: (id) => exchanges.get(id.slice(id.indexOf(" ") + 1)), maxChunks: 60 });
});
afterAll(() => server.close());

/** Fetches the body several times, each time cut at other places. */
async function read({ name, to = "openai", path = "/v1/chat/completions", type = JSON_TYPE, ...given }: Case) {
  const headers: Record<string, string> = type === null ? {} : { "content-type": type };
  exchanges.set(name, { status: given.status ?? 200, headers, body: given.body });
  const sink = memorySink();
  const hosts = Object.fromEntries(
    Object.entries(providers).map(([base, provider]) => [`${server.origin}/${base}`, { provider }]),
  );
  const tap = createTap({ costTracking: false, hosts, sinks: [sink] });
  for (let count = 0; count < 6; count += 1) {
    const response = await tap.fetch(`${server.origin}/${to}${path}`, {
      method: "POST",
      headers: { "content-type": JSON_TYPE, "x-replay-id": encodeURIComponent(`${count} ${name}`) },
      body: JSON.stringify({ model: "m-1", messages: [{ role: "user", content: "hi" }], stream: true }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.equals(Buffer.from(given.body as Uint8Array))).toBe(true);
  }
  await tap.flush();
  expect(tap.stats()).toMatchObject({ recorded: 6, errors: {} });
  await tap.close();
  return sink.calls;
}

function expectAll(calls: readonly LlmCall[], expected: object, notes: readonly string[] = []): void {
  for (const call of calls) {
    expect(call).toMatchObject(expected);
    expect(call.capture.notes).toEqual(notes);
  }
}

describe("bodies that lie", () => {
  it.each(lies)("$name", async (given) => {
    const calls = await read(given);
    expectAll(calls, given.expected, given.notes);
  });
});

describe("errors behind a 200", () => {
  it.each(errors)("$name", async ({ error, choices = partial, ...given }) => {
    const calls = await read({ ...given, expected: {} });
    expectAll(calls, { outcome: "error", error, response: { status: 200, choices } }, given.notes);
    for (const { usage } of calls) expect(usage.complete).toBe(false);
  });
});
