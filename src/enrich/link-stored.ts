/** Requests that name what the provider has stored of the conversation, instead of sending it again. */
import type { Api, LlmCall } from "../types.ts";

/** What a request goes on from, by ids of the provider. */
export interface StoredLinks {
  /** The answer before: nobody else has its id. */
  previousId: string | undefined;
  /** A conversation: all its calls name it. */
  conversationId: string | undefined;
}

/** Where requests name the answer before. */
const PREVIOUS: readonly (readonly string[])[] = [
  ["previous_response_id"],
  ["previous_interaction_id"],
  // Anthropic: a thread that the server holds, or a question about its cache.
  ["thread", "previous_message_id"],
  ["diagnostics", "previous_message_id"],
  // By way of Vercel's gateway.
  ["providerOptions", "openai", "previousResponseId"],
];

/** Where the conversation is in the path. */
const CONVERSATION_PATHS: { readonly [Key in Api]?: RegExp } = {
  "mistral-conversations": /\/conversations\/([^/?#]+)/,
  "openai-threads": /\/threads\/([^/?#]+)\/runs/,
};

/** The answer's id is that of the conversation. */
const ANSWERS_WITH_CONVERSATION: ReadonlySet<Api> = new Set<Api>(["mistral-conversations"]);

export function readStoredLinks({ api, request }: LlmCall): StoredLinks {
  const { parameters, url } = request;
  const conversation = parameters["conversation"];
  const inPath = CONVERSATION_PATHS[api]?.exec(url)?.[1];
  return {
    previousId: readPreviousId(parameters),
    conversationId:
      inPath ??
      asId(conversation) ??
      asId((conversation as { id?: unknown } | null | undefined)?.id) ??
      asId(parameters["conversation_id"]),
  };
}

function readPreviousId(parameters: Record<string, unknown>): string | undefined {
  for (const path of PREVIOUS) {
    if (parameters[path[0] as string] === undefined) continue;
    let value: unknown = parameters;
    for (const key of path) value = (value as Record<string, unknown> | null | undefined)?.[key];
    const id = asId(value);
    if (id !== undefined) return id;
  }
  return undefined;
}

/** Whether the next request need not repeat what was said so far. */
export function isStored({ api, request }: LlmCall): boolean {
  return STORES_ANSWERS.has(api) || request.parameters["thread"] !== undefined;
}

const STORES_ANSWERS: ReadonlySet<Api> = new Set<Api>([
  "openai-responses",
  "gemini-interactions",
  "mistral-conversations",
  "openai-threads",
]);

/** The conversation that an answer opens. */
export function readOpenedConversation({ api, response }: LlmCall): string | undefined {
  return ANSWERS_WITH_CONVERSATION.has(api) ? response?.id : undefined;
}

function asId(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
