/** Whose words a message holds. */
import type { Message } from "../types.ts";

const NONE: readonly never[] = Object.freeze([]);

const modelRoles: ReadonlySet<string> = new Set(["assistant", "model", "chatbot", "ai", "bot"]);

/** Of nearly every message, and in lower case already. */
const otherRoles: ReadonlySet<string> = new Set(["user", "system", "tool"]);

export function isModelRole(role: string): boolean {
  return modelRoles.has(role) || (!otherRoles.has(role) && modelRoles.has(role.toLowerCase()));
}

/** Items that the provider has stored, named in place of what the model said: of the Responses API. */
export function readItemReferences(message: Message): readonly string[] {
  let ids: string[] | undefined;
  for (const part of message.parts) {
    if (part.type !== "other" || part.kind !== "item_reference") continue;
    const id = (part.content as { id?: unknown } | null | undefined)?.id;
    if (typeof id === "string") (ids ??= []).push(id);
  }
  return ids ?? NONE;
}
