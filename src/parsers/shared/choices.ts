/**
 * The fold that every chat-like parser uses: texts, tool calls and media arrive in pieces, for one of several choices,
 * and become `Choice[]`. Linear in its input and bounded: in content by the budget, in parts and choices by number.
 */
import type { BlobPart, Choice, Part, TextPart } from "../../types.ts";
import { type ContentBudget, createContentBudget } from "./content-budget.ts";
import { mapFinishReason } from "./finish-reason.ts";
import { buildPart, keepWhole, startsNewCall } from "./choice-parts.ts";
import type { MediaState, PartState, TextState, ToolCallState } from "./choice-parts.ts";
import { asIndex, asLabel } from "./json.ts";

/** OpenAI allows `n` = 128 and completions a batch of prompts; more than this is no answer. */
const MAX_CHOICES = 256;
/** Parts of all choices together. */
const MAX_PARTS = 4096;

/** A piece of a tool call, or a whole one. */
export interface ToolCallDelta {
  /** The provider's number or key for this call within its choice; may be missing or repeated. */
  index?: unknown;
  id?: unknown;
  name?: unknown;
  /** A piece of the JSON text, or the whole as a value. */
  arguments?: unknown;
  /** Default `tool_call`; `server_tool_call` for a tool that the provider runs. */
  type?: "tool_call" | "server_tool_call";
  /** Arguments are free text (custom tools), not JSON. */
  freeText?: boolean;
  /** The first piece of a call, where the API marks it: what came before under this index is another call. */
  begins?: boolean;
}

export interface MediaDelta {
  modality: BlobPart["modality"];
  mimeType?: string | undefined;
  /** A piece of base64. */
  data?: unknown;
  transcript?: unknown;
}

export interface ChoiceFold {
  /** The first role that a choice names is its role; `assistant` when none does. */
  setRole(choice: unknown, role: unknown): void;
  /** Appends to the last part when that is of the same type, else opens a part. Returns whether there was text. */
  addText(choice: unknown, type: TextPart["type"], text: unknown): boolean;
  /** The next text opens a new part even when it is of the same type. */
  breakText(choice: unknown): void;
  /** Folds a piece of a tool call or a whole call. Returns whether it carried anything. */
  addToolCall(choice: unknown, delta: ToolCallDelta): boolean;
  /** Appends media pieces to the part with this key. Returns whether there was data or a transcript. */
  addMedia(choice: unknown, key: string, delta: MediaDelta): boolean;
  /** A part that is complete as it is. */
  addPart(choice: unknown, part: Part): void;
  /** The provider's finish reason; the last one that is not empty wins. */
  setFinishReason(choice: unknown, raw: unknown): void;
  /** Whether any choice has a finish reason. */
  isFinished(): boolean;
  /** Whether a choice (default: any) has a part, also one whose content was over the limit. */
  hasOutput(choice?: unknown): boolean;
  /** Content was left out. */
  isTruncated(): boolean;
  /** `too_many_choices`, `too_many_parts`. */
  notes(): string[];
  /** In order of index. */
  build(): Choice[];
}

interface ChoiceState {
  index: number;
  role: string | undefined;
  finishReason: string | undefined;
  parts: PartState[];
  openText: TextState | undefined;
  /** Made when they are needed: most answers are text. */
  toolsByIndex: Map<unknown, ToolCallState> | undefined;
  toolsById: Map<string, ToolCallState> | undefined;
  lastTool: ToolCallState | undefined;
  media: Map<string, MediaState> | undefined;
}

/** @param options.contentLimit - characters of content that all choices together may keep */
export function createChoiceFold({ contentLimit }: { contentLimit: number }): ChoiceFold {
  return new Choices(createContentBudget(contentLimit));
}

/** A class: every answer has one, and a dozen closures would be made anew for each. */
class Choices implements ChoiceFold {
  readonly #budget: ContentBudget;
  /** Nearly always there is one, and its pieces come one after the other. */
  #latest: ChoiceState | undefined;
  /** Made when there is another. */
  #choices: Map<number, ChoiceState> | undefined;
  #parts = 0;
  #tooManyChoices = false;
  #tooManyParts = false;
  #finished = false;

  constructor(budget: ContentBudget) {
    this.#budget = budget;
  }

