// What an app does with a fetch, and what becomes of it. Each scenario returns what the app saw, as plain data.
import { attempt, describeBytes, describeError, describeResponse, readAll } from "./observe.mjs";

export const CHAT = JSON.stringify({
  model: "small-model",
  messages: [{ role: "user", content: "the question: ä 🙂" }],
});
const JSON_TYPE = { "content-type": "application/json" };
/** Frozen: a tap that changed the app's objects would be noticed. */
export const post = (fields = {}, headers = JSON_TYPE) =>
  Object.freeze({ method: "POST", headers: Object.freeze({ ...headers }), body: CHAT, ...fields });

const bytesOf = async (response) => describeBytes(await response.arrayBuffer());

/** Sends, and reads the answer to its end. */
const plain =
  (kind, makeInit = () => post()) =>
  async (cell) => {
    const response = await cell.fetch(cell.url(kind), makeInit(cell));
    const seen = describeResponse(response);
    return { ...seen, body: await attempt(() => bytesOf(response)), usedAfterwards: response.bodyUsed };
  };

const failing =
  (makeUrl, makeInit = () => post()) =>
  async (cell) => {
    const response = await cell.fetch(makeUrl(cell), makeInit(cell));
    return { ...describeResponse(response), body: await attempt(() => bytesOf(response)) };
  };

const stream = (...pieces) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });

async function* pieces() {
  yield new TextEncoder().encode(CHAT.slice(0, 20));
  await new Promise((resolve) => setImmediate(resolve));
  yield new TextEncoder().encode(CHAT.slice(20));
}

const formOf = ({ FormData }) => {
  const form = new FormData();
  form.append("model", "whisper-small");
  form.append("file", new Blob(["RIFF....WAVE"], { type: "audio/wav" }), "speech \u00fc.wav");
  return form;
};

const closed = async (cell) => ({ closedEarly: await cell.server.closedEarly(cell.id).then(() => true) });

/** Begins to read a stream that does not end, and stops in the way that `stop` knows. */
const stopping =
  (stop, kind = "head-hang") =>
  async (cell) => {
    const controller = new AbortController();
    const response = await cell.fetch(cell.url(kind), post({ signal: controller.signal }));
    const seen = await stop(response, controller, cell);
    return { status: response.status, seen, ...(await closed(cell)), usedAfterwards: response.bodyUsed };
  };

/**
 * - `outcome`: of the record; `undefined` where no call was made.
 * - `records`: how many there are, by default one.
 * - `isAlone`: is not made while others are.
 * - `reachesByChance`: on a busy machine the server may not have got the request yet.
 * - `limitMs`: when it is taken to hang.
 * - `isSlow`: waits for undici's own timers.
 */
