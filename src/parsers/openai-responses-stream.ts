/**
 * The output items of a Responses stream, kept for the case that the event that repeats them all never comes or comes
 * without them: finished items as they are, open ones from their deltas. Keyed by `output_index`, because some proxies
 * change `item_id` from event to event.
 */
import { createContentBudget, measureJson } from "./shared/content-budget.ts";
import { asIndex, asLabel, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";

const MAX_ITEMS = 4096;
const MAX_PIECES = 8192;

type PieceKind =
  | "output_text"
  | "refusal"
  | "reasoning_text"
  | "summary_text"
  | "arguments"
  | "input"
  | "code"
  | "data"
  | "transcript";

interface PieceEvent {
  /** Which field of the item the text grows. */
  kind: PieceKind;
  /** Type of the item, for streams that never announced it. */
  itemType: string;
  /** Where the whole text is in the closing event. */
  done: string;
}

const pieceEvents: ReadonlyMap<string, PieceEvent> = new Map(
  (
    [
      ["output_text", "output_text", "message", "text"],
      ["refusal", "refusal", "message", "refusal"],
      ["audio", "data", "message", "data"],
      ["audio.transcript", "transcript", "message", "transcript"],
      ["reasoning_text", "reasoning_text", "reasoning", "text"],
      ["reasoning_summary_text", "summary_text", "reasoning", "text"],
      ["function_call_arguments", "arguments", "function_call", "arguments"],
      ["custom_tool_call_input", "input", "custom_tool_call", "input"],
      ["mcp_call_arguments", "arguments", "mcp_call", "arguments"],
      ["code_interpreter_call_code", "code", "code_interpreter_call", "code"],
    ] as const
  ).flatMap(([name, kind, itemType, done]): [string, PieceEvent][] => [
    [`response.${name}.delta`, { kind, itemType, done }],
    [`response.${name}.done`, { kind, itemType, done }],
  ]),
);

/** Facts of an item that stay when its content is over the limit. */
const itemFacts = ["type", "id", "call_id", "name", "role", "status", "execution", "environment"] as const;

interface Piece {
  kind: PieceKind;
  index: number;
  text: string;
}

interface ItemState {
  item: JsonObject;
  done: boolean;
  pieces: Map<string, Piece>;
}

export interface OutputItems {
  /**
   * Folds an event of `response.output_item.*` or of a piece.
   *
   * @returns whether it carried output of the model
   */
  fold(type: string, event: JsonObject): boolean;
  /** What is known so far, in order of `output_index`. */
  items(): JsonObject[];
  isTruncated(): boolean;
  /** Nothing of it is needed any more. */
  clear(): void;
}

/** @param contentLimit - characters that open items may keep, and again that finished ones may keep */
export function createOutputItems(contentLimit: number): OutputItems {
  const deltas = createContentBudget(contentLimit);
  const finished = createContentBudget(contentLimit);
  const states = new Map<number, ItemState>();
  const indexById = new Map<string, number>();
  let pieces = 0;
  let last = 0;

  function open(event: JsonObject, item: JsonObject): ItemState | undefined {
    const id = asLabel(event["item_id"]) ?? asLabel(item["id"]);
    const index = asIndex(event["output_index"]) ?? (id === undefined ? last : (indexById.get(id) ?? states.size));
    let state = states.get(index);
    if (state === undefined) {
      if (states.size >= MAX_ITEMS) return undefined;
      state = { item, done: false, pieces: new Map() };
      states.set(index, state);
      if (id !== undefined) indexById.set(id, index);
    }
    last = index;
    return state;
  }

  function foldItem(event: JsonObject, done: boolean): boolean {
    const item = asObject(event["item"]);
    if (item === undefined) return false;
    const state = open(event, item);
    if (state === undefined || (state.done && !done)) return false;
    const hadOutput = state.pieces.size > 0;
    state.item = keepItem(finished.takeJson(item) === undefined, item);
    state.done = done;
    if (done) state.pieces.clear();
    // A call's name is output; an empty message or a reasoning item that has just been opened is none.
    return isCall(item) || (done && !hadOutput && hasContent(item));
  }

  function foldPiece(spec: PieceEvent, event: JsonObject, isDelta: boolean): boolean {
    const text = event[isDelta ? "delta" : spec.done];
    if (typeof text !== "string" || text === "") return false;
    const state = open(event, { type: spec.itemType });
    if (state === undefined || state.done) return isDelta;
    const index = asIndex(event["content_index"] ?? event["summary_index"]) ?? 0;
    const key = `${spec.kind}:${index}`;
    let piece = state.pieces.get(key);
    if (piece !== undefined && !isDelta) return false;
    if (piece === undefined) {
      if (pieces >= MAX_PIECES) return true;
      pieces++;
      piece = { kind: spec.kind, index, text: "" };
      state.pieces.set(key, piece);
    }
    piece.text += deltas.takeText(text);
    return true;
  }

  return {
    fold(type, event) {
      const spec = pieceEvents.get(type);
      if (spec !== undefined) return foldPiece(spec, event, type.endsWith(".delta"));
      if (type === "response.output_item.added") return foldItem(event, false);
      if (type === "response.output_item.done") return foldItem(event, true);
      return type === "response.image_generation_call.partial_image";
    },
    items: () => [...states].sort(([a], [b]) => a - b).map(([, state]) => assemble(state)),
    isTruncated: () => deltas.truncated || finished.truncated,
    clear() {
      states.clear();
      indexById.clear();
    },
  };
}

function keepItem(over: boolean, item: JsonObject): JsonObject {
  if (!over) return item;
  const facts: JsonObject = {};
  for (const key of itemFacts) {
    const value = item[key];
    if (value !== undefined && measureJson(value, 4096) !== undefined) facts[key] = value;
  }
  return facts;
}

function isCall(item: JsonObject): boolean {
  return typeof item["type"] === "string" && item["type"].endsWith("_call");
}

function hasContent(item: JsonObject): boolean {
  return [item["content"], item["summary"]].some((list) => Array.isArray(list) && list.some(isObject));
}

/** An item from its deltas, in the form that it would have had. */
function assemble(state: ItemState): JsonObject {
  if (state.done || state.pieces.size === 0) return state.item;
  const item: JsonObject = { ...state.item };
  const content: JsonObject[] = [];
  const summary: JsonObject[] = [];
  const audio: JsonObject = { type: "audio" };
  for (const piece of [...state.pieces.values()].sort((a, b) => a.index - b.index)) {
    const { kind, text } = piece;
    if (kind === "summary_text") summary.push({ type: kind, text });
    else if (kind === "refusal") content.push({ type: kind, refusal: text });
    else if (kind === "output_text" || kind === "reasoning_text") content.push({ type: kind, text });
    else if (kind === "data" || kind === "transcript") audio[kind] = text;
    else item[kind] = text;
  }
  if (audio["data"] !== undefined || audio["transcript"] !== undefined) content.push(audio);
  if (content.length > 0) item["content"] = content;
  if (summary.length > 0) item["summary"] = summary;
  return item;
}
