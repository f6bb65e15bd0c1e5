/**
 * Answers that mean what Chat Completions means and are built otherwise, brought into its form: DashScope's own API
 * (`{output: {choices | text}}`), Oracle's (`{chatResponse: …}`, events of bare messages, camel case), Baidu's first
 * (`{result: "text", is_end}`).
 *
 * @see https://help.aliyun.com/zh/model-studio/qwen-api-reference
 * @see https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/latest/ChatResult/Chat
 */
import { asArray, asLabel, asObject, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";

/** Pieces of one answer whose text so far is remembered. */
const MAX_TOLD = 256;

/** Whether a value is of one of these forms. */
export function isNativeAnswer(value: JsonObject): boolean {
  if (value["choices"] !== undefined) return false;
  return (
    isObject(value["output"]) ||
    isObject(value["chatResponse"]) ||
    isObject(value["message"]) ||
    typeof value["result"] === "string" ||
    value["finishReason"] !== undefined ||
    value["apiFormat"] !== undefined
  );
}

/** Reads the values of one answer, in their order. */
export interface NativeReader {
  /** The same in the form of a Chat body or chunk. */
  read(value: JsonObject): JsonObject;
}

export function createNativeReader(): NativeReader {
  const told = new Map<string, string>();

  /**
   * What is new in a text. DashScope repeats all that was said before unless it is asked for increments; Oracle's last
   * event does.
   */
  function findNew(key: string, text: unknown): unknown {
    if (typeof text !== "string" || text === "") return text;
    const before = told.get(key) ?? "";
    const repeats = before !== "" && text.startsWith(before);
    if (told.size < MAX_TOLD || told.has(key)) told.set(key, repeats ? text : before + text);
    return repeats ? text.slice(before.length) : text;
  }

  function readMessage(message: JsonObject, key: string): JsonObject {
    const calls = asArray(message["tool_calls"] ?? message["toolCalls"]);
    return {
      role: asLabel(message["role"])?.toLowerCase(),
      content: readContent(message["content"], key),
      reasoning_content: findNew(`${key}:reasoning`, message["reasoning_content"] ?? message["reasoningContent"]),
      function_call: message["function_call"],
      tool_calls: calls.map((call, position) => (isObject(call) ? readToolCall(call, `${key}:${position}`) : call)),
    };
  }

  /** A text, or a list of parts with `{text}`, whose types Oracle writes in capitals. */
  function readContent(content: unknown, key: string): unknown {
    if (!Array.isArray(content)) return findNew(`${key}:content`, content);
    return content.map((part: unknown, position) => {
      if (!isObject(part)) return part;
      const type = asLabel(part["type"])?.toLowerCase();
      const text = findNew(`${key}:content:${position}`, part["text"]);
      return { ...part, ...(type !== undefined && { type }), ...(text !== undefined && { text }) };
    });
  }

  function readToolCall(call: JsonObject, key: string): JsonObject {
    const called = asObject(call["function"]) ?? call;
    const given = called["arguments"] ?? called["parameters"];
    return {
      index: call["index"],
      id: call["id"],
      function: { name: called["name"], arguments: findNew(`${key}:arguments`, given) },
    };
  }

  function readChoice(choice: JsonObject, position: number): JsonObject {
    const given = asObject(choice["message"]) ?? asObject(choice["delta"]);
    const message = given && readMessage(given, `${position}`);
    return {
      index: choice["index"],
      message,
      delta: message,
      finish_reason: choice["finish_reason"] ?? choice["finishReason"],
    };
  }

  return {
    read(value) {
      const answer = asObject(value["output"]) ?? asObject(value["chatResponse"]) ?? value;
      const list = answer["choices"];
      const choices = Array.isArray(list)
        ? list.filter(isObject).map(readChoice)
        : [readChoice(isObject(answer["message"]) ? answer : { ...answer, message: readBareText(answer) }, 0)];
      return {
        id: value["request_id"] ?? value["id"],
        model: value["model"] ?? value["modelId"],
        usage: answer["usage"] ?? value["usage"],
        choices,
      };
    },
  };
}

/** An answer that is one text: DashScope's older form, what Oracle's Cohere models say, Baidu. */
function readBareText(answer: JsonObject): JsonObject {
  return {
    content: answer["text"] ?? answer["result"],
    reasoning_content: answer["reasoning_content"],
    toolCalls: answer["toolCalls"],
    function_call: answer["function_call"],
  };
}
