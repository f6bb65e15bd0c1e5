/** What a sink sends through its host: not tapped, no hold on the process, and at no cost for the app's promises. */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createBackground } from "../../src/background.ts";
import { getFlowStore } from "../../src/context.ts";
import { createTap } from "../../src/tap.ts";
import { httpSink } from "../../src/sinks/http.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest } from "./helpers.ts";

const servers: Server[] = [];
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The sockets of this process to a server, and whether they hold it. */
function isHeld(origin: string): boolean[] {
  const { port } = new URL(origin);
  const handles = (process as unknown as { _getActiveHandles(): Socket[] })._getActiveHandles();
  return handles
    .filter(({ remotePort }) => remotePort === Number(port))
    .map((socket) => (socket as unknown as WithHandle)._handle?.hasRef() === true);
}

interface WithHandle {
  _handle: { hasRef(): boolean } | null;
}

/** Whether each new socket of this process holds it while it connects. @returns gives what was seen, and looks no more */
function watchConnecting(): () => boolean[] {
  const held: boolean[] = [];
  const onSocket = (message: unknown): void => {
    const { socket } = message as { socket: WithHandle };
    // Before the event loop can tell that it is connected.
    queueMicrotask(() => process.nextTick(() => held.push(socket._handle?.hasRef() === true)));
  };
  subscribe("net.client.socket", onSocket);
  return () => {
    unsubscribe("net.client.socket", onSocket);
    return held;
  };
}

async function readAll(response: Response): Promise<string> {
  return response.text();
}

describe("a request of the tap's own", () => {
  it("holds the process neither with a new socket nor with one that is used again; one of the app's does", async () => {
    await readAll(await fetch(await serve((_request, response) => response.end("warm"))));
    const waiting: (() => void)[] = [];
    const origin = await serve((_request, response) => {
      waiting.push(() => response.end("ok"));
    });
    const background = createBackground(getFlowStore());
    const post = (path: string, how = background.fetch) => how(`${origin}${path}`, { method: "POST", body: "{}" });
    const next = async (promise: Promise<Response>): Promise<boolean[]> => {
      await vi.waitFor(() => expect(waiting).toHaveLength(1));
      const held = isHeld(origin);
      waiting.pop()?.();
      await readAll(await promise);
      return held;
    };
    const endWatch = watchConnecting();
    expect(await next(post("/a"))).toEqual([]);
    expect(endWatch()).toEqual([false]);
    expect(await next(post("/b"))).toEqual([]);
    expect(await next(post("/c", fetch))).toEqual([true]);
    expect(await next(background.fetch(`${origin}/d`))).toEqual([]);
    background.close();
  });

  it.each(["GET", "POST"])(
    "%s: leaves alone a socket that the app's request to the same place gets",
    async (method) => {
      await readAll(await fetch(await serve((_request, response) => response.end("warm"))));
      const urls: (string | undefined)[] = [];
      const origin = await serve((request) => urls.push(request.url));
      const background = createBackground(getFlowStore());
      const aborts = new AbortController();
      const init = { method, signal: aborts.signal, ...(method === "POST" && { body: "{}" }) };
      const endWatch = watchConnecting();
      const both = [background.fetch(`${origin}/own`, init), fetch(`${origin}/app`, init)];
      await vi.waitFor(() => expect(urls).toHaveLength(2));
      // With a body it can't be told whose the first is, as long as it connects.
      expect(endWatch()).toEqual([method === "POST", true]);
      expect(isHeld(origin)).toEqual([true]);
      aborts.abort();
      await Promise.allSettled(both);
      background.close();
    },
  );

  it("passes the taps of the process unseen, at fetch and at the dispatcher", async () => {
    const origin = await serve((request, response) => {
      request.resume();
      response.setHeader("content-type", "application/json").end(JSON.stringify(CHAT_ANSWER));
    });
    const memory = memorySink();
    const tap = createTap({ sinks: [memory], hosts: { [new URL(origin).host]: { provider: "openai" } } });
    const background = createBackground(getFlowStore());
    tap.install();
    try {
      const url = `${origin}/v1/chat/completions`;
      await readAll(await background.fetch(url, chatRequest()));
      expect(tap.stats().seen).toBe(0);
      await readAll(await fetch(url, chatRequest()));
      await tap.flush();
      expect(memory.calls).toHaveLength(1);
    } finally {
      await tap.close();
      background.close();
    }
  });

  it("is followed where the global fetch takes no dispatcher", async () => {
    const run = vi.spyOn(AsyncLocalStorage.prototype, "run");
    const mock = vi.fn(async () => new Response("mocked"));
    vi.stubGlobal("fetch", mock);
    const background = createBackground(getFlowStore());
    expect(await readAll(await background.fetch("http://collector.test/", { method: "POST" }))).toBe("mocked");
    const before = run.mock.calls.length;
    await background.fetch("http://collector.test/", { method: "POST" });
    expect(run.mock.calls.length).toBe(before + 1);
    expect(mock).toHaveBeenLastCalledWith("http://collector.test/", { method: "POST" });
    background.close();
  });

  it("is followed where a dispatcher does not send at once", async () => {
    const origin = await serve((_request, response) => response.end("ok"));
    await readAll(await fetch(origin));
    const run = vi.spyOn(AsyncLocalStorage.prototype, "run");
    const before = getGlobalDispatcher();
    const agent = new Agent();
    setGlobalDispatcher(
      agent.compose((dispatch) => (options, handler) => {
        setTimeout(() => dispatch(options, handler), 1);
        return true;
      }),
    );
    const background = createBackground(getFlowStore());
    try {
      const counts: number[] = [];
      for (let count = 0; count < 2; count += 1) {
        expect(await readAll(await background.fetch(origin))).toBe("ok");
        counts.push(run.mock.calls.length);
      }
      expect(counts).toEqual([0, 1]);
    } finally {
      setGlobalDispatcher(before);
      background.close();
      await agent.close();
    }
  });

  it("fails as it would without a tap", async () => {
    const background = createBackground(getFlowStore());
    await expect(background.fetch("no url")).rejects.toThrow();
    const gone = await serve(() => {});
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    await expect(background.fetch(gone)).rejects.toThrow("fetch failed");
    await expect(background.fetch(gone, { signal: AbortSignal.abort(new Error("mine")) })).rejects.toThrow("mine");
    background.close();
  });
});

it("an httpSink makes no promise of the app dearer", async () => {
  const received: unknown[] = [];
  const collector = await serve((request, response) => {
    request.resume();
    request.on("end", () => setTimeout(() => response.end("{}"), 20));
    received.push(request.url);
  });
  const origin = await serve((request, response) => {
    request.resume();
    response.setHeader("content-type", "application/json").end(JSON.stringify(CHAT_ANSWER));
  });
  const run = vi.spyOn(AsyncLocalStorage.prototype, "run");
  const enterWith = vi.spyOn(AsyncLocalStorage.prototype, "enterWith");
  const tap = createTap({
    sinks: [httpSink({ url: `${collector}/calls` })],
    hosts: { [new URL(origin).host]: { provider: "openai" } },
  });
  for (let count = 0; count < 3; count += 1) {
    await readAll(await tap.fetch(`${origin}/v1/chat/completions`, chatRequest()));
    expect(await tap.flush()).toMatchObject({ delivered: count + 1, pending: 0 });
  }
  await delay(1);
  expect(received).toHaveLength(3);
  expect(run).not.toHaveBeenCalled();
  expect(enterWith).not.toHaveBeenCalled();
  await tap.close();
});
