/** Chunks of Chat Completions that only add a text: to the answer, to the reasoning, or to the arguments of a tool call. */
import { asArray, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { listSaying } from "./shared/text-event.ts";

export interface DeltaText {
  key: string;
  text: string;
  /** What differs besides and says nothing. */
  ignored: JsonObject;
  /** A delta with another text. */
  put(text: string): JsonObject;
}

const textNames: ReadonlySet<string> = new Set(["content", "reasoning_content", "reasoning"]);
/** Strings that are none of the texts. Groq names a channel. */
const quietNames: ReadonlySet<string> = new Set(["role", "channel", "type"]);
/**
 * What has no part in what is read of a choice with a delta: what Azure's filter thinks of it, and the text that Together
 * writes twice.
 */
const ignoredNames: ReadonlySet<string> = new Set(["content_filter_results", "text"]);

/** @returns `undefined`: the choice may say more than one text, a finish reason for example */
export function findDeltaText(choice: JsonObject): DeltaText | undefined {
  const { delta } = choice;
  const saying = listSaying(choice).filter((name) => !ignoredNames.has(name));
  if (!isObject(delta) || saying.length > 1) return undefined;
  const name = findOnly(delta);
  const value = name === undefined ? undefined : delta[name];
  if (name === undefined || value === undefined) return undefined;
  const ignored = { text: choice["text"], token_id: delta["token_id"] };
  if (name === "tool_calls") return findArguments(delta, asArray(value), ignored);
  if (typeof value !== "string" || !textNames.has(name)) return undefined;
  return { key: name, text: value, ignored, put: (text) => ({ ...delta, [name]: text }) };
}

function findOnly(object: JsonObject): string | undefined {
  const [name, ...others] = listSaying(object).filter((each) => !quietNames.has(each));
  return others.length === 0 ? name : undefined;
}

/** A call that was named before goes on. */
function findArguments(delta: JsonObject, calls: readonly unknown[], ignored: JsonObject): DeltaText | undefined {
  const call = asObject(calls[0]) ?? {};
  const called = asObject(call["function"]) ?? {};
  const text = called["arguments"];
  const isOnly = calls.length === 1 && findOnly(call) === "function" && findOnly(called) === "arguments";
  if (!isOnly || typeof text !== "string" || Array.isArray(call["index"])) return undefined;
  return {
    key: "arguments",
    text,
    ignored,
    put: (added) => ({ ...delta, tool_calls: [{ ...call, function: { ...called, arguments: added } }] }),
  };
}
