/**
 * When a function has ended: at once, when its promise settles, or when what it yields has ended. The app gets what the
 * function gave, the same object.
 */

import { takeSnapshot } from "./snapshot.ts";

/** A span as those who follow its function see it. */
export interface FollowedSpan {
  /** Runs a piece of the function, so that calls in it are children of the span. */
  run<Result>(step: () => Result): Result;
  /** Whether what it yields may be kept. */
  readonly keepsOutput: boolean;
  succeed(output: unknown): void;
  fail(error: unknown): void;
}

type Method = (...given: unknown[]) => unknown;
type Iteration = "next" | "return" | "throw";

/** Items kept as a span's output. */
const MAX_ITEMS = 1_000;
/** Of the promises that async functions give, whatever has become of the global one. */
const nativePromise: unknown = Object.getPrototypeOf((async () => {})());

/** What nobody goes on with has ended when it is collected. */
const unfinished = new FinalizationRegistry<FollowedSpan>((span) => span.succeed(undefined));

export function followResult<Result>(result: Result, span: FollowedSpan): Result {
  if (isPromise(result)) return followPromise(result, span) as Result;
  if (!followIteration(result, span)) span.succeed(result);
  return result;
}

function isPromise(value: unknown): value is Promise<unknown> {
  // Others that have a `then` may begin their work only when it is called, and each time anew: queries of databases.
  return value instanceof Promise || Object.prototype.toString.call(value) === "[object Promise]";
}

function followPromise(promise: Promise<unknown>, span: FollowedSpan): Promise<unknown> {
  const fulfil = (value: unknown): unknown => {
    if (!followIteration(value, span)) span.succeed(value);
    return value;
  };
  if (Object.getPrototypeOf(promise) !== nativePromise) {
    // Of a class of its own, with methods that the app may call (`withResponse` of an SDK): it must stay the object it is.
    promise.then(fulfil, (error: unknown) => span.fail(error));
    return promise;
  }
  // A promise of its own keeps a rejection that nobody handles visible.
  return promise.then(fulfil, (error: unknown) => {
    span.fail(error);
    throw error;
  });
}

/** @returns whether it is something that yields, and can be watched */
function followIteration(value: unknown, span: FollowedSpan): boolean {
  if (typeof value !== "object" || value === null) return false;
  try {
    const source = value as Record<PropertyKey, unknown>;
    const isIterator = typeof source["next"] === "function";
    if (isIterator && (hasMethod(source, Symbol.asyncIterator) || hasMethod(source, Symbol.iterator))) {
      watchIterator(source, span);
      return true;
    }
    // Streams of the platform are read in many other ways.
    if (hasMethod(source, "getReader") || hasMethod(source, "pipe") || !hasMethod(source, Symbol.asyncIterator))
      return false;
    watchIterable(source, span);
    return true;
  } catch {
    // Frozen, or a proxy that objects.
    return false;
  }
}

function hasMethod(source: Record<PropertyKey, unknown>, name: PropertyKey): boolean {
  return typeof source[name] === "function";
}

/** A stream of an SDK: it ends with the first iteration over it. */
function watchIterable(source: Record<PropertyKey, unknown>, span: FollowedSpan): void {
  const iterate = source[Symbol.asyncIterator] as Method;
  let isWatched = false;
  define(source, Symbol.asyncIterator, function watched(this: unknown, ...given) {
    const iterator = span.run(() => Reflect.apply(iterate, this, given));
    if (!isWatched && typeof iterator === "object" && iterator !== null) {
      isWatched = true;
      unfinished.unregister(span);
      if (!followIteration(iterator, span)) span.succeed(undefined);
    }
    return iterator;
  });
  unfinished.register(source, span, span);
}

function watchIterator(iterator: Record<PropertyKey, unknown>, span: FollowedSpan): void {
  const items: unknown[] = [];
  const note = (step: unknown): void => {
    const { done, value } = (step ?? {}) as { done?: unknown; value?: unknown };
    if (done === true) span.succeed(items.length === 0 ? value : joinItems(items));
    else if (span.keepsOutput && items.length < MAX_ITEMS) items.push(takeSnapshot(value));
  };
  for (const name of ["next", "return", "throw"] satisfies Iteration[]) {
    const method = iterator[name];
    if (typeof method !== "function") continue;
    define(iterator, name, (...given) => {
      let step: unknown;
      try {
        step = span.run(() => Reflect.apply(method as Method, iterator, given));
      } catch (error) {
        span.fail(error);
        throw error;
      }
      if (!isPromise(step)) note(step);
      else {
        step.then(note, (error: unknown) => span.fail(error));
      }
      return step;
    });
  }
  unfinished.register(iterator, span, span);
}

function define(source: object, name: PropertyKey, value: Method): void {
  Object.defineProperty(source, name, { value, writable: true, configurable: true, enumerable: false });
}

/** Pieces of a text are the text. */
function joinItems(items: readonly unknown[]): unknown {
  return items.every((item) => typeof item === "string") ? items.join("") : items;
}
