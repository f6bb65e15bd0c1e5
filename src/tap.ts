/** The composition root: the only file that knows all rooms. */
import { defer, onProcessEnd, warn } from "#platform";
import { createBackground } from "./background.ts";
import { getFlowStore, mergeContext } from "./context.ts";
import { createCounters, increase, readStats } from "./counters.ts";
import { createEmitter, type TapEvents } from "./emitter.ts";
import { TapError, type TapErrorCode } from "./errors.ts";
import { createCallEnder } from "./interceptor/abandoned-body.ts";
import { type Dispatch, tapDispatch } from "./interceptor/dispatcher.ts";
import { addNote } from "./interceptor/exchange.ts";
import { createTappedFetch, type Fetch } from "./interceptor/fetch.ts";
import { installHooks } from "./interceptor/global.ts";
import { hookDispatcher, listGlobalDispatchers } from "./interceptor/hook-dispatcher.ts";
import { createObserver, type Observer } from "./interceptor/observer.ts";
import { createRouter } from "./interceptor/route.ts";
import { loadReading, loadReadingNow } from "./load-reading.ts";
import { checkOptions, DEFAULT_LIMITS } from "./options.ts";
import { waitFor } from "./pipeline/deadline.ts";
import { createDelivery, type Delivery } from "./pipeline/delivery.ts";
import { createExitHooks } from "./pipeline/process-end.ts";
import { createQueue } from "./pipeline/queue.ts";
import type { Reading, ReadingOptions } from "./reading.ts";
import { createObserving, type Observe, type RunSpan } from "./spans/observe.ts";
import { createSpanLog } from "./spans/span-log.ts";
import type { RecordCall } from "./record-call.ts";
import type { FlushReport, FlushResult, RunContext, Sink, Span, TapOptions, TapRecord, TapStats } from "./types.ts";

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
  const runInBackground = createBackground(flow);

  /** Never inside the app's call, and never in a circle. */
  function emitError(code: TapErrorCode, message: string, cause: unknown): void {
    defer(() => runSuppressed(() => emitter.emit("error", new TapError(code, message, { cause }))));
  }

  function report(place: string, error: unknown): void {
    increase(counters.errors, place);
    emitError(ERROR_CODES[place] ?? "interceptor_failed", `llm-tap: ${place} failed`, error);
  }

  let reading: Reading | undefined;
  let toMetadata: typeof import("./reading.ts").toMetadata | undefined;
  const readingOptions: ReadingOptions = {
    options,
    limits,
    report,
    onContentSampledOut: () => increase(counters.contentDropped, "sampled_out"),
  };

  function startReading(room: typeof import("./reading.ts")): Reading {
    ({ toMetadata } = room);
    return (reading ??= room.createReading(readingOptions));
  }

  /** Loading takes its time: not for a process that makes no call, and not inside the first one. */
  async function load(): Promise<void> {
    const started = startReading(await loadReading());
    await started.ready();
    // Before the calls around them.
    recordSpans();
    queue.open(started.makeJob);
  }

  /** At the end of the process there is no time to wait. */
  function loadNow(): void {
    try {
      queue.open((reading ?? startReading(loadReadingNow())).makeJob);
    } catch (error) {
      report("load", error);
    }
  }

  const sinks = nameSinks(options.sinks ?? []);
  const deliveries = sinks.map(({ sink, name }) => ({
    sink,
    delivery: createDelivery({
      sink: withName(sink, name),
      maxRecords: limits.queueExchanges,
      maxBytes: limits.queueBytes / sinks.length,
      strip: (record) => toMetadata?.(record) ?? record,
      onContentDropped: () => increase(counters.contentDropped, "sink_bytes"),
      runInBackground,
      onError(error, code) {
        increase(counters.errors, `sink:${name}`);
        emitError(code, `llm-tap: the sink ${name} failed`, error);
      },
    }),
  }));
  for (const { sink, name } of sinks) announce(sink, name, options);

  const queue = createQueue({
    limits,
    onAssembled(exchange, assembled) {
      if (assembled === undefined) {
        increase(counters.ignored, "not_a_call");
        return;
      }
      if (isFollowedRedirect(exchange)) {
        increase(counters.ignored, "redirect");
        return;
      }
      runSuppressed(() => finishCall(exchange, assembled));
    },
    onFailed(exchange, error) {
      report("parser", error);
      runSuppressed(() => finishCall(exchange, undefined));
    },
    onContentDropped: (cause) => increase(counters.contentDropped, cause),
  });

  function finishCall(...[exchange, assembled]: Parameters<RecordCall>): void {
    if (reading === undefined) {
      increase(counters.dropped, "not_loaded");
      return;
    }
    try {
      const recorded = reading.recordCall(exchange, assembled);
      if (recorded === "poll") {
        increase(counters.ignored, "poll");
        return;
      }
      if (recorded === undefined) {
        counters.sampledOut += 1;
        return;
      }
      counters.recorded += 1;
      for (const span of recorded.spans) deliverSpan(span);
      emitter.emit("call", recorded.call);
      deliver(recorded.call);
    } catch (error) {
      increase(counters.dropped, "record_failed");
      report("record", error);
    }
  }

  const spans = createSpanLog({
    flow,
    resolve: (bound) => observer.resolve(bound),
    maxSpans: limits.queueExchanges,
    onEnd() {
      openQueue();
      if (spans.size === 1) defer(recordSpans);
    },
    onDropped() {
      counters.spans.dropped += 1;
    },
  });

  function recordSpans(): void {
    if (reading === undefined || spans.size === 0) return;
    const { recordSpan } = reading;
    runSuppressed(() => {
      for (const draft of spans.take()) {
        try {
          const span = recordSpan(draft);
          if (span === undefined) counters.spans.sampledOut += 1;
          else deliverSpan(span);
        } catch (error) {
          counters.spans.dropped += 1;
          report("record", error);
        }
      }
    });
  }

  function deliverSpan(span: Span): void {
    counters.spans.recorded += 1;
    emitter.emit("span", span);
    deliver(span);
  }

  function deliver(record: TapRecord): void {
    let stripped: TapRecord | undefined;
    for (const { sink, delivery } of deliveries) {
      if (sink.content !== "metadata") delivery.push(record);
      else if ((stripped ??= toMetadata?.(record)) !== undefined) delivery.push(stripped);
    }
  }

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
        load()
          .catch((error: unknown) => report("load", error))
          .finally(resolve);
      });
    });
  }

  /** Hooks that live as long as the tap: those of `install`, and those that calls with a Request need. */
  const restores = new Set<() => void>();
  const hooked = new WeakSet<object>();
  function hookGlobalDispatchers(): void {
    for (const dispatcher of listGlobalDispatchers()) {
      if (hooked.has(dispatcher)) continue;
      hooked.add(dispatcher);
      restores.add(hookDispatcher(dispatcher, (dispatch) => passPendingCalls(dispatch, observer)));
    }
  }

  /** Reads all that has ended so far. */
  async function drain(): Promise<void> {
    await opening;
    recordSpans();
    await queue.drain();
  }

  async function flush({ timeoutMs = FLUSH_TIMEOUT_MS }: { timeoutMs?: number } = {}): Promise<FlushResult> {
    const deadline = performance.now() + timeoutMs;
    await calls.endAbandoned(deadline);
    await waitFor(drain(), timeoutMs);
    await Promise.all(deliveries.map(({ delivery }) => delivery.flush(deadline)));
    return sumReports(deliveries.map(({ delivery }) => delivery));
  }

  const unhook = onProcessEnd(
    createExitHooks({
      queue: {
        hasWork: () => queue.hasWork() || spans.size > 0,
        get size() {
          return queue.size;
        },
      },
      deliveries: deliveries.map(({ delivery }) => delivery),
      drain,
      endRunning() {
        spans.abandonAll("process_exit");
        if (queue.size > 0 || spans.size > 0) loadNow();
        recordSpans();
        queue.drainSync((exchange) => {
          addNote(exchange, "process_exit");
          observer.fail(exchange, undefined, true);
        });
      },
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
    const result = await flush({ timeoutMs });
    reading?.close();
    const deadline = performance.now() + timeoutMs;
    await Promise.all(deliveries.map(({ delivery }) => delivery.close(deadline)));
    unhook();
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
        return flow.run({ ...outer, context: mergeContext(outer?.context, context) }, fn);
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
    const flow = observer.flow.get();
    const pending = flow?.pending;
    if (pending === undefined || pending.observer !== observer) return dispatch(options, handler);
    return pending.dispatchThrough(dispatch, options, handler);
  };
}

/** fetch drops the body of a redirect and goes on: the hop is no call. */
function isFollowedRedirect({
  status,
  hasError,
  responseBytes,
}: {
  status: number;
  hasError: boolean;
  responseBytes: number;
}): boolean {
  return hasError && status >= 300 && status < 400 && responseBytes === 0;
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

/** Two sinks of one kind are told apart in the counts. */
function nameSinks(sinks: readonly Sink[]): { sink: Sink; name: string }[] {
  const taken = new Set<string>();
  return sinks.map((sink) => {
    let { name } = sink;
    for (let count = 2; taken.has(name); count += 1) name = `${sink.name}#${count}`;
    taken.add(name);
    return { sink, name };
  });
}

function withName(sink: Sink, name: string): Sink {
  return sink.name === name ? sink : Object.create(sink, { name: { value: name } });
}

/** Content that leaves the process is said aloud once. What stays in memory goes nowhere. */
function announce(sink: Sink, name: string, options: TapOptions): void {
  if (sink.name === "memory") return;
  const content = sink.content === "metadata" || options.privacyMode === true ? "off" : "on";
  warn(`llm-tap: content: ${content} → ${name}`);
}

function sumReports(deliveries: readonly Delivery[]): FlushResult {
  const total: FlushReport = { delivered: 0, pending: 0, dropped: 0, unknown: 0 };
  const bySink: Record<string, FlushReport> = {};
  for (const delivery of deliveries) {
    const report = delivery.report();
    bySink[delivery.name] = report;
    for (const key of Object.keys(total) as (keyof FlushReport)[]) total[key] += report[key];
  }
  return { ...total, bySink };
}

function checkContext(context: unknown, method: string): void {
  if (typeof context !== "object" || context === null || Array.isArray(context)) {
    throw new TypeError(`tap.${method} takes a context like { userId: "u-123" } first.`);
  }
}
