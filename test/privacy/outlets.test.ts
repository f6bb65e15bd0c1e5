/** Canaries in calls of many kinds and in spans, looked for in all that leaves the process. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Tap, TapOptions } from "../../src/index.ts";
import { openOutlets } from "./outlets.ts";
import { findLeaks } from "./planted.ts";

afterEach(() => vi.restoreAllMocks());

let serial = 0;
/** What canaries begin with: to look for each in all its forms takes long. */
const CANARIES = ["zqCanaryOfMine", "zqWordNotYours"];
const SECRETS = ["zqSecretOfOurs"];

/** A sentence that nobody may read. */
function say(): string {
  return `she told zqCanaryOfMine${(serial += 1).toString(36)}qz of "it" — höchst vertraulich`;
}

/** A word that looks like a name. */
function word(): string {
  return `zqWordNotYours${(serial += 1).toString(36)}qz`;
}

function secret(): string {
  return `sk-proj-zqSecretOfOurs${(serial += 1).toString(36)}qzabcdefgh`;
}

type Reply = (request: Request) => Response | Promise<Response>;

const ascii = (text: string): string => text.replaceAll(/[^ -~]/g, "");
const CHAT = "https://api.openai.com/v1/chat/completions";
const json = (body: unknown, status = 200): Response =>
  Response.json(body, { status, headers: { "x-request-id": "req_1", "x-note": ascii(say()), "set-cookie": secret() } });

function post(tap: Tap, url: string, body: unknown, reply: Reply, init: RequestInit = {}): Promise<Response> {
  const fetch = tap.wrapFetch(async (input, given) => reply(new Request(input, given)));
  const headers: Record<string, string> = {
    "content-type": "application/json",
    authorization: `Bearer ${secret()}`,
    "x-api-key": secret(),
    "api-key": secret(),
    "x-custom": ascii(say()),
    ...(init.headers as Record<string, string>),
  };
  return fetch(url, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), ...init, headers });
}

const schema = (): object => ({
  type: "object",
  description: say(),
  properties: { [word()]: { type: "string", enum: [say(), word()], default: say() } },
  required: [word()],
});

function chatRequest(more: object = {}): object {
  return {
    model: "gpt-5-mini",
    messages: [
      { role: "system", content: say() },
      {
        role: "user",
        name: word(),
        content: [
          { type: "text", text: say() },
          { type: "image_url", image_url: { url: `https://x.example/${word()}?q=${word()}` } },
        ],
      },
      {
        role: "assistant",
        content: say(),
        refusal: say(),
        tool_calls: [
          {
            id: "call_9",
            type: "function",
            function: { name: "weather", arguments: JSON.stringify({ [word()]: say() }) },
          },
        ],
      },
      { role: "tool", tool_call_id: "call_9", content: say() },
      { role: "user", content: word() },
    ],
    tools: [
      { type: "function", function: { name: "weather", description: say(), parameters: schema() } },
      {
        type: "mcp",
        server_label: "files",
        server_url: `https://user:${secret()}@mcp.example/`,
        headers: { authorization: secret() },
        authorization: secret(),
      },
    ],
    response_format: { type: "json_schema", json_schema: { name: word(), description: say(), schema: schema() } },
    metadata: { [word()]: say(), plain: word() },
    user: word(),
    safety_identifier: word(),
    prompt_cache_key: word(),
    stop: [say(), word()],
    prediction: { type: "content", content: say() },
    logit_bias: { [word()]: 1 },
    unknown_setting: { deep: [say(), { deeper: word() }] },
    temperature: 0.5,
    ...more,
  };
}

const toolCalls = (): object[] => [
  { id: "call_1", type: "function", function: { name: "weather", arguments: JSON.stringify({ [word()]: say() }) } },
];

const answer = (message: object): object => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-5-mini",
  system_fingerprint: word(),
  choices: [
    {
      index: 0,
      message: {
        role: "assistant",
        reasoning_content: say(),
        annotations: [{ type: "url_citation", url: `https://y.example/${word()}`, title: say() }],
        ...message,
      },
      finish_reason: "stop",
      logprobs: { content: [{ token: word() }] },
    },
  ],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, note: say(), details: { [word()]: word() } },
});

/** In pieces of three bytes. */
function streamOf(events: readonly unknown[]): Response {
  const bytes = new TextEncoder().encode(
    events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("") + "data: [DONE]\n\n",
  );
  let at = 0;
  return new Response(
    new ReadableStream({
      pull(controller) {
        if (at >= bytes.length) controller.close();
        else controller.enqueue(bytes.slice(at, (at += 3)));
      },
    }),
    { headers: { "content-type": "text/event-stream" } },
  );
}

