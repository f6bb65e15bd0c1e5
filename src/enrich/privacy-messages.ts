/** What passes of messages, their parts, choices and tool definitions. */
import type { BlobPart, Choice, Message, OtherPart, Part, ToolDefinition } from "../types.ts";
import { maskCredentials } from "./credentials.ts";
import type { Gate, Place } from "./gate.ts";
import { countBase64Bytes } from "../abridged-text.ts";
import { digestMedia } from "./media.ts";
import { isModelRole } from "./roles.ts";
import {
  applyRules,
  at,
  defineRules,
  keep,
  keepBoolean,
  keepEach,
  keepIdentifier,
  keepJson,
  keepNumber,
  keepText,
} from "./rules.ts";
import type { Rule, Rules, RuleTable } from "./rules.ts";

type PartType = Part["type"];
type PartOf<Type, Candidate = Part> = Candidate extends { type: infer Own }
  ? Type extends Own
    ? Candidate
    : never
  : never;

const partRules: { readonly [Type in PartType]: Rules<PartOf<Type>> } = {
  text: { type: keep, content: keepText },
  reasoning: { type: keep, content: keepText },
  refusal: { type: keep, content: keepText },
  tool_call: { type: keep, id: keepIdentifier, name: keepIdentifier, arguments: keepJson },
  tool_call_response: {
    type: keep,
    id: keepIdentifier,
    name: keepIdentifier,
    response: keepJson,
    isError: keepBoolean,
  },
  server_tool_call: { type: keep, id: keepIdentifier, name: keepIdentifier, arguments: keepJson },
  server_tool_call_response: { type: keep, id: keepIdentifier, name: keepIdentifier, response: keepJson },
  blob: {
    type: keep,
    modality: keep,
    mimeType: keepMimeType,
    bytes: keepNumber,
    sha256: keepDigest,
    content: (content, gate, place) => (gate.policy.captureMedia && gate.allows(place.side) ? content : undefined),
    transcript: keepText,
  },
  file: {
    type: keep,
    modality: keep,
    fileId: keepIdentifier,
    filename: keepText,
    mimeType: keepMimeType,
  },
  uri: { type: keep, modality: keep, uri: keepUri, mimeType: keepMimeType },
  other: { type: keep, kind: keepIdentifier, content: keepOther },
};

const partTables: ReadonlyMap<string, RuleTable<Part>> = new Map(
  Object.entries(partRules).map(([type, rules]) => [type, defineRules(rules as Rules<Part>)]),
);

/** Without this field a part of its type says nothing (or does not hold what its type promises). */
const essentialFields: { readonly [Type in PartType]?: string } = {
  text: "content",
  reasoning: "content",
  refusal: "content",
  tool_call: "name",
  server_tool_call: "name",
  other: "kind",
};

/** With content off these stay, without their content: that a tool was called, that media came. */
const partsWithoutContent: ReadonlySet<PartType> = new Set<PartType>([
  "tool_call",
  "server_tool_call",
  "server_tool_call_response",
  "blob",
  "file",
  "uri",
]);

/** Parts that only a model makes, whatever the role of their message. */
const modelParts: ReadonlySet<PartType> = new Set<PartType>([
  "tool_call",
  "server_tool_call",
  "server_tool_call_response",
  "reasoning",
  "refusal",
]);

export function keepParts(parts: Part[], gate: Gate, place: Place): Part[] {
  return keepEach(parts, (part) => keepPart(part, gate, place));
}

function keepPart(part: Part, gate: Gate, place: Place): Part | undefined {
  const rules = partTables.get(part.type);
  if (rules === undefined) return undefined;
  if (!gate.allows(place.side) && !partsWithoutContent.has(part.type)) return undefined;
  const source = part.type === "blob" ? describeBlob(part, gate, place) : withoutQuotes(part, gate);
  const kept = applyRules(source, rules, gate, place);
  const essential = essentialFields[part.type];
  return essential === undefined || essential in kept ? kept : undefined;
}

/** Where the input is off: of what a model cites stays that it did, and of the web where it was. */
function withoutQuotes(part: Exclude<Part, BlobPart>, gate: Gate): Part {
  if (part.type !== "other" || !/citation|annotation|grounding/i.test(part.kind) || gate.allows("input")) return part;
  const { type, url } = (part.content ?? {}) as { type?: unknown; url?: unknown };
  if (typeof url === "string") return part;
  return typeof type === "string" ? { ...part, content: { type } } : { type: part.type, kind: part.kind };
}

