/** Every way in which a call can end leaves exactly one record, and the app gets the error it would have had. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { Agent, getGlobalDispatcher, request, setGlobalDispatcher } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LlmCall, TapOptions } from "../../src/index.ts";
import { createTap } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest } from "./helpers.ts";

type Fetch = typeof globalThis.fetch;

const delta = (content: string, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: "c", model: "m", choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;

const EVENTS = { "content-type": "text/event-stream" };

/** What the server does, by path. */
const BEHAVIOURS: Record<string, (response: ServerResponse, request: IncomingMessage) => void> = {
  json: (response) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(CHAT_ANSWER)),
  stream: (response) => response.writeHead(200, EVENTS).end(`${delta("a")}${delta("", "stop")}data: [DONE]\n\n`),
  endless(response) {
    response.writeHead(200, EVENTS);
    response.write(delta("a"));
    const timer = setInterval(() => response.write(delta("b")), 10);
    response.on("close", () => clearInterval(timer));
  },
  silent: () => {},
  stalls(response) {
    response.writeHead(200, EVENTS);
    response.write(delta("a"));
  },
  short(response) {
    response.writeHead(200, { "content-type": "application/json", "content-length": "500" });
    response.write(JSON.stringify(CHAT_ANSWER).slice(0, 60), () => setTimeout(() => response.socket?.destroy(), 20));
  },
  finishedThenOpen(response) {
    response.writeHead(200, EVENTS);
    response.write(`${delta("a")}${delta("", "stop")}`);
  },
  done(response) {
    response.writeHead(200, EVENTS);
    response.write(`${delta("a")}data: [DONE]\n\n`);
  },
  "429": (response) =>
    response
      .writeHead(429, { "content-type": "application/json", "retry-after": "2" })
      .end('{"error":{"message":"slow down","type":"rate_limit","code":"rate_limit_exceeded"}}'),
  "500": (response) => response.writeHead(500).end("oops"),
  "204": (response) => response.writeHead(204).end(),
  redirect: (response) => response.writeHead(307, { location: "/json/v1/chat/completions" }).end(),
  errorEvent: (response) =>
    response.writeHead(200, EVENTS).end(`${delta("a")}data: {"error":{"message":"broke","type":"server_error"}}\n\n`),
};

let origin = "";
let refused = "";
let garbage = "";
const closers: (() => void)[] = [];

