/** With how much of the same two texts begin, by the runtime's own comparison. */

/** Less than this more is not looked for. */
const LEAST_MORE = 512;

/**
 * @param atLeast - so much and a little more, or it does not count
 * @returns characters; `atLeast` where it does not count
 */
export function countCommon(one: string, other: string, atLeast: number): number {
  const longest = Math.min(one.length, other.length);
  const first = atLeast + LEAST_MORE;
  if (longest < first || one.slice(0, first) !== other.slice(0, first)) return atLeast;
  let same = first;
  let end = longest;
  while (same < end) {
    const middle = (same + end + 1) >> 1;
    if (one.slice(same, middle) === other.slice(same, middle)) same = middle;
    else end = middle - 1;
  }
  return same;
}
