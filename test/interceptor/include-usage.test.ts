/** `includeUsage`: the request asks for usage, the record has it, and the app sees what it would have seen without. */
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import OpenAI from "openai";
import * as undici from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTap, type LlmCall, type Tap, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  /** When the connection was closed by the client before the answer was whole. */
  isAborted: boolean;
}

/** undici 8 wants Node 22. */
const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const model = "gpt-5-mini";
const plain = { model, messages: [{ role: "user" as const, content: "Grüße 👋" }] };
const streamed = { ...plain, stream: true as const };
const TEXT = "one two three";

/** The answer of the API, in the pieces in which the server writes it. */
let answer: (asks: boolean) => string[];
let respond: (response: ServerResponse, pieces: string[]) => Promise<void>;
const received: Received[] = [];
let server: Server;
let origin: string;

function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function chat(asks: boolean): string[] {
  const usage = asks ? { usage: null } : {};
  const chunk = (delta: object, finish: string | null = null): string =>
    event({ id: "c-1", model, choices: [{ index: 0, delta, finish_reason: finish }], ...usage });
  return [
    chunk({ role: "assistant", content: "" }),
    ...TEXT.split(/(?= )/).map((content) => chunk({ content })),
    chunk({}, "stop"),
    ...(asks ? [event({ id: "c-1", model, choices: [], usage: USAGE })] : []),
    "data: [DONE]\n\n",
  ];
}

/** What the app has to see of a stream in which usage was asked for. */
function withoutUsage(): string {
  return answer(true)
    .join("")
    .replace(event({ id: "c-1", model, choices: [], usage: USAGE }), "");
}

async function writeAll(response: ServerResponse, pieces: string[]): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "r-1" });
  for (const piece of pieces) {
    response.write(piece);
    await delay(1);
  }
  response.end();
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const seen: Received = { headers: request.headers, body, isAborted: false };
      received.push(seen);
      response.on("close", () => (seen.isAborted = !response.writableFinished));
      let asks = false;
      try {
        const parsed = JSON.parse(body) as { stream_options?: { include_usage?: boolean } };
        asks = parsed.stream_options?.include_usage === true;
      } catch {
        // Not JSON: asks for nothing.
      }
      void respond(response, answer(asks));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  received.length = 0;
  answer = chat;
  respond = writeAll;
});

/** Runs `use` with a tap, and gives its calls. */
async function tapped(use: (tap: Tap) => Promise<unknown>, options: TapOptions = {}): Promise<LlmCall[]> {
  const sink = memorySink();
  const hosts = { [origin]: { provider: "openai" } };
  const tap = createTap({ costTracking: false, hosts, includeUsage: true, ...options, sinks: [sink] });
  await use(tap);
  await tap.flush();
  expect(tap.stats().errors).toEqual({});
  await tap.close();
  return sink.calls;
}

const url = (): string => `${origin}/v1/chat/completions`;
const headers = { "content-type": "application/json", authorization: "Bearer sk-test" };
const post = (fetch: typeof globalThis.fetch, body: unknown, more: RequestInit = {}): Promise<Response> =>
  fetch(url(), { method: "POST", headers, body: JSON.stringify(body), ...more });

function expectUsage(call: LlmCall | undefined, request = received.at(-1)): void {
  expect(call).toMatchObject({
    outcome: "success",
    streaming: true,
    usage: { source: "reported", inputTokens: 11, outputTokens: 7, totalTokens: 18 },
    request: {
      parameters: { stream_options: { include_usage: true } },
      bytes: Buffer.byteLength(request?.body ?? ""),
    },
    response: { choices: [{ message: { parts: [{ type: "text", content: TEXT }] } }] },
  });
  expect(call?.capture.notes).toEqual(["include_usage_added"]);
}

