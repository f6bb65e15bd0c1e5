/** Amplitude's documented limits on one event, and how a text is made to fit. */
import { wellFormed } from "../shared/copy-json.ts";

/** String values are cut here by the server. @see https://amplitude.com/docs/apis/analytics/http-v2 */
export const MAX_STRING_LENGTH = 1024;

/** Levels of nesting below `event_properties` (the documented 40, less the event and a margin). */
export const MAX_DEPTH = 36;

/** The first `length` UTF-16 units of a text, one less where that would split a character. */
export function sliceText(text: string, start: number, length: number): string {
  const end = start + length;
  const last = text.charCodeAt(end - 1);
  return text.slice(start, end < text.length && last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}

/** A text cut to `limit` characters, the marker that says so included. */
export function cutText(text: string, limit: number = MAX_STRING_LENGTH): string {
  const whole = wellFormed(text);
  if (whole.length <= limit) return whole;
  const marker = `… [cut: ${whole.length} characters]`;
  return sliceText(whole, 0, limit - marker.length) + marker;
}

/**
 * A text as Amplitude keeps it whole: itself up to 1,024 characters, beyond that a list of pieces that join with
 * nothing between them.
 */
export function splitText(text: string): string | string[] {
  const whole = wellFormed(text);
  if (whole.length <= MAX_STRING_LENGTH) return whole;
  const pieces: string[] = [];
  for (let start = 0; start < whole.length;) {
    const piece = sliceText(whole, start, MAX_STRING_LENGTH);
    pieces.push(piece);
    start += piece.length;
  }
  return pieces;
}
