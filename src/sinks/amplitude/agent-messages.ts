/** What a person (or an agent) said in a call, told apart from the history that comes along with it. */
import type { LlmCall, Message, Part } from "../../types.ts";
import type { AgentProperties } from "./agent-names.ts";

/** One new message of a user. */
export interface UserMessage {
  /** The same for this message of this call, always. */
  key: string;
  /** Absent with content off. */
  message?: Message;
}

/** A first call may bring a long conversation along: the newest of it. */
const MAX_MESSAGES = 50;

/**
 * The messages of users that are new with this call. Without `trace.newMessagesFrom`: the last one, if it is what the
 * model has to answer; a history that ends with tool results was answered before. With content off it is not known
 * what was sent, but how much. A retry says nothing new, nor does an answer that is made again.
 */
export function findNewUserMessages(call: LlmCall): UserMessage[] {
  const { messages, attempt = 1, retryOf } = call.request;
  const { newUserMessages, linkedBy } = call.trace;
  if (attempt > 1 || retryOf !== undefined || newUserMessages === 0) return [];
  if (messages === undefined) {
    const count = newUserMessages ?? (call.operation === "chat" && linkedBy !== "tool_result" ? 1 : 0);
    return Array.from({ length: Math.min(count, MAX_MESSAGES) }, (_, index) => ({ key: String(index) }));
  }
  const from = call.trace.newMessagesFrom;
  const start = from !== undefined && from >= 0 && from < messages.length ? from : findLastTurn(messages);
  const found: UserMessage[] = [];
  for (let index = messages.length - 1; index >= start && found.length < MAX_MESSAGES; index--) {
    const message = messages[index] as Message;
    if (isUserMessage(message)) found.unshift({ key: String(index), message });
  }
  return found;
}

/** Index of the user's message that ends the history; beyond its end when something else does. */
function findLastTurn(messages: readonly Message[]): number {
  let index = messages.length - 1;
  // Instructions may come after the question.
  while (index >= 0 && /^(?:system|developer)$/.test((messages[index] as Message).role)) index -= 1;
  const last = messages[index];
  return last !== undefined && isUserMessage(last) ? index : messages.length;
}

/** Anthropic puts tool results into messages of the user: those are no words of theirs. */
function isUserMessage({ role, parts }: Message): boolean {
  if (!/^(?:user|human)$/i.test(role)) return false;
  return parts.length === 0 || parts.some((part) => part.type !== "tool_call_response");
}

/** @returns the texts of parts, a line each. `undefined` where there are none. */
export function joinTexts(parts: readonly Part[], ...types: Part["type"][]): string | undefined {
  const texts = parts.flatMap((part) => (types.includes(part.type) && "content" in part ? [String(part.content)] : []));
  return texts.length === 0 ? undefined : texts.join("\n");
}

/** Media among parts. */
export function attachmentProperties(parts: readonly Part[]): AgentProperties {
  const attachments = parts.filter((part) => part.type === "blob" || part.type === "file" || part.type === "uri");
  if (attachments.length === 0) return {};
  const sizes = attachments.map((part) => (part.type === "blob" ? part.bytes : undefined));
  const known = sizes.filter((size) => size !== undefined);
  return {
    "Has Attachments": true,
    "Attachment Types": [...new Set(attachments.map((part) => part.mimeType ?? part.modality ?? part.type))],
    "Attachment Count": attachments.length,
    // A sum of some would pass for the sum of all.
    ...(known.length === sizes.length && { "Total Attachment Size Bytes": known.reduce((sum, size) => sum + size, 0) }),
  };
}
