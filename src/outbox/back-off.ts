/** How long to wait before the next try. */

const FIRST_MS = 250;
const LONGEST_MS = 30_000;

/** Doubles with each failure in a row, up to 30 s; half of it is chance, so that many processes don't come at once. */
export function backOff(failures: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  return longest / 2 + Math.random() * (longest / 2);
}
