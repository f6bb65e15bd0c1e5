/** Requests that name what the provider has stored of the conversation, instead of sending it again. */
import type { Api, LlmCall } from "../types.ts";

/** What a request goes on from, by ids of the provider. */
export interface StoredLinks {
  /** The answer before: nobody else has its id. */
  previousId: string | undefined;
  /** A conversation: all its calls name it. */
  conversationId: string | undefined;
}

/** Where the conversation is in the path. */
const CONVERSATION_PATHS: { readonly [Key in Api]?: RegExp } = {
  "mistral-conversations": /\/conversations\/([^/?#]+)/,
  "openai-threads": /\/threads\/([^/?#]+)\/runs/,
};

/** The answer's id is that of the conversation. */
const ANSWERS_WITH_CONVERSATION: ReadonlySet<Api> = new Set<Api>(["mistral-conversations"]);

export function readStoredLinks({ api, request }: LlmCall): StoredLinks {
  const { parameters, url } = request;
  const previousId = asId(parameters["previous_response_id"]) ?? asId(parameters["previous_interaction_id"]);
  const conversation = parameters["conversation"];
  const inPath = CONVERSATION_PATHS[api]?.exec(url)?.[1];
  return {
    previousId,
    conversationId:
      inPath ??
      asId(conversation) ??
      asId((conversation as { id?: unknown } | null | undefined)?.id) ??
      asId(parameters["conversation_id"]),
  };
}

/** The conversation that an answer opens. */
export function readOpenedConversation({ api, response }: LlmCall): string | undefined {
  return ANSWERS_WITH_CONVERSATION.has(api) ? response?.id : undefined;
}

function asId(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
