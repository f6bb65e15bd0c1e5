/** One request to Amplitude. Strict: nothing but a valid acknowledgement counts as one. */
import { onAbort } from "../../shared/abort.ts";
import { describeFailure } from "../../shared/describe-failure.ts";
import { readText } from "../../shared/read-text.ts";
import type { SinkHost } from "../../../types.ts";
import { readVerdict, type Verdict } from "./verdict.ts";

export interface TransportOptions {
  apiKey: string;
  /** The complete URL of the endpoint. */
  url: string;
  fetch: SinkHost["fetch"];
  /** Milliseconds for a request and its answer. */
  requestTimeoutMs: number;
}

/** Sends serialised events; `undefined` when `signal` ended it. Never rejects. */
export type Transport = (events: readonly string[], signal: AbortSignal) => Promise<Verdict | undefined>;

/** Bytes of a request around its events, generously. */
export const REQUEST_OVERHEAD_BYTES = 512;

/** An answer of Amplitude is small; a captive portal's page may be anything. */
const MAX_ANSWER_CHARACTERS = 1 << 20;

export function createTransport(options: TransportOptions): Transport {
  const { url, requestTimeoutMs } = options;
  const head = `{"api_key":${JSON.stringify(options.apiKey)},"options":{"min_id_length":1},"client_upload_time":`;

  return async function send(events, signal) {
    if (signal.aborted) return undefined;
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    const leave = onAbort(signal, abort);
    // While the request is open its socket keeps the process; this timer alone must not.
    const timer = setTimeout(abort, requestTimeoutMs);
    timer.unref?.();
    try {
      const response = await options.fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `${head}"${new Date().toISOString()}","events":[${events.join(",")}]}`,
        // A redirect followed would make a GET of this, and its page a success.
        redirect: "manual",
        signal: controller.signal,
      });
      const text = await readText(response, MAX_ANSWER_CHARACTERS);
      return readVerdict(response.status, text, response.headers.get("retry-after"));
    } catch (error) {
      if (signal.aborted) return undefined;
      const reason = controller.signal.aborted ? `no answer within ${requestTimeoutMs} ms` : describeFailure(error);
      return { kind: "unavailable", reason };
    } finally {
      clearTimeout(timer);
      leave();
    }
  };
}
