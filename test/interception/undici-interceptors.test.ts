/** undici's own interceptors above and below the tap: the app and the server see what they see without it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap, type Tap } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { chatRequest } from "../tap/helpers.ts";
// @ts-expect-error Plain JavaScript: the grid runs it without a build.
import { describeError } from "./grid/observe.mjs";
// @ts-expect-error The same.
import { startServer } from "./grid/server.mjs";
import { loadUndici, UNDICIS, type Undici } from "./undicis.ts";

interface GridServer {
  origin: string;
  logOf(cell: string): { requests: { headers: string[] }[] };
  close(): void;
}

let server: GridServer;
const undicis = new Map<number, Undici>();
beforeAll(async () => {
  server = (await startServer()) as GridServer;
  for (const { major, loads } of UNDICIS) if (loads) undicis.set(major, await loadUndici(major));
});
afterAll(() => server.close());

const post = chatRequest();
let cells = 0;

interface Chain {
  name: string;
  kind: string;
  make: (interceptors: Record<string, (options?: object) => unknown>) => unknown[];
  /** Records when the tap lies beneath the interceptor (`each`: of each request), and when above. */
  below: number | "each";
  above: number;
  /** `localhost` instead of an address. */
  byName?: true;
}

const retry = { maxRetries: 3, minTimeout: 1, maxTimeout: 5, methods: ["POST"] };
const CHAINS: Chain[] = [
  { name: "retry", kind: "flaky", make: ({ retry: make }) => [make?.(retry)], below: "each", above: 1 },
  {
    name: "retry of a broken answer",
    kind: "reset-mid",
    make: ({ retry: make }) => [make?.({ ...retry, maxRetries: 1 })],
    below: "each",
    above: 1,
  },
  {
    name: "redirect, 307",
    kind: "redirect-307",
    make: ({ redirect }) => [redirect?.({ maxRedirections: 2 })],
    below: 1,
    above: 1,
  },
  {
    name: "redirect, 303",
    kind: "redirect-303",
    make: ({ redirect }) => [redirect?.({ maxRedirections: 2 })],
    below: 1,
    above: 1,
  },
  { name: "decompress", kind: "gzip", make: ({ decompress }) => [decompress?.()], below: 1, above: 1 },
  { name: "decompress of a stream", kind: "sse", make: ({ decompress }) => [decompress?.()], below: 1, above: 1 },
  { name: "cache", kind: "json", make: ({ cache }) => [cache?.({ methods: ["GET"] })], below: 1, above: 1 },
  { name: "deduplicate", kind: "json", make: ({ deduplicate }) => [deduplicate?.()], below: 1, above: 1 },
  {
    name: "dns",
    kind: "json",
    make: ({ dns }) => [dns?.({ affinity: 4, dualStack: false })],
    below: 1,
    above: 1,
    byName: true,
  },
  { name: "dump", kind: "json", make: ({ dump }) => [dump?.({ maxSize: 1_000_000 })], below: 1, above: 1 },
  { name: "responseError", kind: "status-500", make: ({ responseError }) => [responseError?.()], below: 1, above: 1 },
  {
    name: "all at once",
    kind: "redirect-307",
    make: (all) => [
      all["dns"]?.({ affinity: 4, dualStack: false }),
      all["retry"]?.(retry),
      all["redirect"]?.({ maxRedirections: 2 }),
      all["decompress"]?.(),
    ],
    below: 1,
    above: 1,
    byName: true,
  },
];

const CLIENTS = {
  async request({ undici, url, dispatcher }: Call) {
    const { statusCode, headers, body } = await undici.request(url, { ...post, dispatcher } as object);
    return { statusCode, headers, text: await body.text() };
  },
  async fetch({ undici, url, dispatcher }: Call) {
    const response = await undici.fetch(url, { ...post, dispatcher } as object);
    return {
      status: response.status,
      redirected: response.redirected,
      headers: [...response.headers],
      text: await response.text(),
    };
  },
};

interface Call {
  undici: Undici;
  url: string;
  dispatcher: unknown;
}

/** A request whose body fails may reach the server after the app has its error. */
async function settled(requests: readonly object[]) {
  for (let still = 0, before = -1; still < 4; still = requests.length === before ? still + 1 : 0) {
    before = requests.length;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

async function observe(
  client: keyof typeof CLIENTS,
  { undici, kind, byName }: { undici: Undici; kind: string; byName: boolean },
  interceptors: unknown[],
) {
  cells += 1;
  const cell = `cell${cells}x`;
  const origin = byName ? server.origin.replace("127.0.0.1", "localhost") : server.origin;
  const dispatcher = interceptors.reduce<{ compose(one: unknown): unknown; destroy(): Promise<void> }>(
    (inner, one) => inner.compose(one) as typeof inner,
    new undici.Agent() as never,
  );
  const url = `${origin}/c/${kind}/${cell}/v1/chat/completions`;
  let seen: unknown;
  try {
    seen = await CLIENTS[client]({ undici, url, dispatcher });
  } catch (error) {
    seen = { error: describeError(error) as unknown };
  }
  await settled(server.logOf(cell).requests);
  await dispatcher.destroy();
  const text = JSON.stringify({ seen, requests: server.logOf(cell).requests });
  return JSON.parse(text.replaceAll(cell, "CELL")) as unknown;
}

const passOn = (dispatch: (...values: unknown[]) => unknown) => (options: unknown, handler: unknown) =>
  dispatch(options, handler);

describe.each(UNDICIS)("undici $major", ({ major, loads }) => {
  describe.skipIf(!loads).each(CHAINS)("$name", ({ kind, make, below, above, byName = false }) => {
    it.for(["request", "fetch"] as const)("%s", async (client) => {
      const undici = undicis.get(major) as Undici;
      const chain = make(undici.interceptors as never).filter((one) => one !== undefined);
      const places: [string, number | "each", (tap: Tap) => unknown[]][] = [
        ["below", below, (tap) => [tap.interceptor, ...chain]],
        ["above", above, (tap) => [...chain, tap.interceptor]],
      ];
      const bare = await observe(client, { undici, kind, byName }, [passOn, ...chain]);
      for (const [place, count, compose] of places) {
        const sink = memorySink();
        const hosts = {
          [server.origin]: { provider: "openai" },
          [server.origin.replace("127.0.0.1", "localhost")]: { provider: "openai" },
        };
        const tap = createTap({ sinks: [sink], hosts });
        expect(await observe(client, { undici, kind, byName }, compose(tap)), place).toEqual(bare);
        await tap.flush();
        // What this undici does not have is not in the way.
        const attempts = (bare as { requests: unknown[] }).requests.length;
        const expected = chain.length === 0 ? 1 : count === "each" ? attempts : count;
        expect(sink.calls.length, place).toBe(expected);
        // undici sends a fetch's body once: a second attempt has none.
        expect(sink.calls[0]?.request.model, place).toBe("small-model");
        const last = sink.calls.at(-1);
        if (["gzip", "json", "sse"].includes(kind)) expect(last, place).toMatchObject({ outcome: "success" });
        const { seen, recorded, ignored, inFlight } = tap.stats();
        const ignoredCalls = Object.values(ignored).reduce((sum, each) => sum + each, 0);
        expect({ place, seen, inFlight }).toEqual({ place, seen: recorded + ignoredCalls, inFlight: 0 });
        await tap.close();
      }
    });
  });
});
