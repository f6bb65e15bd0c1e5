/**
 * The handler that stands in for the app's while a response passes. It has exactly the methods that the app's handler
 * has, because undici tells the generations of its API apart by them, and calls each with the app's handler as `this`.
 */
import type { Exchange } from "../types.ts";
import { addNote, noteResponseChunk } from "./exchange.ts";
import { collectResponseHeaders } from "./headers.ts";
import type { Observer } from "./observer.ts";
import { isRedirect } from "./redirects.ts";
import { isFailedUpload } from "./request-body.ts";
import { hasNameOfAbort } from "./response-body.ts";
import { createFilterFor, type UsageFilter } from "./usage-filter.ts";

/** Any handler of undici 6, 7 or 8. */
export type Handler = Record<string, ((...values: unknown[]) => unknown) | undefined>;

/** What the owner of an exchange adds to the notes: `tap.fetch` follows redirects with one exchange. */
export interface Attachment {
  observer: Observer;
  exchange: Exchange;
  /** This response is a redirect that fetch will follow: the exchange goes on with the next one. */
  isFollowed?: (status: number, location: string) => boolean;
}

/** The fields of a standing handler. Its class is made once for each set of methods. */
interface Standing {
  readonly inner: Handler;
  readonly attachment: Attachment;
  /** The rest of this response is of no interest. */
  isDetached: boolean;
  /** Because noting it failed: nothing more is noted but the end, or the call would never have one. */
  hasFailed: boolean;
  isAborted: boolean;
  /** With `includeUsage`: what stands between the response body and the app. */
  filter: UsageFilter | undefined;
}

type Method = (this: Standing, ...values: unknown[]) => unknown;

/** Runs `note`; whatever it throws stays with us: an error here would make the app's fetch hang for ever. */
function guard(standing: Standing, note: () => void): void {
  try {
    note();
  } catch (error) {
    giveUp(standing, error);
  }
}

function giveUp(standing: Standing, error: unknown): void {
  standing.isDetached = true;
  standing.hasFailed = true;
  standing.attachment.observer.report("interceptor", error);
}

/** Whether the end of this response is the end of the call. */
function isOfInterest({ isDetached, hasFailed }: Standing): boolean {
  return !isDetached || hasFailed;
}

function noteHead(standing: Standing, status: unknown, headers: unknown): void {
  const { exchange, observer, isFollowed } = standing.attachment;
  // 1xx come before the response.
  if (typeof status !== "number" || status < 200 || exchange.isEnded) return;
  if (isRedirect(status)) {
    const location = findLocation(headers);
    if (isFollowed?.(status, location) === true) {
      standing.isDetached = true;
      return;
    }
    if (isFollowed === undefined && location !== "") observer.redirects.note(exchange, location);
  }
  exchange.status = status;
  exchange.responseHeaders = collectResponseHeaders(headers);
  exchange.headersTime = performance.now();
}

/** Also for an exchange that has ended on our side: what was asked for has to be taken out all the same. */
function startFilter(standing: Standing, status: unknown, headers: unknown): void {
  const { exchange } = standing.attachment;
  if (exchange.addedUsage === undefined || typeof status !== "number" || status < 200) return;
  standing.filter = createFilterFor(exchange, status, collectResponseHeaders(headers));
}

/** @returns what was held back */
function endFilter(standing: Standing): Uint8Array | undefined {
  const { filter } = standing;
  standing.filter = undefined;
  try {
    return filter?.end();
  } catch (error) {
    giveUp(standing, error);
    return undefined;
  }
}

/** What the app's handler throws at it would keep the error itself from it. */
function passLast(pass: () => unknown): void {
  try {
    pass();
  } catch {
    // The error that follows tells more.
  }
}

/** `location` is no header to record; it is looked at here only. */
function findLocation(headers: unknown): string {
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) {
      if (String(headers[index]).toLowerCase() === "location") return String(headers[index + 1]);
    }
    return "";
  }
  const value = (headers as Record<string, unknown> | null | undefined)?.["location"];
  return typeof value === "string" ? value : "";
}

function noteData(standing: Standing, chunk: unknown): void {
  const { exchange, observer } = standing.attachment;
  if (exchange.isEnded || !(chunk instanceof Uint8Array)) return;
  noteResponseChunk(exchange, chunk);
  if (!exchange.isDirty) observer.touch(exchange);
}

function noteFailure(standing: Standing, error: unknown, isAborted: boolean): void {
  const { exchange, observer } = standing.attachment;
  if (typeof error === "string" && error.includes("garbage collected")) addNote(exchange, "body_not_read");
  const isApp = isAborted && (hasNameOfAbort(error) || !isFailedUpload(exchange, observer.flow));
  observer.fail(exchange, error, isApp);
}

interface ControllerLike {
  readonly aborted?: boolean;
}

