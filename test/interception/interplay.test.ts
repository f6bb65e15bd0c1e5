/** What stands beside, above and below the tap in real applications works as without it, and is seen once. */
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { http, HttpResponse } from "msw";
import { setupServer } from "msw/node";
import {
  Agent,
  BalancedPool,
  Client,
  EnvHttpProxyAgent,
  fetch as undiciFetch,
  getGlobalDispatcher,
  interceptors,
  MockAgent,
  Pool,
  ProxyAgent,
  request,
  Request as UndiciRequest,
  RetryAgent,
  setGlobalDispatcher,
} from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTap, type Tap, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest } from "../tap/helpers.ts";

type Fetch = typeof globalThis.fetch;

let server: Server;
let proxy: Server;
let origin = "";
let proxyOrigin = "";
let tunnels = 0;
const received: { path: string; headers: Record<string, unknown>; body: string }[] = [];
let failures = 0;

beforeAll(async () => {
  server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const path = incoming.url ?? "";
      received.push({ path, headers: incoming.headers, body: Buffer.concat(chunks).toString() });
      if (path.startsWith("/redirect")) {
        response.writeHead(307, { location: "/v1/chat/completions" }).end();
      } else if (path.startsWith("/flaky") && failures > 0) {
        failures -= 1;
        response.writeHead(503, { "content-type": "application/json" }).end('{"error":{"message":"busy"}}');
      } else if (path.startsWith("/gzip")) {
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
        response.end(gzipSync(JSON.stringify(CHAT_ANSWER)));
      } else {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(CHAT_ANSWER));
      }
    });
  });
  proxy = createServer();
  proxy.on("connect", (incoming, socket, head) => {
    tunnels += 1;
    const [host, port] = (incoming.url ?? "").split(":");
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  const listen = (each: Server) =>
    new Promise<string>((resolve) => {
      each.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(each.address() as AddressInfo).port}`));
    });
  origin = await listen(server);
  proxyOrigin = await listen(proxy);
});
afterAll(() => {
  for (const each of [server, proxy]) {
    each.close();
    each.closeAllConnections();
  }
});

let previous: ReturnType<typeof getGlobalDispatcher>;
const { fetch: originalFetch } = globalThis;
beforeEach(() => {
  previous = getGlobalDispatcher();
  received.length = 0;
  tunnels = 0;
});
afterEach(() => {
  setGlobalDispatcher(previous);
  expect(globalThis.fetch).toBe(originalFetch);
});

const path = "/v1/chat/completions";

function makeTap(options: TapOptions = {}) {
  const sink = memorySink();
  const tap = createTap({ sinks: [sink], hosts: { [origin]: { provider: "openai" } }, ...options });
  return { sink, tap };
}

async function expectOne({ tap, sink }: ReturnType<typeof makeTap>, count = 1) {
  await tap.flush();
  expect(sink.calls).toHaveLength(count);
  for (const call of sink.calls) expect(call).toMatchObject({ outcome: "success", usage: { inputTokens: 12 } });
  const stats = tap.stats();
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, each) => total + each, 0);
  expect(stats.seen).toBe(stats.recorded + stats.sampledOut + sum(stats.dropped) + sum(stats.ignored) + stats.inFlight);
  await tap.close();
  return sink.calls;
}

const post = chatRequest();
const undiciPost = {
  method: "POST" as const,
  headers: post.headers as Record<string, string>,
  body: post.body as string,
};
const send = async (fetch: Fetch, init: RequestInit = post, at = path) => (await fetch(origin + at, init)).json();

describe("dispatchers given to fetch", () => {
  it.each<[string, () => object]>([
    ["Agent", () => new Agent()],
    ["Pool", () => new Pool(origin)],
    ["Client", () => new Client(origin)],
    ["BalancedPool", () => new BalancedPool([origin])],
    ["RetryAgent", () => new RetryAgent(new Agent())],
    ["ProxyAgent", () => new ProxyAgent({ uri: proxyOrigin, proxyTunnel: true })],
    ["EnvHttpProxyAgent", () => new EnvHttpProxyAgent({ httpProxy: proxyOrigin, noProxy: "" })],
    ["dns and retry composed", () => new Agent().compose(interceptors.dns(), interceptors.retry())],
  ])("%s", async (name, make) => {
    const made = makeTap();
    const dispatcher = make() as Agent;
    expect(
      await send(made.tap.wrapFetch(undiciFetch as unknown as Fetch), { ...post, dispatcher } as RequestInit),
    ).toEqual(CHAT_ANSWER);
    if (name === "ProxyAgent") expect(tunnels).toBe(1);
    await dispatcher.close();
    await expectOne(made);
  });

  it.each<[string, (dispatcher: Agent) => Agent | RetryAgent, number]>([
    [
      "retry over the tap gives a record an attempt",
      (agent) => new RetryAgent(agent, { maxRetries: 3, minTimeout: 5, methods: ["POST"] }),
      3,
    ],
  ])("%s", async (_name, wrap, attempts) => {
    const { tap, sink } = makeTap();
    failures = 2;
    const dispatcher = wrap(new Agent().compose(tap.interceptor) as Agent);
    const response = await request(`${origin}/flaky${path}`, { ...undiciPost, dispatcher });
    expect(await response.body.json()).toBeTypeOf("object");
    await tap.flush();
    expect(sink.calls.length).toBeGreaterThanOrEqual(1);
    expect(sink.calls.length).toBeLessThanOrEqual(attempts);
    expect(sink.calls.length).toBe(received.length);
    failures = 0;
    await dispatcher.close();
    await tap.close();
  });

  it("the tap over retry gives a record a call", async () => {
    const made = makeTap();
    failures = 2;
    const dispatcher = new Agent().compose(
      interceptors.retry({ maxRetries: 3, minTimeout: 5, methods: ["POST"] }),
      made.tap.interceptor,
    );
    const response = await request(`${origin}/flaky${path}`, { ...undiciPost, dispatcher });
    await response.body.text();
    failures = 0;
    await dispatcher.close();
    await made.tap.flush();
    expect(made.sink.calls).toHaveLength(1);
    expect(received).toHaveLength(3);
    await made.tap.close();
  });

  it("a Pool that is composed is sniffed by path and body, though its dispatch names no origin", async () => {
    const made = makeTap({ hosts: {} });
    const dispatcher = new Pool(origin).compose(made.tap.interceptor);
    const response = await dispatcher.request({ path, ...undiciPost });
    expect(await response.body.json()).toEqual(CHAT_ANSWER);
    await dispatcher.close();
    await expectOne(made);
  });

  it("redirects are followed with the body, and count once", async () => {
    for (const follow of ["fetch", "interceptor"] as const) {
      const made = makeTap();
      if (follow === "fetch") {
        expect(await send(made.tap.fetch, post, `/redirect${path}`)).toEqual(CHAT_ANSWER);
      } else {
        const dispatcher = new Agent().compose(interceptors.redirect({ maxRedirections: 2 }), made.tap.interceptor);
        const response = await request(`${origin}/redirect${path}`, { ...undiciPost, dispatcher });
        expect(await response.body.json()).toEqual(CHAT_ANSWER);
        await dispatcher.close();
      }
      expect(received.at(-1)?.body).toBe(post.body);
      await expectOne(made);
    }
  });

  it("compressed answers are read on both sides of a decoder", async () => {
    const made = makeTap();
    expect(await send(made.tap.fetch, post, `/gzip${path}`)).toEqual(CHAT_ANSWER);
    const dispatcher = new Agent().compose(made.tap.interceptor);
    await (await request(`${origin}/gzip${path}`, { ...undiciPost, dispatcher })).body.arrayBuffer();
    await dispatcher.close();
    await expectOne(made, 2);
  });
});

describe("mocks", () => {
  it("MockAgent matches bodies as without the tap", async () => {
    const made = makeTap({ hosts: { "api.example.com": { provider: "openai" } } });
    const agent = new MockAgent();
    agent.disableNetConnect();
    agent
      .get("https://api.example.com")
      .intercept({ path, method: "POST", body: (body) => body.includes("the question") })
      .reply(200, CHAT_ANSWER, { headers: { "content-type": "application/json" } });
    const fetch = made.tap.wrapFetch(undiciFetch as unknown as Fetch);
    const response = await fetch(`https://api.example.com${path}`, { ...post, dispatcher: agent } as RequestInit);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    await agent.close();
    await expectOne(made);
  });

  it.each(["under", "over"] as const)("MSW %s the tap", async (place) => {
    const made = makeTap({ hosts: { "api.example.com": { provider: "openai" } } });
    const mock = setupServer(http.post(`https://api.example.com${path}`, () => HttpResponse.json(CHAT_ANSWER)));
    let restore: (() => void) | undefined;
    if (place === "over") restore = made.tap.install();
    mock.listen({ onUnhandledRequest: "bypass" });
    if (place === "under") restore = made.tap.install();
    const response = await globalThis.fetch(`https://api.example.com${path}`, post);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    // What MSW lets through is seen too, once.
    expect(await send(globalThis.fetch)).toEqual(CHAT_ANSWER);
    if (place === "under") restore?.();
    mock.close();
    restore?.();
    await made.tap.flush();
    // A mock above the tap answers without a call.
    expect(made.sink.calls.length).toBe(place === "under" ? 1 : 0);
    await made.tap.close();
  });

  it("nock under the tap", async () => {
    const made = makeTap({ hosts: { "api.example.com": { provider: "openai" } } });
    // It patches the global fetch as soon as it is imported.
    const { default: nock } = await import("nock");
    nock("https://api.example.com").post(path).reply(200, CHAT_ANSWER);
    try {
      const response = await made.tap.fetch(`https://api.example.com${path}`, post);
      expect(await response.json()).toEqual(CHAT_ANSWER);
    } finally {
      nock.cleanAll();
      nock.restore();
    }
    await expectOne(made);
  });
});

