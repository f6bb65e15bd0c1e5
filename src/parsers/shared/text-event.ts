/** Finds out that an event does nothing but add a text: it holds nothing else, or what says nothing. */
import type { TextEvent } from "../parser.ts";
import type { JsonObject } from "./json.ts";

/** Padding that hides the length of the text (OpenAI, Mistral), a running number, and when it was said (Ollama). */
const ignoredNames = ["obfuscation", "p", "sequence_number", "created_at"] as const;
const NONE: ReadonlyMap<string, string | number> = new Map();

/** @param event - the outermost object of the event */
export function listIgnored(event: JsonObject): TextEvent["ignored"] {
  let found: Map<string, string | number> | undefined;
  for (const name of ignoredNames) {
    const value = event[name];
    if (typeof value === "string" || typeof value === "number") (found ??= new Map()).set(name, value);
  }
  return found ?? NONE;
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
