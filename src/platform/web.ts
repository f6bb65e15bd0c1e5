/** Edge runtimes and browsers: web APIs only. What a runtime lacks is absent, not imitated. */
import type { Decompressor, ExitHooks, FlowStore, MediaDigest, Timer } from "./platform.ts";

export type { Decompressor, ExitHooks, FlowStore, MediaDigest, Timer } from "./platform.ts";

interface AsyncLocalStorageLike<Value> {
  run<Result>(value: Value, run: () => Result): Result;
  getStore(): Value | undefined;
}

/** Workers runtimes have AsyncLocalStorage as a global; where there is none, a context lasts for the synchronous call. */
export function createFlowStore<Value>(): FlowStore<Value> {
  const { AsyncLocalStorage } = globalThis as { AsyncLocalStorage?: new () => AsyncLocalStorageLike<Value> };
  if (AsyncLocalStorage !== undefined) {
    const storage = new AsyncLocalStorage();
    return { run: (value, run) => storage.run(value, run), get: () => storage.getStore() };
  }
  let current: Value | undefined;
  return {
    run(value, run) {
      const previous = current;
      current = value;
      try {
        return run();
      } finally {
        current = previous;
      }
    },
    get: () => current,
  };
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
  const drained = drain(stream.readable, (chunk) => output.push(chunk));
  drained.catch(() => {});

  function take(): Uint8Array[] {
    const result = output;
    output = [];
    return result;
  }

  return {
    async write(bytes) {
      await writer.write(bytes as Uint8Array<ArrayBuffer>);
      return take();
    },
    async end() {
      await writer.close();
      await drained;
      return take();
    },
  };
}

async function drain(readable: ReadableStream<Uint8Array>, onChunk: (chunk: Uint8Array) => void): Promise<void> {
  for await (const chunk of readable) onChunk(chunk);
}

/** No synchronous digest on the web: the size alone. */
export function digestMedia(base64: string): MediaDigest {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return { bytes: Math.max(0, Math.floor((base64.length * 3) / 4) - padding), sha256: "" };
}

export function defer(run: () => void): void {
  setTimeout(run, 0);
}

export function setTimer(run: () => void, milliseconds: number): Timer {
  const timer = setTimeout(run, milliseconds);
  return { cancel: () => clearTimeout(timer) };
}

/** Nothing tells when an edge function ends: `await tap.flush()` does. */
export function onProcessEnd(_hooks: ExitHooks): () => void {
  return () => {};
}

export function warn(line: string): void {
  console.warn(line);
}

/** No undici here: responses are tapped at the body. */
export const builtInUndiciMajor: number | undefined = undefined;
