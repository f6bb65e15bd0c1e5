/** What a signal that ends the process finds pending is sent first; then the signal does what it would have done. */
import { builtIn } from "./built-in.ts";
import { handOverAll, isAnyBusy, shutDownAll } from "./process-end.ts";

interface SignalGuard {
  arm(): void;
  settle(): Promise<void> | undefined;
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
type Signal = (typeof SIGNALS)[number];

/** A process that was told to end goes on no longer than this. */
const SIGNAL_MS = 2_000;
/** How often to look whether there still is something to lose. */
const WATCH_MS = 200;

let guard: SignalGuard | undefined;
const endings = new Set<() => void>();

/** There may be something to lose from now on. Cheap: called at each call. One guard for however many taps there are. */
export function armSignals(): void {
  guard ??= createSignalGuard();
  guard.arm();
}

/** Something was delivered: takes the listeners off when nothing is left to lose. Resolves once they are. */
export async function settleSignals(): Promise<void> {
  await guard?.settle();
}

/** @param listener Told when a signal has come, and what is pending is about to be sent. Never taken off. */
export function onSignal(listener: () => void): void {
  endings.add(listener);
}

/**
 * Listens only while there is something to lose: a signal that Node does not handle ends a process even in the middle of
 * a long computation, one with a listener waits for its end. Where the app listens itself, the signal is the app's; the
 * guard then is not even among the listeners, because others (signal-exit) count them.
 */
function createSignalGuard(): SignalGuard {
  // Signals come to the main thread only; Windows can't raise one again.
  if (process.platform === "win32" || !builtIn("node:worker_threads").isMainThread) {
    return { arm: () => undefined, settle: () => undefined };
  }
  let isArmed = false;
  let isEnding = false;
  let isChecking = false;
  let isListening = false;
  let releasing: Promise<void> | undefined;
  let isStarting = false;
  let isWatching = false;
  const listeners: Record<Signal, () => void> = {
    SIGTERM: () => end("SIGTERM"),
    SIGINT: () => end("SIGINT"),
  };

  function end(signal: Signal): void {
    if (hasOther(signal)) return;
    // The second time someone insists.
    if (isEnding) {
      raise(signal);
      return;
    }
    isEnding = true;
    for (const listener of endings) listener();
    const sent = shutDownAll(SIGNAL_MS);
    if (sent === undefined) raise(signal);
    else void sent.then(() => raise(signal));
  }

  /** Ends the process as the signal would have without us. */
  function raise(signal: Signal): void {
    disarm();
    handOverAll();
    process.kill(process.pid, signal);
  }

  function hasOther(signal: Signal): boolean {
    return process.listeners(signal).some((listener) => listener !== listeners[signal]);
  }

  /** Not at once: Node takes its handle away with the last listener, and the app's new one is not there yet. */
  function onListenersChange(name: string | symbol): void {
    if (isChecking || !SIGNALS.includes(name as Signal)) return;
    isChecking = true;
    process.nextTick(() => {
      isChecking = false;
      updateListeners();
    });
  }

  function updateListeners(): void {
    for (const signal of SIGNALS) {
      const isOn = process.listeners(signal).includes(listeners[signal]);
      const isWanted = isListening && !hasOther(signal);
      if (isWanted && !isOn) process.on(signal, listeners[signal]);
      if (!isWanted && isOn) process.off(signal, listeners[signal]);
    }
  }

  function settle(): Promise<void> | undefined {
    if (isEnding || isAnyBusy()) return undefined;
    isArmed = false;
    return isListening ? (releasing ??= release()) : undefined;
  }

  /**
   * A signal that has come is told at the end of what the loop polls next: taken off before that, a listener would take
   * the signal with it, and the process would go on. Two turns, because this one may end before it polls.
   */
  async function release(): Promise<void> {
    for (let turn = 0; turn < 2; turn += 1) await new Promise(setImmediate);
    releasing = undefined;
    if (!isArmed) disarm();
  }

  /** One timer however often it is armed and settled meanwhile. */
  function watch(): void {
    if (isWatching) return;
    isWatching = true;
    setTimeout(() => {
      isWatching = false;
      void settle();
      if (isArmed) watch();
    }, WATCH_MS).unref();
  }

  function listen(): void {
    if (isListening) return;
    isListening = true;
    process.on("newListener", onListenersChange);
    process.on("removeListener", onListenersChange);
    updateListeners();
  }

  function disarm(): void {
    isArmed = false;
    if (!isListening) return;
    isListening = false;
    process.off("newListener", onListenersChange);
    process.off("removeListener", onListenersChange);
    updateListeners();
  }

  return {
    arm() {
      if (isArmed) return;
      isArmed = true;
      if (isStarting) return;
      isStarting = true;
      // After the call has left: a listener costs some microseconds.
      setTimeout(() => {
        isStarting = false;
        void settle();
        if (!isArmed) return;
        listen();
        watch();
      }, 0).unref();
    },
    settle,
  };
}
