/** The parts of a choice while they grow, and what becomes of them. */
import type { BlobPart, Part, TextPart, ToolCallPart } from "../../types.ts";
import { readArguments } from "./json.ts";
import { countBase64Bytes } from "../../abridged-text.ts";

export interface ToolCallState {
  part: "tool_call";
  type: "tool_call" | "server_tool_call";
  id: string | undefined;
  name: string | undefined;
  text: string;
  value: unknown;
  freeText: boolean;
  /** Arguments came and nothing of them was kept. */
  omitted: boolean;
  /** The last piece ended a JSON object. Kept apart because reading the end of a growing string would flatten it. */
  closed: boolean;
}

export interface TextState {
  part: "text";
  type: TextPart["type"];
  text: string;
}

export interface MediaState {
  part: "media";
  modality: BlobPart["modality"];
  mimeType: string | undefined;
  data: string;
  transcript: string;
}

export type PartState = TextState | ToolCallState | MediaState | { part: "whole"; whole: Part };

/** A piece of a tool call, read. */
export interface ReadDelta {
  id: string | undefined;
  name: string | undefined;
  text: string;
  value: unknown;
  indexed: boolean;
  begins?: boolean | undefined;
}

/**
 * Some servers repeat one index for every call, or leave it out, and send each call whole. A different id with a name is
 * a new call; so is, without an index, a different name. Where there is neither, an object that begins where the last
 * one ended is one too: inside one JSON value a comma would part them.
 */
export function startsNewCall(call: ToolCallState, { id, name, text, value, indexed, begins }: ReadDelta): boolean {
  if (name === undefined) return false;
  if (id !== undefined && call.id !== undefined) return id !== call.id;
  if (begins === true) return true;
  if (id !== undefined || call.name === undefined) return false;
  if (!indexed && name !== call.name) return true;
  return call.closed && (value !== undefined || text === "" || text.trimStart().startsWith("{"));
}

/** Of a part that is over the limit its facts stay. */
export function keepWhole(part: Part, fits: boolean): Part {
  if (fits) return part;
  const facts: Record<string, unknown> = { ...part };
  if (part.type === "blob" && part.content !== undefined) facts["bytes"] = part.bytes ?? countBase64Bytes(part.content);
  for (const key of ["arguments", "response", "transcript"]) delete facts[key];
  if ("content" in part) {
    if (part.type === "text" || part.type === "reasoning" || part.type === "refusal") facts["content"] = "";
    else delete facts["content"];
  }
  if (part.type === "uri") facts["uri"] = "";
  return facts as unknown as Part;
}

/** The part as it goes into the record. */
export function buildPart(part: PartState): Part {
  if (part.part === "whole") return part.whole;
  if (part.part === "text") return { type: part.type, content: part.text };
  if (part.part === "media") {
    const blob: BlobPart = { type: "blob", modality: part.modality };
    if (part.mimeType !== undefined) blob.mimeType = part.mimeType;
    if (part.data !== "") blob.content = part.data;
    if (part.transcript !== "") blob.transcript = part.transcript;
    return blob;
  }
  const call: ToolCallPart = { type: "tool_call", name: part.name ?? "" };
  if (part.id !== undefined) call.id = part.id;
  if (part.value !== undefined) call.arguments = part.value;
  else if (!part.omitted) call.arguments = part.freeText ? part.text : readArguments(part.text);
  return part.type === "tool_call" ? call : { ...call, type: part.type };
}
