/** JSON text that fits into one string of Amplitude's and can still be parsed. */
import { copyJson } from "../shared/copy-json.ts";
import { cutText, MAX_STRING_LENGTH } from "./limits.ts";

/** Characters kept of each string and items kept of each list, from much to next to nothing. */
const STEPS: readonly [characters: number, items: number][] = [
  // What is longer than the whole may be can't fit.
  [MAX_STRING_LENGTH, MAX_STRING_LENGTH],
  [512, 100],
  [200, 32],
  [80, 12],
  [40, 6],
];

/** Beyond this a value is shortened before it is copied: its JSON would not fit anyway. */
const MAX_VALUES = 2_000;
const MAX_DEPTH = 30;

/** @returns JSON of at most 1,024 characters: of the value, else of a copy with shorter texts and lists. */
export function fitJson(value: unknown): string {
  let json = "";
  for (const [characters, items] of STEPS) {
    const copy = copyJson(value, {
      // A cut text must be longer than the marker that says so.
      text: (text) => (text.length <= characters ? text : `${text.slice(0, characters - 1).toWellFormed()}…`),
      list: (list) =>
        list.length <= items ? list : [...list.slice(0, items - 1), `… ${list.length - items + 1} more`],
      maxDepth: MAX_DEPTH,
      maxValues: MAX_VALUES,
    });
    json = (JSON.stringify(copy) ?? "null").toWellFormed();
    if (json.length <= MAX_STRING_LENGTH) return json;
  }
  return JSON.stringify({ cut: cutText(json, MAX_STRING_LENGTH / 3) });
}
