/** What an answer of the receiver means for the records that were sent. */
import { readRetryAfter } from "../shared/retry-after.ts";

export type Verdict =
  | { kind: "accepted" }
  /** Smaller requests may pass. */
  | { kind: "too_large"; reason: string }
  /** Some of the records, or all: the receiver does not say. */
  | { kind: "refused"; reason: string }
  /** Nothing that is wrong with the records: the URL, or who may post there. */
  | { kind: "misconfigured"; reason: string }
  /** Not now. */
  | { kind: "unavailable"; reason: string; retryAfterMs?: number };

/** Of these 4xx nothing says that other records, or the same ones later, would be refused too. */
const NOT_NOW: ReadonlySet<number> = new Set([408, 421, 423, 425, 429]);
const MISCONFIGURED: ReadonlySet<number> = new Set([401, 403, 404, 405, 410]);

/** @param retryAfter the header of that name. */
export function readVerdict(status: number, retryAfter: string | null): Verdict {
  const reason = `HTTP ${status}`;
  if (status >= 200 && status < 300) return { kind: "accepted" };
  if (status === 413) return { kind: "too_large", reason };
  if (MISCONFIGURED.has(status)) return { kind: "misconfigured", reason };
  if (status >= 400 && status < 500 && !NOT_NOW.has(status)) return { kind: "refused", reason };
  // A redirect too: followed, it would make a GET of this, and the page that it leads to a success.
  const retryAfterMs = readRetryAfter(retryAfter);
  return retryAfterMs === undefined ? { kind: "unavailable", reason } : { kind: "unavailable", reason, retryAfterMs };
}
