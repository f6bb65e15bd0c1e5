/** Whatever a server does to a call: one record that says so, and the app gets what it would have had. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { chatRequest } from "../tap/helpers.ts";
import { type BehaviourName, type RawServer, startRawServer, url } from "./raw-server.ts";
import { type Expected, expectSameEnd, type Fetch, describeEachWay, OWN_DISPATCHER } from "./ways.ts";

let server: RawServer;
beforeAll(async () => {
  server = await startRawServer();
});
afterAll(() => server.close());

/** All that a Response tells, and its body. */
async function readWhole(response: Response): Promise<unknown> {
  const { status, statusText, ok, redirected, type } = response;
  const hasBody = response.body !== null;
  return { status, statusText, ok, redirected, type, hasBody, text: await response.text() };
}

const whole =
  (name: BehaviourName, init?: RequestInit) =>
  async (fetch: Fetch): Promise<unknown> =>
    readWhole(await fetch(url(server, name), { ...chatRequest(), ...init }));

const SUCCESS: Expected = { outcome: "success" };
const NETWORK: Expected = { outcome: "error", kind: "network" };
const CUT: Expected = { outcome: "truncated", kind: "network" };

const ENDS: [BehaviourName, Expected][] = [
  ["json", SUCCESS],
  ["stream", SUCCESS],
  ["one-byte-a-packet", SUCCESS],
  ["close-delimited", SUCCESS],
  ["http-1.0", SUCCESS],
  ["no-reason-phrase", SUCCESS],
  ["early-hints", { ...SUCCESS, status: 200 }],
  ["two-responses", SUCCESS],
  ["two-streams", SUCCESS],
  ["trailers", SUCCESS],
  ["chunk-extensions", SUCCESS],
  ["gzip", SUCCESS],
  ["204", { ...SUCCESS, status: 204 }],
  ["205", { ...SUCCESS, status: 205 }],
  ["200-empty", SUCCESS],
  ["304", { outcome: "error", kind: "http", status: 304 }],
  ["429", { outcome: "error", kind: "http", status: 429 }],
  ["500", { outcome: "error", kind: "http", status: 500 }],
  ["redirect", SUCCESS],
  ["garbage-status", NETWORK],
  ["huge-headers", NETWORK],
  ["bad-header", NETWORK],
  ["bad-length", NETWORK],
  ["two-lengths", NETWORK],
  ["end-without-answer", NETWORK],
  ["end-in-headers", NETWORK],
  ["reset-without-answer", NETWORK],
  ["reset-in-headers", NETWORK],
  ["unasked-upgrade", NETWORK],
  ["length-too-long", CUT],
  ["half-closed-in-body", CUT],
  ["reset-in-chunk", CUT],
  ["end-in-chunk", CUT],
  ["end-without-last-chunk", CUT],
  ["bad-chunk-size", CUT],
  ["no-chunks-at-all", CUT],
  ["wrong-chunk-end", CUT],
  ["endless-chunk-size", CUT],
  ["finished-then-reset", SUCCESS],
];

/** A big request, so that most of it is still here when the server speaks. */
const big = { body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "x".repeat(3_000_000) }] }) };
const HTTP_413: Expected = { outcome: "error", kind: "http", status: 413 };
const HTTP_307: Expected = { outcome: "error", kind: "http", status: 307 };

describeEachWay((way) => {
  const compare = (run: (fetch: Fetch) => Promise<unknown>, expected: Expected, hosts = [server.origin]) =>
    expectSameEnd({ way, run, expected, hosts });
  const compareReset = (run: (fetch: Fetch) => Promise<unknown>, expected: Expected) =>
    expectSameEnd({ way, run, expected, hosts: [server.origin], isReset: true });
  /** It sees what fetch makes of the wire, not the wire. */
  const isForeign = way === "tap.wrapFetch of a foreign fetch";

  it.each(ENDS)("%s", async (name, expected) => {
    await (name.includes("reset") ? compareReset : compare)(whole(name), expected);
  });

  it("length-too-short: what was promised came", async () => {
    await compare(whole("length-too-short"), SUCCESS);
  });

  it("cut-gzip: all of the answer came", async () => {
    await compare(whole("cut-gzip"), SUCCESS);
  });

  // The wire is whole, only its label lies; of a fetch that decodes nothing comes but an error.
  it("no-gzip", async () => {
    await compare(whole("no-gzip"), isForeign ? CUT : SUCCESS);
  });

  // A dispatcher sees the hops; the last one has ended the call.
  it.each(["redirect-loop", "redirect-nowhere"] as const)("%s", async (name) => {
    await compare(whole(name), way === "a composed dispatcher" ? HTTP_307 : NETWORK);
  });

  it("a redirect that must not be", async () => {
    await compare(whole("redirect", { redirect: "error" }), isForeign ? NETWORK : HTTP_307);
  });

  it("a redirect that the app looks at itself", async () => {
    await compare(whole("redirect", { redirect: "manual" }), HTTP_307);
  });

  it("HEAD", async () => {
    await compare(async (fetch) => readWhole(await fetch(url(server, "head"), { method: "HEAD" })), SUCCESS);
  });

  it.each([
    ["early-413", HTTP_413],
    ["early-400-and-end", { outcome: "error", kind: "http", status: 400 }],
    ["early-answer", SUCCESS],
  ] as const)("%s, while the request is still on its way", async (name, expected) => {
    await compare(whole(name, big), expected);
  });

  it("early-reset, while the request is still on its way", async () => {
    // Whether the write or the read fails first is the kernel's choice.
    const run = async (fetch: Fetch): Promise<unknown> =>
      fetch(url(server, "early-reset"), { ...chatRequest(), ...big }).then(
        () => "answered",
        (error: Error) => [error.name, error.message],
      );
    await compare(run, NETWORK);
  });

  it("a refused connection", async () => {
    const { refused } = server;
    await compare((fetch) => fetch(`${refused}/v1/chat/completions`, chatRequest()), NETWORK, [refused]);
  });

  it("a name that nobody has", async () => {
    const origin = "http://no-such-host.invalid";
    await compare((fetch) => fetch(`${origin}/v1/chat/completions`, chatRequest()), NETWORK, [origin]);
  });

  it("TLS to a server that speaks none", async () => {
    const origin = server.origin.replace("http:", "https:");
    await compare((fetch) => fetch(`${origin}/v1/chat/completions`, chatRequest()), NETWORK, [origin]);
  });
});

describe.each(OWN_DISPATCHER)("time-outs of the dispatcher, through %s", (way) => {
  const TIMEOUT: Expected = { outcome: "error", kind: "timeout" };
  const agent = { headersTimeout: 300, bodyTimeout: 300 };

  it.each(["silent", "slow-headers", "stalls"] as const)("%s", async (name) => {
    await expectSameEnd({ way, run: whole(name), expected: TIMEOUT, hosts: [server.origin], agent });
  });
});
