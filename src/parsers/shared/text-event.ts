/** Finds out that an event does nothing but add a text: it holds nothing else, or what says nothing. */
import type { TextEvent } from "../parser.ts";
import type { JsonObject } from "./json.ts";

/** Padding that hides the length of the text (OpenAI, Mistral), a running number, and when it was said (Ollama). */
const ignoredNames = ["obfuscation", "p", "sequence_number", "created_at"] as const;

const nothing: TextEvent["ignored"] = new Map();

/**
 * What differs from event to event and says nothing.
 *
 * @param event - the outermost object of the event
 * @param more - members of objects in it, by their names
 */
export function listIgnored(event: JsonObject, more: JsonObject = {}): TextEvent["ignored"] {
  const found = new Map<string, string | number>();
  const note = (name: string, value: unknown): void => {
    if (typeof value === "string" || typeof value === "number") found.set(name, value);
  };
  for (const name of ignoredNames) note(name, event[name]);
  for (const name in more) note(name, more[name]);
  return found;
}

/** @returns an event beside whose text nothing differs; `undefined`: there is no text */
export function createTextEvent(key: string, text: unknown, add: (text: string) => void): TextEvent | undefined {
  return typeof text === "string" ? { key, text, ignored: nothing, add } : undefined;
}

/** The members of an object that say something: nested ones, and strings. */
export function listSaying(object: JsonObject): string[] {
  return Object.keys(object).filter((name) => saysSomething(object[name]));
}

/** The same, but for strings. */
export function listNested(object: JsonObject): string[] {
  return Object.keys(object).filter((name) => typeof object[name] !== "string" && saysSomething(object[name]));
}

function saysSomething(value: unknown): boolean {
  if (typeof value === "string") return value !== "";
  if (typeof value !== "object" || value === null) return false;
  return !(Array.isArray(value) && value.length === 0);
}
