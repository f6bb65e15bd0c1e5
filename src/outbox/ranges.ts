/** Numbers of entries that are done, as ranges: `12-40` is one line of the file beside a log. */

export type Range = [first: number, last: number];

/** Neighbours become one range. @param numbers in any order. */
export function toRanges(numbers: readonly number[]): Range[] {
  return mergeRanges(numbers.map((number): Range => [number, number]));
}

export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const [first, last] of [...ranges].sort((left, right) => left[0] - right[0])) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

export function formatRanges(ranges: readonly Range[]): string {
  return ranges.map(([first, last]) => `${first}-${last}\n`).join("");
}

/** A line that is torn or damaged says nothing: its entries are sent again. */
export function parseRanges(text: string): Range[] {
  const ranges: Range[] = [];
  // Only what ends with a line break was written whole.
  for (const line of text.split("\n").slice(0, -1)) {
    const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(line) ?? [];
    if (first !== undefined && Number(first) <= Number(last)) ranges.push([Number(first), Number(last)]);
  }
  return mergeRanges(ranges);
}

/** @param ranges merged. */
export function includesNumber(ranges: readonly Range[], number: number): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranges[middle] as Range;
    if (number < first) high = middle - 1;
    else if (number > last) low = middle + 1;
    else return true;
  }
  return false;
}
