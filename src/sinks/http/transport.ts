/** One request to the receiver. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { onAbort } from "../shared/abort.ts";
import { describeFailure } from "../shared/describe-failure.ts";
import { readText } from "../shared/read-text.ts";
import type { SinkHost } from "../../types.ts";
import type { SignRequest } from "./sign.ts";
import { readVerdict, type Verdict } from "./verdict.ts";

export interface TransportOptions {
  url: string;
  headers: Readonly<Record<string, string>>;
  gzip: boolean;
  sign: SignRequest;
  /** Milliseconds for a request and its answer. */
  requestTimeoutMs: number;
  fetch: SinkHost["fetch"];
}

/** A record, as it is sent. */
export interface Piece {
  id: string;
  json: string;
}

/** `undefined` when `signal` ended it. Never rejects. */
export type Transport = (pieces: readonly Piece[], signal: AbortSignal) => Promise<Verdict | undefined>;

/** What a receiver says about a refusal is kept so far. */
const MAX_REASON_CHARACTERS = 300;

const compress = promisify(gzip);

export function createTransport(options: TransportOptions): Transport {
  const { url, requestTimeoutMs, sign } = options;

  return async function send(pieces, signal) {
    if (signal.aborted) return undefined;
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    const leave = onAbort(signal, abort);
    // While the request is open its socket keeps the process; this timer alone must not.
    const timer = setTimeout(abort, requestTimeoutMs).unref();
    try {
      const body = `{"records":[${pieces.map(({ json }) => json).join(",")}]}`;
      const headers = new Headers({ "content-type": "application/json", ...options.headers });
      for (const [name, value] of Object.entries(
        sign(
          body,
          pieces.map(({ id }) => id),
        ),
      )) {
        headers.set(name, value);
      }
      if (options.gzip) headers.set("content-encoding", "gzip");
      const response = await options.fetch(url, {
        method: "POST",
        headers,
        body: options.gzip ? await compress(body) : body,
        // A redirect followed would make a GET of this, and its page a success.
        redirect: "manual",
        signal: controller.signal,
      });
      const verdict = readVerdict(response.status, response.headers.get("retry-after"));
      if (verdict.kind === "accepted") {
        // Nobody reads it, and the connection is free sooner.
        await response.body?.cancel().catch(() => undefined);
        return verdict;
      }
      const text = await readText(response, MAX_REASON_CHARACTERS, true).catch(() => "");
      return text === "" ? verdict : { ...verdict, reason: `${verdict.reason}: ${text}` };
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