const SCENES: Record<string, (tap: Tap) => Promise<unknown>> = {
  async "a chat with a tool"(tap) {
    const calls = toolCalls();
    const request = chatRequest() as { messages: object[] };
    await (await post(tap, CHAT, request, () => json(answer({ content: say(), tool_calls: calls })))).text();
    const next = {
      ...request,
      messages: [
        ...request.messages,
        { role: "assistant", content: null, tool_calls: calls },
        { role: "tool", tool_call_id: "call_1", content: say() },
      ],
    };
    await (await post(tap, CHAT, next, () => json(answer({ content: say() })))).text();
  },
  async "a stream in small pieces"(tap) {
    const delta = (content: object): object => ({ id: "c", choices: [{ index: 0, delta: content }] });
    const reply = () =>
      streamOf([
        delta({ role: "assistant", content: say() }),
        ...say()
          .split(" ")
          .map((piece) => delta({ content: piece })),
        delta({ reasoning_content: say() }),
        delta({
          tool_calls: [{ index: 0, id: "call_1", function: { name: "weather", arguments: `{"a":"${word()}` } }],
        }),
        delta({ tool_calls: [{ index: 0, function: { arguments: `${word()}"}` } }] }),
      ]);
    await (await post(tap, CHAT, chatRequest({ stream: true }), reply)).text();
  },
  async "errors that quote"(tap) {
    const error = {
      error: {
        message: `Invalid: ${say()} with key ${secret()}`,
        type: "invalid_request_error",
        param: word(),
        code: "bad",
        details: [{ reason: say() }],
      },
    };
    for (const status of [400, 401, 429, 500])
      await (await post(tap, CHAT, chatRequest(), () => json(error, status))).text();
    await (await post(tap, CHAT, chatRequest(), () => new Response(`<html>${say()}</html>`, { status: 502 }))).text();
    await (await post(tap, CHAT, chatRequest({ stream: true }), () => streamOf([error]))).text();
    await (await post(tap, CHAT, `{"messages":[{"role":"user","content":"${word()}`, () => json(error, 400))).text();
  },
  async "a network that fails, and aborts with reasons"(tap) {
    const fail =
      (error: unknown): Reply =>
      () => {
        throw error;
      };
    const broken = new TypeError("fetch failed", {
      cause: Object.assign(new Error(say()), { code: "ECONNRESET", note: say() }),
    });
    for (const error of [
      broken,
      new Error(`${say()} ${secret()}`),
      say(),
      { message: say() },
      new DOMException(say(), "AbortError"),
    ])
      await post(tap, CHAT, chatRequest(), fail(error)).catch(() => {});
    const response = await post(tap, CHAT, chatRequest({ stream: true }), () =>
      streamOf(Array.from({ length: 20 }, () => ({ choices: [{ delta: { content: say() } }] }))),
    );
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (let count = 0; count < 100; count += 1) await reader.read();
    await reader.cancel(new Error(say()));
  },
  async "echoes of the Responses API"(tap) {
    const body = {
      model: "gpt-5-mini",
      instructions: say(),
      input: say(),
      metadata: { a: say() },
      user: word(),
      prompt: { id: "pmpt_1", variables: { name: say() } },
    };
    const echo = {
      id: "resp_1",
      object: "response",
      status: "completed",
      ...body,
      text: { format: { type: "json_schema", name: word(), schema: schema() } },
      tools: [{ type: "function", name: "weather", parameters: schema() }],
      output: [
        {
          type: "message",
          id: "msg_1",
          role: "assistant",
          content: [{ type: "output_text", text: say(), annotations: [{ type: "file_citation", filename: say() }] }],
        },
        { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: say() }], encrypted_content: word() },
        { type: "web_search_call", id: "ws_1", action: { type: "search", query: say() } },
      ],
      incomplete_details: { reason: say() },
      usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2, x: say() },
    };
    await (await post(tap, "https://api.openai.com/v1/responses", body, () => json(echo))).text();
  },
  async "other kinds of calls"(tap) {
    const at = (path: string): string => `https://api.openai.com/v1/${path}`;
    const embeddings = {
      object: "list",
      model: "e",
      data: [{ embedding: [0.1], index: 0 }],
      usage: { prompt_tokens: 1, total_tokens: 1 },
    };
    await (
      await post(tap, at("embeddings"), { model: "e", input: [say(), word()], user: word() }, () => json(embeddings))
    ).text();
    const image = { created: 1, data: [{ revised_prompt: say(), b64_json: Buffer.from(say()).toString("base64") }] };
    await (
      await post(tap, at("images/generations"), { model: "gpt-image-1", prompt: say() }, () => json(image))
    ).text();
    await (
      await post(tap, at("moderations"), { model: "m", input: say() }, () =>
        json({
          id: "modr",
          model: "m",
          results: [{ flagged: true, categories: {}, category_scores: {}, note: say() }],
        }),
      )
    ).text();
    const form = new FormData();
    form.set("model", "whisper-1");
    form.set("prompt", say());
    form.set("file", new File([say()], `${word()}.mp3`, { type: "audio/mpeg" }));
    const fetch = tap.wrapFetch(async () => json({ text: say(), segments: [{ text: say() }] }));
    await (
      await fetch(at("audio/transcriptions"), {
        method: "POST",
        body: form,
        headers: { authorization: `Bearer ${secret()}` },
      })
    ).text();
    const gemini = `https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent?key=${secret()}&note=${word()}&q=${encodeURIComponent(say())}#${word()}`;
    await (
      await post(
        tap,
        gemini,
        {
          contents: [
            {
              role: "user",
              parts: [
                { text: say() },
                { inlineData: { mimeType: "image/png", data: Buffer.from(say()).toString("base64") } },
                { fileData: { fileUri: `https://f.example/${word()}`, displayName: say() } },
              ],
            },
          ],
          labels: { [word()]: word() },
        },
        () =>
          json({
            candidates: [
              {
                content: { role: "model", parts: [{ text: say() }, { text: say(), thought: true }] },
                finishReason: "STOP",
                finishMessage: say(),
              },
            ],
            promptFeedback: { blockReasonMessage: say() },
            usageMetadata: { promptTokenCount: 1 },
          }),
      )
    ).text();
    const claude = {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "claude",
      content: [
        { type: "thinking", thinking: say(), signature: word() },
        { type: "tool_use", id: "toolu_1", name: "weather", input: { [word()]: say() } },
        { type: "something_new", note: say() },
      ],
      stop_reason: "tool_use",
      stop_sequence: word(),
      usage: { input_tokens: 1, output_tokens: 1 },
    };
    await (
      await post(
        tap,
        "https://api.anthropic.com/v1/messages",
        {
          model: "claude",
          max_tokens: 5,
          system: [{ type: "text", text: say() }],
          metadata: { user_id: word() },
          mcp_servers: [{ type: "url", url: "https://m.example", name: "m", authorization_token: secret() }],
          messages: [
            {
              role: "user",
              content: [
                { type: "text", text: say() },
                {
                  type: "document",
                  title: say(),
                  context: say(),
                  source: { type: "text", media_type: "text/plain", data: say() },
                },
                { type: "tool_result", tool_use_id: "toolu_0", is_error: true, content: say() },
              ],
            },
          ],
        },
        () => json(claude),
      )
    ).text();
  },
  async "spans of the app's functions"(tap) {
    const tool = tap.observe(async (given: object) => ({ ...given, result: say() }), { name: "lookup", kind: "tool" });
    await tap.span("agent", async (span) => {
      span.setOutput({ [word()]: [say(), new Map([[word(), say()]]), new Error(say())] });
      await tool({ query: say(), nested: { [word()]: say() } });
    });
    await tap
      .observe(
        async function* words() {
          yield say();
          yield { [word()]: say() };
        },
        { kind: "chain" },
      )()
      .next();
    for (const error of [
      new Error(`${say()} ${secret()}`),
      say(),
      Object.assign(new Error(say()), { code: say(), name: say() }),
    ])
      await tap.span("fails", async () => Promise.reject(error as Error), { kind: "workflow" }).catch(() => {});
  },
};

