/**
 * A JSON array that arrives element by element, as Gemini's `streamGenerateContent` without `alt=sse` sends it. Splits
 * at the top level, in one pass over the characters, without parsing.
 */
import { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./json-units.ts";
import { MAX_EVENT_LENGTH, type Splitter, type SplitterSink } from "./splitter.ts";

/**
 * Splits the elements of one array. What comes behind its closing bracket is ignored.
 * @param maxLength Characters of one element; a longer one is dropped with the note `json_element_too_long`.
 */
export function createJsonArraySplitter(sink: SplitterSink, maxLength: number = MAX_EVENT_LENGTH): Splitter {
  /** 0 before the array, 1 between its elements, more inside of one. */
  let depth = 0;
  let inString = false;
  /** The last character was a backslash that escapes the next. */
  let escaped = false;
  let ended = false;
  let pieces: string[] = [];
  let length = 0;

  function keep(piece: string): void {
    length += piece.length;
    if (length > maxLength) pieces = [];
    else if (piece !== "") pieces.push(piece);
  }

  function endElement(): void {
    const tooLong = length > maxLength;
    const text = tooLong ? "" : pieces.join("").trim();
    pieces = [];
    length = 0;
    if (tooLong) sink.onNote("json_element_too_long");
    else if (text !== "") sink.onEvent(text);
  }

  return {
    push(text) {
      let start = 0;
      for (let at = 0; at < text.length && !ended; at++) {
        if (inString) {
          if (escaped) {
            escaped = false;
            continue;
          }
          const code = text.charCodeAt(at);
          if (code === BACKSLASH) escaped = true;
          else if (code === QUOTE) inString = false;
          continue;
        }
        const code = text.charCodeAt(at);
        if (depth === 0 && code !== OPEN_BRACKET) continue;
        switch (code) {
          case QUOTE:
            inString = true;
            break;
          case OPEN_BRACKET:
          case OPEN_BRACE:
            depth++;
            if (depth === 1) start = at + 1;
            break;
          case CLOSE_BRACE:
          case CLOSE_BRACKET:
            depth--;
            if (depth === 0) {
              keep(text.slice(start, at));
              endElement();
              ended = true;
            }
            break;
          case COMMA:
            if (depth === 1) {
              keep(text.slice(start, at));
              endElement();
              start = at + 1;
            }
            break;
          default:
        }
      }
      if (!ended && depth > 0 && start < text.length) keep(start === 0 ? text : text.slice(start));
    },
    end() {
      if (!ended && depth > 0) endElement();
      ended = true;
    },
  };
}
