/**
 * The wire of each API, as far as conversations need it: how a history is written into a request, and how an answer comes
 * back. Plain encoders, so that what is tested is what the parsers and the linker make of the bytes.
 */

/** One thing that was said, in no API's words. */
export type Said =
  | { by: "user"; text: string }
  | { by: "model"; text?: string; calls?: Called[]; itemIds?: string[] }
  | { by: "tools"; results: { call: Called; result: string }[] };

export interface Called {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}

export interface Answer {
  id: string;
  text?: string;
  calls?: Called[];
}

/** What the server keeps, where it does. */
export interface Stored {
  previousId?: string | undefined;
  conversationId?: string | undefined;
}

export interface Dialect {
  name: string;
  url: string;
  /** The whole history, or only what is new where the server stores the rest. */
  stores?: "previous" | "conversation" | "items";
  /** Calls have no ids on the wire. */
  withoutIds?: boolean;
  request(system: string, said: readonly Said[], stored: Stored): unknown;
  response(answer: Answer): unknown;
  /** The same as server-sent events. */
  stream?(answer: Answer): string;
}

const json = JSON.stringify;
const sse = (events: readonly unknown[]): string => events.map((event) => `data: ${json(event)}\n\n`).join("");

function openaiMessages(said: readonly Said[]): unknown[] {
  return said.flatMap((turn): unknown[] => {
    if (turn.by === "user") return [{ role: "user", content: turn.text }];
    if (turn.by === "tools") {
      return turn.results.map(({ call, result }) => ({ role: "tool", tool_call_id: call.id, content: result }));
    }
    const calls = turn.calls?.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: json(call.arguments) },
    }));
    return [{ role: "assistant", content: turn.text ?? null, ...(calls && { tool_calls: calls }) }];
  });
}

const openaiChat: Dialect = {
  name: "openai-chat",
  url: "https://api.openai.com/v1/chat/completions",
  request: (system, said) => ({
    model: "gpt-5-mini",
    messages: [{ role: "system", content: system }, ...openaiMessages(said)],
  }),
  response: ({ id, text, calls }) => ({
    id,
    object: "chat.completion",
    model: "gpt-5-mini",
    choices: [
      {
        index: 0,
        message: openaiMessages([{ by: "model", ...(text !== undefined && { text }), ...(calls && { calls }) }])[0],
        finish_reason: calls ? "tool_calls" : "stop",
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }),
  stream: ({ id, text, calls }) =>
    sse([
      { id, object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "" } }] },
      ...Array.from(text ?? "", (letter) => ({ id, choices: [{ index: 0, delta: { content: letter } }] })),
      ...(calls ?? []).map((call, index) => ({
        id,
        choices: [
          {
            index: 0,
            delta: {
              tool_calls: [
                {
                  index,
                  id: call.id,
                  type: "function",
                  function: { name: call.name, arguments: json(call.arguments) },
                },
              ],
            },
          },
        ],
      })),
      { id, choices: [{ index: 0, delta: {}, finish_reason: calls ? "tool_calls" : "stop" }] },
    ]) + "data: [DONE]\n\n",
};

function responsesItems(said: readonly Said[]): unknown[] {
  return said.flatMap((turn): unknown[] => {
    if (turn.by === "user") return [{ role: "user", content: [{ type: "input_text", text: turn.text }] }];
    if (turn.by === "tools") {
      return turn.results.map(({ call, result }) => ({
        type: "function_call_output",
        call_id: call.id,
        output: result,
      }));
    }
    if (turn.itemIds !== undefined) return turn.itemIds.map((id) => ({ type: "item_reference", id }));
    return responsesOutput({ id: "r", ...turn });
  });
}

/** Ids of the items of an answer, as the server gives them. */
export function itemIdsOf({ id, text, calls }: Answer): string[] {
  return [...(text === undefined ? [] : [`msg_${id}`]), ...(calls ?? []).map((call) => `fc_${id}_${call.id}`)];
}

function responsesOutput(answer: Answer): unknown[] {
  const { id, text, calls } = answer;
  return [
    ...(text === undefined
      ? []
      : [
          {
            type: "message",
            id: `msg_${id}`,
            role: "assistant",
            content: [{ type: "output_text", text, annotations: [] }],
          },
        ]),
    ...(calls ?? []).map((call) => ({
      type: "function_call",
      id: `fc_${id}_${call.id}`,
      call_id: call.id,
      name: call.name,
      arguments: json(call.arguments),
      status: "completed",
    })),
  ];
}

