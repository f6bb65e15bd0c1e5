/** How a tap runs what is its own: never tapped, and where it sends, without keeping the process alive. */
import { type FlowStore, releaseSockets, type SocketRelease } from "#platform";
import type { Flow } from "./context.ts";
import { findDispatcherFor, findGlobalDispatcher } from "./interceptor/hook-dispatcher.ts";
import { createStandIn } from "./interceptor/stand-in.ts";
import type { SinkHost } from "./types.ts";

/** Runs what a sink does. A `flush` that waits for it keeps the process alive; the sending itself does not. */
export type RunInBackground = <Result>(run: () => Promise<Result>) => Promise<Result>;

export interface Background {
  run: RunInBackground;
  /** The same for what `run` does before it returns, and not for what it starts: costs the app nothing. */
  runBriefly: RunInBackground;
  /** A request of the tap's own. Costs the app nothing where the global fetch takes a dispatcher. */
  fetch: SinkHost["fetch"];
  /** The tap is closed: once nothing runs any more, sockets are left alone. */
  close(): void;
}

export function createBackground(flow: FlowStore<Flow>): Background {
  const mark: Flow = { isSuppressed: true, isBackground: true };
  const isBackground = (): boolean => flow.get()?.isBackground === true;
  let running = 0;
  let isClosed = false;
  let sockets: SocketRelease | undefined;
  /** As far as is known, requests are made while they are dispatched, and by our stand-in. */
  let canMark = true;

  /** Sockets are looked after while it runs. */
  async function attend<Result>(run: (sockets: SocketRelease) => Promise<Result>): Promise<Result> {
    running += 1;
    // Not only while something is sent: a channel that gets its first listener, or loses its last, is another kind of
    // object to V8, and undici's functions that look at it are compiled anew each time.
    sockets ??= releaseSockets(isBackground);
    try {
      return await run(sockets);
    } finally {
      running -= 1;
      stopIfDone();
    }
  }

  function stopIfDone(): void {
    if (!isClosed || running > 0) return;
    sockets?.stop();
    sockets = undefined;
  }

  const run: RunInBackground = (inside) => attend(() => flow.runUntilSettled(mark, inside));

  /** Marks the call and its dispatch, each while it is made. */
  function fetchMarked(url: string, init?: RequestInit): Promise<Response> {
    const target = findGlobalDispatcher();
    if (!canMark || target === undefined) return run(() => globalThis.fetch(url, init));
    return attend(async (attended) => {
      const isDone = attended.expect(new URL(url).origin);
      let isMarked = false;
      const dispatcher = createStandIn(target, (options, handler) => {
        const before = attended.marked;
        try {
          return flow.runBriefly(mark, () => (findDispatcherFor(handler) ?? target).dispatch(options, handler));
        } finally {
          isMarked ||= attended.marked > before;
        }
      });
      const marked: RequestInit & { dispatcher: object } = { ...init, dispatcher };
      try {
        const response = await flow.runBriefly(mark, () => globalThis.fetch(url, marked));
        // Another fetch takes no dispatcher, and some dispatchers look up an address or wait before they send.
        if (!isMarked) canMark = false;
        return response;
      } finally {
        isDone();
      }
    });
  }

  return {
    run,
    runBriefly: (inside) => flow.runBriefly(mark, inside),
    fetch: fetchMarked,
    close() {
      isClosed = true;
      stopIfDone();
    },
  };
}
