/** One write to the destination, with an end, and what its answer means. */
import { settleOrAbort } from "../sinks/shared/abort.ts";
import { describeThrown } from "./describe-thrown.ts";
import type { DeliveryResult, Sink, SinkHost, TapRecord, WriteResult } from "../types.ts";

/** What has become of the records; `failed` when the sink threw, hung or answered with something else. */
export type Outcome =
  | {
      kind: "answered";
      results: DeliveryResult[];
      reasons: readonly (string | undefined)[];
      retryAfterMs: number;
      othersMayPass: boolean;
    }
  | { kind: "failed"; reason: string }
  /** `signal` ended it: what became of them is not known. */
  | { kind: "aborted" };

/** After this a write is told to stop. */
const WRITE_TIMEOUT_MS = 60_000;
/** How long a sink that was told to stop may take to say what it has done. */
const ABORT_GRACE_MS = 1_000;

/** Never rejects, and settles whatever the sink does. */
export async function carry(
  sink: Sink,
  records: readonly TapRecord[],
  host: SinkHost | undefined,
  signal: AbortSignal,
): Promise<Outcome> {
  if (signal.aborted) return { kind: "aborted" };
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  signal.addEventListener("abort", abort, { once: true });
  const timeout = setTimeout(abort, WRITE_TIMEOUT_MS).unref();
  const run = (): Promise<WriteResult> => sink.write(records, { signal: controller.signal });
  try {
    const written = host === undefined || sink.followed === false ? run() : host.runInBackground(run);
    const result = await settleOrAbort(written, graceOf(controller.signal), () => undefined);
    if (result === undefined) {
      return signal.aborted
        ? { kind: "aborted" }
        : { kind: "failed", reason: `no answer within ${WRITE_TIMEOUT_MS} ms` };
    }
    if (!Array.isArray(result?.results)) return { kind: "failed", reason: "write must resolve to { results: [...] }" };
    return {
      kind: "answered",
      results: records.map((_, index) => result.results[index] ?? "unknown"),
      reasons: result.reasons ?? [],
      retryAfterMs: result.retryAfterMs ?? 0,
      othersMayPass: result.othersMayPass === true,
    };
  } catch (error) {
    return signal.aborted ? { kind: "aborted" } : { kind: "failed", reason: describeThrown(error) };
  } finally {
    clearTimeout(timeout);
    signal.removeEventListener("abort", abort);
  }
}

/** Aborts a little later than `signal`. */
function graceOf(signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  signal.addEventListener("abort", () => void setTimeout(() => late.abort(), ABORT_GRACE_MS).unref(), { once: true });
  return late.signal;
}
