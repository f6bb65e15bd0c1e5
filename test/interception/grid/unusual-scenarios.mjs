// Options and ways to read that few apps use, and that a tap must not change either.
import { EventEmitter, once } from "node:events";
import { Readable } from "node:stream";
import { attempt, describeBytes, describeError, readAll } from "./observe.mjs";
import { post } from "./fetch-scenarios.mjs";

const reading =
  (read, kind = "sse", makeInit = () => post()) =>
  async (cell) =>
    read(await cell.fetch(cell.url(kind), makeInit(cell)), cell);

export const UNUSUAL_FETCHES = {
  pipeTo: {
    outcome: "success",
    run: reading(async (response) => {
      const chunks = [];
      await response.body.pipeTo(new WritableStream({ write: (chunk) => void chunks.push(chunk) }));
      return describeBytes(...chunks);
    }),
  },
  "pipeTo that fails": {
    outcome: "cancelled",
    run: reading(async (response) => {
      const thrown = new RangeError("full");
      const sink = new WritableStream({
        write() {
          throw thrown;
        },
      });
      return attempt(() => response.body.pipeTo(sink), { thrown });
    }, "head-hang"),
  },
  "tee, one half cancelled": {
    outcome: "success",
    run: reading(async (response) => {
      const [one, other] = response.body.tee();
      void one.cancel("not this one");
      return readAll(other);
    }),
  },
  "Readable.fromWeb": {
    outcome: "any",
    run: reading((response) => attempt(() => readAll(Readable.fromWeb(response.body)))),
  },
  "values without cancel": {
    outcome: "success",
    run: reading(async (response) => {
      for await (const chunk of response.body.values({ preventCancel: true })) if (chunk.length > 0) break;
      await response.text();
      return { locked: response.body.locked };
    }),
  },
  "the iterator is returned": {
    outcome: "cancelled",
    run: reading(async (response) => {
      const iterator = response.body[Symbol.asyncIterator]();
      const { done } = await iterator.next();
      return { done, returned: await iterator.return("mine"), locked: response.body.locked };
    }, "head-hang"),
  },
  "a Response of the app's around the body": {
    outcome: "success",
    run: reading(async (response) => {
      const own = new response.constructor(response.body, response);
      return { status: own.status, headers: [...own.headers.keys()], text: (await own.text()).length };
    }),
  },
  "a form that is none": { outcome: "success", run: reading((response) => attempt(() => response.formData()), "json") },
  "integrity that does not match": {
    outcome: "any",
    run: reading(
      (response) => response.text(),
      "json",
      () => post({ integrity: "sha256-AAAA" }),
    ),
  },
  "a dispatcher that is none": {
    outcome: "any",
    records: "any",
    run: (cell) => cell.fetch(cell.url("json"), { ...post(), dispatcher: {} }),
  },
};

const requesting =
  (kind, options = {}, read = (body) => readAll(body)) =>
  async (cell) => {
    const { statusCode, headers, body } = await cell.undici.request(cell.url(kind), cell.with(post(options)));
    const seen = { statusCode, connection: headers.connection, mark: body.readableHighWaterMark };
    return { ...seen, read: await attempt(() => read(body, cell)), destroyed: body.destroyed };
  };

export const UNUSUAL_REQUESTS = {
  throwOnError: { outcome: "error", run: requesting("status-400", { throwOnError: true }) },
  highWaterMark: { outcome: "success", run: requesting("sse", { highWaterMark: 16 }) },
  "reset, blocking": { outcome: "success", run: requesting("json", { reset: true, blocking: true }) },
  query: { outcome: "success", run: requesting("json", { query: { a: [1, 2] } }) },
  expectContinue: {
    outcome: "any",
    run: requesting("json", { headers: { "content-type": "application/json", expect: "100-continue" } }),
  },
  "no time limits": { outcome: "success", run: requesting("sse", { bodyTimeout: 0, headersTimeout: 0 }) },
  "a wrong content-length": { outcome: "error", run: requesting("json", { headers: { "content-length": "3" } }) },
  setEncoding: {
    outcome: "success",
    run: requesting("sse", {}, async (body) => {
      let text = "";
      body.setEncoding("utf8").on("data", (piece) => (text += piece));
      await once(body, "end");
      return text.length;
    }),
  },
  "asyncDispose in the middle": {
    outcome: "cancelled",
    run: requesting("head-hang", {}, async (body) => {
      await once(body, "readable");
      // Before Node 22 a stream that is disposed of early says so by an error.
      return attempt(() => (body[Symbol.asyncDispose] ?? body.destroy).call(body));
    }),
  },
  "aborted by an emitter in the middle": {
    outcome: "cancelled",
    run: async (cell) => {
      const signal = new EventEmitter();
      const { body } = await cell.undici.request(cell.url("head-hang"), cell.with(post({ signal })));
      body.once("data", () => signal.emit("abort"));
      return attempt(() => readAll(body));
    },
  },
  "a callback instead of a promise": {
    outcome: "success",
    run: (cell) =>
      new Promise((resolve) => {
        const { origin, pathname } = new URL(cell.url("json"));
        cell.dispatcher.request({ origin, path: pathname, ...post() }, (error, response) => {
          resolve(error === null ? readAll(response.body) : { error: describeError(error) });
        });
      }),
    // The dispatcher of the cell is asked, whoever is in its way.
    records: "any",
  },
};
