/**
 * Everything that turns bytes into records. Most of the product's code is behind this module: it is loaded when the
 * first call is made, not when the package is imported.
 */
import { createHashKey, createKeyedHash } from "#platform";
import { createCostCalculator, type PriceSource } from "./enrich/cost.ts";
import { createLinker } from "./enrich/link.ts";
import { randomHex } from "./interceptor/id.ts";
import { DEFAULT_MAX_CONTENT_LENGTH } from "./options.ts";
import { createJob } from "./pipeline/exchange-job.ts";
import type { MakeJob } from "./pipeline/queue.ts";
import { createWorkerHost, type WorkerHost } from "./pipeline/worker-host.ts";
import type { WorkerPolicy } from "./pipeline/worker-messages.ts";
import { hasCallShape } from "./providers/call-shape.ts";
import { createRecorder, type RecordCall } from "./record-call.ts";
import { createSpanRecorder, type RecordSpan } from "./record-span.ts";
import type { Exchange, TapLimits, TapOptions } from "./types.ts";

export { toMetadata } from "./enrich/privacy.ts";

export interface ReadingOptions {
  options: TapOptions;
  limits: Required<TapLimits>;
  report(place: string, error: unknown): void;
  onContentSampledOut(): void;
}

export interface Reading {
  makeJob: MakeJob;
  recordCall: RecordCall;
  recordSpan: RecordSpan;
  /** Loads prices, where cost is tracked. Never rejects. */
  ready(): Promise<void>;
  /** The same without waiting. Never throws. */
  readyNow(loadPrices: () => PriceSource): void;
  close(): void;
}

export function createReading({ options, limits, report, onContentSampledOut }: ReadingOptions): Reading {
  const { exchangeBytes } = limits;
  const cost = createCostCalculator({
    ...(options.prices !== undefined && { prices: options.prices }),
    onError: (error) => report("prices", error),
  });
  const needsPrices = options.tokenTracking !== false && options.costTracking !== false;
  const hashKey = createHashKey();
  const linker = createLinker({ randomHex, hash: createKeyedHash(hashKey) });
  const recordCall = createRecorder({ options, cost, linker, report, onContentSampledOut });
  let host: WorkerHost | undefined;
  if (options.worker !== false) {
    host = createWorkerHost({
      exchangeBytes,
      readPolicy: (exchange) => readPolicy(exchange, options),
      hashKey,
      onError: (error) => report("worker", error),
    });
  }
  return {
    makeJob: (exchange) =>
      createJob(exchange, {
        exchangeBytes,
        hasCallShape: ({ route }, body) => hasCallShape(route, body),
        reader: host,
      }),
    recordCall,
    recordSpan: createSpanRecorder({ options, linker, report }),
    ready: () => (needsPrices ? cost.ready() : Promise.resolve()),
    readyNow(loadPrices) {
      if (needsPrices) cost.readyNow(loadPrices);
    },
    close: () => host?.close(),
  };
}

function readPolicy({ settings }: Exchange, options: TapOptions): WorkerPolicy {
  const isRedacted = options.redact !== undefined || options.redactPii === true;
  return {
    privacyMode: settings.privacyMode,
    excludeInput: settings.excludeInput,
    excludeOutput: settings.excludeOutput,
    captureMedia: options.captureMedia ?? false,
    maxContentLength: isRedacted ? undefined : (options.maxContentLength ?? DEFAULT_MAX_CONTENT_LENGTH),
  };
}
