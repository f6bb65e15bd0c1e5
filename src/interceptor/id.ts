/** UUIDv7: ids that sort by time. */

import { randomBytesAsHex } from "#platform";

/** Random bytes are drawn for many ids at once: one call of the system costs more than an id. */
const POOL_SIZE = 2048;
/** As hex digits in one flat text: ids that are put together digit by digit are trees of twenty strings each. */
let pool = "";
let poolUsed = 0;

function fillPool(): void {
  pool = randomBytesAsHex(POOL_SIZE);
  poolUsed = 0;
}

/** @param digits How many lower-case hex digits, up to 4,096. */
export function randomHex(digits: number): string {
  if (poolUsed + digits > pool.length) fillPool();
  poolUsed += digits;
  return pool.slice(poolUsed - digits, poolUsed);
}

/** Calls come in the same millisecond, or there is time for one more. */
let lastTime = -1;
let lastPrefix = "";

/** The first digits of an id: the time, and the version. */
function findPrefix(epochMs: number): string {
  const time = Math.floor(epochMs);
  if (time !== lastTime) {
    const digits = time.toString(16).padStart(12, "0").slice(-12);
    lastPrefix = `${digits.slice(0, 8)}-${digits.slice(8)}-7`;
    lastTime = time;
  }
  return lastPrefix;
}

/** The first digit of the variant: two bits are given. */
const VARIANTS = "89ab";

/**
 * @param epochMs The time that the id sorts by.
 * @see https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
 */
export function createId(epochMs: number): string {
  const random = randomHex(19);
  const variant = VARIANTS[Number.parseInt(random[3] ?? "0", 16) & 3] ?? "8";
  return `${findPrefix(epochMs)}${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7)}`;
}
