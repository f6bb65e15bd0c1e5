/** Fetches that are not undici's, fetches that others have patched, and inputs of odd kinds. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { http, HttpResponse } from "msw";
import { setupServer } from "msw/node";
import { Agent, fetch as undiciFetch, Request as UndiciRequest, request, RoundRobinPool } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createTap, type Tap, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest } from "../tap/helpers.ts";

type Fetch = typeof globalThis.fetch;

const path = "/v1/chat/completions";
const post = chatRequest();
let server: Server;
let origin = "";
const received: { headers: Record<string, unknown>; body: string }[] = [];
beforeAll(async () => {
  server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      received.push({ headers: incoming.headers, body: Buffer.concat(chunks).toString() });
      response.setHeader("content-type", "application/json").end(JSON.stringify(CHAT_ANSWER));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

const taps: Tap[] = [];
const { fetch: originalFetch } = globalThis;
afterEach(async () => {
  for (const tap of taps.splice(0)) await tap.close();
  expect(globalThis.fetch).toBe(originalFetch);
});

function makeTap(options: TapOptions = {}) {
  const sink = memorySink();
  const errors: unknown[] = [];
  const hosts = { [origin]: { provider: "openai" }, "api.example.com": { provider: "openai" } };
  const tap = createTap({ sinks: [sink], hosts, onError: (error) => errors.push(error.cause), ...options });
  taps.push(tap);
  return { tap, sink, errors };
}

async function flush({ tap, sink, errors }: ReturnType<typeof makeTap>) {
  await tap.flush();
  expect(errors).toEqual([]);
  expect(tap.stats().inFlight).toBe(0);
  return sink.calls;
}

describe("a Response that was made by hand", () => {
  const answer = () => new Response(JSON.stringify(CHAT_ANSWER), { headers: { "content-type": "application/json" } });
  const url = `https://api.example.com${path}`;

  it("keeps what was hung on it, and headers that can be changed", async () => {
    const made = makeTap();
    const bare = Object.assign(answer(), { fromCache: true });
    const response = (await made.tap.wrapFetch(async () => bare)(url, post)) as typeof bare;
    expect(response.fromCache).toBe(true);
    response.headers.set("x-mine", "1");
    expect(response.headers.get("x-mine")).toBe("1");
    const copy = response.clone();
    expect(await copy.json()).toEqual(CHAT_ANSWER);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    expect(await flush(made)).toHaveLength(1);
  });

  it("keeps headers that cannot be changed", async () => {
    const made = makeTap();
    // A fetch that goes to the network by another way than a dispatcher that a tap could stand in for.
    const agent = new Agent();
    const hidden: Fetch = async (input, init) =>
      (await undiciFetch(
        new UndiciRequest(input as string, { ...(init as object), dispatcher: agent }),
      )) as unknown as Response;
    const bare = await hidden(origin + path, { ...post });
    await bare.text();
    const wrapped = made.tap.wrapFetch(((input: string, init?: RequestInit) => {
      const { dispatcher: _dispatcher, ...rest } = (init ?? {}) as { dispatcher?: unknown };
      return hidden(input, rest);
    }) as Fetch);
    const response = await wrapped(origin + path, { ...post });
    expect(() => response.headers.set("a", "b")).toThrow(TypeError);
    expect([...response.headers.keys()]).toEqual([...bare.headers.keys()]);
    expect({ url: response.url, type: response.type, redirected: response.redirected }).toEqual({
      url: bare.url,
      type: bare.type,
      redirected: bare.redirected,
    });
    const copy = response.clone();
    expect(copy.url).toBe(bare.url);
    expect(await copy.json()).toEqual(CHAT_ANSWER);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    await agent.close();
    expect(await flush(made)).toHaveLength(1);
  });

  it.each<[string, () => Response]>([
    [
      "of a class whose constructor wants something else",
      () => {
        class OwnResponse extends Response {
          constructor(text: string) {
            if (typeof text !== "string") throw new RangeError("a text, please");
            super(text, { headers: { "content-type": "application/json" } });
          }
        }
        return new OwnResponse(JSON.stringify(CHAT_ANSWER));
      },
    ],
    [
      "of a class that ignores what it is given",
      () => {
        class OwnResponse extends Response {
          constructor() {
            super(JSON.stringify(CHAT_ANSWER), { status: 201 });
          }
        }
        return new OwnResponse();
      },
    ],
    ["with a status that only a network gives", () => Object.defineProperty(answer(), "status", { value: 0 })],
  ])("%s is given on as it is, to be read", async (_name, make) => {
    const made = makeTap();
    const bare = make();
    const { body } = bare;
    const response = await made.tap.wrapFetch(async () => bare)(url, post);
    expect(body?.locked && response === bare).toBe(false);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    expect(await flush(made)).toHaveLength(1);
  });
});

describe("what fetch is given", () => {
  it.each<[string, () => unknown]>([
    ["a String object", () => new String(origin + path)],
    ["an object that only looks like a URL", () => ({ href: origin + path, toString: () => origin + path })],
  ])("%s", async (_name, make) => {
    const made = makeTap();
    const bare = await originalFetch(make() as string, post);
    const response = await made.tap.fetch(make() as string, post);
    expect(Reflect.ownKeys(response)).toEqual(Reflect.ownKeys(bare));
    expect(await response.json()).toEqual(await bare.json());
    expect(await flush(made)).toHaveLength(1);
  });

  it("a dispatcher that is none fails as it does", async () => {
    const made = makeTap();
    const init = { ...post, dispatcher: null } as RequestInit;
    const fail = async (fetch: Fetch) => {
      let isAtOnce = true;
      try {
        const promise = fetch(origin + path, init);
        isAtOnce = false;
        return await promise;
      } catch (error) {
        return { isAtOnce, message: String(error) };
      }
    };
    expect(await fail(made.tap.fetch)).toEqual(await fail(originalFetch));
    expect(await flush(made)).toMatchObject([{ outcome: "error" }]);
  });

  it("a body that fails is an error of the call, not a cancel", async () => {
    const made = makeTap();
    const thrown = new RangeError("no more of it");
    const body = () =>
      new ReadableStream({
        pull(controller) {
          controller.error(thrown);
        },
      });
    const init = () => ({ ...post, body: body(), duplex: "half" }) as RequestInit;
    await expect(originalFetch(origin + path, init())).rejects.toMatchObject({ cause: thrown });
    await expect(made.tap.fetch(origin + path, init())).rejects.toMatchObject({ cause: thrown });
    expect(await flush(made)).toMatchObject([{ outcome: "error" }]);
  });

  it.each(["wrapFetch", "install"] as const)("a frozen Request with a header of ours through %s", async (way) => {
    const made = makeTap();
    received.length = 0;
    const restore = way === "install" ? made.tap.install() : () => {};
    const fetch = way === "install" ? globalThis.fetch : made.tap.wrapFetch(originalFetch);
    const headers = { "content-type": "application/json", "x-llm-tap-user-id": "u-1" };
    const asked = Object.freeze(new Request(origin + path, { ...post, headers }));
    expect(await (await fetch(asked)).json()).toEqual(CHAT_ANSWER);
    restore();
    expect(asked.headers.get("x-llm-tap-user-id")).toBe("u-1");
    expect(received[0]).toMatchObject({ body: post.body });
    expect(received[0]?.headers).not.toHaveProperty("x-llm-tap-user-id");
    expect(await flush(made)).toMatchObject([{ context: { userId: "u-1" }, request: { model: "small-model" } }]);
  });

  it("streams of the app get their methods back", async () => {
    const made = makeTap();
    const agent = new Agent().compose(made.tap.interceptor);
    const body = Readable.from([post.body as string]);
    const response = await request(origin + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      dispatcher: agent,
    });
    await response.body.json();
    expect(Object.hasOwn(body, "emit")).toBe(false);
    await agent.close();
    expect(await flush(made)).toMatchObject([{ request: { model: "small-model" } }]);
  });

  it("a body that is frozen passes unread", async () => {
    const made = makeTap();
    const agent = new Agent().compose(made.tap.interceptor);
    const chunks = Object.freeze([post.body as string]);
    const { body } = await request(origin + path, { method: "POST", body: chunks as never, dispatcher: agent });
    expect(await body.json()).toEqual(CHAT_ANSWER);
    await agent.close();
    expect(await flush(made)).toMatchObject([{ request: { model: "small-model" } }]);
  });
});

describe("others beside the tap", () => {
  it("a RoundRobinPool", async () => {
    const made = makeTap();
    const pool = new RoundRobinPool(origin).compose(made.tap.interceptor);
    for (let index = 0; index < 3; index += 1) {
      const { body } = await pool.request({ path, method: "POST", body: post.body as string });
      await body.json();
    }
    await pool.close();
    expect(await flush(made)).toHaveLength(3);
  });

  it("nock on top of install(): what it lets through is seen, what it answers is not", async () => {
    const made = makeTap();
    const restore = made.tap.install();
    const { default: nock } = await import("nock");
    if (!nock.isActive()) nock.activate();
    try {
      nock("https://api.example.com").post(path).reply(200, CHAT_ANSWER);
      const mocked = await globalThis.fetch(`https://api.example.com${path}`, post);
      expect(await mocked.json()).toEqual(CHAT_ANSWER);
      const passed = await globalThis.fetch(origin + path, post);
      expect(await passed.json()).toEqual(CHAT_ANSWER);
    } finally {
      nock.cleanAll();
      nock.restore();
    }
    restore();
    const calls = await flush(made);
    expect(calls.map(({ request: { host } }) => host)).toEqual([new URL(origin).host]);
  });

  it.each(["first", "last"] as const)("MSW, taken off %s", async (order) => {
    const made = makeTap();
    const mock = setupServer(http.post(`https://api.example.com${path}`, () => HttpResponse.json(CHAT_ANSWER)));
    mock.listen({ onUnhandledRequest: "bypass" });
    const restore = made.tap.install();
    const response = await globalThis.fetch(`https://api.example.com${path}`, post);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    if (order === "first") mock.close();
    restore();
    if (order === "last") mock.close();
    globalThis.fetch = originalFetch;
    expect(await flush(made)).toMatchObject([{ outcome: "success", usage: { inputTokens: 12 } }]);
  });

  it.each(["tap.fetch", "install()"])("a fetch below %s that sends Requests to a gateway", async (way) => {
    const made = makeTap({ hosts: {} });
    // It asks for a key first, as gateways want it.
    globalThis.fetch = async (input, init) => {
      await (await originalFetch(`${origin}/token`, { method: "POST", body: '{"model":"not-this"}' })).text();
      const { pathname } = new URL((input as Request).url);
      return originalFetch(new Request(`${origin}/gateway${pathname}`, input as Request), init);
    };
    const uninstall = way === "tap.fetch" ? () => undefined : made.tap.install();
    try {
      const call = way === "tap.fetch" ? made.tap.fetch : globalThis.fetch;
      const response = await call(new Request(`https://api.openai.com${path}`, post));
      expect(await response.json()).toEqual(CHAT_ANSWER);
    } finally {
      uninstall();
      globalThis.fetch = originalFetch;
    }
    const calls = await flush(made);
    expect(calls).toHaveLength(1);
    const { model } = JSON.parse(post.body as string) as { model: string };
    expect(calls[0]?.request).toMatchObject({ model, host: "api.openai.com" });
    expect(received.at(-1)?.body).toBe(post.body);
  });

  it("a framework's fetch, patched over the tap's and under it", async () => {
    const made = makeTap();
    const restore = made.tap.install();
    const tapped = globalThis.fetch;
    const seen: unknown[] = [];
    // As Next.js does: it takes options of its own out, and hands on a Request or a URL.
    globalThis.fetch = (input, init) => {
      const { next, ...rest } = (init ?? {}) as { next?: unknown };
      seen.push(next);
      return tapped(input, rest);
    };
    const patched = globalThis.fetch;
    const response = await patched(origin + path, { ...post, next: { revalidate: 60, tags: ["a"] } } as RequestInit);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    const again = makeTap();
    const viaTap = await again.tap.wrapFetch(patched)(origin + path, {
      ...post,
      next: { revalidate: 1 },
    } as RequestInit);
    expect(await viaTap.json()).toEqual(CHAT_ANSWER);
    expect(seen).toEqual([{ revalidate: 60, tags: ["a"] }, { revalidate: 1 }]);
    globalThis.fetch = tapped;
    restore();
    const [, second] = await flush(made);
    expect((await flush(again)).map(({ id }) => id)).toEqual([second?.id]);
  });
});