const responsesBase = {
  url: "https://api.openai.com/v1/responses",
  response: (answer: Answer): unknown => ({
    id: answer.id,
    object: "response",
    status: "completed",
    model: "gpt-5-mini",
    output: responsesOutput(answer),
    usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
  }),
};

const responsesHistory: Dialect = {
  ...responsesBase,
  name: "openai-responses, whole history",
  request: (system, said) => ({ model: "gpt-5-mini", instructions: system, store: false, input: responsesItems(said) }),
};

const responsesPrevious: Dialect = {
  ...responsesBase,
  name: "openai-responses, previous_response_id",
  stores: "previous",
  request: (system, said, { previousId }) => ({
    model: "gpt-5-mini",
    instructions: system,
    input: responsesItems(said),
    ...(previousId !== undefined && { previous_response_id: previousId }),
  }),
};

const responsesConversation: Dialect = {
  ...responsesBase,
  name: "openai-responses, conversation",
  stores: "conversation",
  request: (system, said, { conversationId }) => ({
    model: "gpt-5-mini",
    instructions: system,
    input: responsesItems(said),
    conversation: conversationId,
  }),
};

const responsesReferences: Dialect = {
  ...responsesBase,
  name: "openai-responses, item references",
  stores: "items",
  request: (system, said) => ({ model: "gpt-5-mini", instructions: system, input: responsesItems(said) }),
};

function anthropicContent({ text, calls }: { text?: string; calls?: Called[] }): unknown[] {
  return [
    ...(text === undefined ? [] : [{ type: "text", text }]),
    ...(calls ?? []).map((call) => ({ type: "tool_use", id: call.id, name: call.name, input: call.arguments })),
  ];
}

const anthropic: Dialect = {
  name: "anthropic-messages",
  url: "https://api.anthropic.com/v1/messages",
  request: (system, said) => ({
    model: "claude-opus-next",
    max_tokens: 100,
    system: [{ type: "text", text: system, cache_control: { type: "ephemeral" } }],
    messages: said.map((turn) => {
      if (turn.by === "user") return { role: "user", content: turn.text };
      if (turn.by === "model") return { role: "assistant", content: anthropicContent(turn) };
      return {
        role: "user",
        content: turn.results.map(({ call, result }) => ({
          type: "tool_result",
          tool_use_id: call.id,
          content: [{ type: "text", text: result }],
        })),
      };
    }),
  }),
  response: (answer) => ({
    id: answer.id,
    type: "message",
    role: "assistant",
    model: "claude-opus-next",
    content: anthropicContent(answer),
    stop_reason: answer.calls ? "tool_use" : "end_turn",
    usage: { input_tokens: 1, output_tokens: 1 },
  }),
};

function geminiParts({ text, calls }: { text?: string; calls?: Called[] }): unknown[] {
  return [
    ...(text === undefined ? [] : [{ text }]),
    ...(calls ?? []).map(({ name, arguments: args }) => ({ functionCall: { name, args } })),
  ];
}

