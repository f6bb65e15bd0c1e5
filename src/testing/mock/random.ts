/** Seeded values, so that a reply is never the one that a test was written for, and yet the same in every run. */

/** Mulberry32: 32 bits of state are plenty for texts. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** FNV-1a, for a seed out of a name or a body. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** A whole number from `low` to `high`, both possible. */
export function between(random: () => number, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

export function pick<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T;
}

// Bytes of one to four, quotes, backslashes and line ends: everything that framing and escaping get wrong.
const WORDS =
  'rivers carry silt — tides "return" café naïve 東京 は 雨 Zürich 🚀 👩‍💻 back\\slash line\nbreak tab\tstop <tag> {brace} [list] data: event: ½ ≤ 3,14 über the a of and to in is that it slowly'.split(
    " ",
  );

/** Prose of `words` words with characters of every width. */
export function makeText(random: () => number, words: number): string {
  const parts: string[] = [];
  for (let index = 0; index < words; index++) parts.push(pick(random, WORDS));
  return `${parts.join(" ")}.`;
}

const ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

export function makeId(random: () => number, length = 24): string {
  let id = "";
  while (id.length < length) id += ID_ALPHABET[Math.floor(random() * ID_ALPHABET.length)];
  return id;
}

/** Cuts between characters (never inside a surrogate pair) into `count` pieces, none empty. */
export function cutText(random: () => number, text: string, count: number): string[] {
  const characters = Array.from(text);
  if (characters.length === 0) return [];
  const cuts = new Set<number>();
  const wanted = Math.min(count, characters.length) - 1;
  while (cuts.size < wanted) cuts.add(between(random, 1, characters.length - 1));
  const borders = [0, ...[...cuts].sort((left, right) => left - right), characters.length];
  return borders.slice(1).map((end, index) => characters.slice(borders[index], end).join(""));
}
