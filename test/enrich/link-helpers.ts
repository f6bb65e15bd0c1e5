/** Conversations as the linker sees them: calls with times, in the order in which they end. */
import { createLinker, type LinkHints, type Links } from "../../src/enrich/link.ts";
import { createKeyedHash } from "../../src/platform/node.ts";
import { sampleCall, type SampleCall } from "../../src/testing/sample-records.ts";
import type { LlmCall, Message, Part } from "../../src/types.ts";

export const hash: (text: string) => string = createKeyedHash(crypto.getRandomValues(new Uint8Array(32)));

let time = 1_000;

/** By default each call begins after the one before has ended. */
export function hints(given: Partial<LinkHints> = {}): LinkHints {
  const startTime = given.startTime ?? (time += 1_000);
  const endTime = given.endTime ?? startTime + 500;
  return {
    headers: {},
    readBody: () => undefined,
    privacy: { privacyMode: false, excludeInput: false, excludeOutput: false },
    startTime,
    endTime,
    answerTime: endTime,
    ...given,
  };
}

let serial = 0;

export interface TestLinker {
  /** Links a call with these messages and this answer. */
  ask(messages: Message[], answer: Part[] | Part[][], more?: { call?: SampleCall; hints?: Partial<LinkHints> }): Asked;
  noteTool: ReturnType<typeof createLinker>["noteTool"];
}

export interface Asked extends Links {
  call: LlmCall;
  hints: LinkHints;
  /** The messages with the answer behind them. */
  history: Message[];
}

export function createTestLinker(): TestLinker {
  const linker = createLinker({
    randomHex: (digits) => (serial += 1).toString(16).padStart(digits, "0"),
    hash,
  });
  return {
    noteTool: linker.noteTool,
    ask(messages, answer, more = {}) {
      const answers = (Array.isArray(answer[0]) ? answer : [answer]) as Part[][];
      const base = sampleCall();
      const call: LlmCall = {
        ...base,
        ...more.call,
        context: more.call?.context ?? {},
        request: { ...base.request, messages, ...more.call?.request },
        ...(base.response !== undefined && {
          response: {
            ...base.response,
            choices: answers.map((parts, index) => ({
              index,
              message: { role: "assistant", parts },
              finishReason: "stop",
            })),
            ...more.call?.response,
          },
        }),
      };
      delete call.request.attempt;
      const given = hints(more.hints);
      call.timing.startedAt = given.startTime;
      const links = linker.link(call, given);
      return {
        ...links,
        call,
        hints: given,
        history: [...messages, { role: "assistant", parts: answers[0] ?? [] }],
      };
    },
  };
}

export const text = (content: string): Part => ({ type: "text", content });
export const user = (content: string): Message => ({ role: "user", parts: [text(content)] });
export const assistant = (...parts: Part[]): Message => ({ role: "assistant", parts });
export const toolCall = (id: string | undefined, name: string, given: unknown = {}): Part => ({
  type: "tool_call",
  ...(id !== undefined && { id }),
  name,
  arguments: given,
});
export const toolResult = (id: string | undefined, response: unknown, name?: string): Message => ({
  role: "tool",
  parts: [
    {
      type: "tool_call_response",
      ...(id !== undefined && { id }),
      ...(name !== undefined && { name }),
      response,
    },
  ],
});
