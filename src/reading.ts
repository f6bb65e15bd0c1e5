/**
 * Everything that turns bytes into records. Most of the product's code is behind this module: it is loaded when the
 * first call is made, not when the package is imported.
 */
import { createHashKey, createKeyedHash, createRunningSums, type RunningSums } from "#platform";
import { createCostCalculator, type PriceSource } from "./enrich/cost.ts";
import { LEAST_ABRIDGED } from "./abridged-text.ts";
import type { AbridgeOptions } from "./decode/abridge-json.ts";
import { createLinker } from "./enrich/link.ts";
import { randomHex } from "./interceptor/id.ts";
import { DEFAULT_MAX_CONTENT_LENGTH } from "./options.ts";
import { createJob } from "./pipeline/exchange-job.ts";
import type { MakeJob } from "./pipeline/queue.ts";
import { createRequestMemory } from "./pipeline/request-memory.ts";
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
  const { exchangeBytes, conversationBytes } = limits;
  const cost = createCostCalculator({
    ...(options.prices !== undefined && { prices: options.prices }),
    onError: (error) => report("prices", error),
  });
  const needsPrices = options.tokenTracking !== false && options.costTracking !== false;
  const hashKey = createHashKey();
  const sums = createRunningSums(hashKey);
  const linker = createLinker({ randomHex, hash: createKeyedHash(hashKey) });
  const recordCall = createRecorder({ options, cost, linker, report, onContentSampledOut });
  const memory = conversationBytes === 0 ? undefined : createRequestMemory({ maxBytes: conversationBytes });
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
        abridge: sums && ((given) => readAbridging(given, options, limits, sums)),
        reader: host,
        memory,
      }),
    recordCall,
    recordSpan: createSpanRecorder({ options, linker, report }),
    ready: () => (needsPrices ? cost.ready() : Promise.resolve()),
    readyNow(loadPrices) {
      if (needsPrices) cost.readyNow(loadPrices);
    },
    close() {
      memory?.clear();
      host?.close();
    },
  };
}

/** Beyond what a record keeps of a text, so that nothing that is masked is cut in two before it was found. */
const MORE_THAN_KEPT = 4 * 1024;

/** `undefined`: something has to see all texts, or may keep them. */
function readAbridging(
  exchange: Exchange,
  options: TapOptions,
  { exchangeBytes }: Required<TapLimits>,
  sums: RunningSums,
): AbridgeOptions | undefined {
  const policy = readPolicy(exchange, options);
  const { maxContentLength, captureMedia, privacyMode, excludeInput, excludeOutput } = policy;
  // What the app has sent is looked for in what the model said.
  const hasEchoes = excludeInput && !excludeOutput && !privacyMode;
  if (maxContentLength === undefined || captureMedia || hasEchoes) return undefined;
  const keepLength = Math.max(LEAST_ABRIDGED, maxContentLength + MORE_THAN_KEPT);
  if (keepLength > exchangeBytes) return undefined;
  return { keepLength, maxBytes: exchangeBytes, isVectors: exchange.route.operation === "embeddings", sums };
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
