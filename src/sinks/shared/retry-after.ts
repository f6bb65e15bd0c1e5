/** The header that says when to come again. */

/** A `Retry-After` of hours would only mean that nothing is delivered for hours. */
const MAX_RETRY_AFTER_MS = 300_000;

/** @returns milliseconds, 5 minutes at most; `undefined` for a header that is absent or neither seconds nor a date. */
export function readRetryAfter(header: string | null): number | undefined {
  if (header === null || header === "") return undefined;
  const milliseconds = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(milliseconds) ? Math.min(Math.max(milliseconds, 0), MAX_RETRY_AFTER_MS) : undefined;
}
