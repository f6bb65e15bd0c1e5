/** Ids of tool calls: those that nobody else has, and those that everybody has. */
import { remember } from "../remember.ts";

/** Shorter ones are numbers, or words. */
const SHORTEST_UNIQUE_ID = 9;

/**
 * Looks random: `call_dnXQ4WsNvF9ygmzZPMfzDZg2`, a UUID; not `call_0`, `functions.weather:0`, `get_weather-1`,
 * `call-000001`, nor what says when it was made. An id that is not serves as one only within its conversation.
 *
 * @param name - of the tool: where it is a part of the id, it says nothing
 */
export function isUniqueId(id: string, name = ""): boolean {
  // An agent sends all of them back with each call.
  const key = `${id}\0${name}`;
  if (key.length > LONGEST_KNOWN) return looksUnique(id, name);
  return known.get(key) ?? remember(known, MAX_KNOWN, key, looksUnique(id, name));
}

const known = new Map<string, boolean>();
const MAX_KNOWN = 2_000;
const LONGEST_KNOWN = 128;

function looksUnique(id: string, name: string): boolean {
  const rest = name === "" ? id : id.replaceAll(name, "_");
  return rest.split(/[_:.]/).some(looksRandom);
}

/** Digits among letters, more than once: words with a number have theirs at one end, dates and counters have no letters. */
function looksRandom(part: string): boolean {
  if (part.length < SHORTEST_UNIQUE_ID || !/^[A-Za-z0-9-]+$/.test(part)) return false;
  // Gemini's are digits: more of them than a time has, even in nanoseconds.
  const digits = /\d{17,}/.exec(part)?.[0];
  if (digits !== undefined) return !/^1[5-9]\d{17}$/.test(digits) && !/^0*\d{1,6}$/.test(digits);
  // Of a time, in the form of ISO 8601, the letters are always the same.
  const letters = part.replaceAll(/\d{6,}T\d{4,}Z?|\d{4}-\d\d-\d\d(?:T\d\d-?\d\d-?\d\dZ?)?/g, "").replaceAll("-", "");
  if (letters.length < SHORTEST_UNIQUE_ID) return false;
  const changes = letters.match(/\d(?=[A-Za-z])|[A-Za-z](?=\d)/g)?.length ?? 0;
  return changes >= 2 || (changes === 1 && /^\d/.test(letters));
}
