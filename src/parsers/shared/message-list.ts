/** Lists of messages, of which a request has the first ones in common with earlier ones. */
import type { KnownMessages } from "../../known-messages.ts";
import type { Message, Part } from "../../types.ts";
import type { MessageList } from "../parser.ts";
import { asLabel, isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { createMessage } from "./message-parts.ts";

/** Adds the messages of items to those before them. */
export type AddMessages = MessageList["read"];

/** The messages of a list, behind those that are known; `undefined` when there is no list. */
export function readList(value: unknown, add: AddMessages, known: KnownMessages | undefined): Message[] | undefined {
  return Array.isArray(value) ? add(value, known?.take() ?? []) : undefined;
}

/** For APIs whose items have a role and typed content. */
export function createAdder(readParts: (item: JsonObject) => Part[]): AddMessages {
  return (items, messages) => {
    for (const item of items) if (isObject(item)) messages.push(createMessage(asLabel(item["role"]), readParts(item)));
    return messages;
  };
}
