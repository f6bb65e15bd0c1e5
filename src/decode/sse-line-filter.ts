/**
 * Drops lines that are no fields before the SSE parser sees them. It makes an Error with a stack for each such line,
 * which costs a hundred times what a good line costs: a body full of them would be a long block.
 */

export interface LineFilter {
  /** The good lines that are complete by now, with their line ends. */
  push(text: string): string;
  /** The last line, if it is a good one. */
  end(): string;
}

const FIELD = /^(?:data|event)(?::|$)/;

/**
 * Makes a filter.
 * @param startsInLine The text so far ended inside of a line: its rest passes as it is.
 * @param maxLength Characters of one line; a longer one is dropped.
 */
export function createLineFilter(startsInLine: boolean, maxLength: number): LineFilter {
  let passes = startsInLine;
  let pieces: string[] = [];
  let length = 0;

  function keep(piece: string): void {
    length += piece.length;
    if (length > maxLength) pieces = [];
    else if (piece !== "") pieces.push(piece);
  }

  function takeLine(): string {
    const line = length > maxLength ? undefined : pieces.join("");
    pieces = [];
    length = 0;
    return line !== undefined && (line === "" || FIELD.test(line)) ? `${line}\n` : "";
  }

  return {
    push(text) {
      const good: string[] = [];
      let start = 0;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
        if (passes) good.push(text.slice(start, end + 1));
        else {
          keep(text.slice(start, end));
          good.push(takeLine());
        }
        passes = false;
        start = end + 1;
      }
      const rest = text.slice(start);
      if (passes) good.push(rest);
      else keep(rest);
      return good.join("");
    },
    end: () => (length === 0 ? "" : takeLine()),
  };
}