  #find(index: unknown): ChoiceState | undefined {
    // A choice whose index is missing or no index is the first one.
    const key = asIndex(index) ?? 0;
    return this.#latest?.index === key ? this.#latest : this.#choices?.get(key);
  }

  #open(index: unknown): ChoiceState | undefined {
    const existing = this.#find(index);
    if (existing !== undefined) return (this.#latest = existing);
    if ((this.#choices?.size ?? 0) >= MAX_CHOICES) {
      this.#tooManyChoices = true;
      return undefined;
    }
    const choice: ChoiceState = {
      index: asIndex(index) ?? 0,
      role: undefined,
      finishReason: undefined,
      parts: [],
      openText: undefined,
      toolsByIndex: undefined,
      toolsById: undefined,
      lastTool: undefined,
      media: undefined,
    };
    const before = this.#latest;
    if (before !== undefined) {
      this.#choices ??= new Map([[before.index, before]]);
      this.#choices.set(choice.index, choice);
    }
    this.#latest = choice;
    return choice;
  }

  #push(choice: ChoiceState, part: PartState): boolean {
    if (this.#parts >= MAX_PARTS) {
      this.#tooManyParts = true;
      return false;
    }
    this.#parts++;
    // Room for the one part that most answers have; `push` on an empty list makes room for 17.
    if (choice.parts.length === 0) choice.parts = [part];
    else choice.parts.push(part);
    choice.openText = part.part === "text" ? part : undefined;
    return true;
  }

  setRole(index: unknown, role: unknown): void {
    const choice = this.#open(index);
    if (choice !== undefined) choice.role ??= asLabel(role);
  }

  addText(index: unknown, type: TextPart["type"], text: unknown): boolean {
    if (typeof text !== "string" || text === "") return false;
    const choice = this.#open(index);
    if (choice === undefined) return true;
    let part = choice.openText;
    if (part?.type !== type) {
      part = { part: "text", type, text: "" };
      if (!this.#push(choice, part)) return true;
    }
    part.text += this.#budget.takeText(text);
    return true;
  }

  breakText(index: unknown): void {
    const choice = this.#find(index);
    if (choice !== undefined) choice.openText = undefined;
  }

  addToolCall(index: unknown, delta: ToolCallDelta): boolean {
    const id = asLabel(delta.id);
    const name = asLabel(delta.name);
    const given = delta.arguments;
    const text = typeof given === "string" ? given : "";
    const value = typeof given === "string" || given === null ? undefined : given;
    if (id === undefined && name === undefined && text === "" && value === undefined) return false;
    const choice = this.#open(index);
    if (choice === undefined) return true;

    const key = asIndex(delta.index) ?? delta.index ?? undefined;
    let call: ToolCallState | undefined;
    if (key !== undefined) call = choice.toolsByIndex?.get(key);
    else call = id === undefined ? choice.lastTool : choice.toolsById?.get(id);
    if (
      call === undefined ||
      startsNewCall(call, { id, name, text, value, indexed: key !== undefined, begins: delta.begins })
    ) {
      call = {
        part: "tool_call",
        type: delta.type ?? "tool_call",
        id: undefined,
        name: undefined,
        text: "",
        value: undefined,
        freeText: delta.freeText === true,
        omitted: false,
        closed: false,
      };
      if (!this.#push(choice, call)) return true;
      if (key !== undefined) (choice.toolsByIndex ??= new Map()).set(key, call);
    }
    choice.lastTool = call;
    if (id !== undefined && call.id === undefined) {
      call.id = id;
      (choice.toolsById ??= new Map()).set(id, call);
    }
    if (name !== undefined) call.name = name;
    if (value !== undefined) {
      call.value = this.#budget.takeJson(value);
      call.omitted = call.value === undefined;
      call.closed = true;
    } else if (text !== "") {
      const kept = this.#budget.takeText(text);
      if (kept === "" && call.text === "") call.omitted = true;
      call.text += kept;
      const said = text.trimEnd();
      if (said !== "") call.closed = said.endsWith("}");
    }
    return true;
  }

  addMedia(index: unknown, key: string, delta: MediaDelta): boolean {
    const data = typeof delta.data === "string" ? delta.data : "";
    const transcript = typeof delta.transcript === "string" ? delta.transcript : "";
    if (data === "" && transcript === "") return false;
    const choice = this.#open(index);
    if (choice === undefined) return true;
    let part = choice.media?.get(key);
    if (part === undefined) {
      part = { part: "media", modality: delta.modality, mimeType: delta.mimeType, data: "", transcript: "" };
      if (!this.#push(choice, part)) return true;
      (choice.media ??= new Map()).set(key, part);
    }
    part.transcript += this.#budget.takeText(transcript);
    part.data += this.#budget.takeText(data);
    return true;
  }

  addPart(index: unknown, part: Part): void {
    const choice = this.#open(index);
    if (choice === undefined) return;
    const kept = keepWhole(part, this.#budget.takeJson(part) !== undefined);
    this.#push(choice, { part: "whole", whole: kept });
  }

  setFinishReason(index: unknown, raw: unknown): void {
    const reason = asLabel(raw);
    // DashScope's own API says "null" until there is one.
    if (reason === undefined || reason === "null") return;
    this.#finished = true;
    const choice = this.#open(index);
    if (choice !== undefined) choice.finishReason = reason;
  }

  isFinished(): boolean {
    return this.#finished;
  }

  hasOutput(index?: unknown): boolean {
    return index === undefined ? this.#parts > 0 : (this.#find(index)?.parts.length ?? 0) > 0;
  }

  isTruncated(): boolean {
    return this.#budget.truncated || this.#tooManyParts;
  }

  notes(): string[] {
    const notes: string[] = [];
    if (this.#tooManyChoices) notes.push("too_many_choices");
    if (this.#tooManyParts) notes.push("too_many_parts");
    return notes;
  }

  build(): Choice[] {
    if (this.#choices !== undefined) {
      return [...this.#choices.values()].sort((a, b) => a.index - b.index).map(buildChoice);
    }
    return this.#latest === undefined ? [] : [buildChoice(this.#latest)];
  }
}

function buildChoice(choice: ChoiceState): Choice {
  const parts = choice.parts.map(buildPart);
  const hasToolCalls = parts.some((part) => part.type === "tool_call");
  const built: Choice = { index: choice.index, message: { role: choice.role ?? "assistant", parts } };
  const finishReason = mapFinishReason(choice.finishReason, hasToolCalls);
  if (finishReason !== undefined) built.finishReason = finishReason;
  if (choice.finishReason !== undefined) built.rawFinishReason = choice.finishReason;
  return built;
}
