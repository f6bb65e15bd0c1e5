import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type ReplayExchange,
  type ReplayServer,
  splitBytes,
  startReplayServer,
} from "../../src/testing/replay-server.ts";

const exchanges: Record<string, ReplayExchange> = {
  "a/b#1": {
    status: 429,
    headers: {
      "Content-Type": "text/event-stream",
      "content-length": "3",
      "content-encoding": "gzip",
      "set-cookie": ["a=1", "b=2"],
    },
    body: "data: é🚀\n\n".repeat(50),
  },
  empty: { status: 204 },
};

let server: ReplayServer;
beforeAll(async () => {
  server = await startReplayServer({ find: (id) => exchanges[id] });
});
afterAll(() => server.close());

it("serves status, headers and body by the id header", async () => {
  const response = await fetch(`${server.origin}/v1/chat/completions`, {
    method: "POST",
    body: "{}",
    headers: { "x-replay-id": encodeURIComponent("a/b#1") },
  });
  expect(response.status).toBe(429);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  expect(await response.text()).toBe(exchanges["a/b#1"]?.body);
});

it("serves by the path token, and empty bodies", async () => {
  const response = await fetch(`${server.origin}/~empty/v1/messages`, { method: "POST", body: "{}" });
  expect(response.status).toBe(204);
});

it.each(["/~unknown/x", "/x", "/~%E0%A4%A/x"])("answers 404 to %s", async (path) => {
  const response = await fetch(server.origin + path);
  expect(response.status).toBe(404);
  await response.text();
});

it("splits into pieces that are not empty and make the whole, the same for a seed", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer(),
      fc.integer({ min: 1, max: 20 }),
      (body, seed, maxChunks) => {
        const pieces = splitBytes(body, seed, maxChunks);
        expect(pieces.length).toBeLessThanOrEqual(maxChunks);
        expect(pieces.every((piece) => piece.length > 0)).toBe(true);
        expect(Buffer.concat(pieces)).toEqual(Buffer.from(body));
        expect(splitBytes(body, seed, maxChunks)).toEqual(pieces);
      },
    ),
  );
});
