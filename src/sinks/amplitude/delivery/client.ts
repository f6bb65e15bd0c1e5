/** Delivery through the app's own Amplitude client: its plugins, its queue, and its losses. */
import type { DeliveryResult, WriteResult } from "../../../types.ts";
import { onAbort } from "../../shared/abort.ts";
import type { AmplitudeEvent, PreparedEvent } from "../types.ts";

/** What the sink needs of a client; `createInstance()` of `@amplitude/analytics-node` gives one. */
export interface AmplitudeClient {
  track(event: AmplitudeEvent): { promise: Promise<{ code: number; message: string }> };
  flush?(): { promise: Promise<unknown> };
}

export interface ClientDeliveryOptions {
  client: AmplitudeClient;
  /** Milliseconds to wait for what becomes of an event. */
  confirmTimeoutMs: number;
  /** Call the client's `flush()` after each write. */
  flushClient: boolean;
}

/** Resolves with one result per event, in order, at the latest after `confirmTimeoutMs` or when `signal` aborts. */
export type ClientDelivery = (events: readonly PreparedEvent[], signal: AbortSignal) => Promise<WriteResult>;

export function createClientDelivery(options: ClientDeliveryOptions): ClientDelivery {
  const { client, confirmTimeoutMs, flushClient } = options;

  return function deliver(events, signal) {
    // Before an event is handed over it can be given again; afterwards only the client knows.
    const results: DeliveryResult[] = events.map(() => "retry");
    if (signal.aborted || events.length === 0) return Promise.resolve({ results });

    return new Promise((resolve) => {
      const reasons: string[] = [];
      let open = events.length;
      const finish = (): void => {
        clearTimeout(timer);
        leave();
        // A copy: a client that settles an event later must not change what was answered.
        resolve({ results: [...results], ...(reasons.length > 0 && { reasons: [...reasons] }) });
      };
      const settle = (index: number, result: DeliveryResult): void => {
        results[index] = result;
        open -= 1;
        if (open === 0) finish();
      };
      const timer = setTimeout(finish, confirmTimeoutMs);
      timer.unref?.();
      const leave = onAbort(signal, finish);

      for (const [index, { event }] of events.entries()) {
        try {
          const { promise } = client.track(event);
          results[index] = "unknown";
          promise.then(
            (result) => {
              const meaning = readResult(result);
              if (meaning === "rejected") reasons[index] = `code ${result.code}: ${result.message}`;
              settle(index, meaning);
            },
            () => settle(index, "unknown"),
          );
        } catch {
          settle(index, "retry");
        }
      }
      if (flushClient) {
        try {
          client.flush?.().promise.catch(() => undefined);
        } catch {
          // The client's own timer still sends.
        }
      }
    });
  };
}

/**
 * 200: the server has confirmed (or, with the SDK's own transport, a page that only looked like it). 100 and 400 to 499:
 * dropped for good. 0 and 5xx: the SDK gave up without knowing whether the server has the event.
 */
function readResult(result: { code: number } | undefined): DeliveryResult {
  const code = result?.code ?? 0;
  if (code === 200) return "delivered";
  return code === 100 || (code >= 400 && code < 500) ? "rejected" : "unknown";
}
