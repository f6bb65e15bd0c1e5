// Handlers given to `dispatch` itself, of the older and the newer kind: which methods are called, in which order, with
// what, and what becomes of what they throw and return.
import { describeError } from "./observe.mjs";
import { CHAT } from "./fetch-scenarios.mjs";

const headersOf = (headers) => (Array.isArray(headers) ? headers.map((each) => String(each)) : { ...headers });

/** @param hooks What a method does beyond being logged, by its name. */
function olderHandler(log, done, hooks = {}) {
  const call = (name, fact, ...values) => {
    log.add(fact === undefined ? name : `${name} ${fact}`);
    return hooks[name]?.(...values);
  };
  return {
    // A field that its methods reach by `this`.
    mine: "mine",
    onConnect(abort, context) {
      this.abort = abort;
      call("onConnect", `${this.mine} ${abort.length} ${typeof context}`, abort);
    },
    onResponseStarted() {
      call("onResponseStarted");
    },
    onBodySent(chunk) {
      call("onBodySent", Buffer.byteLength(chunk));
    },
    onRequestSent() {
      call("onRequestSent");
    },
    onHeaders(status, headers, resume, statusText) {
      call("onHeaders", `${status} ${statusText} ${JSON.stringify(headersOf(headers))}`, this.abort);
      this.resume = resume;
      if (hooks.pauses !== true) return true;
      setImmediate(() => resume());
      return false;
    },
    onData(chunk) {
      call("onData", undefined, this.abort);
      log.bytes = (log.bytes ?? 0) + chunk.length;
      log.chunkClass = chunk.constructor.name;
      if (hooks.pauses !== true) return true;
      setImmediate(() => this.resume());
      return false;
    },
    onComplete(trailers) {
      call("onComplete", JSON.stringify(headersOf(trailers ?? [])));
      done();
    },
    onError(error) {
      log.add("onError");
      log.error = describeError(error, hooks.known);
      done();
    },
  };
}

/** With private fields: a copy of it, or an object that inherits from it, would throw. */
function newerHandler(log, done, hooks = {}) {
  class Handler {
    #mine = "mine";
    onRequestStart(controller, context) {
      log.add(`onRequestStart ${this.#mine} ${controller.aborted} ${controller.paused} ${typeof context}`);
      hooks.onRequestStart?.(controller);
    }
    onResponseStart(controller, status, headers, statusText) {
      log.add(`onResponseStart ${status} ${statusText} ${JSON.stringify(headers)}`);
      hooks.onResponseStart?.(controller);
      if (hooks.pauses === true) {
        controller.pause();
        setImmediate(() => controller.resume());
      }
    }
    onResponseData(controller, chunk) {
      log.add("onResponseData");
      log.bytes = (log.bytes ?? 0) + chunk.length;
      hooks.onResponseData?.(controller);
      if (hooks.pauses !== true) return;
      controller.pause();
      setImmediate(() => controller.resume());
    }
    onResponseEnd(controller, trailers) {
      log.add(`onResponseEnd ${this.#mine} ${JSON.stringify(trailers)}`);
      hooks.onResponseEnd?.(controller);
      done();
    }
    onResponseError(controller, error) {
      log.add(`onResponseError ${controller?.aborted}`);
      log.error = describeError(error, hooks.known);
      done();
    }
  }
  return new Handler();
}

const dispatching =
  (kind, makeHandler, makeHooks = () => ({}), options = {}) =>
  (cell) =>
    new Promise((resolve) => {
      const log = cell.createLog();
      const done = () => setImmediate(() => resolve({ ...log, returned }));
      let returned;
      try {
        const { dispatcher } = cell;
        const handler = makeHandler(log, done, makeHooks());
        const url = new URL(cell.url(kind));
        returned = dispatcher.dispatch(
          {
            origin: url.origin,
            path: url.pathname,
            method: "POST",
            headers: { "content-type": "application/json" },
            body: CHAT,
            ...options,
          },
          handler,
        );
      } catch (error) {
        resolve({ ...log, thrown: describeError(error) });
      }
    });

const throwing = (name) => () => {
  const thrown = new Error(`of the app, in ${name}`);
  return {
    known: { thrown },
    [name]() {
      throw thrown;
    },
  };
};

const aborting = (name) => () => {
  const reason = new Error("the reason");
  return {
    known: { reason },
    [name]: (abort) => (typeof abort === "function" ? abort(reason) : abort.abort(reason)),
  };
};

const pauses = () => ({ pauses: true });
const no = () => ({});

export const DISPATCH_SCENARIOS = {};
for (const { generation, make, methods } of [
  { generation: "older", make: olderHandler, methods: ["onConnect", "onHeaders", "onData"] },
  { generation: "newer", make: newerHandler, methods: ["onRequestStart", "onResponseStart", "onResponseData"] },
]) {
  const add = (name, scenario) => {
    DISPATCH_SCENARIOS[`${generation}: ${name}`] = { records: "any", outcome: "any", ...scenario };
  };
  for (const kind of [
    "json",
    "sse",
    "status-204",
    "status-500",
    "early-hints",
    "trailers",
    "reset",
    "reset-mid",
    "short",
  ]) {
    add(kind, { run: dispatching(kind, make) });
  }
  add("pauses", { run: dispatching("big", make, pauses) });
  for (const name of methods) {
    add(`throws in ${name}`, { run: dispatching("sse", make, throwing(name)) });
    add(`aborts in ${name}`, { run: dispatching("sse", make, aborting(name)) });
  }
  // Composed, undici 7 waits for ever.
  add("no handler method at all", {
    isSlow: true,
    limitMs: 1500,
    reachesByChance: true,
    run: dispatching("json", () => ({})),
  });
  add("a wrong path", { run: dispatching("json", make, no, { path: "without a slash" }) });
  add("a wrong header", { run: dispatching("json", make, no, { headers: ["odd"] }) });
}
DISPATCH_SCENARIOS["no handler"] = { records: "any", outcome: "any", run: dispatching("json", () => undefined) };
