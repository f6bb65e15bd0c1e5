/** Checks what the user passed: a wrong option fails at once, with a message that says what to do. */
import type { TapLimits, TapOptions } from "./types.ts";

export const DEFAULT_LIMITS: Readonly<Required<TapLimits>> = {
  exchangeBytes: 8 * 1024 * 1024,
  queueBytes: 64 * 1024 * 1024,
  queueExchanges: 10_000,
  conversationBytes: 8 * 1024 * 1024,
};

export const DEFAULT_MAX_CONTENT_LENGTH = 100_000;

type Check = (value: unknown) => string | undefined;

const isBoolean: Check = (value) => (typeof value === "boolean" ? undefined : "true or false");
const isFunction: Check = (value) => (typeof value === "function" ? undefined : "a function");
const isShare: Check = (value) =>
  typeof value === "number" && value >= 0 && value <= 1 ? undefined : "a number from 0 (none) to 1 (all)";
const isCount: Check = (value) =>
  typeof value === "number" && Number.isInteger(value) && value > 0 ? undefined : "a whole number above 0";

const isCountOrNone: Check = (value) =>
  value === 0 || isCount(value) === undefined ? undefined : "a whole number, or 0";

function isSinkList(value: unknown): string | undefined {
  const expected = "an array of sinks, like [consoleSink()]";
  if (!Array.isArray(value)) return expected;
  for (const [index, sink] of value.entries()) {
    const candidate = sink as { name?: unknown; write?: unknown } | null | undefined;
    if (typeof sink === "function") return `${expected}; sinks[${index}] is a function. Did you forget to call it?`;
    if (typeof candidate?.name !== "string" || typeof candidate.write !== "function") {
      return `${expected}; sinks[${index}] has no \`name\` and \`write\``;
    }
  }
  return undefined;
}

function isLimits(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "an object like { queueExchanges: 10_000 }";
  for (const [key, limit] of Object.entries(value)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, key)) {
      return `an object with ${Object.keys(DEFAULT_LIMITS).join(", ")}; \`${key}\` is none of them`;
    }
    const check = key === "conversationBytes" ? isCountOrNone : isCount;
    const problem = limit === undefined ? undefined : check(limit);
    if (problem !== undefined) return `an object in which \`${key}\` is ${problem}`;
  }
  return undefined;
}

function isPrices(value: unknown): string | undefined {
  const expected = 'an object like { "my-model": { inputPerMillion: 0.5, outputPerMillion: 1.5 } }';
  if (typeof value !== "object" || value === null || Array.isArray(value)) return expected;
  for (const price of Object.values(value) as unknown[]) {
    if (typeof price !== "object" || price === null) return expected;
    const { tiers = {}, ...standard } = price as { tiers?: unknown };
    if (typeof tiers !== "object" || tiers === null) return `${expected}; \`tiers\` is no object`;
    for (const prices of [standard, ...(Object.values(tiers) as unknown[])]) {
      const problem = findPriceProblem(prices);
      if (problem !== undefined) return `${expected}; ${problem}`;
    }
  }
  return undefined;
}

const PRICE = /^(?:input(?:Audio|Image)?|output(?:Audio|Image)?|cacheRead|cacheWrite(?:1h)?)PerMillion$/;

function findPriceProblem(prices: unknown): string | undefined {
  if (typeof prices !== "object" || prices === null) return "a tier is no object";
  for (const [key, usd] of Object.entries(prices)) {
    if (!PRICE.test(key)) return `\`${key}\` is unknown`;
    if (usd !== undefined && (typeof usd !== "number" || !(usd >= 0))) return `\`${key}\` is no price`;
  }
  return undefined;
}

function isHeaderOverrides(value: unknown): string | undefined {
  if (value === false) return undefined;
  const expected = 'false, or an object like { identity: "fallback", ignore: false }';
  if (typeof value !== "object" || value === null) return expected;
  const { identity, ignore, ...rest } = value as Record<string, unknown>;
  if (identity !== undefined && identity !== "fallback" && identity !== "header") return expected;
  if (ignore !== undefined && typeof ignore !== "boolean") return expected;
  return Object.keys(rest).length === 0 ? undefined : expected;
}

function isTextList(value: unknown): string | undefined {
  const expected = 'an array of texts, like ["user.id"]';
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? undefined : expected;
}

/** `hosts` is checked by the router, which reads it. */
const CHECKS: Readonly<Record<keyof TapOptions, Check>> = {
  sinks: isSinkList,
  hosts: () => undefined,
  sniffUnknownHosts: isBoolean,
  privacyMode: isBoolean,
  excludeInput: isBoolean,
  excludeOutput: isBoolean,
  capture: isFunction,
  redact: isFunction,
  redactPii: isBoolean,
  captureMedia: isBoolean,
  maxContentLength: isCount,
  tokenTracking: isBoolean,
  costTracking: isBoolean,
  prices: isPrices,
  sampleRate: isShare,
  contentSampleRate: isShare,
  sample: isFunction,
  limits: isLimits,
  context: isFunction,
  headerOverrides: isHeaderOverrides,
  baggageKeys: isTextList,
  includeUsage: isBoolean,
  worker: isBoolean,
  onCall: isFunction,
  onSpan: isFunction,
  onError: isFunction,
};

/** @throws TypeError that names the option, what was expected and what came */
export function checkOptions(options: unknown): asserts options is TapOptions {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`createTap takes one object like { sinks: [consoleSink()] }, got ${describe(options)}.`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) {
      const near = findNear(name);
      throw new TypeError(
        `createTap knows no option \`${name}\`${near === undefined ? "" : `. Did you mean \`${near}\`?`}`,
      );
    }
    const expected = value === undefined ? undefined : CHECKS[name as keyof TapOptions](value);
    if (expected !== undefined) {
      throw new TypeError(`createTap: \`${name}\` must be ${expected}, got ${describe(value)}.`);
    }
  }
}

function findNear(name: string): string | undefined {
  const wanted = name.toLowerCase().replaceAll(/[^a-z]/g, "");
  return Object.keys(CHECKS).find((known) => {
    const lower = known.toLowerCase();
    return lower === wanted || lower.startsWith(wanted) || wanted.startsWith(lower);
  });
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return `a value of type ${typeof value}`;
}
