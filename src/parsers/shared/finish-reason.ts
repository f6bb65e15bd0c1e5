import type { FinishReason } from "../../types.ts";

/**
 * Every provider's word for the end of a generation, in lower case with `_` for `-`.
 * Sources: the providers' SDKs and API references; words that none of them documents map to `other`.
 */
const finishReasons: Readonly<Record<FinishReason, readonly string[]>> = {
  stop: [
    "stop", // OpenAI family, Ollama, Gemini (`STOP`)
    "eos", // Together
    "eos_token", // TGI, watsonx
    "end_turn", // Anthropic, Bedrock
    "stop_sequence", // Anthropic, Bedrock, Cohere, TGI
    "complete", // Cohere
    "completed", // Responses status
    "end_of_turn",
    "endoftext", // AI21 on Bedrock
    "finish", // Titan
    "finished",
    "normal", // Baidu
    "word", // llama.cpp
    "succeeded", // Replicate
  ],
  length: [
    "length",
    "model_length", // Mistral
    "max_tokens", // Anthropic, Bedrock, Cohere, Gemini
    "max_output_tokens", // Responses
    "model_context_window_exceeded", // Anthropic, Bedrock
    "continuation", // Gemini
    "error_limit", // Cohere v1
    "token_limit", // watsonx
    "max_length",
    "limit", // llama.cpp
  ],
  tool_calls: ["tool_calls", "tool_call", "function_call", "tool_use", "requires_action"], // the last: Assistants
  content_filter: [
    "content_filter",
    "content_filtered", // Bedrock, Titan
    "guardrail_intervened", // Bedrock
    "refusal", // Anthropic
    "sensitive", // Zhipu
    "error_toxic", // Cohere v1
    "safety", // from here on Gemini
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "language",
    "image_safety",
    "image_prohibited_content",
    "image_recitation",
    "model_armor",
  ],
  error: [
    "error", // OpenRouter, Mistral, Cohere
    "timeout", // Cohere
    "time_limit", // watsonx
    "failed", // Responses status, Replicate
    "insufficient_system_resource", // DeepSeek
    "network_error", // Zhipu
    "malformed_model_output", // Bedrock
    "malformed_tool_use", // Bedrock
    "malformed_function_call", // from here on Gemini
    "malformed_response",
    "unexpected_tool_call",
    "too_many_tool_calls",
    "missing_thought_signature",
    "no_image",
    "image_other",
  ],
  other: [],
};

const finishReasonByWord: ReadonlyMap<string, FinishReason> = new Map(
  Object.entries(finishReasons).flatMap(([reason, words]) =>
    words.map((word): [string, FinishReason] => [word, reason as FinishReason]),
  ),
);

/**
 * The common finish reason for a provider's own word.
 *
 * @param raw - what the provider said; `undefined` stays `undefined`, an unknown word is `other`
 * @param hasToolCalls - the choice asks the app to run a function: then `stop` means `tool_calls`
 */
export function mapFinishReason(raw: string | undefined, hasToolCalls = false): FinishReason | undefined {
  if (raw === undefined) return undefined;
  const reason =
    finishReasonByWord.get(raw) ?? finishReasonByWord.get(raw.toLowerCase().replaceAll("-", "_")) ?? "other";
  return reason === "stop" && hasToolCalls ? "tool_calls" : reason;
}
