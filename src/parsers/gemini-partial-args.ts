/**
 * Function-call arguments that Vertex AI streams piece by piece (`streamFunctionCallArguments`): each piece names a
 * place by JSON path and brings a value for it, or the next part of a text.
 */
import { readField } from "./gemini-content.ts";
import { cutText } from "./shared/content-budget.ts";
import { asArray, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";

/** Deeper than this no schema goes. */
const MAX_DEPTH = 64;
/** More places than this no call has. */
const MAX_PLACES = 10_000;

export interface PartialArguments {
  /** Takes the `partialArgs` of one chunk. */
  add(pieces: unknown): void;
  /** What has come so far. */
  build(): JsonObject;
}

interface Slot {
  /** Of a list or an object, by the place's name. */
  children: Map<string, Slot> | undefined;
  isList: boolean;
  value: unknown;
  /** The last piece said that more of this text follows. */
  open: boolean;
}

/**
 * @param initial - arguments that came whole with the first chunk
 * @param limit - characters of text that are kept
 */
export function createPartialArguments(initial: unknown, limit: number): PartialArguments {
  const root: Slot = { children: new Map(), isList: false, value: undefined, open: false };
  // One more than may be kept: what is cut here is then seen as too long, not as complete.
  let remaining = limit + 1;
  let places = 0;

  function openSlot(steps: readonly (string | number)[]): Slot | undefined {
    let slot = root;
    for (const step of steps) {
      slot.children ??= new Map();
      slot.isList = typeof step === "number";
      let child = slot.children.get(String(step));
      if (child === undefined) {
        if (++places > MAX_PLACES) return undefined;
        child = { children: undefined, isList: false, value: undefined, open: false };
        slot.children.set(String(step), child);
      }
      slot = child;
    }
    return slot;
  }

  function add(piece: JsonObject): void {
    const steps = parseJsonPath(readField(piece, "jsonPath"));
    if (steps === undefined) return;
    const slot = openSlot(steps);
    if (slot === undefined) return;
    const text = readField(piece, "stringValue");
    if (typeof text === "string") {
      const kept = cutText(text, remaining);
      remaining -= kept.length;
      slot.value = slot.open && typeof slot.value === "string" ? slot.value + kept : kept;
    } else {
      const value = readField(piece, "numberValue") ?? readField(piece, "boolValue");
      if (value !== undefined) slot.value = value;
      else if ("nullValue" in piece || "null_value" in piece) slot.value = null;
    }
    slot.open = readField(piece, "willContinue") === true;
  }

  return {
    add(pieces) {
      for (const piece of asArray(pieces)) if (isObject(piece)) add(piece);
    },
    build: () => ({ ...(isObject(initial) && initial), ...(buildSlot(root) as JsonObject) }),
  };
}

function buildSlot(slot: Slot): unknown {
  if (slot.children === undefined) return slot.value;
  if (!slot.isList) return Object.fromEntries([...slot.children].map(([key, child]) => [key, buildSlot(child)]));
  // In order, without gaps: an index from the wire must not decide how much memory a list takes.
  const places = [...slot.children].sort(([one], [other]) => Number(one) - Number(other));
  return places.map(([, child]) => buildSlot(child));
}

/**
 * The steps of a normalised JSON path: `$.a.b[0]['c d']`.
 *
 * @returns `undefined` for what is no such path
 * @see https://datatracker.ietf.org/doc/html/rfc9535
 */
function parseJsonPath(path: unknown): (string | number)[] | undefined {
  if (typeof path !== "string" || !path.startsWith("$") || path.length > 4096) return undefined;
  const steps: (string | number)[] = [];
  const step = /\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;
  step.lastIndex = 1;
  while (step.lastIndex < path.length) {
    const [, name, index, single, double] = step.exec(path) ?? [];
    if (index !== undefined) {
      steps.push(Number(index));
    } else {
      const key = name ?? (single ?? double)?.replace(/\\(.)/g, "$1");
      if (key === undefined) return undefined;
      steps.push(key);
    }
    if (steps.length > MAX_DEPTH) return undefined;
  }
  return steps.length === 0 ? undefined : steps;
}
