/** Rate limits as the providers' response headers say them. */
import type { RateLimit } from "../types.ts";

const MAX_LIMITS = 32;

type Aspect = "limit" | "remaining" | "reset";

/**
 * Each form names what is limited and which of its aspects the header gives. `x-ratelimit-limit-tokens` (OpenAI, Groq,
 * Azure, Mistral, …), `anthropic-ratelimit-tokens-limit`, `anthropic-priority-input-tokens-limit`, `ratelimit-limit`
 * (IETF draft, Together, OpenRouter).
 */
const forms: readonly { pattern: RegExp; read: (match: RegExpExecArray) => [name: string, aspect: string] }[] = [
  {
    pattern: /^x-(ratelimit|ratelimitbysize)-(limit|remaining|reset)-([a-z0-9-]{1,40})$/,
    read: ([, kind, aspect, name]) => [kind === "ratelimitbysize" ? `size-${name}` : String(name), String(aspect)],
  },
  {
    pattern: /^anthropic-(ratelimit|priority|fast)-([a-z0-9-]{1,40})-(limit|remaining|reset)$/,
    read: ([, kind, name, aspect]) => [kind === "ratelimit" ? String(name) : `${kind}-${name}`, String(aspect)],
  },
  {
    pattern: /^(?:x-)?(ratelimit|ratelimitbysize)-(limit|remaining|reset)$/,
    read: ([, kind, aspect]) => [kind === "ratelimitbysize" ? "size" : "requests", String(aspect)],
  },
];

/**
 * @param headers - lower-case names
 * @param respondedAt - epoch ms at which the headers came: resets are counted from then
 */
export function readRateLimits(
  headers: Readonly<Record<string, string>>,
  respondedAt: number,
): Record<string, RateLimit> | undefined {
  const limits = new Map<string, RateLimit>();
  // Azure gives its resets as plain milliseconds, everyone else plain seconds.
  const plainUnit = headers["x-ratelimit-renewalperiod-requests"] !== undefined || isAzure(headers) ? 1 : 1_000;
  for (const header of Object.keys(headers)) {
    if (!header.includes("ratelimit") && !header.startsWith("anthropic-")) continue;
    for (const { pattern, read } of forms) {
      const match = pattern.exec(header);
      if (match === null) continue;
      const [name, aspect] = read(match);
      setAspect(limits, name, aspect as Aspect, readAspect(aspect, headers[header] ?? "", respondedAt, plainUnit));
      break;
    }
  }
  return limits.size === 0 ? undefined : Object.fromEntries(limits);
}

function isAzure(headers: Readonly<Record<string, string>>): boolean {
  return headers["apim-request-id"] !== undefined || headers["x-ms-region"] !== undefined;
}

function readAspect(aspect: string, text: string, respondedAt: number, plainUnit: number): number | undefined {
  return aspect === "reset" ? readReset(text, respondedAt, plainUnit) : readCount(text);
}

function setAspect(limits: Map<string, RateLimit>, name: string, aspect: Aspect, value: number | undefined): void {
  if (value === undefined) return;
  const limit = limits.get(name) ?? {};
  if (!limits.has(name) && limits.size >= MAX_LIMITS) return;
  limits.set(name, limit);
  limit[aspect === "reset" ? "resetMs" : aspect] = value;
}

/** A count; some servers send `-1` for "no limit" and some `inf`: neither is a number of anything. */
export function readCount(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

/**
 * Milliseconds until a limit resets: a Go duration (`6m0s`, `26ms`), an RFC 3339 time, epoch seconds or milliseconds,
 * or a plain number of `plainUnit` milliseconds each.
 */
function readReset(text: string, respondedAt: number, plainUnit = 1_000): number | undefined {
  const trimmed = text.trim();
  const number = readCount(trimmed);
  if (number !== undefined) {
    if (number > 1e11) return Math.max(0, Math.round(number - respondedAt));
    if (number > 1e9) return Math.max(0, Math.round(number * 1_000 - respondedAt));
    return Math.round(number * plainUnit);
  }
  const duration = readGoDuration(trimmed);
  if (duration !== undefined) return duration;
  const time = /^\d{4}-\d\d-\d\d[T ]/.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - respondedAt);
}

const unitMs: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** https://pkg.go.dev/time#ParseDuration, and `d`. */
function readGoDuration(text: string): number | undefined {
  if (text.length > 40 || !/^(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|[dhms]))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|us|µs|ns|[dhms])/g)) {
    total += Number(amount) * (unitMs[unit ?? ""] ?? 0);
  }
  return Math.round(total);
}
