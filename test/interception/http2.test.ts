/** HTTP/2, as undici speaks it with `allowH2`: with the tap as without it. */
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { CHAT_ANSWER, chatRequest } from "../tap/helpers.ts";
import { CERTIFICATE, KEY } from "./certificate.ts";
import { loadUndici, UNDICIS, type Undici } from "./undicis.ts";

let server: Http2SecureServer;
let origin = "";
const received: { version: string; headers: object; body: string }[] = [];
const sessions = new Set<{ destroy(): void }>();

beforeAll(async () => {
  server = createSecureServer({ key: KEY, cert: CERTIFICATE, allowHTTP1: true }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { ":authority": _authority, ...headers } = request.headers;
      received.push({ version: request.httpVersion, headers, body: Buffer.concat(chunks).toString() });
      response.setHeader("content-type", "application/json");
      if (request.url.startsWith("/failing")) response.writeHead(500).end('{"error":{"message":"no"}}');
      else response.end(JSON.stringify(CHAT_ANSWER));
    });
  });
  server.on("session", (session) => {
    sessions.add(session);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  for (const session of sessions) session.destroy();
});

const path = "/v1/chat/completions";
const post = chatRequest();

interface Call {
  undici: Undici;
  url: string;
  dispatcher: unknown;
  fetch: typeof fetch;
}

const CALLS: Record<string, (call: Call) => Promise<unknown>> = {
  async fetch({ fetch, url, dispatcher }) {
    const response = await fetch(url, { ...post, dispatcher } as RequestInit);
    return { status: response.status, headers: [...response.headers.keys()], text: await response.text() };
  },
  async "fetch of a stream"({ fetch, url, dispatcher }) {
    const body = new Blob([post.body as string]).stream();
    const response = await fetch(url, { ...post, body, duplex: "half", dispatcher } as RequestInit);
    return { status: response.status, text: await response.text() };
  },
  async request({ undici, url, dispatcher }) {
    const { statusCode, headers, body } = await undici.request(url, { ...post, dispatcher } as object);
    return { statusCode, headers: Object.keys(headers), text: await body.text() };
  },
  async "two at once"({ undici, url, dispatcher }) {
    const one = async () => (await undici.request(url, { ...post, dispatcher } as object)).body.json();
    return Promise.all([one(), one()]);
  },
};

describe.each(UNDICIS)("undici $major", ({ major, loads }) => {
  describe.skipIf(!loads).each(["", "/failing"])("at %s", (prefix) => {
    it.for(Object.keys(CALLS))("%s", async (name) => {
      const undici = await loadUndici(major);
      const observe = async (wrap: (fetch: Call["fetch"]) => Call["fetch"], interceptors: unknown[]) => {
        received.length = 0;
        const agent = new undici.Agent({ allowH2: true, connect: { rejectUnauthorized: false } });
        const passOn = (dispatch: (...values: unknown[]) => unknown) => (options: unknown, handler: unknown) =>
          dispatch(options, handler);
        const dispatcher = [passOn, ...interceptors].reduce<unknown>(
          (inner, one) => (inner as { compose(one: unknown): unknown }).compose(one),
          agent,
        );
        const fetch = wrap(undici.fetch as unknown as Call["fetch"]);
        const seen = await CALLS[name]?.({ undici, url: origin + prefix + path, dispatcher, fetch });
        await agent.destroy();
        return { seen, received: [...received] };
      };
      const bare = await observe((fetch) => fetch, []);
      expect(bare.received[0]?.version).toBe("2.0");
      const isFetch = name.startsWith("fetch");
      for (const way of isFetch ? ["interceptor", "wrapFetch"] : ["interceptor"]) {
        const sink = memorySink();
        const tap = createTap({ sinks: [sink], hosts: { [origin]: { provider: "openai" } } });
        const isWrapped = way === "wrapFetch";
        expect(
          await observe((fetch) => (isWrapped ? tap.wrapFetch(fetch) : fetch), isWrapped ? [] : [tap.interceptor]),
          way,
        ).toEqual(bare);
        await tap.flush();
        expect(sink.calls.length).toBe(bare.received.length);
        for (const call of sink.calls) {
          expect(call).toMatchObject({
            outcome: prefix === "" ? "success" : "error",
            request: { model: "small-model" },
            response: { status: prefix === "" ? 200 : 500 },
          });
        }
        await tap.close();
      }
    });
  });
});
