/** Which parser reads which API. Adding an API is one parser file, one fixture folder, one row here. */
import type { Api } from "../types.ts";
import type { Parser } from "./parser.ts";
import { anthropicCompleteParser } from "./anthropic-complete.ts";
import { anthropicMessagesParser } from "./anthropic-messages.ts";
import { openaiChatParser } from "./openai-chat.ts";
import { openaiResponsesParser } from "./openai-responses.ts";

const PARSERS: Readonly<Partial<Record<Api, Parser>>> = {
  "openai-chat": openaiChatParser,
  "openai-responses": openaiResponsesParser,
  "anthropic-messages": anthropicMessagesParser,
  "anthropic-complete": anthropicCompleteParser,
};

/** The parser of an API. */
export function findParser(api: Api): Parser | undefined {
  return PARSERS[api];
}
