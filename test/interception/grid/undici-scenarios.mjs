// The same for undici's own ways to call: request, stream, pipeline, connect, upgrade.
import { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { attempt, describeBytes, describeError, readAll } from "./observe.mjs";
import { CHAT, post } from "./fetch-scenarios.mjs";

const collect = () => {
  const chunks = [];
  const writable = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { writable, chunks };
};

const requesting =
  (kind, makeOptions = () => post(), read = (body) => readAll(body)) =>
  async (cell) => {
    const response = await cell.undici.request(cell.url(kind), cell.with(makeOptions(cell)));
    const { statusCode, headers, body, trailers, opaque } = response;
    const seen = { statusCode, headers, opaque, keys: Object.keys(response), body: body.constructor.name };
    return { ...seen, read: await attempt(() => read(body, cell)), trailers, destroyed: body.destroyed };
  };

const closed = async (cell) => ({ closedEarly: await cell.server.closedEarly(cell.id).then(() => true) });

async function* pieces() {
  yield Buffer.from(CHAT.slice(0, 20));
  yield Buffer.from(CHAT.slice(20));
}

export const REQUEST_SCENARIOS = {
  json: { outcome: "success", run: requesting("json") },
  sse: { outcome: "success", run: requesting("sse") },
  gzip: { outcome: "success", run: requesting("gzip") },
  cookies: { outcome: "success", run: requesting("cookies") },
  trailers: { outcome: "success", run: requesting("trailers") },
  204: { outcome: "any", run: requesting("status-204") },
  400: { outcome: "error", run: requesting("status-400") },
  "redirect that nobody follows": { outcome: "any", records: "any", run: requesting("redirect-307") },
  "body.json": {
    outcome: "success",
    run: requesting(
      "json",
      () => post(),
      (body) => body.json(),
    ),
  },
  "body.text": {
    outcome: "success",
    run: requesting(
      "sse",
      () => post(),
      (body) => body.text(),
    ),
  },
  "body.blob": {
    outcome: "success",
    run: requesting(
      "json",
      () => post(),
      async (body) => (await body.blob()).size,
    ),
  },
  "body.body": {
    outcome: "success",
    run: requesting(
      "json",
      () => post(),
      (body) => readAll(body.body),
    ),
  },
  "body.dump": {
    outcome: "any",
    run: requesting(
      "json",
      () => post(),
      (body) => body.dump(),
    ),
  },
  "early hints": {
    outcome: "success",
    run: async (cell) => {
      const hints = [];
      const onInfo = ({ statusCode, headers }) => hints.push([statusCode, headers]);
      const { body } = await cell.undici.request(cell.url("early-hints"), cell.with(post({ onInfo })));
      return { hints, body: await readAll(body) };
    },
  },
  "raw headers and opaque": {
    outcome: "success",
    run: requesting("cookies", () => post({ opaque: { mine: 1 }, responseHeaders: "raw" })),
  },
  "headers flat": {
    outcome: "success",
    run: requesting("json", () => post({ headers: ["Content-Type", "application/json", "X-One", "1", "x-one", "2"] })),
  },
  "headers from a generator": {
    outcome: "success",
    run: requesting("json", () =>
      post({
        headers: (function* headers() {
          yield ["content-type", "application/json"];
          yield ["x-one", "1"];
        })(),
      }),
    ),
  },
  "headers from a Map": {
    outcome: "success",
    run: requesting("json", () => post({ headers: new Map([["content-type", "application/json"]]) })),
  },
  "body buffer": { outcome: "success", run: requesting("json", () => post({ body: Buffer.from(CHAT) })) },
  "body stream": {
    outcome: "success",
    run: requesting("json", () => post({ body: Readable.from([CHAT.slice(0, 9), CHAT.slice(9)]) })),
  },
  "body web stream": {
    outcome: "success",
    run: requesting("json", () => post({ body: new Blob([CHAT]).stream() })),
  },
  "body iterable": { outcome: "success", run: requesting("json", () => post({ body: pieces() })) },
  "body iterable object": {
    outcome: "success",
    run: requesting("json", () => post({ body: { [Symbol.asyncIterator]: pieces } })),
  },
  "body array": {
    outcome: "success",
    run: requesting("json", () => post({ body: [CHAT.slice(0, 9), CHAT.slice(9)] })),
  },
  "body Blob": { outcome: "success", run: requesting("json", () => post({ body: new Blob([CHAT]) })) },
  // With the global dispatcher of a Node that has undici 7 it waits for ever.
  "body form": {
    outcome: "success",
    isSlow: true,
    limitMs: 15_000,
    run: requesting("json", (cell) => {
      const body = new cell.undici.FormData();
      body.append("model", "whisper-small");
      body.append("file", new Blob(["RIFF"], { type: "audio/wav" }), "speech.wav");
      return { method: "POST", body };
    }),
  },
  "body stream that fails": {
    outcome: "error",
    run: (cell) => {
      const thrown = new RangeError("no more of it");
      const body = new Readable({
        read() {
          this.destroy(thrown);
        },
      });
      return attempt(() => cell.undici.request(cell.url("json"), cell.with(post({ body }))), { thrown });
    },
  },
  "aborted before headers": {
    outcome: "cancelled",
    run: async (cell) => {
      const controller = new AbortController();
      const reason = new Error("the reason");
      const call = attempt(
        () => cell.undici.request(cell.url("hang"), cell.with(post({ signal: controller.signal }))),
        { reason },
      );
      await cell.arrived();
      controller.abort(reason);
      return { call: await call, ...(await closed(cell)) };
    },
  },
  "aborted by an emitter": {
    outcome: "cancelled",
    run: async (cell) => {
      const { EventEmitter } = await import("node:events");
      const signal = new EventEmitter();
      const call = attempt(() => cell.undici.request(cell.url("hang"), cell.with(post({ signal }))));
      await cell.arrived();
      signal.emit("abort");
      return { call: await call, ...(await closed(cell)) };
    },
  },
  "destroyed in the middle": {
    outcome: "cancelled",
    run: async (cell) => {
      const thrown = new Error("of the app");
      const { body } = await cell.undici.request(cell.url("head-hang"), cell.with(post()));
      const events = [];
      for (const name of ["end", "error", "close"]) body.on(name, () => events.push(name));
      body.once("data", () => body.destroy(thrown));
      return { end: await attempt(() => finished(body), { thrown }), ...(await closed(cell)), events };
    },
  },
  "break out of the loop": {
    outcome: "cancelled",
    run: async (cell) => {
      const { body } = await cell.undici.request(cell.url("head-hang"), cell.with(post()));
      for await (const chunk of body) {
        if (chunk.length > 0) break;
      }
      return { ...(await closed(cell)), destroyed: body.destroyed };
    },
  },
  "not read for a while": {
    outcome: "cancelled",
    run: async (cell) => {
      const { body } = await cell.undici.request(cell.url("endless"), cell.with(post()));
      body.on("error", () => {});
      const sent = await cell.sentUntilStill();
      body.destroy();
      return { measured: { sent }, ...(await closed(cell)) };
    },
  },
  "headers timeout": {
    outcome: "error",
    isSlow: true,
    reachesByChance: true,
    run: requesting("hang", () => post({ headersTimeout: 300 })),
  },
  "body timeout": { outcome: "any", isSlow: true, run: requesting("head-hang", () => post({ bodyTimeout: 300 })) },
  refused: {
    outcome: "error",
    run: (cell) => cell.undici.request(`${cell.deadOrigin}/c/json/${cell.id}/v1/chat/completions`, cell.with(post())),
  },
  reset: { outcome: "error", run: requesting("reset") },
  "reset in the middle": { outcome: "any", run: requesting("reset-mid") },
  "shorter than promised": { outcome: "any", run: requesting("short") },
  garbage: { outcome: "error", run: requesting("garbage") },
  "a wrong option": { outcome: "any", records: "any", run: requesting("json", () => post({ headersTimeout: -1 })) },
  "a body of the wrong kind": { outcome: "any", records: "any", run: requesting("json", () => post({ body: 12 })) },
};

export const STREAM_SCENARIOS = {
  json: {
    outcome: "success",
    run: async (cell) => {
      const { writable, chunks } = collect();
      const heads = [];
      const { opaque, trailers } = await cell.undici.stream(
        cell.url("json"),
        cell.with(post({ opaque: "mine" })),
        ({ statusCode, headers, opaque }) => {
          heads.push({ statusCode, headers, opaque });
          return writable;
        },
      );
      return { heads, opaque, trailers, body: describeBytes(...chunks), ended: writable.writableEnded };
    },
  },
  sse: {
    outcome: "success",
    run: async (cell) => {
      const { writable, chunks } = collect();
      await cell.undici.stream(cell.url("sse"), cell.with(post()), () => writable);
      return describeBytes(...chunks);
    },
  },
  "a slow writable": {
    outcome: "success",
    run: async (cell) => {
      let bytes = 0;
      const writable = new Writable({
        highWaterMark: 1024,
        write(chunk, _encoding, done) {
          bytes += chunk.length;
          setImmediate(() => done());
        },
      });
      await cell.undici.stream(cell.url("big"), cell.with(post()), () => writable);
      return { bytes };
    },
  },
  "a factory that throws": {
    outcome: "any",
    run: (cell) => {
      const thrown = new Error("of the app");
      return attempt(
        () =>
          cell.undici.stream(cell.url("json"), cell.with(post()), () => {
            throw thrown;
          }),
        { thrown },
      );
    },
  },
  "a writable that is destroyed": {
    outcome: "cancelled",
    run: async (cell) => {
      const thrown = new Error("of the app");
      const writable = new Writable({
        write(_chunk, _encoding, done) {
          done(thrown);
        },
      });
      const end = await attempt(() => cell.undici.stream(cell.url("head-hang"), cell.with(post()), () => writable), {
        thrown,
      });
      return { end, ...(await closed(cell)) };
    },
  },
  reset: {
    outcome: "error",
    run: (cell) => cell.undici.stream(cell.url("reset"), cell.with(post()), () => collect().writable),
  },
};

const piping = (kind, handler) => async (cell) => {
  const { body: _body, ...options } = post();
  const duplex = cell.undici.pipeline(cell.url(kind), cell.with(options), handler);
  const events = [];
  for (const name of ["end", "error", "close"]) duplex.on(name, () => events.push(name));
  duplex.end(CHAT);
  const read = await attempt(() => readAll(duplex));
  return { read, events: events.filter((name) => name !== "close") };
};

export const PIPELINE_SCENARIOS = {
  json: { outcome: "success", run: piping("json", ({ body }) => body) },
  sse: { outcome: "success", run: piping("sse", ({ body }) => body) },
  big: { outcome: "success", run: piping("big", ({ body }) => body) },
  "a handler that throws": {
    outcome: "any",
    run: piping("json", () => {
      throw new Error("of the app");
    }),
  },
  reset: { outcome: "error", run: piping("reset", ({ body }) => body) },
};

async function echo(socket) {
  socket.on("error", () => {});
  const answer = new Promise((resolve) => socket.once("data", resolve));
  socket.write("ping");
  const text = String(await answer);
  socket.destroy();
  return text;
}

/** Never tapped: what follows is no HTTP. */
export const TUNNEL_SCENARIOS = {
  connect: {
    records: 0,
    run: async (cell) => {
      const { statusCode, headers, socket } = await cell.undici.connect(cell.url("json"), cell.with({}));
      return { statusCode, headers, echo: await echo(socket) };
    },
  },
  upgrade: {
    records: 0,
    run: async (cell) => {
      const { headers, socket } = await cell.undici.upgrade(cell.url("json"), cell.with({ protocol: "echo" }));
      return { headers, echo: await echo(socket) };
    },
  },
  "upgrade that is refused": {
    records: 0,
    run: async (cell) => {
      const failed = await attempt(() => cell.undici.upgrade(`${cell.deadOrigin}/x`, cell.with({ protocol: "echo" })));
      return failed;
    },
  },
};

export { describeError };