describe("what the app sees", () => {
  it("is for the OpenAI SDK what it is without the option", async () => {
    const bare: OpenAI.ChatCompletionChunk[] = [];
    const client = (fetch?: typeof globalThis.fetch): OpenAI =>
      new OpenAI({ apiKey: "sk-test", baseURL: `${origin}/v1`, maxRetries: 0, ...(fetch && { fetch }) });
    for await (const chunk of await client().chat.completions.create(streamed)) bare.push(chunk);
    const seen: OpenAI.ChatCompletionChunk[] = [];
    const [call] = await tapped(async (tap) => {
      const stream = await client(tap.fetch).chat.completions.create(streamed);
      // What breaks where an event has no choice.
      for await (const chunk of stream) seen.push({ ...chunk, choices: [chunk.choices[0]!] });
    });
    expect(seen.map(({ usage, ...chunk }) => (expect(usage).toBeNull(), chunk))).toEqual(bare);
    expectUsage(call);
  });

  it("has nothing of the usage, byte for byte, in fetch", async () => {
    let text = "";
    const [call] = await tapped(async (tap) => {
      text = await (await post(tap.fetch, streamed)).text();
    });
    expect(text).toBe(withoutUsage());
    expectUsage(call);
    const [request] = received;
    expect(JSON.parse(request?.body ?? "")).toEqual({ ...streamed, stream_options: { include_usage: true } });
    expect(request?.headers).toMatchObject({ "accept-encoding": "identity", authorization: headers.authorization });
    expect(Number(request?.headers["content-length"])).toBe(Buffer.byteLength(request?.body ?? ""));
  });

  it.each(["undici6", "undici", "undici8"])("is the same through the interceptor of %s", async (name) => {
    if (name === "undici8" && NODE_MAJOR < 22) return;
    const api = (await import(name)) as typeof undici;
    const texts: string[] = [];
    const calls = await tapped(async (tap) => {
      const dispatcher = new api.Agent().compose(tap.interceptor);
      const options = { dispatcher, method: "POST" as const, headers };
      const { body } = await api.request(url(), { ...options, body: JSON.stringify(streamed) });
      texts.push(await body.text());
      const chunks: Buffer[] = [];
      await api.stream(url(), { ...options, body: Buffer.from(JSON.stringify(streamed)) }, () =>
        new PassThrough().on("data", (chunk: Buffer) => chunks.push(chunk)),
      );
      texts.push(Buffer.concat(chunks).toString());
      await dispatcher.close();
    });
    expect(texts).toEqual([withoutUsage(), withoutUsage()]);
    expect(calls).toHaveLength(2);
    for (const call of calls) expectUsage(call);
  });

  it("is the same for every fetch that is not undici's", async () => {
    const bodies = {
      "a byte stream": (bytes: Uint8Array[]) =>
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          type: "bytes",
          start(controller) {
            for (const chunk of bytes) controller.enqueue(new Uint8Array(chunk));
            controller.close();
          },
        }),
      "a stream": (bytes: Uint8Array[]) => Readable.toWeb(Readable.from(bytes)) as ReadableStream,
      "a stream of node-fetch": (bytes: Uint8Array[]) => Readable.from(bytes).pipe(new PassThrough()),
      "a stream that is pulled": (bytes: Uint8Array[]) => {
        const rest = [...bytes];
        return new Readable({
          read() {
            this.push(rest.shift() ?? null);
          },
        });
      },
    };
    for (const [name, make] of Object.entries(bodies)) {
      for (const size of [1, 7, 100, 10_000]) {
        const seen: unknown[] = [];
        const [call] = await tapped(async (tap) => {
          const mock = (_url: unknown, init?: RequestInit): Promise<Response> => {
            seen.push(init?.body);
            const bytes = Buffer.from(answer(true).join(""));
            const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
              bytes.subarray(index * size, (index + 1) * size),
            );
            const body = make(chunks);
            if (body instanceof ReadableStream) return Promise.resolve(new Response(body));
            return Promise.resolve({ status: 200, headers: new Headers(), body } as unknown as Response);
          };
          const response = await post(tap.wrapFetch(mock), streamed);
          const chunks: Uint8Array[] = [];
          for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
          expect(Buffer.concat(chunks).toString(), `${name}, ${size} bytes`).toBe(withoutUsage());
        });
        expect(JSON.parse(seen[0] as string)).toHaveProperty("stream_options.include_usage", true);
        expect(call?.usage).toMatchObject({ source: "reported", totalTokens: 18 });
      }
    }
  });

  it("is the same through install(), where nothing is given to the SDK", async () => {
    let text = "";
    const [call] = await tapped(async (tap) => {
      const restore = tap.install();
      text = await (await post(fetch, streamed)).text();
      restore();
    });
    expect(text).toBe(withoutUsage());
    expectUsage(call);
  });

  it("comes no later, and the app may leave at any time", async () => {
    const arrived = new EventEmitter();
    respond = async (response, pieces) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const piece of pieces) {
        response.write(piece);
        // The next piece only when the app has the last one; of usage it hears nothing.
        await (piece.includes("total_tokens") ? delay(20) : once(arrived, "chunk"));
        if (response.destroyed) return;
      }
      response.end();
    };
    const [whole, left] = await tapped(async (tap) => {
      const seen: string[] = [];
      const response = await post(tap.fetch, streamed);
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        seen.push(Buffer.from(chunk).toString());
        arrived.emit("chunk");
      }
      expect(seen.join("")).toBe(withoutUsage());
      const second = await post(tap.fetch, streamed);
      for await (const _chunk of second.body as unknown as AsyncIterable<Uint8Array>) break;
      arrived.emit("chunk");
      for (let turn = 0; turn < 100 && received.at(-1)?.isAborted !== true; turn += 1) await delay(5);
    });
    expectUsage(whole, received[0]);
    expect(left).toMatchObject({
      outcome: "cancelled",
      usage: { source: "missing", missingReason: "stream_interrupted" },
    });
    expect(received.at(-1)?.isAborted).toBe(true);
  });

  it("ends with what was held back when the wire breaks", async () => {
    respond = async (response, pieces) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const text = pieces.join("");
      response.write(text.slice(0, text.indexOf('"choices":[]')));
      await delay(20);
      response.destroy();
    };
    const seen: string[] = [];
    const [call] = await tapped(async (tap) => {
      const { body } = await undici.request(url(), {
        dispatcher: new undici.Agent().compose(tap.interceptor),
        method: "POST",
        headers,
        body: JSON.stringify(streamed),
      });
      await expect(
        (async () => {
          for await (const chunk of body) seen.push(String(chunk));
        })(),
      ).rejects.toThrow(/other side closed|terminated|aborted/);
    });
    // An event that is not whole is nothing to an SDK; a stream that is destroyed may lose it before it is read.
    const text = answer(true).join("");
    const whole = text.slice(0, text.lastIndexOf("data:", text.indexOf('"choices":[]')));
    expect([whole, text.slice(0, text.indexOf('"choices":[]'))]).toContain(seen.join(""));
    expect(call?.usage).toMatchObject({ source: "missing" });
  });

  it("holds several choices apart, and completions too", async () => {
    answer = (asks) => [
      event({ id: "t-1", choices: [{ index: 0, text: "a", finish_reason: null }] }),
      event({ id: "t-1", choices: [{ index: 0, text: "", finish_reason: "stop" }] }),
      event({ id: "t-1", choices: [{ index: 1, text: "b", finish_reason: "length" }] }),
      ...(asks ? [event({ id: "c-1", model, choices: [], usage: USAGE })] : []),
      "data: [DONE]\n\n",
    ];
    let text = "";
    const [call] = await tapped(async (tap) => {
      const response = await tap.fetch(`${origin}/v1/completions`, {
        method: "POST",
        headers,
        body: JSON.stringify({ model, prompt: ["a", "b"], stream: true }),
      });
      text = await response.text();
    });
    expect(text).toBe(withoutUsage());
    expect(call).toMatchObject({ api: "openai-completions", usage: { totalTokens: 18 } });
  });
});

