/**
 * The older Completions API: a prompt in, text out; one JSON object or SSE chunks that end with `[DONE]`. llama.cpp's
 * own `/completion` is the same in other words.
 */
import type { Message } from "../types.ts";
import type {
  Frame,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
  TextEvent,
} from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { foldChatMessage } from "./openai-chat-choice.ts";
import { createChoiceFold } from "./shared/choices.ts";
import type { ChoiceFold } from "./shared/choices.ts";
import { finishChoices } from "./shared/finish-choices.ts";
import { asArray, asIndex, asObject, asString, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { openRequest, readInputs } from "./shared/open-request.ts";
import { findOptIn, readOpenAiUsage } from "./shared/openai-usage.ts";
import { createResponseFold, foldHead, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";
import { listIgnored, listNested, listSaying } from "./shared/text-event.ts";

interface CompletionsState {
  response: ResponseFold;
  choices: ChoiceFold;
  /** Writer's chunks have neither a finish reason nor an end mark: the end of the wire is theirs. */
  endsWithWire: boolean;
}

const contentFields: ReadonlySet<string> = new Set(["prompt", "suffix"]);

export const openaiCompletionsParser: Parser<CompletionsState> = {
  api: "openai-completions",

  readRequest(input: RequestInput): ParsedRequest {
    const { request, fields } = openRequest(input, contentFields);
    const message: Message = { role: "user", parts: readInputs(fields["prompt"]) };
    const suffix = asString(fields["suffix"]);
    if (suffix !== undefined) message.parts.push({ type: "other", kind: "suffix", content: suffix });
    if (message.parts.length > 0) request.messages = [message];
    return request;
  },

  start: (input: ResponseInput): CompletionsState => ({
    response: createResponseFold(input),
    choices: createChoiceFold({ contentLimit: input.contentLimit }),
    endsWithWire: false,
  }),

  chunk(state: CompletionsState, frame: Frame): number {
    const { response, choices } = state;
    const opened = openFrame(response, frame);
    if (typeof opened === "number") return opened;
    const value = typeof opened["content"] === "string" ? readLlamaCpp(opened) : opened;
    foldHead(response, value);
    foldUsage(response, value["usage"]);
    let bits = FRAME_NOTHING;
    for (const [position, item] of asArray(value["choices"]).entries()) {
      const choice = asObject(item);
      if (choice !== undefined && foldCompletion(choices, choice, position)) bits |= FRAME_OUTPUT;
    }
    // Writer streams `{value: "…"}`.
    if (frame.kind === "event" && choices.addText(0, "text", value["value"])) {
      state.endsWithWire = true;
      bits |= FRAME_OUTPUT;
    }
    return response.ended || choices.isFinished() ? bits | FRAME_TERMINAL : bits;
  },

  findText({ response, choices }: CompletionsState, value: unknown): TextEvent | undefined {
    const event = asObject(value) ?? {};
    const [choice, ...others] = asArray(event["choices"]);
    if (others.length > 0 || !isObject(choice) || listNested(event).length > 1) return undefined;
    const { text, delta } = choice;
    const isOnly = listSaying(choice).every((name) => name === "text" || name === "delta");
    const isOther = event["value"] !== undefined || event["content"] !== undefined || response.error !== undefined;
    if (typeof text !== "string" || !isOnly || isOther) return undefined;
    // Together says it twice.
    const { content, token_id } = asObject(delta) ?? {};
    const index = asIndex(choice["index"]) ?? 0;
    return {
      key: "text",
      text,
      ignored: listIgnored(event, { content, token_id }),
      add(added) {
        foldHead(response, event);
        choices.addText(index, "text", added);
      },
    };
  },

  finish({ response, choices, endsWithWire }: CompletionsState, end: ResponseEnd): ParsedResponse {
    if (endsWithWire && !end.interrupted) response.ended = true;
    const { request, route } = response.input;
    return finishChoices(response, choices, end, readOpenAiUsage(response.usage), { optIn: findOptIn(request, route) });
  },
};

/** `{content, stop, stop_type: "none" | "eos" | "word" | "limit", tokens_evaluated, tokens_predicted}` */
function readLlamaCpp(value: JsonObject): JsonObject {
  const isOver = value["stop"] === true;
  const reason = value["stop_type"] ?? (value["stopped_limit"] === true ? "limit" : "eos");
  const counts = { prompt_tokens: value["tokens_evaluated"], completion_tokens: value["tokens_predicted"] };
  return {
    model: value["model"],
    choices: [{ index: value["index"], text: value["content"], finish_reason: isOver ? reason : undefined }],
    usage: isOver ? counts : undefined,
  };
}

/** Some hosts answer in the form of Chat, or (Together) in both forms at once. */
function foldCompletion(choices: ChoiceFold, choice: JsonObject, position: number): boolean {
  const index = asIndex(choice["index"]) ?? position;
  let output = choices.addText(index, "text", choice["text"]);
  const whole = asObject(choice["message"]);
  const message = whole ?? asObject(choice["delta"]);
  if (typeof choice["text"] !== "string" && message !== undefined) {
    output = foldChatMessage(choices, index, message, whole !== undefined);
  }
  choices.setFinishReason(index, choice["finish_reason"]);
  return output;
}
