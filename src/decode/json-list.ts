/** Where the items of a list end in a JSON text, without parsing it. What is read here has been parsed before: it is valid. */
import { CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./json-units.ts";
import { findStringEnd } from "./json-string.ts";

/** The index behind the opening bracket of the list that is the member `field` of an object. `undefined`: there is none. */
export function findList(text: string, field: string): number | undefined {
  const key = `"${field}"`;
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== OPEN_BRACE) return undefined;
  do {
    const start = skipSpace(text, at + 1);
    if (text.charCodeAt(start) !== QUOTE) return undefined;
    const keyEnd = skipValue(text, start);
    const colon = skipSpace(text, keyEnd);
    if (text.charCodeAt(colon) !== COLON) return undefined;
    const value = skipSpace(text, colon + 1);
    if (text.startsWith(key, start)) {
      return text.charCodeAt(value) === OPEN_BRACKET ? value + 1 : undefined;
    }
    at = skipSpace(text, skipValue(text, value));
  } while (text.charCodeAt(at) === COMMA);
  return undefined;
}

/**
 * The index behind each item of a list.
 *
 * @param from - behind its opening bracket, or behind one of its items
 * @param upTo - items that end further behind are left out. Default: none are
 * @param most - so many items. Default: all
 */
export function findItemEnds(text: string, from: number, upTo: number = Infinity, most: number = Infinity): number[] {
  const ends: number[] = [];
  let at = skipSpace(text, from);
  if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_BRACKET && ends.length < most) {
    const end = skipValue(text, at);
    if (end <= at || end > upTo) break;
    ends.push(end);
    at = skipSpace(text, end);
    if (text.charCodeAt(at) !== COMMA) break;
    at = skipSpace(text, at + 1);
  }
  return ends;
}

/**
 * The index of the closing bracket of a list. `undefined`: it is not there.
 *
 * @param from - behind its opening bracket, or behind one of its items
 */
export function findListEnd(text: string, from: number): number | undefined {
  const at = skipSpace(text, findItemEnds(text, from).at(-1) ?? from);
  return text.charCodeAt(at) === CLOSE_BRACKET ? at : undefined;
}

function skipValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return skipString(text, start);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipContainer(text, start);
  let at = start;
  for (; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit <= 0x20 || unit === COMMA || unit === CLOSE_BRACKET || unit === CLOSE_BRACE) break;
  }
  return at;
}

function skipContainer(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = skipString(text, at) - 1;
    else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) depth += 1;
    else if ((unit === CLOSE_BRACE || unit === CLOSE_BRACKET) && --depth === 0) return at + 1;
  }
  return text.length;
}

function skipString(text: string, start: number): number {
  const end = findStringEnd(text, start + 1);
  return end === -1 ? text.length : end + 1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) <= 0x20) at += 1;
  return at;
}