export const FETCH_SCENARIOS = {
  json: { outcome: "success", run: plain("json") },
  big: { outcome: "success", run: plain("big") },
  sse: { outcome: "success", run: plain("sse") },
  "until close": { outcome: "success", run: plain("until-close") },
  gzip: { outcome: "success", run: plain("gzip") },
  deflate: { outcome: "success", run: plain("deflate") },
  br: { outcome: "success", run: plain("br") },
  "gzip broken": { outcome: "any", run: plain("gzip-broken") },
  cookies: { outcome: "success", run: plain("cookies") },
  "early hints": { outcome: "success", run: plain("early-hints") },
  trailers: { outcome: "success", run: plain("trailers") },
  400: { outcome: "error", run: plain("status-400") },
  429: { outcome: "error", run: plain("status-429") },
  500: { outcome: "error", run: plain("status-500") },
  204: { outcome: "any", run: plain("status-204") },
  205: { outcome: "any", run: plain("status-205") },
  304: { outcome: "any", run: plain("status-304") },
  "redirect 307": { outcome: "success", run: plain("redirect-307") },
  "redirect 308": { outcome: "success", run: plain("redirect-308") },
  "redirect 303": { outcome: "any", records: "any", run: plain("redirect-303") },
  "redirect manual": { outcome: "any", run: plain("redirect-302", () => post({ redirect: "manual" })) },
  "redirect refused": { outcome: "error", run: plain("redirect-307", () => post({ redirect: "error" })) },
  "redirect of a stream": {
    outcome: "error",
    run: plain("redirect-307", () => post({ body: stream(CHAT), duplex: "half" })),
  },

  "body bytes": { outcome: "success", run: plain("json", () => post({ body: new TextEncoder().encode(CHAT) })) },
  "body buffer": {
    outcome: "success",
    run: plain("json", () => post({ body: new TextEncoder().encode(CHAT).buffer })),
  },
  "body Blob": { outcome: "success", run: plain("json", () => post({ body: new Blob([CHAT]) })) },
  "body Blob with a type": {
    outcome: "success",
    run: plain("json", () => ({ method: "POST", body: new Blob([CHAT], { type: "application/json" }) })),
  },
  "body URLSearchParams": {
    outcome: "success",
    run: plain("json", () => ({
      method: "POST",
      body: new URLSearchParams({ model: "small-model", prompt: "a b&c" }),
    })),
  },
  "body form": { outcome: "success", run: plain("json", (cell) => ({ method: "POST", body: formOf(cell) })) },
  "body stream": {
    outcome: "success",
    run: plain("json", () => post({ body: stream(CHAT.slice(0, 30), CHAT.slice(30)), duplex: "half" })),
  },
  "body iterable": { outcome: "success", run: plain("json", () => post({ body: pieces(), duplex: "half" })) },
  // At a dispatcher it looks like an abort of the app's, with what the body threw as its reason.
  "body that fails": {
    outcome: "error",
    run: plain("json", () => {
      const body = new ReadableStream({
        pull(controller) {
          controller.error(new RangeError("no more of it"));
        },
      });
      return post({ body, duplex: "half" });
    }),
  },
  "body that fails in the middle": {
    outcome: "error",
    reachesByChance: true,
    run: plain("json", () => {
      let turn = 0;
      const body = new ReadableStream({
        async pull(controller) {
          turn += 1;
          await new Promise((resolve) => setTimeout(resolve, 10));
          if (turn === 3) throw new RangeError("no more of it");
          controller.enqueue(new TextEncoder().encode(CHAT.slice(0, 9)));
        },
      });
      return post({ body, duplex: "half" });
    }),
  },
  "aborted with a reason while the body is sent": {
    outcome: "cancelled",
    reachesByChance: true,
    async run(cell) {
      const controller = new AbortController();
      const reason = new Error("the reason");
      const body = new ReadableStream({
        async pull(stream) {
          await new Promise((resolve) => setTimeout(resolve, 5));
          stream.enqueue(new TextEncoder().encode(" "));
        },
      });
      const init = post({ body, duplex: "half", signal: controller.signal });
      const call = attempt(() => cell.fetch(cell.url("json"), init), { reason });
      await new Promise((resolve) => setTimeout(resolve, 40));
      controller.abort(reason);
      return call;
    },
  },
  "body of 3 MB": {
    outcome: "success",
    run: plain("json", () =>
      post({ body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "y".repeat(3e6) }] }) }),
    ),
  },
  "body without duplex": { outcome: "any", records: "any", run: plain("json", () => post({ body: stream(CHAT) })) },
  "body refused early": {
    outcome: "error",
    run: plain("refuses-body", () => post({ body: stream(CHAT), duplex: "half" })),
  },
  "no body": { outcome: "any", run: plain("json", () => ({ method: "POST" })) },
  "own content-length": {
    outcome: "any",
    run: plain("json", () => post({}, { ...JSON_TYPE, "content-length": String(Buffer.byteLength(CHAT)) })),
  },
  "odd headers": {
    outcome: "success",
    run: plain("json", () =>
      post({
        headers: [
          ["Content-Type", "application/json"],
          ["X-One", "1"],
          ["x-one", "2"],
          ["X-Odd", "caf\u00e9"],
        ],
      }),
    ),
  },
  "headers from a generator": {
    outcome: "success",
    run: plain("json", () =>
      post({
        headers: (function* headers() {
          yield ["content-type", "application/json"];
          yield ["x-one", "1"];
        })(),
      }),
    ),
  },
  "a URL object": {
    outcome: "success",
    run: async (cell) => bytesOf(await cell.fetch(new URL(cell.url("json")), post())),
  },
  "a Request": {
    outcome: "success",
    run: async (cell) => {
      const request = new cell.Request(cell.url("json"), post());
      const response = await cell.fetch(request);
      return { ...describeResponse(response), body: await bytesOf(response), requestUsed: request.bodyUsed };
    },
  },
  "a Request and init": {
    outcome: "success",
    run: async (cell) => {
      const request = new cell.Request(cell.url("json"), post({ body: "something else" }));
      const response = await cell.fetch(request, { body: CHAT, method: "POST", headers: { "x-two": "2" } });
      return { ...describeResponse(response), body: await bytesOf(response), requestUsed: request.bodyUsed };
    },
  },
  "an init that is read once": {
    outcome: "success",
    run: async (cell) => {
      class Init {
        method = "POST";
        headers = JSON_TYPE;
        get body() {
          return CHAT;
        }
      }
      return bytesOf(await cell.fetch(cell.url("json"), new Init()));
    },
  },
  "init.next of a framework": {
    outcome: "success",
    run: plain("json", () => post({ next: { revalidate: 0 }, cache: "no-store" })),
  },

  "byte reader": {
    outcome: "success",
    run: async (cell) => {
      const response = await cell.fetch(cell.url("sse"), post());
      const reader = response.body.getReader({ mode: "byob" });
      const read = [];
      let view = new Uint8Array(16);
      for (;;) {
        const { value, done } = await reader.read(view);
        if (value !== undefined) read.push(value.slice());
        if (done) return { ...describeBytes(...read), buffer: value?.buffer.byteLength };
        view = new Uint8Array(value.buffer);
      }
    },
  },
  clone: {
    outcome: "success",
    run: async (cell) => {
      const response = await cell.fetch(cell.url("sse"), post());
      const copy = response.clone();
      const seen = describeResponse(copy);
      const [one, two] = await Promise.all([bytesOf(response), bytesOf(copy)]);
      return { seen, one, two, usedTwice: await attempt(() => response.text()) };
    },
  },
  "for await": {
    outcome: "success",
    run: async (cell) => readAll((await cell.fetch(cell.url("sse"), post())).body),
  },
  pipeThrough: {
    outcome: "success",
    run: async (cell) => {
      const response = await cell.fetch(cell.url("sse"), post());
      return readAll(response.body.pipeThrough(new TransformStream()));
    },
  },
  tee: {
    outcome: "success",
    run: async (cell) => {
      const [one, two] = (await cell.fetch(cell.url("sse"), post())).body.tee();
      return Promise.all([readAll(one), readAll(two)]);
    },
  },
  "a WeakMap keyed by the body": {
    outcome: "success",
    run: async (cell) => {
      const response = await cell.fetch(cell.url("json"), post());
      const known = new WeakMap([[response.body, "known"]]);
      const found = known.get(response.body);
      await response.text();
      return { found, foundAfterwards: known.get(response.body) };
    },
  },

  "aborted before": {
    outcome: undefined,
    records: "any",
    run: (cell) => {
      const reason = new Error("the reason");
      return attempt(() => cell.fetch(cell.url("json"), post({ signal: AbortSignal.abort(reason) })), { reason });
    },
  },
  "aborted before headers": {
    outcome: "cancelled",
    run: async (cell) => {
      const controller = new AbortController();
      const reason = new TypeError("the reason");
      const events = [];
      const call = cell.fetch(cell.url("hang"), post({ signal: controller.signal })).catch((error) => {
        events.push("rejected");
        return describeError(error, { reason });
      });
      await cell.arrived();
      controller.signal.addEventListener("abort", () => events.push("abort"));
      controller.abort(reason);
      events.push("aborted");
      return { error: await call, events, ...(await closed(cell)) };
    },
  },
  "AbortSignal.timeout": {
    outcome: "any",
    isSlow: true,
    reachesByChance: true,
    run: async (cell) => attempt(() => cell.fetch(cell.url("hang"), post({ signal: AbortSignal.timeout(1200) }))),
  },
  "aborted in the middle": {
    outcome: "cancelled",
    run: stopping(async (response, controller) => {
      const reader = response.body.getReader();
      await reader.read();
      const reason = new Error("the reason");
      controller.abort(reason);
      return attempt(
        async () => {
          while (!(await reader.read()).done);
        },
        { reason },
      );
    }),
  },
  "aborted without a reason": {
    outcome: "cancelled",
    run: stopping(async (response, controller) => {
      const text = attempt(() => response.text(), { reason: controller.signal.reason });
      controller.abort();
      return text;
    }),
  },
  "aborted after the end": {
    outcome: "success",
    run: async (cell) => {
      const controller = new AbortController();
      const response = await cell.fetch(cell.url("json"), post({ signal: controller.signal }));
      const body = await bytesOf(response);
      controller.abort();
      return { body, again: await attempt(() => response.text()) };
    },
  },
  "reader.cancel": {
    outcome: "cancelled",
    run: stopping(async (response) => {
      const reader = response.body.getReader();
      await reader.read();
      await reader.cancel("enough");
      return attempt(() => reader.closed);
    }),
  },
  "body.cancel": { outcome: "cancelled", run: stopping((response) => attempt(() => response.body.cancel())) },
  "break out of the loop": {
    outcome: "cancelled",
    run: stopping(async (response) => {
      for await (const chunk of response.body) return chunk.constructor.name;
      return "nothing";
    }),
  },
  "an exception in the loop": {
    outcome: "cancelled",
    run: stopping((response) => {
      const thrown = new Error("of the app");
      return attempt(
        async () => {
          for await (const chunk of response.body) if (chunk.byteLength > 0) throw thrown;
        },
        { thrown },
      );
    }),
  },
  "not read for a while": {
    outcome: "cancelled",
    isMeasured: true,
    run: async (cell) => {
      const response = await cell.fetch(cell.url("endless"), post());
      const sent = await cell.sentUntilStill();
      await response.body.cancel();
      return { status: response.status, measured: { sent }, ...(await closed(cell)) };
    },
  },

  refused: { outcome: "error", run: failing((cell) => `${cell.deadOrigin}/c/json/${cell.id}/v1/chat/completions`) },
  reset: { outcome: "error", run: failing((cell) => cell.url("reset")) },
  "reset in the middle": { outcome: "any", run: failing((cell) => cell.url("reset-mid")) },
  "closed in the middle": { outcome: "any", run: failing((cell) => cell.url("end-mid")) },
  "shorter than promised": { outcome: "any", run: failing((cell) => cell.url("short")) },
  garbage: { outcome: "error", run: failing((cell) => cell.url("garbage")) },
  "a method with a body that may have none": {
    outcome: undefined,
    records: "any",
    run: failing(
      (cell) => cell.url("json"),
      () => ({ method: "GET", body: CHAT }),
    ),
  },
  "a header that is none": {
    outcome: undefined,
    records: "any",
    run: failing(
      (cell) => cell.url("json"),
      () => post({}, { "bad header": "x" }),
    ),
  },
  "no URL": { outcome: undefined, records: 0, run: failing(() => "http://") },
  "nothing at all": { outcome: undefined, records: 0, run: (cell) => cell.fetch() },
  "three in a row": {
    outcome: "success",
    records: 3,
    isAlone: true,
    run: async (cell) => {
      const statuses = [];
      for (let index = 0; index < 3; index += 1) {
        const response = await cell.fetch(cell.url("json"), post());
        statuses.push(response.status, (await bytesOf(response)).bytes);
        // undici gives the socket back a moment later.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return { statuses, isReused: new Set(cell.server.logOf(cell.id).connections.slice(1)).size === 1 };
    },
  },
};
