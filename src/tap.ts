/** The composition root: the only file that knows all rooms. */
import { armSignals, defer, onProcessEnd, settleSignals } from "#platform";
import { createBackground } from "./background.ts";
import { type Flow, getFlowStore, mergeContext } from "./context.ts";
import { createCounters, increase, readStats } from "./counters.ts";
import { createDeliveries } from "./deliveries.ts";
import { createEmitter, type TapEvents } from "./emitter.ts";
import { TapError, type TapErrorCode } from "./errors.ts";
import { createCallEnder } from "./interceptor/abandoned-body.ts";
import { type Dispatch, findPending, tapDispatch } from "./interceptor/dispatcher.ts";
import { addNote } from "./interceptor/exchange.ts";
import { createTappedFetch, type Fetch } from "./interceptor/fetch.ts";
import { installHooks } from "./interceptor/global.ts";
import { hookDispatcher, listGlobalDispatchers, originalOf } from "./interceptor/hook-dispatcher.ts";
import { createObserver, type Observer } from "./interceptor/observer.ts";
import { createRouter } from "./interceptor/route.ts";
import { checkOptions, DEFAULT_LIMITS } from "./options.ts";
import { waitFor } from "./pipeline/deadline.ts";
import { createExitHooks } from "./pipeline/process-end.ts";
import { createQueue } from "./pipeline/queue.ts";
import { createRecording } from "./recording.ts";
import { createObserving, type Observe, type RunSpan } from "./spans/observe.ts";
import { createSpanLog } from "./spans/span-log.ts";
import type { FlushResult, RunContext, TapOptions, TapStats } from "./types.ts";

/** Takes the hooks off again; `using restore = tap.install()` does so at the end of the block. */
export interface Restore {
  (): void;
  [Symbol.dispose](): void;
}

export interface Tap {
  /** Drop-in `fetch`; calls `globalThis.fetch` as it is at call time. */
  readonly fetch: Fetch;
  /** The same around a fetch of your own: a mock, node-fetch, an edge runtime's. */
  wrapFetch(fetch: Fetch): Fetch;
  /** For `dispatcher.compose(tap.interceptor)`. After a retry interceptor: one record a call; before it: one an attempt. */
  // oxlint-disable-next-line typescript/no-explicit-any -- undici 6, 7 and 8 declare three different types for it
  readonly interceptor: (dispatch: any) => any;
  /** Taps the global dispatchers and `globalThis.fetch`. */
  install(): Restore;
  /** Runs `fn`; all calls inside carry `context`. Nested contexts merge. */
  run<Result>(context: RunContext, fn: () => Result): Result;
  /** A span around a function of your own; calls inside are its children. `@tap.observe()` does the same for methods. */
  readonly observe: Observe;
  /** Runs a function in a span. */
  readonly span: RunSpan;
  /** A tap bound to a context. It shares everything else, its end too. */
  with(context: RunContext): Tap;
  /** @returns unsubscribe */
  on<Name extends keyof TapEvents>(name: Name, listener: TapEvents[Name]): () => void;
  /**
   * Reads and sends all that has ended so far; calls that are still running are not waited for.
   * @param options.timeoutMs Default 10,000.
   */
  flush(options?: { timeoutMs?: number }): Promise<FlushResult>;
  /** Takes all hooks off, makes `fetch` pass through, flushes, closes the sinks. */
  close(options?: { timeoutMs?: number }): Promise<FlushResult>;
  stats(): TapStats;
  [Symbol.asyncDispose](): Promise<void>;
}

const FLUSH_TIMEOUT_MS = 10_000;
/** Each `tap.fetch` there is. */
const tappedFetches = new WeakSet<Fetch>();

/**
 * Makes a tap. Changes nothing global until `install()` is called.
 * @throws TypeError for a wrong option; the message says what to do.
 * @example
 * const tap = createTap({ sinks: [consoleSink()] });
 * const openai = new OpenAI({ fetch: tap.fetch });
 */
