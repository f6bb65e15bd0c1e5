/**
 * Server-sent events, through `eventsource-parser`, with what real LLM streams need on top: lone CR without quadratic
 * scans, lines too long skipped instead of ending the stream, a last event without its blank line, and JSON that a
 * server wrote into the stream without `data:`.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import { createParser, type ParseError } from "eventsource-parser";
import { createLineFilter, type LineFilter } from "./sse-line-filter.ts";
import { MAX_EVENT_LENGTH, type Splitter, type SplitterSink } from "./splitter.ts";

/** Lines that are no fields after which such lines are no longer looked at. */
const MAX_JUNK_LINES = 200;
/** Characters given to the parser at once. */
const PIECE_LENGTH = 8 * 1024;

/**
 * Splits a stream of server-sent events.
 * @param maxLength Characters of one event; a longer one is dropped with the note `sse_line_too_long`.
 */
export function createSseSplitter(sink: SplitterSink, maxLength: number = MAX_EVENT_LENGTH): Splitter {
  /** The last push ended in CR: an LF at the start of the next belongs to it. */
  let endedInCarriageReturn = false;
  /** Inside an event that was too long: everything up to its blank line is dropped. */
  let skipping = false;
  /** While skipping: the text so far ended in a line break, so that one more ends the event. */
  let atLineStart = false;
  /** Set by the parser's callback: it refuses all further input until it is reset. */
  let overflowed = false;
  /** Lines without a field name, from one that opens a JSON object: an error that was written past the framing. */
  let stray: string[] = [];
  let strayLength = 0;
  let junkLines = 0;
  let filter: LineFilter | undefined;

  const pieceLength = Math.min(maxLength, PIECE_LENGTH);

  const parser = createParser({
    maxBufferSize: maxLength,
    onEvent({ data, event }) {
      if (stray.length > 0) flushStray();
      if (data.length > maxLength) sink.onNote("sse_line_too_long");
      else sink.onEvent(data, event);
    },
    onError(error: ParseError) {
      if (error.type === "max-buffer-size-exceeded") overflowed = true;
      else junkLines++;
      if (error.type === "unknown-field" && error.line !== undefined) keepStray(error.line);
    },
  });

  function keepStray(line: string): void {
    if (stray.length === 0 && !line.trimStart().startsWith("{")) return;
    strayLength += line.length;
    if (strayLength > maxLength) return;
    stray.push(line);
  }

  function flushStray(): void {
    const text = stray.join("\n").trim();
    stray = [];
    if (strayLength <= maxLength && text !== "") sink.onEvent(text);
    strayLength = 0;
  }

  /** Returns what is left of `text` behind the end of the event that is being skipped. */
  function skip(text: string): string {
    for (let at = 0; at < text.length;) {
      const lineFeed = text.indexOf("\n", at);
      if (lineFeed === -1) {
        atLineStart = false;
        return "";
      }
      const isBlank = lineFeed === at && atLineStart;
      atLineStart = true;
      at = lineFeed + 1;
      if (isBlank) {
        skipping = false;
        return text.slice(at);
      }
    }
    return "";
  }

  function feed(text: string): void {
    let rest = skipping ? skip(text) : text;
    while (rest !== "") {
      // A piece at a time, so that the parser's own checks come before a huge push was swallowed whole.
      const piece = rest.slice(0, pieceLength);
      rest = rest.slice(pieceLength);
      parser.feed(filter === undefined ? piece : filter.push(piece));
      if (junkLines > MAX_JUNK_LINES && filter === undefined) {
        sink.onNote("sse_junk");
        stray = [];
        filter = createLineFilter(!piece.endsWith("\n"), maxLength);
      }
      if (!overflowed) continue;
      overflowed = false;
      parser.reset();
      sink.onNote("sse_line_too_long");
      skipping = true;
      atLineStart = piece.endsWith("\n");
      rest = skip(rest);
    }
  }

  return {
    push(text) {
      if (text === "") return;
      if (endedInCarriageReturn && text.startsWith("\n")) text = text.slice(1);
      if (text !== "") endedInCarriageReturn = text.endsWith("\r");
      else endedInCarriageReturn = false;
      // The parser looks for the next CR from each line on, which is quadratic in a push that holds few of them.
      feed(text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text);
    },
    end() {
      if (!skipping) {
        // One ends the line, the other the event.
        parser.feed(`${filter?.end() ?? ""}\n\n`);
      }
      if (stray.length > 0) flushStray();
    },
  };
}
