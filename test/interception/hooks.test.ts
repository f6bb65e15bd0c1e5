/** Hooks on what is global: in any order, on every kind of dispatcher, before and after others. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  Agent,
  BalancedPool,
  Client,
  EnvHttpProxyAgent,
  getGlobalDispatcher,
  interceptors,
  MockAgent,
  Pool,
  ProxyAgent,
  request,
  RetryAgent,
  setGlobalDispatcher,
} from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTap, type Tap, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest } from "../tap/helpers.ts";

const path = "/v1/chat/completions";
let server: Server;
let origin = "";
beforeAll(async () => {
  server = createServer((incoming, response) => {
    incoming
      .resume()
      .on("end", () => response.setHeader("content-type", "application/json").end(JSON.stringify(CHAT_ANSWER)));
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
let previous: ReturnType<typeof getGlobalDispatcher>;
beforeEach(() => {
  previous = getGlobalDispatcher();
});
afterEach(async () => {
  for (const tap of taps.splice(0)) await tap.close();
  setGlobalDispatcher(previous);
  expect(globalThis.fetch).toBe(originalFetch);
});

function makeTap(options: TapOptions = {}) {
  const sink = memorySink();
  const errors: Error[] = [];
  const tap = createTap({
    sinks: [sink],
    hosts: { [origin]: { provider: "openai" } },
    onError: (error) => errors.push(error),
    ...options,
  });
  taps.push(tap);
  return { tap, sink, errors };
}

const post = chatRequest();
async function callRequest() {
  const { body } = await request(origin + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: post.body as string,
  });
  return body.json();
}
async function countCalls({ tap, sink }: ReturnType<typeof makeTap>) {
  await tap.flush();
  return sink.calls.length;
}

describe("install()", () => {
  const kinds: [name: string, make: () => object][] = [
    ["Agent", () => new Agent()],
    ["Pool", () => new Pool(origin)],
    ["Client", () => new Client(origin)],
    ["BalancedPool", () => new BalancedPool([origin])],
    ["RetryAgent", () => new RetryAgent(new Agent())],
    ["EnvHttpProxyAgent", () => new EnvHttpProxyAgent()],
    ["a composed Agent", () => new Agent().compose(interceptors.retry())],
    ["a composed Pool", () => new Pool(origin).compose(interceptors.redirect({ maxRedirections: 1 }))],
    ["an Agent composed twice", () => new Agent().compose(interceptors.retry()).compose(interceptors.dns())],
  ];

  it.each(kinds)("sees calls through a global %s, which stays the object it is and closes", async (_name, make) => {
    const dispatcher = make() as Agent;
    setGlobalDispatcher(dispatcher);
    const made = makeTap();
    const restore = made.tap.install();
    expect(getGlobalDispatcher()).toBe(dispatcher);
    expect(await callRequest()).toEqual(CHAT_ANSWER);
    expect(await (await originalFetch(origin + path, post)).json()).toEqual(CHAT_ANSWER);
    expect(await countCalls(made)).toBe(2);
    restore();
    expect(getGlobalDispatcher()).toBe(dispatcher);
    expect(Object.hasOwn(dispatcher, "dispatch")).toBe(false);
    await callRequest();
    expect(await countCalls(made)).toBe(2);
    await dispatcher.close();
    await expect(callRequest()).rejects.toMatchObject({ code: expect.stringMatching(/CLOSED|DESTROYED/) as string });
  });

  // The one kind that does not stay the object it is: what lies beneath it nobody can reach.
  it("sees calls through a composed RetryAgent by another object in its place, and puts it back", async () => {
    const agent = new Agent();
    const dispatcher = new RetryAgent(agent).compose(interceptors.dns());
    setGlobalDispatcher(dispatcher);
    const made = makeTap();
    const restore = made.tap.install();
    expect(getGlobalDispatcher()).not.toBe(dispatcher);
    expect(getGlobalDispatcher()).toBeInstanceOf(RetryAgent);
    expect(await callRequest()).toEqual(CHAT_ANSWER);
    expect(await (await globalThis.fetch(origin + path, post)).json()).toEqual(CHAT_ANSWER);
    expect(await countCalls(made)).toBe(2);
    restore();
    expect(getGlobalDispatcher()).toBe(dispatcher);
    await agent.close();
  });

  it.each(["close", "destroy"] as const)("leaves %s() of a dispatcher that is hooked to it", async (method) => {
    for (const make of [...kinds.map(([, make]) => make), () => new ProxyAgent(origin), () => new MockAgent()]) {
      const end = async (dispatcher: Agent) => {
        try {
          await dispatcher[method]();
          return { dispatcher: dispatcher.closed, destroyed: dispatcher.destroyed };
        } catch (error) {
          // Some cannot without a tap either.
          return String(error);
        }
      };
      const bare = await end(make() as Agent);
      const dispatcher = make() as Agent;
      setGlobalDispatcher(dispatcher);
      const restore = makeTap().tap.install();
      expect(await end(dispatcher)).toEqual(bare);
      restore();
    }
  });

  it("sees the first call after a later setGlobalDispatcher, whoever makes it", async () => {
    const made = makeTap();
    const restore = made.tap.install();
    const later = new Agent();
    setGlobalDispatcher(later);
    expect(await callRequest()).toEqual(CHAT_ANSWER);
    expect(await callRequest()).toEqual(CHAT_ANSWER);
    const composed = new Agent().compose(interceptors.retry());
    setGlobalDispatcher(composed);
    expect(await (await originalFetch(origin + path, post)).json()).toEqual(CHAT_ANSWER);
    expect(await countCalls(made)).toBe(3);
    for (const call of made.sink.calls) {
      expect(call).toMatchObject({ outcome: "success", request: { model: "small-model" }, usage: { inputTokens: 12 } });
    }
    expect(getGlobalDispatcher()).toBe(composed);
    restore();
    expect(made.errors).toEqual([]);
    await Promise.all([later.close(), composed.close()]);
  });

  it("counts a call once that finds a new global dispatcher and an interceptor of the same tap on it", async () => {
    const made = makeTap();
    const restore = made.tap.install();
    const composed = new Agent().compose(made.tap.interceptor, interceptors.retry());
    setGlobalDispatcher(composed);
    expect(await callRequest()).toEqual(CHAT_ANSWER);
    expect(await countCalls(made)).toBe(1);
    restore();
    await composed.close();
  });

  it.each([
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ])("three of them are taken off in the order %i, %i, %i, and nothing is left", async (...order) => {
    const dispatcher = new Agent();
    setGlobalDispatcher(dispatcher);
    const made = [makeTap(), makeTap(), makeTap()];
    const restores = made.map(({ tap }) => tap.install());
    for (const [done, index] of order.entries()) {
      await (await globalThis.fetch(origin + path, post)).json();
      await callRequest();
      restores[index]?.();
      const expected = order.map((_each, position) => (position <= done ? 2 * (position + 1) : 2 * (done + 1)));
      for (const [position, each] of order.entries()) {
        expect(await countCalls(made[each] as ReturnType<typeof makeTap>)).toBe(expected[position]);
      }
    }
    expect(globalThis.fetch).toBe(originalFetch);
    expect(Object.hasOwn(dispatcher, "dispatch")).toBe(false);
    await dispatcher.close();
  });
});