/** What is done at each method before the app's handler gets it; methods that are not here just pass. */
const NOTED: Readonly<Record<string, Method>> = {
  onConnect(abort, ...rest) {
    if (typeof abort !== "function") return this.inner["onConnect"]?.(abort, ...rest);
    // The app's own abort, told apart from a wire that broke.
    const noticed = (reason: unknown): unknown => {
      this.isAborted = true;
      return (abort as (reason: unknown) => unknown)(reason);
    };
    return this.inner["onConnect"]?.(noticed, ...rest);
  },
  onHeaders(status, headers, ...rest) {
    if (!this.isDetached) guard(this, () => noteHead(this, status, headers));
    guard(this, () => startFilter(this, status, headers));
    return this.inner["onHeaders"]?.(status, headers, ...rest);
  },
  onResponseStart(controller, status, headers, ...rest) {
    if (!this.isDetached) guard(this, () => noteHead(this, status, headers));
    guard(this, () => startFilter(this, status, headers));
    return this.inner["onResponseStart"]?.(controller, status, headers, ...rest);
  },
  // No closure here: these two run for each chunk.
  onData(chunk) {
    if (!this.isDetached) {
      try {
        noteData(this, chunk);
      } catch (error) {
        giveUp(this, error);
      }
    }
    if (this.filter === undefined) return this.inner["onData"]?.(chunk);
    const passed = this.filter.push(chunk as Uint8Array);
    // Nothing for now: go on, there is no backpressure.
    return passed === undefined ? true : this.inner["onData"]?.(passed);
  },
  onResponseData(controller, chunk) {
    if (!this.isDetached) {
      try {
        noteData(this, chunk);
      } catch (error) {
        giveUp(this, error);
      }
    }
    if (this.filter === undefined) return this.inner["onResponseData"]?.(controller, chunk);
    const passed = this.filter.push(chunk as Uint8Array);
    return passed === undefined ? undefined : this.inner["onResponseData"]?.(controller, passed);
  },
  onComplete(trailers) {
    if (isOfInterest(this)) guard(this, () => this.attachment.observer.end(this.attachment.exchange));
    const rest = endFilter(this);
    if (rest !== undefined) this.inner["onData"]?.(rest);
    return this.inner["onComplete"]?.(trailers);
  },
  onResponseEnd(controller, trailers) {
    if (isOfInterest(this)) guard(this, () => this.attachment.observer.end(this.attachment.exchange));
    const rest = endFilter(this);
    if (rest !== undefined) this.inner["onResponseData"]?.(controller, rest);
    return this.inner["onResponseEnd"]?.(controller, trailers);
  },
  onError(error) {
    if (isOfInterest(this)) guard(this, () => noteFailure(this, error, this.isAborted));
    const rest = endFilter(this);
    if (rest !== undefined && !this.isAborted) passLast(() => this.inner["onData"]?.(rest));
    return this.inner["onError"]?.(error);
  },
  onResponseError(controller, error) {
    if (isOfInterest(this)) {
      guard(this, () => noteFailure(this, error, (controller as ControllerLike | null | undefined)?.aborted === true));
    }
    const rest = endFilter(this);
    const isAborted = (controller as ControllerLike | null | undefined)?.aborted === true;
    if (rest !== undefined && !isAborted) passLast(() => this.inner["onResponseData"]?.(controller, rest));
    return this.inner["onResponseError"]?.(controller, error);
  },
};

const METHODS = [
  "onConnect",
  "onResponseStarted",
  "onHeaders",
  "onData",
  "onComplete",
  "onError",
  "onUpgrade",
  "onBodySent",
  "onRequestSent",
  "onRequestStart",
  "onRequestUpgrade",
  "onResponseStart",
  "onResponseData",
  "onResponseEnd",
  "onResponseError",
] as const;

type HandlerClass = new (inner: Handler, attachment: Attachment) => Handler;
const classes = new Map<number, HandlerClass>();

function createClass(names: readonly string[]): HandlerClass {
  class TapHandler implements Standing {
    readonly inner: Handler;
    readonly attachment: Attachment;
    isDetached = false;
    hasFailed = false;
    isAborted = false;
    filter: UsageFilter | undefined = undefined;
    constructor(inner: Handler, attachment: Attachment) {
      this.inner = inner;
      this.attachment = attachment;
    }
  }
  for (const name of names) {
    const pass: Method = function pass(...values) {
      return this.inner[name]?.(...values);
    };
    Object.defineProperty(TapHandler.prototype, name, {
      value: NOTED[name] ?? pass,
      writable: true,
      configurable: true,
    });
  }
  return TapHandler as unknown as HandlerClass;
}

/** Of a handler that stands in for an app's. */
export function attachmentOf(handler: Handler): Attachment | undefined {
  return (handler as Partial<Standing>).attachment;
}

/** The handler to give to undici instead of `inner`. */
export function mirrorHandler(inner: Handler, attachment: Attachment): Handler {
  let mask = 0;
  for (let index = 0; index < METHODS.length; index += 1) {
    const name = METHODS[index];
    if (name !== undefined && typeof inner[name] === "function") mask |= 1 << index;
  }
  let handlerClass = classes.get(mask);
  if (handlerClass === undefined) {
    handlerClass = createClass(METHODS.filter((_, index) => (mask & (1 << index)) !== 0));
    classes.set(mask, handlerClass);
  }
  return new handlerClass(inner, attachment);
}
