/**
 * HMAC with SHA-256 in plain JavaScript: web platforms have digests only behind promises, and records are linked in one
 * go. About 100 MB a second.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6234
 */

const BLOCK = 64;

/** Fractional parts of the cube and square roots of the first primes: the constants and the start of SHA-256. */
const ROUND = new Uint32Array(64);
const START = new Uint32Array(8);
fillConstants();

function fillConstants(): void {
  let count = 0;
  for (let candidate = 2; count < 64; candidate += 1) {
    if (!isPrime(candidate)) continue;
    if (count < 8) START[count] = fraction(candidate ** (1 / 2));
    ROUND[count] = fraction(candidate ** (1 / 3));
    count += 1;
  }
}

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) if (candidate % divisor === 0) return false;
  return true;
}

function fraction(root: number): number {
  return (root - Math.floor(root)) * 2 ** 32;
}

const schedule = new Uint32Array(64);

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function compress(state: Uint32Array, bytes: Uint8Array, offset: number): void {
  const w = schedule;
  for (let index = 0; index < 16; index += 1) {
    const at = offset + index * 4;
    w[index] =
      ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  }
  for (let index = 16; index < 64; index += 1) {
    const early = w[index - 15] ?? 0;
    const late = w[index - 2] ?? 0;
    const low = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const high = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    w[index] = (w[index - 16] ?? 0) + low + (w[index - 7] ?? 0) + high;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let index = 0; index < 64; index += 1) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const first = (h + sum1 + ((e & f) ^ (~e & g)) + (ROUND[index] ?? 0) + (w[index] ?? 0)) | 0;
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const second = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  for (const [index, word] of [a, b, c, d, e, f, g, h].entries()) state[index] = (state[index] ?? 0) + word;
}

/** @param before A state that has already taken `length` bytes, a multiple of the block size. */
function digest(before: Uint32Array, length: number, bytes: Uint8Array): Uint8Array {
  const state = new Uint32Array(before);
  const whole = bytes.byteLength - (bytes.byteLength % BLOCK);
  for (let offset = 0; offset < whole; offset += BLOCK) compress(state, bytes, offset);
  const rest = bytes.subarray(whole);
  const tail = new Uint8Array(rest.byteLength + 9 > BLOCK ? 2 * BLOCK : BLOCK);
  tail.set(rest);
  tail[rest.byteLength] = 0x80;
  const bits = (length + bytes.byteLength) * 8;
  const view = new DataView(tail.buffer);
  view.setUint32(tail.byteLength - 8, Math.floor(bits / 2 ** 32));
  view.setUint32(tail.byteLength - 4, bits >>> 0);
  for (let offset = 0; offset < tail.byteLength; offset += BLOCK) compress(state, tail, offset);
  const result = new Uint8Array(32);
  const out = new DataView(result.buffer);
  for (const [index, word] of state.entries()) out.setUint32(index * 4, word);
  return result;
}

/** @param key At most 64 bytes. @returns the hash of a text's UTF-8 bytes, as hex */
export function createHmac(key: Uint8Array): (text: string) => string {
  const padded = (pad: number): Uint32Array => {
    const block = new Uint8Array(BLOCK).fill(pad);
    for (const [index, byte] of key.entries()) block[index] = byte ^ pad;
    const state = new Uint32Array(START);
    compress(state, block, 0);
    return state;
  };
  const inner = padded(0x36);
  const outer = padded(0x5c);
  const encoder = new TextEncoder();
  return (text) => {
    const mac = digest(outer, BLOCK, digest(inner, BLOCK, encoder.encode(text)));
    return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
}
