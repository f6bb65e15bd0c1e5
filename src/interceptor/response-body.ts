/**
 * The fallback: taps the body of a Response that no dispatcher of ours made. The only place where a body is read and a
 * Response is made anew; `url`, `redirected`, `type`, byte readers, cancellation and garbage collection stay as they were.
 */
import type { Exchange } from "../types.ts";
import { addNote, noteResponseChunk } from "./exchange.ts";
import { collectResponseHeaders } from "./headers.ts";
import type { Observer } from "./observer.ts";
import { createFilterFor, type UsageFilter } from "./usage-filter.ts";

interface Held {
  reader: ReadableStreamDefaultReader<Uint8Array>;
  observer: Observer;
  exchange: Exchange;
}

/** When a body is forgotten unread, its source is told, as undici does for its own. */
const forgotten = new FinalizationRegistry<Held>(({ reader, observer, exchange }) => {
  if (!exchange.isEnded) {
    addNote(exchange, "body_not_read");
    observer.fail(exchange, undefined, true);
  }
  reader.cancel("Response object has been garbage collected").catch(() => {});
});

/** Whether an error is the app's own abort. */
export type IsAbort = (error: unknown) => boolean;

/** @returns the Response to give to the app: the same one where nothing has to be read */
export function tapResponse(observer: Observer, exchange: Exchange, response: Response, isAbort: IsAbort): Response {
  exchange.decoded = true;
  exchange.status = typeof response?.status === "number" ? response.status : 0;
  exchange.headersTime = performance.now();
  exchange.responseHeaders = collectResponseHeaders(response?.headers);
  const filter = createFilterFor(exchange, exchange.status, exchange.responseHeaders);
  const body = response?.body as unknown;
  if (body === null || body === undefined || response.bodyUsed) {
    if (typeof response?.json === "function" && body === undefined) addNote(exchange, "body_not_observable");
    observer.end(exchange);
    return response;
  }
  if (isNodeStream(body)) {
    tapNodeStream(observer, exchange, body, filter, isAbort);
    return response;
  }
  if (!(body instanceof ReadableStream) || body.locked) {
    addNote(exchange, "body_not_observable");
    observer.end(exchange);
    return response;
  }
  const { stream, release } = tapStream(observer, exchange, body as ReadableStream<Uint8Array>, filter, isAbort);
  try {
    const tapped = rewrap(response, stream);
    exchange.body = new WeakRef(stream);
    return tapped;
  } catch {
    // A Response that cannot be made anew, of a class of its own or with a status that only a network gives.
    release();
    addNote(exchange, "body_not_observable");
    observer.end(exchange);
    return response;
  }
}

interface TappedStream {
  stream: ReadableStream<Uint8Array>;
  /** Gives the body back as it was: nothing has been read. */
  release(): void;
}

function note(observer: Observer, exchange: Exchange, chunk: unknown): void {
  try {
    if (exchange.isEnded) return;
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    if (!(bytes instanceof Uint8Array)) return;
    noteResponseChunk(exchange, bytes);
    if (!exchange.isDirty) observer.touch(exchange);
  } catch (error) {
    observer.report("interceptor", error);
  }
}

type Controller = ReadableByteStreamController | ReadableStreamDefaultController<Uint8Array>;

function tapStream(
  observer: Observer,
  exchange: Exchange,
  body: ReadableStream<Uint8Array>,
  filter: UsageFilter | undefined,
  isAbort: IsAbort,
): TappedStream {
  const isBytes = takesByteReaders(body);
  const reader = body.getReader();
  let isReading = false;
  /** All that there was has been read. */
  let isAtEnd = false;

  function finish(controller: Controller | undefined): void {
    observer.end(exchange);
    try {
      if (controller === undefined) return;
      enqueue(controller, filter?.end());
      controller.close();
      (controller as ReadableByteStreamController).byobRequest?.respond(0);
    } catch {
      // It has ended otherwise.
    }
  }

  // No await and no closure per chunk beyond what a pull stream needs; nothing is read before the app reads.
  const source = {
    start(controller: Controller): void {
      // What `reader.closed` holds must not hold the stream, or nobody could ever collect it.
      const held = new WeakRef(controller);
      reader.closed.then(
        () => {
          isAtEnd = true;
          // Else the last chunk is on its way.
          if (!isReading) finish(held.deref());
        },
        (error: unknown) => {
          observer.fail(exchange, error, isAbort(error));
          if (isReading) return;
          // As without us, an abort is seen at once, not at the next read.
          held.deref()?.error(error);
        },
      );
    },
    async pull(controller: Controller): Promise<void> {
      for (;;) {
        let result: ReadableStreamReadResult<Uint8Array>;
        isReading = true;
        try {
          result = await reader.read();
        } catch (error) {
          observer.fail(exchange, error, isAbort(error));
          enqueue(controller, filter?.end());
          throw error;
        } finally {
          isReading = false;
        }
        if (result.done) {
          finish(controller);
          return;
        }
        // Before it is handed on: a byte stream takes the buffer away.
        note(observer, exchange, result.value);
        const passed = filter === undefined ? result.value : filter.push(result.value);
        const isGiven = enqueue(controller, passed);
        if (isAtEnd) finish(controller);
        if (isGiven || isAtEnd) return;
      }
    },
    async cancel(reason: unknown): Promise<void> {
      observer.fail(exchange, reason, true);
      await reader.cancel(reason);
    },
  };
  const strategy = { highWaterMark: 0 };
  const stream = isBytes
    ? new ReadableStream({ ...source, type: "bytes" }, strategy)
    : new ReadableStream<Uint8Array>(source, strategy);
  forgotten.register(stream, { reader, observer, exchange }, reader);
  return {
    stream,
    release() {
      forgotten.unregister(reader);
      reader.releaseLock();
    },
  };
}

