/** Rate limits as the providers' response headers say them. */
import type { RateLimit } from "../types.ts";
import { remember } from "../remember.ts";

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

type Meaning = readonly [name: string, aspect: Aspect];

/** Names come again and again. `null`: says nothing of a limit. */
const meanings = new Map<string, Meaning | null>();
const MAX_MEANINGS = 1_000;

function findMeaning(header: string): Meaning | null {
  const known = meanings.get(header);
  if (known !== undefined) return known;
  return remember(meanings, MAX_MEANINGS, header, readMeaning(header));
}

function readMeaning(header: string): Meaning | null {
  if (!header.includes("ratelimit") && !header.startsWith("anthropic-")) return null;
  for (const { pattern, read } of forms) {
    const match = pattern.exec(header);
    if (match !== null) return read(match) as [string, Aspect];
  }
  return null;
}

/**
 * @param headers - lower-case names
 * @param respondedAt - epoch ms at which the headers came: resets are counted from then
 */
export function readRateLimits(
  headers: Readonly<Record<string, string>>,
  respondedAt: number,
): Record<string, RateLimit> | undefined {
  let limits: Record<string, RateLimit> | undefined;
  let count = 0;
  // Azure gives its resets as plain milliseconds, everyone else plain seconds.
  const plainUnit = headers["x-ratelimit-renewalperiod-requests"] !== undefined || isAzure(headers) ? 1 : 1_000;
  for (const header in headers) {
    const meaning = findMeaning(header);
    if (meaning === null) continue;
    const [name, aspect] = meaning;
    const value = readAspect(aspect, headers[header] ?? "", respondedAt, plainUnit);
    if (value === undefined) continue;
    limits ??= {};
    let limit = Object.hasOwn(limits, name) ? limits[name] : undefined;
    if (limit === undefined) {
      if (count >= MAX_LIMITS) continue;
      limit = limits[name] = {};
      count += 1;
    }
    if (aspect === "reset") limit.resetMs = value;
    else limit[aspect] = value;
  }
  return limits;
}

/** Whether a header of this name, in lower case, tells of a limit. */
export function isOfRateLimit(header: string): boolean {
  return findMeaning(header) !== null;
}

function isAzure(headers: Readonly<Record<string, string>>): boolean {
  return headers["apim-request-id"] !== undefined || headers["x-ms-region"] !== undefined;
}

function readAspect(aspect: string, text: string, respondedAt: number, plainUnit: number): number | undefined {
  return aspect === "reset" ? readReset(text, respondedAt, plainUnit) : readCount(text);
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

const unitMs: ReadonlyMap<string, number> = new Map([
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
  ["us", 1e-3],
  ["µs", 1e-3],
  ["ns", 1e-6],
]);

const DIGIT_0 = 48;
const DIGIT_9 = 57;
const POINT = 46;

/** https://pkg.go.dev/time#ParseDuration, and `d`. By hand: patterns take ten times as long for the usual `6m0s`. */
function readGoDuration(text: string): number | undefined {
  if (text.length > 40) return undefined;
  let total = 0;
  for (let at = 0; at < text.length;) {
    const unitAt = skipAmount(text, at);
    let end = unitAt;
    while (end < text.length && !isAmount(text.charCodeAt(end))) end += 1;
    const amount = Number(text.slice(at, unitAt));
    const unit = unitMs.get(text.slice(unitAt, end));
    if (unitAt === at || Number.isNaN(amount) || unit === undefined) return undefined;
    total += amount * unit;
    at = end;
  }
  return text === "" ? undefined : Math.round(total);
}

function skipAmount(text: string, from: number): number {
  let at = from;
  while (at < text.length && isAmount(text.charCodeAt(at))) at += 1;
  return at;
}

function isAmount(code: number): boolean {
  return (code >= DIGIT_0 && code <= DIGIT_9) || code === POINT;
}