describe("what the request becomes", () => {
  const option = '"stream_options":{"include_usage":true}';
  it.each([
    ['{"model":"m","stream":true}', `{"model":"m","stream":true,${option}}`],
    ['{ "stream" : true , "messages":[{"role":"user","content":"}]\\""}]\n}\n', undefined],
    ['{"stream":true,"stream_options":null,"n":2}', `{"stream":true,${option},"n":2}`],
    ['{"stream_options":{},"stream":true}', `{${option},"stream":true}`],
    [
      '{"stream":true,"stream_options":{ "include_obfuscation":false}}',
      '{"stream":true,"stream_options":{"include_usage":true, "include_obfuscation":false}}',
    ],
    ['{"str\\u0065am":true}', `{"str\\u0065am":true,${option}}`],
  ])("%s", async (body, expected) => {
    for (const sent of [body, Buffer.from(body), new TextEncoder().encode(body).buffer]) {
      await tapped(async (tap) => {
        await (await tap.fetch(url(), { method: "POST", headers, body: sent })).text();
      });
      const closing = body.lastIndexOf("\n}");
      const inserted = closing === -1 ? undefined : `${body.slice(0, closing)},${option}${body.slice(closing)}`;
      expect(received.at(-1)?.body).toBe(expected ?? inserted);
    }
  });

  it("keeps every other header, and puts right a length that the app gave", async () => {
    const body = JSON.stringify(streamed);
    const length = String(Buffer.byteLength(body));
    const given = { ...headers, "Content-Length": length, "Accept-Encoding": "gzip", "X-Own": "1" };
    const forms = [given, Object.entries(given), Object.entries(given).flat(), new Map(Object.entries(given))];
    for (const form of forms) {
      await tapped(async (tap) => {
        const dispatcher = new undici.Agent().compose(tap.interceptor);
        const options = { dispatcher, method: "POST" as const, body, headers: form as typeof given };
        // Only fetch takes pairs.
        if (Array.isArray(form) && Array.isArray(form[0]))
          await (
            await post(tap.fetch, streamed, {
              headers: (form as [string, string][]).filter(([name]) => name !== "Content-Length"),
            })
          ).text();
        else await (await undici.request(url(), options)).body.dump();
        await dispatcher.close();
      });
      const request = received.at(-1);
      expect(request?.headers).toMatchObject({ "accept-encoding": "identity", "x-own": "1" });
      expect(request?.headers["content-length"]).toBe(String(Buffer.byteLength(request?.body ?? "")));
      expect(JSON.parse(request?.body ?? "")).toHaveProperty("stream_options.include_usage", true);
    }
    expect(given["Content-Length"]).toBe(length);
  });
});

