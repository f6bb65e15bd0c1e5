/** Which sockets are released, told by messages as undici publishes them. `own-requests.test.ts` has undici's own. */
import { channel } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, it } from "vitest";
import { releaseSockets } from "../../src/platform/background.ts";
import type { SocketRelease } from "../../src/platform/platform.ts";

const publish = (name: string, message: object): void => channel(name).publish(message);
let isBackground = false;
let release: SocketRelease;
beforeEach(() => {
  isBackground = false;
  release = releaseSockets(() => isBackground);
});
afterEach(() => release.stop());

function makeSocket(encrypted = false) {
  const socket = {
    encrypted,
    isHolding: true,
    ref: () => void (socket.isHolding = true),
    unref: () => void (socket.isHolding = false),
  };
  return socket;
}

function create(isOurs: boolean, origin: unknown = "http://collector.test") {
  isBackground = isOurs;
  const request = { origin };
  publish("undici:request:create", { request });
  isBackground = false;
  return request;
}

/** @returns the socket that is made for it */
async function connect({ protocol = "http:", encrypted = false, late = false } = {}) {
  const socket = makeSocket(encrypted);
  publish("undici:client:beforeConnect", { connectParams: { protocol, host: "collector.test" } });
  if (late) await Promise.resolve();
  publish("net.client.socket", { socket });
  await Promise.resolve();
  return socket;
}

it("a socket that requests share holds the process from the app's on", () => {
  const socket = makeSocket();
  publish("undici:client:sendHeaders", { request: create(true), socket });
  expect(socket.isHolding).toBe(false);
  publish("undici:client:sendHeaders", { request: create(false), socket });
  expect(socket.isHolding).toBe(true);
});

it("a socket of the app's is left as the app has it", () => {
  const socket = makeSocket();
  socket.unref();
  publish("undici:client:sendHeaders", { request: create(false), socket });
  expect(socket.isHolding).toBe(false);
});

it("a socket that is opened while a request of ours is under way to there is released, and no later one", async () => {
  const end = release.expect("http://collector.test");
  create(true);
  expect((await connect()).isHolding).toBe(false);
  const another = makeSocket();
  publish("net.client.socket", { socket: another });
  await Promise.resolve();
  expect(another.isHolding).toBe(true);
  end();
  expect((await connect()).isHolding).toBe(true);
});

it("nor one that is opened right behind it", async () => {
  const end = release.expect("http://collector.test");
  create(true);
  const first = connect();
  const next = makeSocket();
  publish("net.client.socket", { socket: next });
  expect([(await first).isHolding, next.isHolding]).toEqual([false, true]);
  // Undici tells of a connection, and its socket is not told of; the next one is for another place.
  publish("undici:client:beforeConnect", { connectParams: { protocol: "http:", host: "collector.test" } });
  publish("undici:client:beforeConnect", { connectParams: { protocol: "http:", host: "api.test" } });
  const other = makeSocket();
  publish("net.client.socket", { socket: other });
  await Promise.resolve();
  expect(other.isHolding).toBe(true);
  end();
});

it.each(["http://collector.test", new URL("http://collector.test/path")])(
  "nor one that may be for the app's request to the same place: %s",
  async (origin) => {
    const ends = [release.expect("http://collector.test"), release.expect("http://collector.test")];
    create(true);
    create(false, origin);
    expect((await connect()).isHolding).toBe(true);
    for (const end of ends) end();
  },
);

it("of TLS too, and, where Node does not tell of that socket, not the next one of somebody else", async () => {
  const end = release.expect("https://collector.test");
  create(true, "https://collector.test");
  const protocol = "https:";
  expect((await connect({ protocol, encrypted: true })).isHolding).toBe(false);
  expect((await connect({ protocol, encrypted: false })).isHolding).toBe(true);
  expect((await connect({ protocol, encrypted: true, late: true })).isHolding).toBe(true);
  end();
});
