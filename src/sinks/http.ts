/** Posts records to a URL: batched JSON, signed and compressed on demand. */
import { createHash } from "node:crypto";
import process from "node:process";
import type { DeliveryResult, Sink, TapRecord, WriteResult } from "../types.ts";
import { checkOptions, type HttpSinkOptions } from "./http/options.ts";
import { createSigner } from "./http/sign.ts";
import { createTransport, type Piece } from "./http/transport.ts";
import { toJsonText } from "./shared/copy-json.ts";
import { allResults } from "./shared/results.ts";
import { createSinkFetch } from "./shared/sink-fetch.ts";
import { plainLine } from "./shared/terminal-text.ts";
import { createTimeSlice } from "./shared/time-slice.ts";

export type { HttpSinkOptions } from "./http/options.ts";

/** After the receiver has refused the URL or the sender: how long until it is asked again. */
const MISCONFIGURED_PAUSE_MS = 60_000;

/**
 * A sink that posts `{"records":[…]}` to a URL. Only a 2xx counts as delivered. Network errors, time-outs, redirects,
 * 408, 425, 429 and 5xx are tried again, `retry-after` is honoured. A 413 splits the batch. Other 4xx are about the
 * records: halves of the batch are tried until the ones that are refused stand alone. 401, 403, 404, 405 and 410 are
 * not: someone has to mend the URL or the credentials, so records are kept and tried again every minute, with one warning.
 *
 * A request may come again, with the same `webhook-id` when it holds the same records; a record is known by its `id`.
 * With `secret` it is signed as Standard Webhooks has it, before compression.
 *
 * @throws TapError `invalid_option`
 * @example
 * createTap({ sinks: [httpSink({ url: "https://example.com/llm-calls", secret: process.env.WEBHOOK_SECRET, gzip: true })] });
 */
export function httpSink(options: HttpSinkOptions): Sink {
  checkOptions(options);
  const { batchSize = 100, maxRequestBytes = 1_000_000, onWarning = printWarning } = options;
  const requests = createSinkFetch(options.fetch);
  const send = createTransport({
    url: options.url,
    headers: options.headers ?? {},
    gzip: options.gzip ?? false,
    sign: createSigner(options.secret),
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    fetch: requests.fetch,
  });
  const { origin, pathname } = new URL(options.url);
  const underWay = new Set<Promise<unknown>>();
  const warned = new Set<string>();
  let closed = false;

  function warnOnce(kind: string, message: string): void {
    if (warned.has(kind)) return;
    warned.add(kind);
    try {
      // What the receiver said may hold anything.
      onWarning(plainLine(message, 500));
    } catch {
      // The app's own function; what it does with a warning must not stop delivery.
    }
  }

  async function write(records: readonly TapRecord[], signal: AbortSignal): Promise<WriteResult> {
    const results: DeliveryResult[] = records.map(() => "retry");
    const reasons: (string | undefined)[] = [];
    let retryAfterMs: number | undefined;

    /** @returns whether it makes sense to go on. */
    async function deliver(pieces: readonly Piece[], first: number): Promise<boolean> {
      const verdict = await send(pieces, signal);
      switch (verdict?.kind) {
        case "accepted":
          results.fill("delivered", first, first + pieces.length);
          return true;
        case "too_large":
        case "refused": {
          if (pieces.length > 1) {
            const middle = Math.ceil(pieces.length / 2);
            return (await deliver(pieces.slice(0, middle), first)) && deliver(pieces.slice(middle), first + middle);
          }
          warnOnce("refused", `${origin}${pathname} refuses some records: ${verdict.reason}`);
          results[first] = "rejected";
          reasons[first] = verdict.reason;
          return true;
        }
        case "misconfigured":
          warnOnce("misconfigured", `${origin}${pathname} answers ${verdict.reason}; records are kept and tried again`);
          retryAfterMs = MISCONFIGURED_PAUSE_MS;
          return false;
        default:
          retryAfterMs = verdict?.retryAfterMs;
          return false;
      }
    }

    const pauseWhenDue = createTimeSlice();
    let pieces: Piece[] = [];
    let bytes = 0;
    let next = 0;
    let goesOn = true;
    for (const record of records) {
      if (signal.aborted) break;
      const json = toJsonText(record);
      const size = Buffer.byteLength(json);
      if (pieces.length > 0 && (pieces.length >= batchSize || bytes + size > maxRequestBytes)) {
        goesOn = await deliver(pieces, next);
        if (!goesOn) break;
        next += pieces.length;
        pieces = [];
        bytes = 0;
      }
      pieces.push({ id: record.id, json });
      bytes += size;
      await pauseWhenDue();
    }
    if (goesOn && pieces.length > 0) await deliver(pieces, next);
    return {
      results,
      ...(reasons.length > 0 && { reasons }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  }

  return {
    name: options.name ?? "http",
    content: options.content ?? "full",
    // A URL may hold a token.
    destination: createHash("sha256").update(options.url).digest("hex"),
    // Receivers know a record by its id, and a request by its `webhook-id`.
    idempotent: true,
    ...requests.members,
    write(records, { signal }) {
      if (closed) return Promise.resolve(allResults(records.length, "rejected"));
      const written = write(records, signal);
      underWay.add(written);
      const forget = (): void => void underWay.delete(written);
      written.then(forget, forget);
      return written;
    },
    async close() {
      closed = true;
      await Promise.allSettled(underWay);
    },
  };
}

function printWarning(message: string): void {
  process.stderr.write(`[llm-tap] http: ${message}\n`);
}