/** Size and digest from the base64, while it is still there. */
function describeBlob(part: BlobPart, gate: Gate, place: Place): BlobPart {
  if (part.content === undefined) return part;
  if (!gate.allows(place.side)) return { ...part, bytes: part.bytes ?? countBase64Bytes(part.content) };
  return { ...part, ...digestMedia(part.content, gate.policy.digest) };
}

/** A digest would tell whoever has the same file that it was sent. */
function keepDigest(sha256: string, gate: Gate, place: Place): string | undefined {
  return gate.allows(place.side) && /^[0-9a-f]{64}$/i.test(sha256) ? sha256 : undefined;
}

/** Formats by name: where content is off, any other word may be somebody's. */
const FORMAT =
  /^(?:image|audio|video|text|application)\/(?:png|jpe?g|gif|webp|avif|hei[cf]|bmp|tiff|svg\+xml|mp3|mpeg|mp4|m4a|x-m4a|wav|x-wav|wave|ogg|opus|aac|flac|x-flac|pcm16?|l16|webm|quicktime|g711_[au]law|mpga|pdf|plain|markdown|html|csv|xml|json|octet-stream|zip)$/i;

function keepMimeType(mimeType: string, gate: Gate, place: Place): string | undefined {
  const type = /^[\w.+-]{1,64}\/[\w.+-]{1,64}/.exec(mimeType)?.[0];
  // What was asked for names what came.
  const isAllowed = gate.allows(place.side) && gate.allows("either");
  return type === undefined || isAllowed || FORMAT.test(type) ? type : undefined;
}

function keepUri(uri: string, gate: Gate, place: Place): string {
  if (!gate.allows(place.side)) return "(content off)";
  return gate.text(maskCredentials(uri), place) ?? "(redaction failed)";
}

/** Parts that nobody knows may hold configuration: connectors with their tokens. */
function keepOther(content: OtherPart["content"], gate: Gate, place: Place): unknown {
  return gate.json(content, { ...place, credentials: true, quotes: true });
}

const messageRules = defineRules<Message>({ role: keepIdentifier, name: keepText, parts: keepParts });

/** The messages of a request. `undefined` with input off; with output off what the model said earlier is left out. */
export function keepMessages(messages: Message[], gate: Gate, place: Place): Message[] | undefined {
  if (!gate.allows("input")) return undefined;
  const areAllKept = gate.allows("output");
  const { count = 0, messages: passed = [] } = gate.passed ?? {};
  return keepEach(messages, (message, index) => {
    if (passed[index] === true && index < count) return message;
    const said = areAllKept ? message : withoutOutput(message);
    const kept = said && keepMessage(said, gate, place);
    if (index < count) passed[index] = kept === message;
    return kept;
  });
}

/** Where a message stands when those before it that may not be kept are gone. `undefined`: none is kept. */
export function moveIndex(index: number, messages: readonly Message[], gate: Gate): number | undefined {
  if (!gate.allows("input")) return undefined;
  if (gate.allows("output")) return index;
  return messages.slice(0, index).filter((message) => withoutOutput(message) !== undefined).length;
}

function withoutOutput(message: Message): Message | undefined {
  if (isModelRole(message.role)) return undefined;
  const parts = message.parts.filter((part) => !modelParts.has(part.type));
  return parts.length > 0 || message.parts.length === 0 ? { ...message, parts } : undefined;
}

function keepMessage(message: Message, gate: Gate, place: Place): Message {
  const kept: Partial<Message> = applyRules(message, messageRules, gate, place);
  const { role, parts } = kept;
  if (role !== undefined && parts !== undefined) return kept as Message;
  return { ...kept, role: role ?? "other", parts: parts ?? [] };
}

const choiceRules = defineRules<Choice>({
  index: keepNumber,
  message: (message, gate, place) => keepMessage(message, gate, place),
  finishReason: keep,
  rawFinishReason: keepIdentifier,
});

export function keepChoices(choices: Choice[], gate: Gate, place: Place): Choice[] {
  return keepEach(choices, (choice) => applyRules(choice, choiceRules, gate, place));
}

const toolRules = defineRules<ToolDefinition>({
  type: keepIdentifier,
  name: keepIdentifier,
  description: keepText,
  parameters: keepJson,
});

const toolPlace: Place = { where: "request.tools", side: "input", credentials: true };

export const keepTools: Rule<ToolDefinition[]> = at(toolPlace, (tools, gate, place) =>
  gate.allows("input") ? keepEach(tools, (tool) => applyRules(tool, toolRules, gate, place)) : undefined,
);
