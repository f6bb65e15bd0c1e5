/** Edge runtimes and browsers: web APIs only. What a runtime lacks is absent, not imitated. */
import { MAX_WRITE_OUTPUT } from "./platform.ts";
import { createHmac } from "./web-hmac.ts";
import type {
  Decompressor,
  ExitHooks,
  FlowStore,
  MediaDigest,
  RunningSums,
  SocketRelease,
  Timer,
  WorkerLink,
  WorkerListener,
} from "./platform.ts";

export type * from "./platform.ts";

interface AsyncLocalStorageLike<Value> {
  run<Result>(value: Value, run: () => Result): Result;
  getStore(): Value | undefined;
}

/** Workers runtimes have AsyncLocalStorage as a global; where there is none, a context lasts for the synchronous call. */
export function createFlowStore<Value>(): FlowStore<Value> {
  const { AsyncLocalStorage } = globalThis as { AsyncLocalStorage?: new () => AsyncLocalStorageLike<Value> };
  if (AsyncLocalStorage !== undefined) {
    const storage = new AsyncLocalStorage();
    const run = <Result>(value: Value, run: () => Result): Result => storage.run(value, run);
    return { run, runBriefly: run, runUntilSettled: run, get: () => storage.getStore() };
  }
  let current: Value | undefined;
  function run<Result>(value: Value, run: () => Result): Result {
    const previous = current;
    current = value;
    try {
      return run();
    } finally {
      current = previous;
    }
  }
  return { run, runBriefly: run, runUntilSettled: run, get: () => current };
}

const FORMATS: Readonly<Record<string, CompressionFormat | undefined>> = {
  gzip: "gzip",
  deflate: "deflate",
  "deflate-raw": "deflate-raw",
};

export function createDecompressor(encoding: string): Decompressor | undefined {
  const format = Object.hasOwn(FORMATS, encoding) ? FORMATS[encoding] : undefined;
  if (format === undefined || typeof DecompressionStream === "undefined") return undefined;
  const stream = new DecompressionStream(format);
  const writer = stream.writable.getWriter();
  let output: Uint8Array[] = [];
  let outputBytes = 0;
  const drained = drain(stream.readable, (chunk) => {
    output.push(chunk);
    outputBytes += chunk.byteLength;
    decompressor.overflowed = outputBytes >= MAX_WRITE_OUTPUT;
    return !decompressor.overflowed;
  });
  drained.catch(() => {});

  /** To leave the reading loop cancels the stream, and what is still being written fails by it. */
  async function settle(work: () => Promise<unknown>): Promise<Uint8Array[]> {
    try {
      await work();
    } catch (error) {
      if (!decompressor.overflowed) throw error;
    }
    const result = output;
    output = [];
    outputBytes = 0;
    return result;
  }

  const decompressor: { -readonly [Key in keyof Decompressor]: Decompressor[Key] } = {
    write: (bytes) => settle(() => writer.write(bytes as Uint8Array<ArrayBuffer>)),
    end: () => settle(() => writer.close().then(() => drained)),
    overflowed: false,
  };
  return decompressor;
}

/** @param onChunk - whether to go on */
async function drain(readable: ReadableStream<Uint8Array>, onChunk: (chunk: Uint8Array) => boolean): Promise<void> {
  for await (const chunk of readable) if (!onChunk(chunk)) return;
}

/** No synchronous digest on the web: the size alone. */
export function digestMedia(base64: string): MediaDigest {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return { bytes: Math.max(0, Math.floor((base64.length * 3) / 4) - padding), sha256: "" };
}

/** @param count - up to 65,536 bytes @returns twice as many lower-case digits */
export function randomBytesAsHex(count: number): string {
  const digits: string[] = [];
  for (const byte of crypto.getRandomValues(new Uint8Array(count))) digits.push(byte.toString(16).padStart(2, "0"));
  return digits.join("");
}

/** Bytes of a text as UTF-8. */
export function countBytes(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

export function createHashKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(64));
}

/** HMAC with SHA-256. */
export function createKeyedHash(key: Uint8Array): (text: string) => string {
  return createHmac(key);
}

/** No hash on the web that takes a text in pieces. */
export function createRunningSums(_key: Uint8Array): RunningSums | undefined {
  return undefined;
}

export function defer(run: () => void): void {
  setTimeout(run, 0);
}

export function nextTurn(run: () => void): void {
  setTimeout(run, 0);
}

/** Soon, and not inside what runs now. */
export function afterCallback(run: () => void): void {
  queueMicrotask(run);
}

export function setTimer(run: () => void, milliseconds: number): Timer {
  const timer = setTimeout(run, milliseconds);
  return { cancel: () => clearTimeout(timer) };
}

/** Nothing tells when an edge function ends: `await tap.flush()` does. */
export function onProcessEnd(_hooks: ExitHooks): () => void {
  return () => {};
}

/** No signals here. */
export function armSignals(): void {}

/** Nor to be taken off. */
export function settleSignals(): Promise<void> {
  return Promise.resolve();
}

/** There are no signals to hear of. */
export function onSignal(_listener: () => void): void {}

/** Nothing decompresses at once here, and nothing tells when a process ends. */
export function decompressSync(_encoding: string, _bytes: Uint8Array): Uint8Array | undefined {
  return undefined;
}

/** No sockets to be seen here. */
export function releaseSockets(_isBackground: () => boolean): SocketRelease {
  return { expect: () => () => {}, marked: 0, stop() {} };
}

export function watchRequests(_listener: (request: object) => void): () => void {
  return () => {};
}

export function warn(line: string): void {
  console.warn(line);
}

/** No undici here: responses are tapped at the body. */
export const builtInUndiciMajor: number | undefined = undefined;

/** Not to be seen here: an abandoned body is recorded when its call ends, or not at all. */
export function isDisturbed(_stream: ReadableStream): boolean {
  return false;
}

/** No threads that every runtime has: everything is read where the app runs. */
export function startWorker<Task, Reply>(_entry: URL, _listener: WorkerListener<Reply>): WorkerLink<Task> | undefined {
  return undefined;
}

export function receiveTasks(_run: (task: unknown) => Promise<unknown>): void {}

export function loadSync(_url: URL): unknown {
  throw new Error("llm-tap: modules can't be loaded synchronously here");
}
