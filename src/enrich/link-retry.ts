/**
 * Attempts of one logical call: an SDK that was refused asks again, with the same body. That it is a retry is said by its
 * own count or key, or seen: the same body to the same place, soon after an attempt that ended in a way that invites it.
 */
import type { LlmCall } from "../types.ts";
import type { Hash } from "./history.ts";
import { type Identity, isInConflict } from "./link-identity.ts";

/** What tells attempts of one call from calls of their own, besides who asks. */
export interface RetryHints {
  /** Lower-case names; those of the allow-list. */
  headers: Readonly<Record<string, string>>;
  /** Of `performance.now()`. */
  startTime: number;
  endTime: number;
  /** The body as it was sent; asked for only when it matters. `undefined`: not known. */
  readBody: () => string | undefined;
}

/** Who asks. */
export interface RetryCaller {
  identity: Identity;
  /** The trace that the app or OpenTelemetry gave. */
  traceId: string | undefined;
}

/** An attempt after which another one may come. */
export interface Attempt<Memo> {
  id: string;
  logicalCallId: string | undefined;
  attempt: number;
  /** The same by the SDK's own count. */
  counted: number | undefined;
  endTime: number;
  retryAfterMs: number;
  /** The app gave up: only an SDK's own count says that the next one is a retry. */
  isAborted: boolean;
  caller: RetryCaller;
  key: string | undefined;
  bodyHash: string | undefined;
  isRetried: boolean;
  /** What the linker wants to know again. */
  memo: Memo;
}

export interface RetryTracker<Memo> {
  /** Sets `attempt`, `logicalCallId` and `retryOf`. @returns the attempt before, if it is known */
  link(call: LlmCall, hints: RetryHints, caller: RetryCaller): Attempt<Memo> | undefined;
  /** Remembers a call that may be tried again. */
  note(call: LlmCall, hints: RetryHints, caller: RetryCaller, memo: Memo): void;
}

const MAX_ATTEMPTS = 1_000;
/** The longest back-off of the SDKs without a word of the server. */
const BACK_OFF_MS = 60_000;
/** No server is waited for longer than this. */
const LONGEST_WAIT_MS = 10 * 60_000;

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** @param hash - keyed, from the platform */
export function createRetryTracker<Memo>(hash: Hash): RetryTracker<Memo> {
  /** By what must be equal, oldest first. */
  const attempts = new Map<string, Attempt<Memo>[]>();
  const order: { place: string; attempt: Attempt<Memo> }[] = [];

  function link(call: LlmCall, hints: RetryHints, caller: RetryCaller): Attempt<Memo> | undefined {
    const counted = readCount(hints.headers);
    const earlier = attempts.size === 0 ? undefined : find(call, hints, caller, counted);
    if (earlier === undefined) {
      call.request.attempt = counted ?? 1;
      // Of a later attempt the first one was not seen.
      if ((counted ?? 1) === 1) call.request.logicalCallId = call.id;
      return undefined;
    }
    earlier.isRetried = true;
    call.request.attempt = Math.max(counted ?? 1, earlier.attempt + 1);
    call.request.logicalCallId = earlier.logicalCallId ?? earlier.id;
    call.request.retryOf = earlier.id;
    return earlier;
  }

  function find(
    call: LlmCall,
    hints: RetryHints,
    caller: RetryCaller,
    counted: number | undefined,
  ): Attempt<Memo> | undefined {
    const key = readKey(hints.headers);
    const fitting = (attempts.get(placeOf(call)) ?? []).filter(
      (attempt) =>
        !attempt.isRetried &&
        attempt.endTime <= hints.startTime &&
        !isInConflict(attempt.caller.identity, caller.identity) &&
        isSameTrace(attempt.caller, caller) &&
        isInTime(attempt, hints.startTime),
    );
    if (fitting.length === 0) return undefined;
    if (key !== undefined) {
      const named = fitting.filter((attempt) => attempt.key === key);
      if (named.length > 0) return named.at(-1);
    }
    const isRetry = counted !== undefined && counted > 1;
    const possible = fitting.filter(
      (attempt) =>
        (attempt.key === undefined || key === undefined) &&
        // A count that starts anew: the app tries again what its SDK has given up.
        (isRetry ? (attempt.counted ?? attempt.attempt) === counted - 1 : !attempt.isAborted),
    );
    if (possible.length === 0) return undefined;
    const bodyHash = hashBody(hints);
    const same = bodyHash === undefined ? [] : possible.filter((attempt) => attempt.bodyHash === bodyHash);
    return same.length === 1 ? same[0] : undefined;
  }

  function hashBody({ readBody }: RetryHints): string | undefined {
    const body = readBody();
    return body === undefined ? undefined : hash(sampleOf(body));
  }

  function note(call: LlmCall, hints: RetryHints, caller: RetryCaller, memo: Memo): void {
    const isAborted = call.outcome === "cancelled";
    if (!isAborted && !invitesRetry(call)) return;
    const key = readKey(hints.headers);
    const attempt: Attempt<Memo> = {
      id: call.id,
      logicalCallId: call.request.logicalCallId,
      attempt: call.request.attempt ?? 1,
      counted: readCount(hints.headers),
      endTime: hints.endTime,
      retryAfterMs: call.error?.retryAfterMs ?? 0,
      isAborted,
      caller,
      key,
      bodyHash: hashBody(hints),
      isRetried: false,
      memo,
    };
    const place = placeOf(call);
    attempts.set(place, [...(attempts.get(place) ?? []), attempt]);
    order.push({ place, attempt });
    evict(hints.endTime);
  }

  function evict(now: number): void {
    for (let first = order[0]; first !== undefined; first = order[0]) {
      const isOld = first.attempt.isRetried || !isInTime(first.attempt, now);
      if (!isOld && order.length <= MAX_ATTEMPTS) return;
      order.shift();
      const { place, attempt } = first;
      const rest = (attempts.get(place) ?? []).filter((other) => other !== attempt);
      if (rest.length === 0) attempts.delete(place);
      else attempts.set(place, rest);
    }
  }

  return { link, note };
}

