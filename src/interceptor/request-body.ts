/** Notes a request body without consuming it: strings and bytes at once, streams as they are sent. */
import type { FlowStore } from "#platform";
import type { Flow } from "../context.ts";
import type { Exchange } from "../types.ts";
import { addNote, noteRequestChunk, REQUEST_TAIL } from "./exchange.ts";

/**
 * Takes down a body that is a value. @returns whether it did; a stream has to be watched instead.
 */
export function noteRequestValue(exchange: Exchange, body: unknown, limit: number): boolean {
  if (body === undefined || body === null) return true;
  if (typeof body === "string") {
    exchange.requestBytes = body.length;
    if (body.length > limit) {
      const encoder = new TextEncoder();
      noteEnds(exchange, limit, (start, end) => encoder.encode(body.slice(start, end)));
    } else {
      exchange.requestBody = body;
      exchange.requestKept = body.length;
    }
    return true;
  }
  const bytes = toBytes(body);
  if (bytes !== undefined) {
    if (bytes.byteLength <= limit) noteRequestChunk(exchange, bytes, limit);
    else {
      exchange.requestBytes = bytes.byteLength;
      noteEnds(exchange, limit, (start, end) => new Uint8Array(bytes.subarray(start, end)));
    }
    return true;
  }
  if (body instanceof URLSearchParams) {
    return noteRequestValue(exchange, body.toString(), limit);
  }
  return false;
}

/** Characters or bytes kept of the beginning of a body that is too long: a copy of more would hold up the call. */
const LONG_HEAD = 256 * 1024;

/** @param copy - as `slice`, but as bytes that share no memory with the body */
function noteEnds(exchange: Exchange, limit: number, copy: (start: number, end?: number) => Uint8Array): void {
  exchange.requestTruncated = true;
  exchange.requestBody = copy(0, Math.min(limit, LONG_HEAD));
  exchange.requestTail = copy(-REQUEST_TAIL);
  exchange.requestKept = exchange.requestBody.byteLength + exchange.requestTail.byteLength;
}

function toBytes(body: unknown): Uint8Array | undefined {
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return undefined;
}

/** A Blob cannot change, and the fields of a form are few: they are read when the pipeline gets to it. */
export function noteRequestSource(exchange: Exchange, body: unknown): boolean {
  if (typeof body !== "object" || body === null) return false;
  const { constructor } = body;
  // undici's own FormData is not the global one.
  if (constructor?.name === "FormData" && typeof (body as FormData).entries === "function") {
    exchange.requestSource = [...(body as FormData).entries()];
    return true;
  }
  if (typeof Blob === "undefined" || !(body instanceof Blob)) return false;
  exchange.requestSource = body;
  exchange.requestBytes = body.size;
  return true;
}

interface StreamLike {
  emit(event: string | symbol, ...values: unknown[]): boolean;
  pipe: unknown;
}

/**
 * Watches the body that undici is given.
 *
 * @param flow Given where the flow has to tell that a body has failed.
 * @returns the body to send: the same one, or a generator around the one that
 * fetch made (it always hands undici a generator, and framing and bytes stay the same).
 */
export function watchRequestBody(exchange: Exchange, body: unknown, limit: number, flow?: FlowStore<Flow>): unknown {
  if (noteRequestValue(exchange, body, limit) || noteRequestSource(exchange, body)) return body;
  if (typeof body !== "object" || body === null) return body;
  if (isNodeStream(body)) {
    watchStream(exchange, body, limit);
    return body;
  }
  if (isAsyncGenerator(body)) {
    return passThrough(exchange, flow === undefined ? body : followUpload(exchange, body, flow), limit);
  }
  if (isIterable(body)) return watchIterable(exchange, body, limit);
  addNote(exchange, "request_body_not_captured");
  return body;
}

function isNodeStream(body: object): body is StreamLike {
  return (
    typeof (body as Partial<StreamLike>).emit === "function" && typeof (body as Partial<StreamLike>).pipe === "function"
  );
}

