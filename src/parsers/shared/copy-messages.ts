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
  if (Array.isArray(value)) return value.map(copyParsed);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) setOwn(copy, key, copyParsed((value as Record<string, unknown>)[key]));
  return copy;
}

/** JSON may have a member of that name. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