export function createTap(options: TapOptions = {}): Tap {
  checkOptions(options);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const router = createRouter(options.hosts);
  const counters = createCounters();
  const flow = getFlowStore();
  const emitter = createEmitter((name, error) => {
    increase(counters.errors, `on_${name}`);
    if (name !== "error") emitError("callback_failed", `a listener for "${name}" threw`, error);
  });
  if (options.onCall !== undefined) emitter.on("call", options.onCall);
  if (options.onSpan !== undefined) emitter.on("span", options.onSpan);
  if (options.onError !== undefined) emitter.on("error", options.onError);

  /** What a callback of the user does is not tapped: following it beyond its return costs, so only where it goes on. */
  const runSuppressed = <Result>(run: () => Result): Result =>
    emitter.hasAsync ? flow.run({ isSuppressed: true }, run) : flow.runBriefly({ isSuppressed: true }, run);
  const background = createBackground(flow);

  /** Never inside the app's call, and never in a circle. */
  function emitError(code: TapErrorCode, message: string, cause: unknown): void {
    defer(() => runSuppressed(() => emitter.emit("error", new TapError(code, message, { cause }))));
  }

  function report(place: string, error: unknown): void {
    increase(counters.errors, place);
    emitError(ERROR_CODES[place] ?? "interceptor_failed", `llm-tap: ${place} failed`, error);
  }

  const deliveries = createDeliveries({
    options,
    limits,
    background,
    strip: (record) => recording.toMetadata(record),
    onContentDropped: () => increase(counters.contentDropped, "sink_bytes"),
    onDropped: (cause) => increase(counters.sinkDropped, cause),
    onError(name, error, code) {
      increase(counters.errors, `sink:${name}`);
      emitError(code, `llm-tap: the sink ${name} failed`, error);
    },
  });

  /** A record is safe once such a sink has it; until then a crash takes it along. */
  const isDurable = deliveries.all.some((delivery) => delivery.isDurable);

  const recording = createRecording({
    readingOptions: {
      options,
      limits,
      report,
      onContentSampledOut: () => increase(counters.contentDropped, "sampled_out"),
    },
    counters,
    report,
    runSuppressed,
    takeSpans: () => spans.take(),
    onRecord(record) {
      if (record.type === "call") emitter.emit("call", record);
      else emitter.emit("span", record);
      deliveries.push(record);
    },
  });

  const queue = createQueue({
    limits,
    onAssembled: recording.recordExchange,
    onFailed: recording.recordFailure,
    onContentDropped: (cause) => increase(counters.contentDropped, cause),
    isPrompt: isDurable,
  });

  const spans = createSpanLog({
    flow,
    resolve: (bound) => observer.resolve(bound),
    maxSpans: limits.queueExchanges,
    onEnd() {
      openQueue();
      if (spans.size === 1) defer(recording.recordSpans);
    },
    onDropped() {
      counters.spans.dropped += 1;
    },
  });

  const calls = createCallEnder(() => observer, queue.listRunning);
  let hasReportedSigned = false;
  const observer: Observer = createObserver({
    router,
    options,
    flow,
    exchangeBytes: limits.exchangeBytes,
    admit(exchange) {
      counters.seen += 1;
      if (queue.admit(exchange)) {
        openQueue();
        calls.watch();
        if (deliveries.all.length > 0) armSignals();
        return true;
      }
      increase(counters.dropped, "queue_full");
      return false;
    },
    touch: queue.touch,
    countIgnored(cause) {
      counters.seen += 1;
      increase(counters.ignored, cause);
    },
    report,
    reportSigned() {
      if (hasReportedSigned) return;
      hasReportedSigned = true;
      emitError(
        "signed_override_header",
        "llm-tap: an x-llm-tap-* header is part of an AWS signature and was left on the request; use tap.run() there",
        undefined,
      );
    },
  });

  let opening: Promise<void> | undefined;
  function openQueue(): void {
    opening ??= new Promise((resolve) => {
      defer(() => {
        recording
          .load()
          .then((makeJob) => queue.open(makeJob))
          .catch((error: unknown) => report("load", error))
          .finally(resolve);
      });
    });
  }

  if (isDurable) openQueue();

  /** At the end of the process there is no time to wait. */
  function openQueueNow(): void {
    try {
      queue.open(recording.loadNow());
    } catch (error) {
      report("load", error);
    }
  }

  /** Hooks that live as long as the tap: those of `install`, and those that calls with a Request need. */
  const restores = new Set<() => void>();
  const hooked = new WeakSet<object>();
  function hookGlobalDispatchers(): void {
    for (const dispatcher of listGlobalDispatchers()) {
      const original = originalOf(dispatcher);
      if (hooked.has(original)) continue;
      hooked.add(original);
      restores.add(hookDispatcher(dispatcher, (dispatch) => passPendingCalls(dispatch, observer)));
    }
  }

  /** Reads all that has ended so far. */
  async function drain(): Promise<void> {
    await opening;
    recording.recordSpans();
    await queue.drain();
  }

  async function flush({ timeoutMs = FLUSH_TIMEOUT_MS }: { timeoutMs?: number } = {}): Promise<FlushResult> {
    const deadline = performance.now() + timeoutMs;
    await calls.endAbandoned(deadline);
    await waitFor(drain(), timeoutMs);
    await deliveries.flush(deadline);
    await settleSignals();
    return deliveries.report(queue.countUnread() + spans.size);
  }

  /** There is no later: what is running ends here, and what has ended is read without waiting. */
  function readNow(note: string): void {
    spans.abandonAll(note);
    if (queue.size > 0 || spans.size > 0) openQueueNow();
    recording.recordSpans();
    queue.drainSync((exchange) => {
      addNote(exchange, note);
      observer.fail(exchange, undefined, true);
    });
  }

  const unhook = onProcessEnd(
    createExitHooks({
      queue: {
        hasWork: () => queue.hasWork() || spans.size > 0,
        get size() {
          return queue.size;
        },
      },
      deliveries: deliveries.all,
      drain,
      endRunning: () => readNow("process_exit"),
      flush,
      countSeen: () => counters.seen,
      onLoss(name, count) {
        const message = `llm-tap: the process has ended before ${count} record(s) were delivered to ${name}`;
        // At once: there is no later.
        runSuppressed(() => emitter.emit("error", new TapError("sink_failed", message)));
      },
    }),
  );

  let closing: Promise<FlushResult> | undefined;
  async function closeAll(timeoutMs: number): Promise<FlushResult> {
    for (const restore of restores) restore();
    restores.clear();
    observer.isClosed = true;
    calls.endAll("tap_closed");
    spans.abandonAll("tap_closed");
    calls.stop();
    await flush({ timeoutMs });
    readNow("tap_closed");
    recording.close();
    deliveries.end();
    // A closed sink may have forgotten what it left on disk.
    const result = deliveries.report(0);
    await deliveries.close(performance.now() + timeoutMs);
    background.close();
    unhook();
    await settleSignals();
    return result;
  }

  const fetchBefore = globalThis.fetch;
  function makeTap(bound: RunContext | undefined): Tap {
    const sniffs = options.sniffUnknownHosts ?? true;
    const shared = { observer, bound, hookGlobalDispatchers };
    const wrapFetch = (fetch: Fetch): Fetch => {
      if (typeof fetch !== "function") {
        throw new TypeError("tap.wrapFetch takes a fetch function, like tap.wrapFetch(globalThis.fetch).");
      }
      return createTappedFetch({ ...shared, sniffs, findFetch: () => fetch });
    };
    const fetch: Fetch = createTappedFetch({
      ...shared,
      sniffs,
      // Some assign it to the global: then it would call itself.
      findFetch: () => (tappedFetches.has(globalThis.fetch) ? fetchBefore : globalThis.fetch),
    });
    tappedFetches.add(fetch);
    return {
      fetch,
      wrapFetch,
      interceptor: (dispatch: Dispatch) => tapDispatch(dispatch, { observer, sniffs, bound }),
      install() {
        if (observer.isClosed) throw new TypeError("This tap is closed; make a new one with createTap().");
        const uninstall = installHooks({ ...shared, sniffs: options.sniffUnknownHosts ?? false });
        const restore = (): void => {
          restores.delete(uninstall);
          uninstall();
        };
        restores.add(uninstall);
        return Object.assign(restore, { [Symbol.dispose]: restore });
      },
      run: (context, fn) => {
        checkContext(context, "run");
        const outer = flow.get();
        const inner: Flow = { context, ...outer };
        inner.context = mergeContext(outer?.context, context);
        return flow.run(inner, fn);
      },
      with: (context) => {
        checkContext(context, "with");
        return makeTap(mergeContext(bound, context));
      },
      ...createObserving({
        log: spans,
        bound,
        isClosed: () => observer.isClosed,
        report: (error) => report("span", error),
      }),
      on: emitter.on,
      flush,
      close: ({ timeoutMs = FLUSH_TIMEOUT_MS } = {}) => (closing ??= closeAll(timeoutMs)),
      stats: () => readStats(counters, queue.size, queue.bytes),
      async [Symbol.asyncDispose]() {
        await (closing ??= closeAll(FLUSH_TIMEOUT_MS));
      },
    };
  }

  return makeTap(undefined);
}

/** A call with a Request announces itself in the flow; everything else passes. */
function passPendingCalls(dispatch: Dispatch, observer: Observer): Dispatch {
  return (options, handler) => {
    const pending = findPending(observer, options);
    return pending === undefined ? dispatch(options, handler) : pending.dispatchThrough(dispatch, options, handler);
  };
}

const ERROR_CODES: Readonly<Record<string, TapErrorCode>> = {
  interceptor: "interceptor_failed",
  install: "hook_lost",
  parser: "parser_failed",
  load: "missing_dependency",
  worker: "parser_failed",
  record: "parser_failed",
  prices: "missing_dependency",
  context: "callback_failed",
  redact: "callback_failed",
  capture: "callback_failed",
  sample: "callback_failed",
};

function checkContext(context: unknown, method: string): void {
  if (typeof context !== "object" || context === null || Array.isArray(context)) {
    throw new TypeError(`tap.${method} takes a context like { userId: "u-123" } first.`);
  }
}