describe("what is left alone", () => {
  interface Case {
    name: string;
    body?: BodyInit;
    headers?: Record<string, string>;
    path?: string;
    options?: TapOptions;
    notes?: string[];
  }
  const form = new FormData();
  form.set("stream", "true");
  const cases: Case[] = [
    { name: "everything, by default", options: { includeUsage: false } },
    { name: "what is not streamed", body: JSON.stringify(plain) },
    { name: "a stream that is none", body: JSON.stringify({ ...plain, stream: false }) },
    { name: "a clear no", body: JSON.stringify({ ...streamed, stream_options: { include_usage: false } }) },
    { name: "a clear yes", body: JSON.stringify({ ...streamed, stream_options: { include_usage: true } }) },
    { name: "another API", path: "/v1/responses" },
    { name: "an embedding", path: "/v1/embeddings" },
    { name: "a signed request", headers: { authorization: "AWS4-HMAC-SHA256 Credential=AKIA/x" } },
    { name: "a request with a digest", headers: { "content-digest": "sha-256=:x:" } },
    { name: "a packed request", headers: { "content-encoding": "gzip" }, body: gzipSync(JSON.stringify(streamed)) },
    { name: "what says that it is no JSON", headers: { "content-type": "text/plain" } },
    { name: "what is no JSON", body: '{"stream":true' },
    { name: "what is no object", body: '[{"stream":true}]' },
    { name: "JSON that says it twice", body: '{"stream":true,"stream":true}' },
    { name: "JSON that goes on", body: '{"stream":true} {"a":1}' },
    { name: "a form", body: form, headers: {} },
    {
      name: "a body that cannot be seen",
      body: new Blob([JSON.stringify(streamed)]),
      notes: ["include_usage_not_added"],
    },
    { name: "calls whose usage nobody wants", options: { tokenTracking: false } },
  ];

  it.each(cases)("$name", async ({ body, headers: own, path = "/v1/chat/completions", options, notes }) => {
    const init = { method: "POST", headers: { ...headers, ...own }, body: body ?? JSON.stringify(streamed) };
    if (init.body instanceof FormData) init.headers = {} as typeof headers;
    await (await fetch(origin + path, init)).arrayBuffer();
    const [call] = await tapped(async (tap) => {
      await (await tap.fetch(origin + path, init)).arrayBuffer();
    }, options);
    const [bare, seen] = received;
    const boundary = /boundary=(\S+)/.exec(bare?.headers["content-type"] ?? "")?.[1] ?? "no boundary";
    const ours = /boundary=(\S+)/.exec(seen?.headers["content-type"] ?? "")?.[1] ?? "no boundary";
    expect(seen?.body.replaceAll(ours, boundary)).toBe(bare?.body);
    expect(seen?.headers["accept-encoding"]).toBe(bare?.headers["accept-encoding"]);
    expect(call?.capture.notes.filter((note) => note.startsWith("include_usage"))).toEqual(notes ?? []);
  });

  it.each([
    ["a host of which nothing is known", { provider: "my-own" }, "/v1", false],
    ["a host that refuses it", { provider: "mistral_ai" }, "/v1", false],
    ["a host that reports unasked", { provider: "openrouter" }, "/api/v1", false],
    ["vLLM", { provider: "vllm" }, "/v1", true],
    ["an old Azure", { provider: "azure.ai.openai" }, "/openai/deployments/d", "?api-version=2024-06-01", false],
    ["a new Azure", { provider: "azure.ai.openai" }, "/openai/deployments/d", "?api-version=2024-10-21", true],
    ["Azure without versions", { provider: "azure.ai.openai" }, "/openai/v1", true],
  ] as [string, { provider: string }, string, ...(string | boolean)[]][])(
    "%s",
    async (_name, override, base, ...rest) => {
      const query = rest.length === 2 ? String(rest[0]) : "";
      await tapped(
        async (tap) => {
          const init = { method: "POST", headers, body: JSON.stringify(streamed) };
          await (await tap.fetch(`${origin}${base}/chat/completions${query}`, init)).text();
        },
        { hosts: { [origin]: override } },
      );
      expect(received[0]?.body.includes("include_usage")).toBe(rest.at(-1));
    },
  );

  it("Azure's own data, beside which the option is refused", async () => {
    await tapped(
      async (tap) => {
        const body = JSON.stringify({ ...streamed, data_sources: [] });
        await (await tap.fetch(`${origin}/openai/v1/chat/completions`, { method: "POST", headers, body })).text();
      },
      { hosts: { [origin]: { provider: "azure.ai.openai" } } },
    );
    expect(received[0]?.body).not.toContain("stream_options");
  });

  it.each<[string, (response: ServerResponse, text: string) => void]>([
    [
      "an answer that is encoded all the same",
      (response, text) => {
        response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" });
        response.end(gzipSync(text));
      },
    ],
    [
      "an answer that promises its length",
      (response, text) => {
        response.writeHead(200, { "content-type": "text/event-stream", "content-length": Buffer.byteLength(text) });
        response.end(text);
      },
    ],
  ])("%s, with a note", async (_name, write) => {
    respond = (response, pieces) => Promise.resolve(write(response, pieces.join("")));
    let text = "";
    const [call] = await tapped(async (tap) => {
      text = await (await post(tap.fetch, streamed)).text();
    });
    expect(text).toBe(answer(true).join(""));
    expect(call?.usage).toMatchObject({ source: "reported", totalTokens: 18 });
    expect(call?.capture.notes).toEqual(["include_usage_added", "include_usage_not_removed"]);
  });

  it("errors, and answers that are no stream", async () => {
    const bodies = [
      [400, '{"error":{"message":"unknown field"}}'],
      [200, JSON.stringify({ id: "c-1", model, choices: [], usage: USAGE })],
    ] as const;
    for (const [status, body] of bodies) {
      respond = (response) => {
        response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
        return Promise.resolve();
      };
      const [call] = await tapped(async (tap) => {
        expect(await (await post(tap.fetch, streamed)).text()).toBe(body);
      });
      expect(call?.capture.notes).toEqual(["include_usage_added"]);
    }
  });
});

it("gives two taps one answer: who asked takes it out", async () => {
  const inner = memorySink();
  const hosts = { [origin]: { provider: "openai" } };
  const other = createTap({ costTracking: false, hosts, sinks: [inner] });
  let text = "";
  const [call] = await tapped(async (tap) => {
    text = await (await post(tap.wrapFetch(other.fetch), streamed)).text();
  });
  await other.flush();
  await other.close();
  expect(text).toBe(withoutUsage());
  expectUsage(call);
  expect(inner.calls).toHaveLength(1);
});
