import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TapError } from "../../src/errors.ts";
import { httpSink, type HttpSinkOptions } from "../../src/sinks/http.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import { testSink } from "../../src/testing/sink-contract.ts";
import type { TapRecord } from "../../src/types.ts";

interface Request {
  headers: IncomingHttpHeaders;
  /** After decompression. */
  body: string;
  records: TapRecord[];
}

interface Receiver {
  url: string;
  requests: Request[];
  /** What was in the requests that got a 200, in order. */
  accepted: TapRecord[];
  /** Answers by itself and returns true, or leaves the 200 to the receiver. */
  answer: (request: Request, response: ServerResponse) => boolean;
  close(): Promise<void>;
}

async function startReceiver(): Promise<Receiver> {
  const server: Server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      const raw = Buffer.concat(chunks);
      const body = (message.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw).toString();
      const { records } = JSON.parse(body) as { records: TapRecord[] };
      const request = { headers: message.headers, body, records };
      receiver.requests.push(request);
      if (receiver.answer(request, response)) return;
      receiver.accepted.push(...records);
      response.end("ok");
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=secret`,
    requests: [],
    accepted: [],
    answer: () => false,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

let receiver: Receiver;
const ids = (records: readonly TapRecord[]): string[] => records.map(({ id }) => id);
const status =
  (code: number, headers: Record<string, string> = {}, body = "") =>
  (_request: Request, response: ServerResponse): boolean => {
    response.writeHead(code, headers).end(body);
    return true;
  };

for (const options of [{}, { gzip: true, secret: "whsec_c2VjcmV0", batchSize: 7 }] as Partial<HttpSinkOptions>[]) {
  testSink(
    {
      name: `http ${JSON.stringify(options)}`,
      async create() {
        receiver = await startReceiver();
        return httpSink({ url: receiver.url, ...options });
      },
      received: () => ids(receiver.accepted),
      hang() {
        receiver.answer = () => true;
      },
      destroy: () => receiver.close(),
    },
    { describe, it, expect },
  );
}

describe("httpSink", () => {
  let warnings: string[] = [];
  beforeEach(async () => {
    receiver = await startReceiver();
    warnings = [];
  });
  afterEach(() => receiver.close());

  function write(records: readonly TapRecord[], options: Partial<HttpSinkOptions> = {}) {
    const sink = httpSink({ url: receiver.url, onWarning: (message) => warnings.push(message), ...options });
    return sink.write(records, { signal: new AbortController().signal });
  }

  it("posts the records themselves, in batches, with the headers given", async () => {
    const records = sampleRecords(25);
    await write(records, { batchSize: 10, headers: { authorization: "Bearer x" } });
    expect(receiver.requests.map((request) => request.records.length)).toEqual([10, 10, 5]);
    expect(receiver.accepted).toEqual(records);
    expect(receiver.requests[0]?.headers).toMatchObject({
      "content-type": "application/json",
      authorization: "Bearer x",
    });
    expect(receiver.requests[0]?.headers).not.toHaveProperty("webhook-signature");
  });

  it("keeps requests under maxRequestBytes, and sends a larger record alone", async () => {
    const small = sampleRecords(6);
    const large = sampleCall({ context: { properties: { text: "x".repeat(20_000) } } });
    const records = [...small.slice(0, 3), large, ...small.slice(3)];
    await write(records, { maxRequestBytes: 10_000 });
    expect(receiver.accepted).toEqual(records);
    const sizes = receiver.requests.map(({ body }) => body.length).filter((size) => size < 20_000);
    expect(Math.max(...sizes)).toBeLessThan(10_100);
    expect(receiver.requests.filter(({ body }) => body.length > 20_000).map((request) => ids(request.records))).toEqual(
      [[large.id]],
    );
  });

  it.each([
    ["whsec_c2VjcmV0LWtleQ==", Buffer.from("secret-key")],
    ["plain text", Buffer.from("plain text")],
  ])("signs with %s as Standard Webhooks has it, compressed or not", async (secret, key) => {
    for (const gzip of [false, true]) await write(sampleRecords(3), { secret, gzip });
    for (const { headers, body } of receiver.requests) {
      const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = headers;
      const expected = createHmac("sha256", key)
        .update(`${String(id)}.${String(timestamp)}.${body}`)
        .digest("base64");
      expect(signature).toBe(`v1,${expected}`);
      expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(30);
    }
    expect(receiver.requests.map(({ headers }) => headers["content-encoding"])).toEqual([undefined, "gzip"]);
  });

  it("names a request the same when the same records come again", async () => {
    const records = sampleRecords(3);
    await write(records);
    await write(records);
    await write(records.slice(1));
    const [first, second, third] = receiver.requests.map(({ headers }) => headers["webhook-id"]);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it.each([500, 502, 503, 504, 408, 425, 429])("%i: again, after retry-after", async (code) => {
    receiver.answer = status(code, { "retry-after": "7" });
    const answer = await write(sampleRecords(5), { batchSize: 2 });
    expect(answer).toEqual({ results: Array.from({ length: 5 }, () => "retry"), retryAfterMs: 7_000 });
    expect(receiver.requests).toHaveLength(1);
  });

  it("a time-out, a reset and a refused connection: again", async () => {
    receiver.answer = () => true;
    expect((await write(sampleRecords(2), { requestTimeoutMs: 50 })).results).toEqual(["retry", "retry"]);
    receiver.answer = (_request, response) => {
      response.destroy();
      return true;
    };
    expect((await write(sampleRecords(2))).results).toEqual(["retry", "retry"]);
    await receiver.close();
    expect((await write(sampleRecords(2))).results).toEqual(["retry", "retry"]);
  });

  it("a redirect is not followed: the page that it leads to is not the receiver", async () => {
    receiver.answer = status(302, { location: "/login" });
    expect((await write(sampleRecords(2))).results).toEqual(["retry", "retry"]);
    expect(receiver.requests).toHaveLength(1);
  });

  it("what came through before a failure counts", async () => {
    receiver.answer = (request, response) => receiver.requests.length > 2 && status(503)(request, response);
    const { results } = await write(sampleRecords(10), { batchSize: 3 });
    expect(results.map((result) => result === "delivered")).toEqual([
      ...Array.from({ length: 6 }, () => true),
      ...Array.from({ length: 4 }, () => false),
    ]);
  });

  it("400 and 422: the records that are refused are found, with what the receiver says; the others arrive", async () => {
    const records = sampleRecords(20);
    const bad = new Set([records[3]?.id, records[17]?.id]);
    receiver.answer = (request, response) =>
      request.records.some(({ id }) => bad.has(id)) && status(422, {}, "no \u001B[31msuch plan")(request, response);
    const { results, reasons } = await write(records);
    expect(results).toEqual(records.map(({ id }) => (bad.has(id) ? "rejected" : "delivered")));
    expect(reasons?.[3]).toBe("HTTP 422: no \u001B[31msuch plan");
    expect(ids(receiver.accepted)).toEqual(ids(records.filter(({ id }) => !bad.has(id))));
    expect(warnings).toEqual([
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/hook refuses some records: HTTP 422/),
    ]);
    // The token of the URL is not shown, nor does the receiver reach the terminal.
    expect(warnings.join()).not.toContain("token");
    expect(warnings.join()).not.toContain("\u001B");
  });

  it("413: smaller requests; a record that is too large alone is refused", async () => {
    const records = sampleRecords(16);
    const large = sampleCall({ context: { properties: { text: "x".repeat(20_000) } } });
    receiver.answer = (request, response) => request.body.length > 8_000 && status(413)(request, response);
    const { results } = await write([...records, large]);
    expect(results).toEqual([...records.map(() => "delivered"), "rejected"]);
    expect(ids(receiver.accepted)).toEqual(ids(records));
  });

  it.each([401, 403, 404, 405, 410])(
    "%i: nothing is wrong with the records; they are kept, with one warning",
    async (code) => {
      receiver.answer = status(code);
      const sink = httpSink({ url: receiver.url, onWarning: (message) => warnings.push(message) });
      for (let round = 0; round < 2; round += 1) {
        const answer = await sink.write(sampleRecords(2), { signal: new AbortController().signal });
        expect(answer).toEqual({ results: ["retry", "retry"], retryAfterMs: 60_000 });
      }
      expect(warnings).toHaveLength(1);
    },
  );

  it.each([
    [{ url: "ftp://example.com" }, /"url" must be an http\(s\) URL, got "ftp:/],
    [{ url: undefined as never }, /"url" must be an http\(s\) URL, got undefined/],
    [{ url: "https://ada:x@example.com" }, /must not hold credentials/],
    [{ secret: "" }, /"secret" must be a text/],
    [{ secret: undefined }, /"secret" must be a text.* Is the environment variable set/],
    [{ batchSize: 0 }, /"batchSize" must be a number of at least 1, got 0/],
    [{ headers: { "a b": "c" } }, /"headers" can't be sent/],
  ])("says what is wrong with %j", (wrong, message) => {
    const create = () => httpSink({ url: "https://example.com", ...wrong });
    expect(create).toThrow(TapError);
    expect(create).toThrow(message);
  });

  it("names its destination without showing it", () => {
    const [first, same, other] = ["https://a.example/?token=1", "https://a.example/?token=1", "https://b.example/"].map(
      (url) => httpSink({ url }).destination,
    );
    expect(first).toBe(same);
    expect(first).not.toBe(other);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
  });
});
