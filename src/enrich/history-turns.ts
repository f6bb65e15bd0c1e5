/** Which messages of a conversation are a turn of the model. */
import type { Message, Part } from "../types.ts";
import { isModelRole, readItemReferences } from "./roles.ts";

/** What the messages of one turn say, as if it were one message. */
export function joinMessages(
  messages: readonly Message[],
  start: number,
  end: number,
): { parts: readonly Part[]; itemIds: readonly string[] } {
  const first = messages[start];
  if (first !== undefined && end - start === 1) return { parts: first.parts, itemIds: readItemReferences(first) };
  const said = messages.slice(start, end);
  return { parts: said.flatMap(({ parts }) => parts), itemIds: said.flatMap(readItemReferences) };
}

/** Messages of the model in a row are one turn: some APIs keep texts and calls apart. @returns `start`: there is none */
export function endOfTurn(messages: readonly Message[], start: number): number {
  let end = start;
  for (; end < messages.length; end += 1) {
    const message = messages[end];
    if (message === undefined || !isModelTurn(message)) break;
  }
  return end;
}

export function isModelTurn(message: Message): boolean {
  return isModelRole(message.role) || (message.role === "user" && readItemReferences(message).length > 0);
}
