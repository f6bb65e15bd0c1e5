/** Copies of messages, so that what a record holds is nobody else's. */
import type { Message, Part } from "../../types.ts";

export function copyMessages(messages: readonly Message[]): Message[] {
  return messages.map(copyMessage);
}

function copyMessage({ role, name, parts }: Message): Message {
  const copies = parts.map(copyPart);
  return name === undefined ? { role, parts: copies } : { role, parts: copies, name };
}

/** Most parts are a text. The copy of an object of any shape takes several times as long. */
function copyPart(part: Part): Part {
  return part.type === "text" ? { type: "text", content: part.content } : (copyParsed(part) as Part);
}

/** A copy of JSON that was parsed: without cycles, and of bounded depth. */
export function copyParsed(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? value.map(copyParsed) : copyMembers(value as Record<string, unknown>);
}

/** Most members are no objects: for those nothing is called. */
function copyMembers(source: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(source)) {
    const given = source[key];
    const value = typeof given === "object" && given !== null ? copyParsed(given) : given;
    if (key !== "__proto__") copy[key] = value;
    // JSON may have a member of that name.
    else Object.defineProperty(copy, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return copy;
}
