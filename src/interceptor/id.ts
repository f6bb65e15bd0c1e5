/** UUIDv7: ids that sort by time. */

/** Random bytes are drawn for many ids at once: one call of the system costs more than an id. */
const POOL_SIZE = 1024;
let pool: Uint8Array<ArrayBuffer> | undefined;
let poolUsed = POOL_SIZE;

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function randomByte(): number {
  if (poolUsed >= POOL_SIZE) {
    pool ??= new Uint8Array(POOL_SIZE);
    crypto.getRandomValues(pool);
    poolUsed = 0;
  }
  return pool?.[poolUsed++] ?? 0;
}

function hex(byte: number): string {
  return HEX[byte & 0xff] ?? "00";
}

/** @param digits How many lower-case hex digits, an even number. */
export function randomHex(digits: number): string {
  let text = "";
  for (let count = 0; count < digits; count += 2) text += hex(randomByte());
  return text;
}

/**
 * @param epochMs The time that the id sorts by.
 * @see https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
 */
export function createId(epochMs: number): string {
  const time = Math.floor(epochMs).toString(16).padStart(12, "0").slice(-12);
  const version = hex(0x70 | (randomByte() & 0x0f)) + hex(randomByte());
  const variant = hex(0x80 | (randomByte() & 0x3f)) + hex(randomByte());
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}-${variant}-${randomHex(12)}`;
}