/** Characters that are compared of a body; to hash a megabyte takes the app's thread for three milliseconds. */
const COMPARED = 64 * 1024;
const PIECES = 32;

/** Of a long text its beginning, its end, and pieces all over it. Only texts of the same size are compared. */
function sampleOf(text: string): string {
  if (text.length <= 2 * COMPARED) return text;
  const size = COMPARED / PIECES;
  const step = Math.floor((text.length - size) / (PIECES - 1));
  let sample = text.slice(0, COMPARED / 2) + text.slice(-COMPARED / 2);
  for (let piece = 0; piece < PIECES; piece += 1) sample += text.slice(piece * step, piece * step + size);
  return sample;
}

/** The same address and size: only then are bodies compared. */
function placeOf({ request }: LlmCall): string {
  return `${request.method} ${request.url} ${request.bytes}`;
}

/** Two traces that the app keeps apart are two calls. */
function isSameTrace({ traceId }: RetryCaller, { traceId: other }: RetryCaller): boolean {
  return traceId === undefined || other === undefined || traceId === other;
}

function isInTime({ endTime, retryAfterMs }: Attempt<unknown>, startTime: number): boolean {
  return startTime - endTime <= Math.max(BACK_OFF_MS, Math.min(retryAfterMs, LONGEST_WAIT_MS) + BACK_OFF_MS / 2);
}

/** A refusal for now, a server that failed, or a wire that broke. */
function invitesRetry({ outcome, error, response }: LlmCall): boolean {
  if (outcome === "truncated") return true;
  if (outcome !== "error") return false;
  if (error?.kind === "network" || error?.kind === "timeout" || error?.kind === "stream") return true;
  const status = response?.status ?? 0;
  return RETRYABLE_STATUSES.has(status) || status >= 500;
}

/** 1 for the first try: by OpenAI's and Anthropic's SDKs (`0` there), or by AWS's (`attempt=1; max=3`). */
export function readCount(headers: RetryHints["headers"]): number | undefined {
  const retries = headers["x-stainless-retry-count"];
  if (retries !== undefined && /^\d{1,4}$/.test(retries)) return Number(retries) + 1;
  const request = headers["amz-sdk-request"];
  const attempt = request === undefined ? undefined : /^attempt=(\d{1,4})\b/.exec(request)?.[1];
  return attempt === undefined ? undefined : Number(attempt);
}

/** The same for all attempts of a call, and for no other. */
function readKey(headers: RetryHints["headers"]): string | undefined {
  return headers["idempotency-key"] ?? headers["amz-sdk-invocation-id"];
}