async function play(options: TapOptions, context: object = {}, content?: "metadata"): Promise<Map<string, string>> {
  const { tap, collect } = openOutlets(options, content);
  await tap.run(context, async () => {
    for (const scene of Object.values(SCENES)) await scene(tap);
  });
  return collect();
}

function leaksOf(left: ReadonlyMap<string, string>, wanted: readonly string[]): string[] {
  return [...left].flatMap(([name, text]) =>
    findLeaks(text, wanted).map((canary) => `${name}: ${canary} ${around(text, canary)}`),
  );
}

const around = (text: string, canary: string): string => {
  const at = text.indexOf(canary);
  return at === -1 ? "in another form" : text.slice(Math.max(0, at - 80), at + canary.length + 10);
};

const throws = (): never => {
  throw new Error("broken");
};

describe("with content off nothing is told", () => {
  it.each<[string, TapOptions, object?, "metadata"?]>([
    ["privacyMode", { privacyMode: true }],
    ["excludeInput and excludeOutput", { excludeInput: true, excludeOutput: true }],
    ["tap.run", {}, { privacyMode: true }],
    ["context()", { context: () => ({ privacyMode: true }) }],
    ["capture", { capture: () => "metadata" }],
    ["a capture that throws", { capture: throws }],
    ["sinks that take metadata only", {}, {}, "metadata"],
    ["sampling of content", { contentSampleRate: 0 }],
    ["a redact that throws", { redact: throws }],
    ["privacyMode, where all is read in the app's thread", { privacyMode: true, worker: false }],
  ])("%s", async (_name, options, context, content) => {
    const left = await play(options, context, content);
    for (const name of ["amplitude", "opentelemetry", "console", "http", "refused", "down", "files", "stats"])
      expect(left.get(name)?.length ?? 0, name).toBeGreaterThan(50);
    expect(leaksOf(left, [...CANARIES, ...SECRETS])).toEqual([]);
  });
});

describe("credentials are told under no setting", () => {
  it.each<[string, TapOptions]>([
    ["content on", {}],
    ["media too", { captureMedia: true }],
    ["masked", { redactPii: true }],
  ])("%s", async (_name, options) => {
    const left = await play(options);
    expect(left.get("memory")?.match(/zqCanaryOfMine/g)?.length).toBeGreaterThan(50);
    expect(leaksOf(left, SECRETS)).toEqual([]);
  });
});
