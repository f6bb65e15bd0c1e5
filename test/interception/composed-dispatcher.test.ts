/** What a tap knows at a dispatcher alone, with nothing on fetch, of calls that end before a response: this much, and no more. */
import type { Agent } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTap } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { chatRequest, type LoopbackServer, startServer } from "../tap/helpers.ts";
import { loadUndici, type Undici, UNDICIS } from "./undicis.ts";

let server: LoopbackServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

type Call = (undici: Undici, url: string, dispatcher: Agent) => Promise<unknown>;

/** To connect takes longer than the app waits. */
function makeSlowAgent(undici: Undici): Agent {
  const connect = undici.buildConnector({});
  return new undici.Agent({ connect: (options, done) => void setTimeout(() => connect(options, done), 80) });
}

/** @returns how each call was recorded, and what the app got */
async function record(undici: Undici, call: Call, tapsFetch = false): Promise<{ records: string[]; error: string }> {
  const sink = memorySink();
  const tap = createTap({ sinks: [sink], hosts: { [server.host]: { provider: "openai" } } });
  const agent = makeSlowAgent(undici);
  const own = { ...undici, fetch: tap.wrapFetch(undici.fetch as unknown as typeof fetch) } as unknown as Undici;
  const dispatcher = (tapsFetch ? agent : agent.compose(tap.interceptor as never)) as Agent;
  const url = `${server.origin}/v1/chat/completions`;
  const error = await call(tapsFetch ? own : undici, url, dispatcher).then(String, (thrown: Error) => thrown.name);
  // It may learn of the end when the connection is there.
  for (let round = 0; round < 100 && tap.stats().inFlight > 0; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await tap.close();
  await agent.destroy();
  return { error, records: sink.calls.map((each) => `${each.outcome} ${each.error?.kind}`) };
}

const post = chatRequest() as { method: string; headers: Record<string, string>; body: string };
const fetching =
  (makeSignal: () => AbortSignal): Call =>
  (undici, url, dispatcher) =>
    undici.fetch(url, { ...post, signal: makeSignal(), dispatcher });
const requesting =
  (makeSignal: () => AbortSignal): Call =>
  (undici, url, dispatcher) =>
    undici.request(url, { ...post, signal: makeSignal(), dispatcher });
const timeout = (): AbortSignal => AbortSignal.timeout(20);
const aborted = (): AbortSignal => AbortSignal.abort();

describe.each(UNDICIS.filter(({ loads }) => loads))("undici $major", ({ major }) => {
  it("a fetch that times out before there is a connection counts as cancelled: fetch does not hand the reason on", async () => {
    const undici = await loadUndici(major);
    expect(await record(undici, fetching(timeout))).toEqual({ error: "TimeoutError", records: ["cancelled abort"] });
    const tapped = { error: "TimeoutError", records: ["error timeout"] };
    expect(await record(undici, fetching(timeout), true)).toEqual(tapped);
    expect(await record(undici, requesting(timeout))).toEqual(tapped);
  });

  it("a fetch that was aborted before never comes to the dispatcher: no record", async () => {
    const undici = await loadUndici(major);
    expect(await record(undici, fetching(aborted))).toEqual({ error: "AbortError", records: [] });
    expect(await record(undici, fetching(aborted), true)).toEqual({
      error: "AbortError",
      records: ["cancelled abort"],
    });
  });
});