describe("install() among others", () => {
  it("sees an SDK that captured fetch before", async () => {
    const made = makeTap();
    const { fetch: captured } = globalThis;
    const restore = made.tap.install();
    expect(await send(captured)).toEqual(CHAT_ANSWER);
    restore();
    await expectOne(made);
  });

  it("sees calls after a later setGlobalDispatcher and a later fetch patch", async () => {
    const made = makeTap();
    const restore = made.tap.install();
    const later = new Agent();
    setGlobalDispatcher(later);
    expect(await send(globalThis.fetch)).toEqual(CHAT_ANSWER);
    expect(getGlobalDispatcher()).toBe(later);
    await (await request(origin + path, undiciPost)).body.text();
    const tapped = globalThis.fetch;
    globalThis.fetch = async (...given) => tapped(...given);
    expect(await send(globalThis.fetch)).toEqual(CHAT_ANSWER);
    globalThis.fetch = tapped;
    restore();
    await expectOne(made, 3);
    await later.close();
  });

  it("can be taken off in any order", async () => {
    const one = makeTap();
    const two = makeTap();
    const restoreOne = one.tap.install();
    const restoreTwo = two.tap.install();
    await send(globalThis.fetch);
    restoreOne();
    await send(globalThis.fetch);
    restoreTwo();
    // The last one off finds another's fetch in its place where the first could not restore its own.
    if (globalThis.fetch !== originalFetch) {
      await send(globalThis.fetch);
      globalThis.fetch = originalFetch;
    }
    await expectOne(one);
    await expectOne(two, 2);
  });

  it("gives two taps the same id, and each its record", async () => {
    const one = makeTap();
    const two = makeTap();
    const restores = [one.tap.install(), two.tap.install()];
    await send(globalThis.fetch);
    for (const restore of restores.toReversed()) restore();
    const [first] = await expectOne(one);
    const [second] = await expectOne(two);
    expect(second?.id).toBe(first?.id);
  });
});

