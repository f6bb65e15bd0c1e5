/** Where strings end in a JSON text that is not parsed. */

/** Whether what stands at `at` belongs to a backslash before it. @param start - where the string begins, or goes on */
export function isEscapedAt(text: string, at: number, start: number): boolean {
  let first = at;
  while (first > start && text.charCodeAt(first - 1) === 0x5c) first -= 1;
  return (at - first) % 2 === 1;
}

/** The closing quote of a string that begins at `start`; -1: there is none. */
export function findStringEnd(text: string, start: number): number {
  let quote = text.indexOf('"', start);
  while (quote !== -1 && isEscapedAt(text, quote, start)) quote = text.indexOf('"', quote + 1);
  return quote;
}
