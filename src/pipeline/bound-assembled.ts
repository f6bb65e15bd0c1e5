/** What of an exchange that was read in the worker thread may come back: bounded, without media, gated. */
import { listEchoes } from "../enrich/echoes.ts";
import { createGate, type Gate } from "../enrich/gate.ts";
import { keepParameterFacts } from "../enrich/facts.ts";
import type { Digest } from "../enrich/media.ts";
import { keepChoices, keepMessages, keepParts, keepTools, moveIndex } from "../enrich/privacy-messages.ts";
import type { ParsedRequest } from "../parsers/parser.ts";
import type { Message, Part } from "../types.ts";
import type { AssembledExchange } from "./assemble.ts";
import type { WorkerPolicy } from "./worker-messages.ts";

/** Characters of content in one message to the app's thread: to take it up costs it about a millisecond a megabyte. */
const MAX_CONTENT = 512 * 1024;

/** @returns the same, changed in place */
export function boundAssembled(assembled: AssembledExchange, policy: WorkerPolicy, digest: Digest): AssembledExchange {
  const { maxContentLength = Number.MAX_SAFE_INTEGER, ...sides } = policy;
  const { request, response } = assembled;
  const isInputOff = policy.excludeInput && !policy.excludeOutput && !policy.privacyMode;
  // What the app sent is still here.
  const echoes = isInputOff ? listEchoes(request) : [];
  const gate = createGate({ ...sides, maxContentLength, redactPii: false, digest }, undefined, echoes);
  response.choices = keepChoices(response.choices, gate, { where: "response.choices", side: "output" });
  const { print } = assembled;
  const newFrom = print && moveIndex(print.newFrom, request.messages ?? [], gate);
  if (print !== undefined && newFrom !== undefined) print.newFrom = newFrom;
  boundRequest(request, gate);
  const room = { characters: MAX_CONTENT };
  for (const choice of response.choices)
    assembled.responseTruncated = cut(choice.message.parts, room) || assembled.responseTruncated;
  const isRequestCut = cutRequest(request, room);
  assembled.isGated = true;
  if (gate.report.cut.output) assembled.responseTruncated = true;
  if (gate.report.cut.input || isRequestCut) assembled.requestTruncated = true;
  return assembled;
}

function boundRequest(request: ParsedRequest, gate: Gate): void {
  const { system, messages, tools } = request;
  delete request.system;
  delete request.messages;
  delete request.tools;
  if (!gate.allows("input")) {
    request.parameters = keepParameterFacts(request.parameters);
    return;
  }
  request.parameters = boundParameters(request.parameters, gate);
  if (system !== undefined) request.system = keepParts(system, gate, { where: "request.system", side: "input" });
  const kept = messages && keepMessages(messages, gate, { where: "request.messages", side: "input" });
  if (kept !== undefined) request.messages = kept;
  const keptTools = tools && keepTools(tools, gate, { where: "request.tools", side: "input" });
  if (keptTools !== undefined) request.tools = keptTools;
}

/** As the gate does later: each is a field of its own. */
function boundParameters(parameters: Record<string, unknown>, gate: Gate): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (name === "__proto__") continue;
    kept[name] =
      typeof value === "object" || typeof value === "string"
        ? gate.json(value, { where: "request.parameters", side: "input" })
        : value;
  }
  return kept;
}

interface Room {
  characters: number;
}

function cutRequest({ system, messages, tools }: ParsedRequest, room: Room): boolean {
  let isCut = system !== undefined && cut(system, room);
  // The newest messages say most.
  for (const message of [...(messages ?? [])].toReversed()) isCut = cutMessage(message, room) || isCut;
  for (const tool of tools ?? []) {
    if (!fits(tool.parameters, room)) {
      delete tool.parameters;
      isCut = true;
    }
  }
  return isCut;
}

function cutMessage(message: Message, room: Room): boolean {
  return cut(message.parts, room);
}

/** Content that finds no room is dropped; what kind of part it was stays. */
function cut(parts: Part[], room: Room): boolean {
  let isCut = false;
  for (const part of parts) {
    for (const field of CONTENT_FIELDS) {
      const holder = part as unknown as Record<string, unknown>;
      if (holder[field] === undefined || fits(holder[field], room)) continue;
      isCut = true;
      if (typeof holder[field] === "string" && field === "content" && part.type !== "blob") holder[field] = "";
      else delete holder[field];
    }
  }
  return isCut;
}

const CONTENT_FIELDS = ["content", "arguments", "response", "transcript"] as const;

function fits(value: unknown, room: Room): boolean {
  const size = measure(value, room.characters);
  if (size > room.characters) return false;
  room.characters -= size;
  return true;
}

/** Characters that a value takes, roughly; stops beyond `limit`. */
function measure(value: unknown, limit: number): number {
  let size = 0;
  const open: unknown[] = [value];
  while (open.length > 0 && size <= limit) {
    const item = open.pop();
    if (typeof item === "string") size += item.length;
    else if (typeof item !== "object" || item === null) size += 8;
    else {
      for (const key of Object.keys(item)) {
        size += key.length + 4;
        open.push((item as Record<string, unknown>)[key]);
      }
    }
  }
  return size;
}