const gemini: Dialect = {
  name: "gemini",
  url: "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
  withoutIds: true,
  request: (system, said) => ({
    systemInstruction: { parts: [{ text: system }] },
    contents: said.map((turn) => {
      if (turn.by === "user") return { role: "user", parts: [{ text: turn.text }] };
      if (turn.by === "model") return { role: "model", parts: geminiParts(turn) };
      return {
        role: "user",
        parts: turn.results.map(({ call, result }) => ({
          functionResponse: { name: call.name, response: { result } },
        })),
      };
    }),
  }),
  response: (answer) => ({
    responseId: answer.id,
    candidates: [{ index: 0, content: { role: "model", parts: geminiParts(answer) }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
  }),
};

function converseContent({ text, calls }: { text?: string; calls?: Called[] }): unknown[] {
  return [
    ...(text === undefined ? [] : [{ text }]),
    ...(calls ?? []).map((call) => ({ toolUse: { toolUseId: call.id, name: call.name, input: call.arguments } })),
  ];
}

const converse: Dialect = {
  name: "bedrock-converse",
  url: "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-opus-next/converse",
  request: (system, said) => ({
    system: [{ text: system }],
    messages: said.map((turn) => {
      if (turn.by === "user") return { role: "user", content: [{ text: turn.text }] };
      if (turn.by === "model") return { role: "assistant", content: converseContent(turn) };
      return {
        role: "user",
        content: turn.results.map(({ call, result }) => ({
          toolResult: { toolUseId: call.id, content: [{ text: result }], status: "success" },
        })),
      };
    }),
  }),
  response: (answer) => ({
    output: { message: { role: "assistant", content: converseContent(answer) } },
    stopReason: answer.calls ? "tool_use" : "end_turn",
    usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
    metrics: { latencyMs: 1 },
  }),
};

const cohere: Dialect = {
  name: "cohere-v2",
  url: "https://api.cohere.com/v2/chat",
  request: (system, said) => ({
    model: "command-a-03-2025",
    messages: [
      { role: "system", content: system },
      ...openaiMessages(said).map((message) => {
        const { role, content, tool_calls } = message as { role: string; content: unknown; tool_calls?: unknown };
        if (tool_calls === undefined) return message;
        return content === null ? { role, tool_calls } : { role, tool_calls, tool_plan: content };
      }),
    ],
  }),
  response: ({ id, text, calls }) => ({
    id,
    message: {
      role: "assistant",
      ...(calls
        ? {
            ...(text !== undefined && { tool_plan: text }),
            tool_calls: calls.map((call) => ({
              id: call.id,
              type: "function",
              function: { name: call.name, arguments: json(call.arguments) },
            })),
          }
        : { content: [{ type: "text", text }] }),
    },
    finish_reason: calls ? "TOOL_CALL" : "COMPLETE",
    usage: { tokens: { input_tokens: 1, output_tokens: 1 } },
  }),
};

function ollamaMessages(said: readonly Said[]): unknown[] {
  return said.flatMap((turn): unknown[] => {
    if (turn.by === "user") return [{ role: "user", content: turn.text }];
    if (turn.by === "tools")
      return turn.results.map(({ call, result }) => ({ role: "tool", tool_name: call.name, content: result }));
    const calls = turn.calls?.map((call) => ({ function: { name: call.name, arguments: call.arguments } }));
    return [{ role: "assistant", content: turn.text ?? "", ...(calls && { tool_calls: calls }) }];
  });
}

const ollama: Dialect = {
  name: "ollama",
  url: "http://localhost:11434/api/chat",
  withoutIds: true,
  request: (system, said) => ({
    model: "llama3.2",
    stream: false,
    messages: [{ role: "system", content: system }, ...ollamaMessages(said)],
  }),
  response: ({ text, calls }) => ({
    model: "llama3.2",
    created_at: "2026-01-01T00:00:00Z",
    message: ollamaMessages([{ by: "model", ...(text !== undefined && { text }), ...(calls && { calls }) }])[0],
    done: true,
    done_reason: "stop",
    prompt_eval_count: 1,
    eval_count: 1,
  }),
};

const gateway: Dialect = {
  name: "vercel-ai",
  url: "https://ai-gateway.vercel.sh/v3/ai/language-model",
  request: (system, said) => ({
    prompt: [
      { role: "system", content: system },
      ...said.map((turn) => {
        if (turn.by === "user") return { role: "user", content: [{ type: "text", text: turn.text }] };
        if (turn.by === "tools") {
          return {
            role: "tool",
            content: turn.results.map(({ call, result }) => ({
              type: "tool-result",
              toolCallId: call.id,
              toolName: call.name,
              output: { type: "text", value: result },
            })),
          };
        }
        return {
          role: "assistant",
          content: [
            ...(turn.text === undefined ? [] : [{ type: "text", text: turn.text }]),
            ...(turn.calls ?? []).map((call) => ({
              type: "tool-call",
              toolCallId: call.id,
              toolName: call.name,
              input: call.arguments,
            })),
          ],
        };
      }),
    ],
  }),
  response: ({ text, calls }) => ({
    content: [
      ...(text === undefined ? [] : [{ type: "text", text }]),
      ...(calls ?? []).map((call) => ({
        type: "tool-call",
        toolCallId: call.id,
        toolName: call.name,
        input: json(call.arguments),
      })),
    ],
    finishReason: { unified: calls ? "tool-calls" : "stop", raw: "stop" },
    usage: { inputTokens: { total: 1 }, outputTokens: { total: 1 } },
  }),
};

export const DIALECTS: readonly Dialect[] = [
  openaiChat,
  responsesHistory,
  responsesPrevious,
  responsesConversation,
  responsesReferences,
  anthropic,
  gemini,
  converse,
  cohere,
  ollama,
  gateway,
];
