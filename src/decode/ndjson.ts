/** One JSON value a line (`application/x-ndjson`, `application/jsonl`, `application/stream+json`). */
import { MAX_EVENT_LENGTH, type Splitter, type SplitterSink } from "./splitter.ts";

/**
 * Splits lines. Blank lines are dropped; the record separator of RFC 7464 is, too.
 * @param maxLength Characters of one line; a longer one is dropped with the note `ndjson_line_too_long`.
 */
export function createNdjsonSplitter(sink: SplitterSink, maxLength: number = MAX_EVENT_LENGTH): Splitter {
  /** Pieces of the line that is still open, joined once: a line in a thousand pushes is not copied a thousand times. */
  let pieces: string[] = [];
  let length = 0;

  function endLine(): void {
    const tooLong = length > maxLength;
    const line = tooLong ? "" : pieces.join("");
    pieces = [];
    length = 0;
    if (tooLong) sink.onNote("ndjson_line_too_long");
    const text = (line.charCodeAt(0) === 0x1e ? line.slice(1) : line).trim();
    if (text !== "") sink.onEvent(text);
  }

  function keep(piece: string): void {
    length += piece.length;
    if (length > maxLength) pieces = [];
    else if (piece !== "") pieces.push(piece);
  }

  return {
    push(text) {
      let start = 0;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
        keep(text.slice(start, end));
        endLine();
        start = end + 1;
      }
      if (start < text.length) keep(start === 0 ? text : text.slice(start));
    },
    end: endLine,
  };
}
