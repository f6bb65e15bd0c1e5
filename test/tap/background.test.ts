import { channel } from "node:diagnostics_channel";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createTap } from "../../src/tap.ts";
import type { Sink } from "../../src/types.ts";

const names = [
  "undici:request:create",
  "undici:client:sendHeaders",
  "undici:client:beforeConnect",
  "net.client.socket",
];
const countActive = (): number => names.filter((name) => channel(name).hasSubscribers).length;

function makeFetch(): typeof fetch {
  return () => Promise.resolve(Response.json({ id: "c-1", model: "m-1", choices: [] }));
}

async function call(fetch: typeof globalThis.fetch): Promise<void> {
  const response = await fetch("https://api.openai.com/v1/chat/completions", {
    method: "POST",
    body: '{"model":"m-1"}',
  });
  await response.text();
}

it("listens to undici's channels from the first write to the end of the tap, and not anew for each write", async () => {
  const seen: number[] = [];
  const sink: Sink = {
    name: "watcher",
    async write(records) {
      await delay(1);
      seen.push(countActive());
      return { results: records.map(() => "delivered") };
    },
  };
  const tap = createTap({ sinks: [sink], costTracking: false });
  const fetch = tap.wrapFetch(makeFetch());
  expect(countActive()).toBe(0);
  for (let turn = 0; turn < 2; turn += 1) {
    await call(fetch);
    await tap.flush();
    expect(countActive()).toBe(names.length);
  }
  expect(seen).toEqual([names.length, names.length]);
  await tap.close();
  expect(countActive()).toBe(0);
});

it("leaves them alone once the last write of a closed tap has ended", async () => {
  let settle = (): void => undefined;
  const sink: Sink = {
    name: "slow",
    write: (records) =>
      new Promise((resolve) => {
        settle = () => resolve({ results: records.map(() => "delivered" as const) });
      }),
  };
  const tap = createTap({ sinks: [sink], costTracking: false });
  await call(tap.wrapFetch(makeFetch()));
  await tap.close({ timeoutMs: 20 });
  expect(countActive()).toBe(names.length);
  settle();
  await delay(1);
  expect(countActive()).toBe(0);
});

it("follows no write of a sink that says there is nothing to follow", async () => {
  const sink: Sink = {
    name: "quiet",
    followed: false,
    async write(records) {
      await delay(1);
      return { results: records.map(() => "delivered") };
    },
  };
  const tap = createTap({ sinks: [sink], costTracking: false });
  await call(tap.wrapFetch(makeFetch()));
  expect(await tap.flush()).toMatchObject({ delivered: 1, pending: 0 });
  expect(countActive()).toBe(0);
  await tap.close();
});