describe("what fetch is given", () => {
  const form = () => {
    const data = new FormData();
    data.append("model", "whisper-small");
    data.append("file", new Blob(["RIFF...."], { type: "audio/wav" }), "speech.wav");
    return data;
  };
  const stream = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(post.body as string));
        controller.close();
      },
    });

  it.each<[string, () => [string, RequestInit], (tap: Tap) => Fetch]>([
    ["a Blob", () => [path, { ...post, body: new Blob([post.body as string]) }], (tap) => tap.fetch],
    ["bytes", () => [path, { ...post, body: new TextEncoder().encode(post.body as string) }], (tap) => tap.fetch],
    ["a stream", () => [path, { ...post, body: stream(), duplex: "half" } as RequestInit], (tap) => tap.fetch],
    ["a form", () => ["/v1/audio/transcriptions", { method: "POST", body: form() }], (tap) => tap.fetch],
    ["what Next.js adds", () => [path, { ...post, next: { revalidate: 0 } } as RequestInit], (tap) => tap.fetch],
  ])("%s", async (_name, make, pick) => {
    const made = makeTap();
    const [at, init] = make();
    expect(await send(pick(made.tap), init, at)).toEqual(CHAT_ANSWER);
    await made.tap.flush();
    expect(made.sink.calls[0]?.request.model).toBe(at === path ? "small-model" : "whisper-small");
    expect(JSON.stringify(made.sink.calls[0])).not.toContain("RIFF");
    await made.tap.close();
  });

  it("a Request keeps a dispatcher of its own, also when a header is taken off it", async () => {
    const made = makeTap();
    const agent = new Agent();
    let dispatched = 0;
    const counting = agent.compose((dispatch) => (options, handler) => {
      dispatched += 1;
      return dispatch(options, handler);
    });
    const fetch = made.tap.wrapFetch(undiciFetch as unknown as Fetch);
    const headers = { "content-type": "application/json", "x-llm-tap-user-id": "u-1" };
    const asked = new UndiciRequest(origin + path, { ...undiciPost, headers, dispatcher: counting });
    const response = await fetch(asked as unknown as Request);
    expect(await response.json()).toEqual(CHAT_ANSWER);
    expect(dispatched).toBe(1);
    expect(received[0]?.headers).not.toHaveProperty("x-llm-tap-user-id");
    expect(asked.headers.get("x-llm-tap-user-id")).toBe("u-1");
    await agent.close();
    await made.tap.flush();
    expect(made.sink.calls[0]?.context.userId).toBe("u-1");
    await made.tap.close();
  });

  it("leaves the Response as undici made it", async () => {
    const made = makeTap();
    const bare = await originalFetch(origin + path, post);
    const tapped = await made.tap.fetch(origin + path, post);
    const facts = ({ url, redirected, type, status, ok }: Response) => ({ url, redirected, type, status, ok });
    expect(facts(tapped)).toEqual(facts(bare));
    expect(tapped).toBeInstanceOf(Response);
    expect(Object.getOwnPropertyNames(tapped)).toEqual(Object.getOwnPropertyNames(bare));
    expect(() => tapped.headers.set("a", "b")).toThrow(TypeError);
    expect(await tapped.clone().json()).toEqual(CHAT_ANSWER);
    const reader = tapped.body?.getReader({ mode: "byob" });
    expect((await reader?.read(new Uint8Array(8)))?.value?.byteLength).toBe(8);
    await reader?.cancel();
    await bare.text();
    await made.tap.close();
  });
});