/** @returns whether there was something */
function enqueue(controller: Controller, chunk: Uint8Array | undefined): boolean {
  if (chunk === undefined) return false;
  controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
  return true;
}

/** Only byte streams give such readers. */
function takesByteReaders(body: ReadableStream): boolean {
  try {
    body.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

/** A Response of the same class around another body, with what its constructor cannot set. */
function rewrap(response: Response, body: ReadableStream<Uint8Array>): Response {
  const { constructor } = response as { constructor: unknown };
  const ResponseClass = (typeof constructor === "function" ? constructor : Response) as typeof Response;
  const { status, statusText, headers } = response;
  const copy = new ResponseClass(body, { status, statusText, headers });
  // A class of its own may take something else, or wrap the stream.
  if (copy.status !== status || (copy.body !== body && !body.locked)) {
    throw new TypeError("not a Response around this body");
  }
  for (const name of Object.getOwnPropertyNames(response)) {
    const descriptor = Object.getOwnPropertyDescriptor(response, name);
    if (descriptor !== undefined && !Object.hasOwn(copy, name)) Object.defineProperty(copy, name, descriptor);
  }
  return restore(copy, response);
}

function restore(copy: Response, from: Response): Response {
  const { url, redirected, type, headers } = from;
  for (const [key, value] of Object.entries({ url, redirected, type, ...(isImmutable(headers) && { headers }) })) {
    Object.defineProperty(copy, key, { value, configurable: true, enumerable: false });
  }
  Object.defineProperty(copy, "clone", {
    value: function clone(this: Response): Response {
      return restore(Object.getPrototypeOf(this).clone.call(this) as Response, from);
    },
    configurable: true,
    writable: true,
    enumerable: false,
  });
  return copy;
}

/** Those of a Response from the network are; a constructor makes them so for nobody. */
function isImmutable(headers: Headers): boolean {
  try {
    headers.delete("x-llm-tap-none");
    return false;
  } catch {
    return true;
  }
}

interface NodeStreamLike {
  push(chunk: unknown, encoding?: string): boolean;
  read(size: number): unknown;
  emit(event: string | symbol, ...values: unknown[]): boolean;
}

/** node-fetch's body. */
function isNodeStream(body: unknown): body is NodeStreamLike {
  return (
    typeof body === "object" &&
    body !== null &&
    typeof (body as Partial<NodeStreamLike>).push === "function" &&
    typeof (body as Partial<NodeStreamLike>).emit === "function"
  );
}

/** Sees what goes into the stream, whoever reads it and however. */
function tapNodeStream(
  observer: Observer,
  exchange: Exchange,
  stream: NodeStreamLike,
  filter: UsageFilter | undefined,
  isAbort: IsAbort,
): void {
  const { push, emit } = stream;
  stream.push = function pushAndNote(chunk, encoding) {
    if (chunk === null) {
      observer.end(exchange);
      const rest = filter?.end();
      if (rest !== undefined) push.call(this, rest);
      return push.call(this, chunk, encoding);
    }
    note(observer, exchange, chunk);
    if (filter === undefined || !(chunk instanceof Uint8Array)) return push.call(this, chunk, encoding);
    const passed = filter.push(chunk);
    if (passed !== undefined) return push.call(this, passed);
    // A stream that is pulled has to hear even of nothing, and to be asked again, or it waits for ever.
    queueMicrotask(() => this.read(0));
    return push.call(this, chunk.subarray(0, 0));
  };
  // No listener: one for `error` would keep an error that nobody handles from ending the process.
  stream.emit = function emitAndNote(event, ...values) {
    if (event === "error") fail(values[0], isAbort(values[0]));
    if (event === "close") fail(undefined, true);
    return emit.call(this, event, ...values);
  };

  function fail(error: unknown, isCancelled: boolean): void {
    try {
      observer.fail(exchange, error, isCancelled);
    } catch (failure) {
      observer.report("interceptor", failure);
    }
  }
}

/** What `abort()` without a reason gives. An object of the app's may throw when it is looked at. */
export function hasNameOfAbort(error: unknown): boolean {
  try {
    return (error as { name?: unknown } | null | undefined)?.name === "AbortError";
  } catch {
    return false;
  }
}