function isAsyncGenerator(body: object): body is AsyncGenerator {
  return (
    typeof (body as Partial<AsyncGenerator>)[Symbol.asyncIterator] === "function" &&
    typeof (body as Partial<AsyncGenerator>).next === "function"
  );
}

function isIterable(body: object): body is AsyncIterable<unknown> | Iterable<unknown> {
  return (
    typeof (body as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function" ||
    typeof (body as Partial<Iterable<unknown>>)[Symbol.iterator] === "function"
  );
}

/**
 * A web stream, an array of chunks, what undici's retry and redirect make of a generator. A Proxy: an interceptor below
 * may ask it what it is.
 */
function watchIterable(exchange: Exchange, body: object, limit: number): object {
  return new Proxy(body, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (key === Symbol.asyncIterator) {
        return () => passThrough(exchange, value.call(target) as AsyncIterator<unknown>, limit);
      }
      if (key === Symbol.iterator) return () => passAll(exchange, value.call(target) as Iterator<unknown>, limit);
      return value.bind(target) as unknown;
    },
  });
}

/**
 * When its body fails, fetch aborts the request, with whatever the body threw: at a dispatcher that looks as if the app
 * had aborted. But it comes out of the body, and the flow tells (`isFailedUpload`).
 */
function followUpload(exchange: Exchange, body: AsyncIterator<unknown>, flow: FlowStore<Flow>): AsyncIterator<unknown> {
  return {
    next() {
      const outer = flow.get();
      const upload = { call: exchange, outer: outer?.upload };
      const inner: Flow = { upload, ...outer };
      inner.upload = upload;
      return flow.runUntilSettled(inner, () => body.next());
    },
    ...(typeof body.return === "function" && {
      return: (value?: unknown) => (body.return as Return).call(body, value),
    }),
  };
}

type Return = NonNullable<AsyncIterator<unknown>["return"]>;

/** Whether what happens right now comes out of the body that this call sends. */
export function isFailedUpload(exchange: Exchange, flow: FlowStore<Flow>): boolean {
  let upload = flow.get()?.upload;
  while (upload !== undefined && upload.call !== exchange) upload = upload.outer;
  return upload !== undefined;
}

function* passAll(exchange: Exchange, body: Iterator<unknown>, limit: number): Generator {
  for (const chunk of { [Symbol.iterator]: () => body }) {
    noteChunk(exchange, chunk, limit);
    yield chunk;
  }
}

async function* passThrough(exchange: Exchange, body: AsyncIterator<unknown>, limit: number): AsyncGenerator {
  for await (const chunk of { [Symbol.asyncIterator]: () => body }) {
    noteChunk(exchange, chunk, limit);
    yield chunk;
  }
}

/** A listener for `data` would start the stream; `emit` only tells when undici has started it. */
function watchStream(exchange: Exchange, stream: StreamLike, limit: number): void {
  const own = Object.getOwnPropertyDescriptor(stream, "emit");
  const { emit } = stream;
  const emitAndNote: StreamLike["emit"] = function emitAndNote(this: StreamLike, event, ...values) {
    if (event === "data") noteChunk(exchange, values[0], limit);
    // The stream is the app's: it gets it back as it was.
    else if (event === "end" || event === "error" || event === "close") putBack();
    return emit.call(this, event, ...values);
  };
  function putBack(): void {
    if (stream.emit !== emitAndNote) return;
    if (own === undefined) delete (stream as Partial<StreamLike>).emit;
    else Object.defineProperty(stream, "emit", own);
  }
  Object.defineProperty(stream, "emit", { value: emitAndNote, writable: true, configurable: true, enumerable: false });
}

function noteChunk(exchange: Exchange, chunk: unknown, limit: number): void {
  try {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : toBytes(chunk);
    if (bytes !== undefined) noteRequestChunk(exchange, bytes, limit);
  } catch {
    addNote(exchange, "request_body_not_captured");
  }
}