beforeAll(async () => {
  const server = createServer((incoming, response) => {
    incoming.resume();
    incoming.on("end", () => {
      const name = incoming.url?.split("/")[1] ?? "";
      BEHAVIOURS[name]?.(response, incoming);
    });
  });
  const raw = createTcpServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("this is no HTTP\r\n\r\n"));
  });
  const gone = createTcpServer();
  const listen = (each: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }) =>
    new Promise<string>((resolve) => {
      each.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(each.address() as AddressInfo).port}`));
    });
  origin = await listen(server);
  garbage = await listen(raw);
  refused = await listen(gone);
  gone.close();
  closers.push(() => {
    server.close();
    server.closeAllConnections();
    raw.close();
  });
});
afterAll(() => {
  for (const close of closers) close();
});

const url = (behaviour: string, base = origin) => `${base}/${behaviour}/v1/chat/completions`;

async function readAll(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body as ReadableStream<Uint8Array>)
    text += decoder.decode(chunk, { stream: true });
  return text;
}

/** What the app sees of an error: what it is, not which object. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, cause } = error;
  const code = (error as { code?: unknown }).code;
  const text = message.replaceAll(/127\.0\.0\.1:\d+/g, "host");
  return { name, message: text, code, cause: cause === undefined ? undefined : describeError(cause) };
}

type Expected = Partial<Pick<LlmCall, "outcome">> & { kind?: string; status?: number };
type Path = readonly [name: string, run: (fetch: Fetch) => Promise<unknown>, expected: Expected];

const reason = new Error("the app has had enough");

const PATHS: readonly Path[] = [
  ["a JSON answer", async (fetch) => (await fetch(url("json"), chatRequest())).json(), { outcome: "success" }],
  [
    "a stream",
    async (fetch) => readAll(await fetch(url("stream"), chatRequest({ stream: true }))),
    { outcome: "success" },
  ],
  [
    "a 429",
    async (fetch) => (await fetch(url("429"), chatRequest())).status,
    { outcome: "error", kind: "http", status: 429 },
  ],
  [
    "a 500 in plain text",
    async (fetch) => (await fetch(url("500"), chatRequest())).text(),
    { outcome: "error", kind: "http", status: 500 },
  ],
  ["a 204", async (fetch) => (await fetch(url("204"), chatRequest())).status, { outcome: "success" }],
  [
    "an error event in a stream",
    async (fetch) => readAll(await fetch(url("errorEvent"), chatRequest())),
    { outcome: "error", kind: "stream" },
  ],
  [
    "a followed redirect",
    async (fetch) => (await fetch(url("redirect"), chatRequest())).json(),
    { outcome: "success" },
  ],
  [
    "a redirect that is not followed",
    async (fetch) => (await fetch(url("redirect"), { ...chatRequest(), redirect: "manual" })).status,
    { outcome: "error", kind: "http" },
  ],
  [
    "a refused connection",
    (fetch) => fetch(url("json", refused), chatRequest()),
    { outcome: "error", kind: "network" },
  ],
  [
    "an unknown host",
    (fetch) => fetch("http://no-such-host.invalid/v1/chat/completions", chatRequest()),
    { outcome: "error", kind: "network" },
  ],
  ["no HTTP at all", (fetch) => fetch(url("json", garbage), chatRequest()), { outcome: "error", kind: "network" }],
  [
    "TLS to a plain server",
    (fetch) => fetch(url("json").replace("http:", "https:"), chatRequest()),
    { outcome: "error", kind: "network" },
  ],
  [
    "AbortSignal.timeout before the headers",
    (fetch) => fetch(url("silent"), { ...chatRequest(), signal: AbortSignal.timeout(50) }),
    { outcome: "error", kind: "timeout" },
  ],
  [
    "an abort before the headers",
    (fetch) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 50);
      return fetch(url("silent"), { ...chatRequest(), signal: controller.signal });
    },
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "an abort before the call",
    (fetch) => fetch(url("json"), { ...chatRequest(), signal: AbortSignal.abort() }),
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "an abort with a reason of the app's own",
    (fetch) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 50);
      return fetch(url("silent"), { ...chatRequest(), signal: controller.signal });
    },
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "an abort in the body",
    async (fetch) => {
      const controller = new AbortController();
      const response = await fetch(url("endless"), { ...chatRequest({ stream: true }), signal: controller.signal });
      setTimeout(() => controller.abort(), 50);
      return readAll(response);
    },
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "an abort in the body with a reason of the app's own",
    async (fetch) => {
      const controller = new AbortController();
      const response = await fetch(url("endless"), { ...chatRequest({ stream: true }), signal: controller.signal });
      setTimeout(() => controller.abort(reason), 50);
      return readAll(response);
    },
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "AbortSignal.timeout in the body",
    async (fetch) =>
      readAll(await fetch(url("stalls"), { ...chatRequest({ stream: true }), signal: AbortSignal.timeout(100) })),
    { outcome: "error", kind: "timeout" },
  ],
  [
    "an abort after the end",
    async (fetch) => {
      const controller = new AbortController();
      const response = await fetch(url("json"), { ...chatRequest(), signal: controller.signal });
      const body = await response.json();
      controller.abort();
      return body;
    },
    { outcome: "success" },
  ],
  [
    "break out of the loop",
    async (fetch) => {
      for await (const chunk of (await fetch(url("endless"), chatRequest({ stream: true }))).body ?? []) {
        if (chunk.byteLength > 0) break;
      }
      return "done";
    },
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "an exception in the app's loop",
    async (fetch) => {
      for await (const chunk of (await fetch(url("endless"), chatRequest({ stream: true }))).body ?? []) {
        if (chunk.byteLength > 0) throw reason;
      }
    },
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "reader.cancel() with a reason",
    async (fetch) => {
      const reader = (await fetch(url("endless"), chatRequest({ stream: true }))).body?.getReader();
      await reader?.read();
      await reader?.cancel(reason);
      return reader?.read();
    },
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "body.cancel() before reading",
    async (fetch) => (await fetch(url("endless"), chatRequest({ stream: true }))).body?.cancel(),
    { outcome: "cancelled", kind: "abort" },
  ],
  [
    "a body shorter than promised",
    async (fetch) => (await fetch(url("short"), chatRequest())).text(),
    { outcome: "truncated", kind: "network" },
  ],
  [
    "closing after the finish reason",
    async (fetch) => {
      for await (const chunk of (await fetch(url("finishedThenOpen"), chatRequest({ stream: true }))).body ?? []) {
        if (new TextDecoder().decode(chunk).includes("stop")) break;
      }
    },
    { outcome: "success" },
  ],
  [
    "closing after [DONE]",
    async (fetch) => {
      for await (const chunk of (await fetch(url("done"), chatRequest({ stream: true }))).body ?? []) {
        if (new TextDecoder().decode(chunk).includes("[DONE]")) break;
      }
    },
    { outcome: "success" },
  ],
];

async function observe(fetch: Fetch, run: Path[1]): Promise<unknown> {
  try {
    return { value: await run(fetch) };
  } catch (error) {
    return { error: describeError(error), isReason: error === reason };
  }
}

describe.each(["tap.fetch", "tap.fetch given a Request", "tap.install()", "wrapped twice"] as const)(
  "through %s",
  (way) => {
    it.each(PATHS)("%s", async (_name, run, expected) => {
      const bare = await observe(globalThis.fetch, run);
      const sink = memorySink();
      // Declared: of a Request that never got through, no body was seen that would tell a call.
      const declared = [origin, origin.replace("http:", "https:"), refused, garbage, "http://no-such-host.invalid"];
      const hosts: NonNullable<TapOptions["hosts"]> = {};
      for (const base of declared) hosts[base] = { provider: "custom" };
      const tap = createTap({ sinks: [sink], hosts });
      const restore = way === "tap.install()" ? tap.install() : undefined;
      const fetches: Record<typeof way, Fetch> = {
        "tap.fetch": tap.fetch,
        "tap.fetch given a Request": (input, init) => tap.fetch(new Request(input, init)),
        "tap.install()": (input, init) => globalThis.fetch(input, init),
        "wrapped twice": tap.wrapFetch(tap.fetch),
      };
      const tapped = await observe(fetches[way], run);
      restore?.();
      // A cancel reaches the socket a turn later.
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
      await tap.flush();
      const isAbortedBeforeCall = way === "tap.fetch given a Request" && expected.kind === "abort";
      if (!isAbortedBeforeCall || typeof bare !== "object") expect(tapped).toEqual(bare);
      expect(sink.calls.map(({ outcome, error }) => ({ outcome, kind: error?.kind }))).toEqual([
        { outcome: expected.outcome, kind: expected.kind },
      ]);
      if (expected.status !== undefined) expect(sink.calls[0]?.error?.status).toBe(expected.status);
      const { seen, recorded, inFlight } = tap.stats();
      expect({ seen, recorded, inFlight }).toEqual({ seen: 1, recorded: 1, inFlight: 0 });
      await tap.close();
    });
  },
);

describe("through a composed dispatcher", () => {
  it("tells undici's own time-outs apart", async () => {
    const sink = memorySink();
    const tap = createTap({ sinks: [sink] });
    const dispatcher = new Agent({ headersTimeout: 200, bodyTimeout: 200 }).compose(tap.interceptor);
    const send = (behaviour: string) =>
      request(url(behaviour), {
        dispatcher,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: chatRequest({ stream: true }).body as string,
      });
    await expect(send("silent")).rejects.toThrow("Headers Timeout Error");
    const { body } = await send("stalls");
    await expect(body.text()).rejects.toThrow("Body Timeout Error");
    await tap.flush();
    expect(sink.calls.map(({ outcome, error }) => [outcome, error?.kind, error?.code])).toEqual([
      ["error", "timeout", "UND_ERR_HEADERS_TIMEOUT"],
      ["error", "timeout", "UND_ERR_BODY_TIMEOUT"],
    ]);
    await dispatcher.destroy();
    await tap.close();
  });

  it("keeps the identity and the methods of the global dispatcher while installed", async () => {
    const previous = getGlobalDispatcher();
    const mine = new Agent();
    setGlobalDispatcher(mine);
    const tap = createTap({ sniffUnknownHosts: true });
    const restore = tap.install();
    expect(getGlobalDispatcher()).toBe(mine);
    await mine.close();
    restore();
    expect(Object.hasOwn(mine, "dispatch")).toBe(false);
    setGlobalDispatcher(previous);
    await tap.close();
  });
});
