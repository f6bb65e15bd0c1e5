/**
 * What the app sent and gets back: a prompt before its completion, documents that were ranked, passages that are cited.
 * Where the input may not be recorded, it may not be there as a part of the answer either.
 */
import type { ToolDefinition, Message, Part } from "../types.ts";

/** Shorter texts are words that anybody may say. */
const SHORTEST = 12;
/** Texts that are looked for, the longest first. */
const MAX_TEXTS = 100;
const MASK = "[input]";

export interface Sent {
  system?: readonly Part[] | undefined;
  messages?: readonly Message[] | undefined;
  tools?: readonly ToolDefinition[] | undefined;
  parameters?: Readonly<Record<string, unknown>> | undefined;
}

/** Texts of a request that an answer may repeat, longest first. */
export function listEchoes({ system = [], messages = [], tools = [], parameters = {} }: Sent): string[] {
  const texts = new Set<string>();
  const open: unknown[] = [system, messages, tools, parameters];
  while (open.length > 0 && texts.size < 10_000) {
    const item = open.pop();
    if (typeof item === "string") {
      const text = item.trim();
      if (text.length >= SHORTEST) texts.add(text);
    } else if (typeof item === "object" && item !== null) for (const inner of Object.values(item)) open.push(inner);
  }
  return [...texts].toSorted((one, other) => other.length - one.length).slice(0, MAX_TEXTS);
}

/** @param quotes - the text may also be a passage of what was sent */
export function maskEchoes(text: string, echoes: readonly string[], quotes: boolean): string {
  if (text.length < SHORTEST) return text;
  let masked = text;
  for (const echo of echoes) {
    if (quotes && echo.length > masked.length && echo.includes(masked)) return MASK;
    if (echo.length <= masked.length && masked.includes(echo)) masked = masked.replaceAll(echo, MASK);
  }
  return masked;
}
