/** Node: AsyncLocalStorage, zlib, crypto, exit hooks. The only file of the core that names Node's built-ins. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Readable } from "node:stream";
import type { Gunzip } from "node:zlib";
import { builtIn } from "./built-in.ts";
import { MAX_WRITE_OUTPUT } from "./platform.ts";
import type { Decompressor, FlowStore, MediaDigest, Timer } from "./platform.ts";

export { releaseSockets } from "./background.ts";
export { decompressSync } from "./decompress-sync.ts";
export { watchRequests } from "./requests.ts";
export type * from "./platform.ts";
export { createHashKey, createKeyedHash } from "./keyed-hash.ts";
export { createRunningSums } from "./running-sums.ts";
export { onProcessEnd } from "./process-end.ts";
export { armSignals, onSignal, settleSignals } from "./signals.ts";
export { receiveTasks, startWorker } from "./worker.ts";

/**
 * Until Node 24, an AsyncLocalStorage that was used once makes each promise of the process dearer, by about a tenth of
 * what a `fetch` costs. So it is used only where a flow has to be followed, and let go of afterwards.
 */
export function createFlowStore<Value>(): FlowStore<Value> {
  const storage = new AsyncLocalStorage<Value>();
  let brief: Value | undefined;
  /** A flow of the app's, whose end nobody knows. */
  let isKept = false;
  let open = 0;

  function leave(): void {
    open -= 1;
    if (open === 0 && !isKept) storage.disable();
  }

  function follow<Result>(value: Value, run: () => Result): Result {
    const before = brief;
    brief = undefined;
    try {
      return storage.run(value, run);
    } finally {
      brief = before;
    }
  }

  return {
    run(value, run) {
      isKept = true;
      return follow(value, run);
    },
    runBriefly(value, run) {
      const before = brief;
      brief = value;
      try {
        return run();
      } finally {
        brief = before;
      }
    },
    runUntilSettled(value, run) {
      open += 1;
      try {
        const result = follow(value, run);
        const isThenable = typeof (result as Partial<PromiseLike<unknown>> | undefined)?.then === "function";
        // A thenable of another kind is asked once.
        const promise = isThenable && !(result instanceof Promise) ? Promise.resolve(result) : result;
        if (isThenable) promise.then(leave, leave);
        else leave();
        return promise;
      } catch (error) {
        // What throws at once is not to reject.
        leave();
        throw error;
      }
    },
    get: () => brief ?? storage.getStore(),
  };
}

type Zlib = typeof import("node:zlib") & { createZstdDecompress?: () => Gunzip };

const FACTORIES: Readonly<Record<string, (zlib: Zlib) => Gunzip | undefined>> = {
  gzip: (zlib) => zlib.createGunzip(),
  deflate: (zlib) => zlib.createInflate(),
  "deflate-raw": (zlib) => zlib.createInflateRaw(),
  br: (zlib) => zlib.createBrotliDecompress(),
  // Only where Node has it (22.15 and later).
  zstd: (zlib) => zlib.createZstdDecompress?.(),
};

export function createDecompressor(encoding: string): Decompressor | undefined {
  const create = Object.hasOwn(FACTORIES, encoding) ? FACTORIES[encoding] : undefined;
  const stream = create?.(builtIn("node:zlib"));
  if (stream === undefined) return undefined;
  let output: Uint8Array[] = [];
  let outputBytes = 0;
  let failure: Error | undefined;
  let notify: ((error?: Error) => void) | undefined;
  stream.on("data", (chunk: Uint8Array) => {
    if (decompressor.overflowed) return;
    output.push(chunk);
    outputBytes += chunk.byteLength;
    if (outputBytes < MAX_WRITE_OUTPUT) return;
    decompressor.overflowed = true;
    stream.destroy();
    notify?.();
  });
  stream.on("error", (error: Error) => {
    failure = error;
    notify?.(error);
  });
  stream.on("end", () => notify?.());

  function settle(start: (done: (error?: Error | null) => void) => void): Promise<Uint8Array[]> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null): void => {
        notify = undefined;
        const result = output;
        output = [];
        outputBytes = 0;
        if (error ?? failure) reject(error ?? failure ?? new Error("decompression failed"));
        else resolve(result);
      };
      notify = done;
      start(done);
    });
  }

  const decompressor: { -readonly [Key in keyof Decompressor]: Decompressor[Key] } = {
    // The callback of a write comes once all output of its bytes was emitted.
    write: (bytes) => settle((done) => stream.write(bytes, done)),
    end: () => settle(() => stream.end()),
    overflowed: false,
  };
  return decompressor;
}

export function digestMedia(base64: string): MediaDigest {
  const bytes = Buffer.from(base64, "base64");
  return { bytes: bytes.byteLength, sha256: builtIn("node:crypto").createHash("sha256").update(bytes).digest("hex") };
}

/** @param count - up to 65,536 bytes @returns twice as many lower-case digits */
export function randomBytesAsHex(count: number): string {
  // Not `crypto.getRandomValues`: the app's first call would wait for all of WebCrypto to load.
  return builtIn("node:crypto").randomBytes(count).toString("hex");
}

/** Bytes of a text as UTF-8. */
export function countBytes(text: string): number {
  return Buffer.byteLength(text);
}

/**
 * Calls back soon, without keeping the process alive. A timer, because an immediate without a reference does not wake a
 * loop that sleeps in its poll phase: it would wait for whatever comes next.
 */
export function defer(run: () => void): void {
  setTimeout(run, 0).unref();
}

/** Calls back in the next turn of the event loop; the process lives until then. */
export function nextTurn(run: () => void): void {
  setImmediate(run);
}

/** Calls back once the callback of the loop that runs now has returned, before the next one. */
export function afterCallback(run: () => void): void {
  process.nextTick(run);
}

/** Loads one of our own modules without waiting. @throws where Node can't, or while it is being loaded anyway */
export function loadSync(url: URL): unknown {
  return builtIn("node:module").createRequire(import.meta.url)(builtIn("node:url").fileURLToPath(url)) as unknown;
}

/** A timer that does not keep the process alive. */
export function setTimer(run: () => void, milliseconds: number): Timer {
  const timer = setTimeout(run, milliseconds);
  timer.unref();
  return { cancel: () => clearTimeout(timer) };
}

let warningsUnderWay = 0;
const ignore = (): void => undefined;

/** One line for the operator. That nobody reads stderr any more never reaches the app. */
export function warn(line: string): void {
  const { stderr } = process;
  // A broken pipe is emitted as well as passed to the callback; without a listener it would end the process.
  if (warningsUnderWay === 0) stderr.on("error", ignore);
  warningsUnderWay += 1;
  const settle = (): void => {
    warningsUnderWay -= 1;
    if (warningsUnderWay === 0) stderr.off("error", ignore);
  };
  try {
    // The event comes right after the callback.
    stderr.write(`${line}\n`, () => defer(settle));
  } catch {
    settle();
  }
}

/** Major version of the undici behind the built-in fetch; it decides which global dispatcher symbol that fetch reads. */
export const builtInUndiciMajor: number | undefined = Number.parseInt(process.versions.undici ?? "", 10) || undefined;

/** Something was read from the stream, or it was cancelled. */
export function isDisturbed(stream: ReadableStream): boolean {
  return builtIn("node:stream").Readable.isDisturbed(stream as unknown as Readable);
}
