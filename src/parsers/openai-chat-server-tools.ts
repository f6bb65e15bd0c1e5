/** Groq's compound models run tools themselves and tell so in `executed_tools`. */
import type { ServerToolCallResponsePart } from "../types.ts";
import type { ChoiceFold } from "./shared/choices.ts";
import { asArray, asIndex, asLabel, asObject } from "./shared/json.ts";

/** More than this in one answer is no answer. */
const MAX_TOOLS = 256;

export interface ServerToolLog {
  /**
   * Folds an `executed_tools` array; a stream sends each tool once with its arguments and again with its output.
   *
   * @returns whether a tool was new
   */
  add(choice: unknown, tools: unknown): boolean;
  /** How often each tool ran; `undefined` when none did. */
  uses(): Record<string, number> | undefined;
}

export function createServerToolLog(choices: ChoiceFold): ServerToolLog {
  const seen = new Map<string, { name: string; answered: boolean }>();
  return {
    add(choice, tools) {
      const choiceIndex = asIndex(choice) ?? 0;
      let added = false;
      for (const [position, item] of asArray(tools).entries()) {
        const tool = asObject(item);
        const name = asLabel(tool?.["type"]);
        if (tool === undefined || name === undefined) continue;
        const key = `${choiceIndex}:${asIndex(tool["index"]) ?? position}`;
        let entry = seen.get(key);
        if (entry === undefined) {
          if (seen.size >= MAX_TOOLS) return added;
          added = true;
          entry = { name, answered: false };
          seen.set(key, entry);
          const call = {
            index: `executed:${key}`,
            name,
            arguments: tool["arguments"],
            type: "server_tool_call",
          } as const;
          choices.addToolCall(choiceIndex, call);
        }
        const output = tool["output"];
        if (output === undefined || output === null || entry.answered) continue;
        entry.answered = true;
        const response: ServerToolCallResponsePart = { type: "server_tool_call_response", name, response: output };
        choices.addPart(choiceIndex, response);
      }
      return added;
    },
    uses() {
      if (seen.size === 0) return undefined;
      const counts = new Map<string, number>();
      for (const { name } of seen.values()) if (name !== "__proto__") counts.set(name, (counts.get(name) ?? 0) + 1);
      return Object.fromEntries(counts);
    },
  };
}
