/** What of a turn or a message counts when conversations are compared, as text that is hashed and not kept. */
import { hashText, LEAST_ABRIDGED } from "../abridged-text.ts";
import type { Message, Part, ToolCallPart } from "../types.ts";
import type { Hash, ToolCallPrint } from "./history.ts";
import { isUniqueId } from "./unique-id.ts";

export interface TurnText {
  /** Empty: nothing that comes back unchanged. */
  text: string;
  toolCalls: readonly ToolCallPrint[];
  /** Its tool calls whose ids nobody else has, as one text. */
  unique: string;
  /** The same, each. */
  uniqueCalls: readonly string[];
  /** Items that stand for the turn, or for parts of it. */
  itemIds: readonly string[];
}

/** Most turns call no tool: they share this. */
const NONE: readonly never[] = Object.freeze([]);

export function describeTurn(parts: readonly Part[], itemIds: readonly string[], hash: Hash): TurnText {
  let said = "";
  let ran = "";
  let calls = "";
  let unique = "";
  let toolCalls: ToolCallPrint[] | undefined;
  let uniqueCalls: string[] | undefined;
  for (const part of parts) {
    if (part.type === "text" || part.type === "refusal") said += shortenSaid(part.content, hash);
    else if (part.type === "server_tool_call") ran += ` ran ${part.id ?? ""} ${part.name}`;
    else if (part.type === "tool_call") {
      const { id, name } = part;
      (toolCalls ??= []).push(printCall(part));
      // An id that nobody else has stands for the arguments, which the app may have completed.
      if (id !== undefined && isUniqueId(id, name)) {
        const call = ` ${id} ${name}`;
        (uniqueCalls ??= []).push(call);
        unique += call;
        calls += ` call${call}`;
      } else calls += ` call ${id ?? ""} ${name} ${describeArguments(part.arguments)}`;
    }
  }
  let text = said.trim() + calls;
  for (const id of itemIds) text += ` item ${id}`;
  // Many SDKs leave out what the provider's own tools did; where there is nothing else, it was sent back.
  if (text === "") text = ran;
  return { text, toolCalls: toolCalls ?? NONE, unique, uniqueCalls: uniqueCalls ?? NONE, itemIds };
}

function printCall({ id, name }: ToolCallPart): ToolCallPrint {
  return id === undefined ? { name } : { id, name };
}

function describeArguments(given: unknown): string {
  if (given === undefined || given === null || given === "") return "{}";
  return typeof given === "string" ? given.replaceAll(/\s+/g, "") : toSortedJson(given, 0);
}

const MAX_DEPTH = 64;

/** JSON whose keys are in order: SDKs parse arguments and write them anew. */
function toSortedJson(value: unknown, depth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (depth > MAX_DEPTH) return '"deep"';
  if (Array.isArray(value)) return `[${value.map((item) => toSortedJson(item, depth + 1)).join(",")}]`;
  const fields = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${toSortedJson((value as Record<string, unknown>)[key], depth + 1)}`);
  return `{${fields.join(",")}}`;
}

export function describeMessage({ role, name, parts }: Message, hash: Hash): string {
  return ` ${role} ${name ?? ""} ${describeParts(parts, hash)}`;
}

export function describeParts(parts: readonly Part[], hash: Hash): string {
  let text = "";
  for (const part of parts) {
    const described = describePart(part, hash);
    // With its length in front, no text can look like the beginning of another part.
    text += ` ${part.type} ${described.length} ${described}`;
  }
  return text;
}

function describePart(part: Part, hash: Hash): string {
  switch (part.type) {
    case "text":
    case "reasoning":
    case "refusal":
      return shorten(part.content, hash);
    case "tool_call_response":
    case "server_tool_call_response":
      return `${part.id ?? part.name ?? ""} ${shorten(toText(part.response), hash)}`;
    case "blob":
      return part.content === undefined
        ? `${part.modality} ${part.sha256 ?? part.bytes ?? ""}`
        : hashText(part.content, hash);
    default:
      return toText(part);
  }
}

/** To join long texts only to hash them would copy each. */
const LONG = 8 * 1024;

function shorten(text: string, hash: Hash): string {
  return text.length < LONG ? text : hashText(text, hash);
}

/** What is not there any more is known by its hash; so is all that could have been left out. */
function shortenSaid(text: string, hash: Hash): string {
  return text.length < LEAST_ABRIDGED ? text : hashText(text, hash);
}

function toText(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}
