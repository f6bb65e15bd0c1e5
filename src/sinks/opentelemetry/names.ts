/**
 * Names of OpenTelemetry's GenAI conventions, of both generations. Kept here because the constants in the package of
 * semantic conventions are deprecated, and the conventions moved to a repository of their own.
 *
 * `1.41`: as last published in the main repository; what backends know. `latest`: as in the repository of the GenAI
 * conventions, which are in development.
 *
 * @see https://github.com/open-telemetry/semantic-conventions/tree/v1.41.0/docs/gen-ai
 * @see https://github.com/open-telemetry/semantic-conventions-genai
 */

/** A generation of the conventions. */
export type Semconv = "1.41" | "latest";

/** Attributes of spans, metrics and events, the same in both generations. */
export const ATTRIBUTE = {
  operationName: "gen_ai.operation.name",
  providerName: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  requestTemperature: "gen_ai.request.temperature",
  requestTopP: "gen_ai.request.top_p",
  requestTopK: "gen_ai.request.top_k",
  requestFrequencyPenalty: "gen_ai.request.frequency_penalty",
  requestPresencePenalty: "gen_ai.request.presence_penalty",
  requestMaxTokens: "gen_ai.request.max_tokens",
  requestStopSequences: "gen_ai.request.stop_sequences",
  requestSeed: "gen_ai.request.seed",
  requestChoiceCount: "gen_ai.request.choice.count",
  requestStream: "gen_ai.request.stream",
  requestEncodingFormats: "gen_ai.request.encoding_formats",
  outputType: "gen_ai.output.type",
  responseId: "gen_ai.response.id",
  responseModel: "gen_ai.response.model",
  finishReasons: "gen_ai.response.finish_reasons",
  timeToFirstChunk: "gen_ai.response.time_to_first_chunk",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  reasoningTokens: "gen_ai.usage.reasoning.output_tokens",
  embeddingDimensions: "gen_ai.embeddings.dimension.count",
  conversationId: "gen_ai.conversation.id",
  agentId: "gen_ai.agent.id",
  agentName: "gen_ai.agent.name",
  workflowName: "gen_ai.workflow.name",
  toolName: "gen_ai.tool.name",
  toolCallId: "gen_ai.tool.call.id",
  toolType: "gen_ai.tool.type",
  toolCallArguments: "gen_ai.tool.call.arguments",
  toolCallResult: "gen_ai.tool.call.result",
  inputMessages: "gen_ai.input.messages",
  outputMessages: "gen_ai.output.messages",
  systemInstructions: "gen_ai.system_instructions",
  toolDefinitions: "gen_ai.tool.definitions",
  tokenType: "gen_ai.token.type",
  tokenModality: "gen_ai.token.modality",
  errorType: "error.type",
  serverAddress: "server.address",
  serverPort: "server.port",
  openaiRequestServiceTier: "openai.request.service_tier",
  openaiResponseServiceTier: "openai.response.service_tier",
  openaiApiType: "openai.api.type",
  httpStatus: "http.response.status_code",
  httpResendCount: "http.request.resend_count",
  userId: "user.id",
  sessionId: "session.id",
  exceptionType: "exception.type",
  exceptionMessage: "exception.message",
} as const;

/** What the conventions have no name for. */
export const OWN_ATTRIBUTE = {
  recordId: "llm_tap.record.id",
  api: "llm_tap.api",
  outcome: "llm_tap.outcome",
  usageSource: "llm_tap.usage.source",
  costUsd: "llm_tap.cost.total_usd",
  costSource: "llm_tap.cost.source",
  requestId: "llm_tap.request.id",
  spanSource: "llm_tap.span.source",
  spanInput: "llm_tap.span.input",
  spanOutput: "llm_tap.span.output",
  turn: "llm_tap.turn",
  tags: "llm_tap.tags",
  env: "llm_tap.env",
  customerOrgId: "llm_tap.customer_org.id",
  parentAgentId: "llm_tap.parent_agent.id",
  traceId: "llm_tap.trace.id",
  spanId: "llm_tap.span.id",
} as const;

/** Attributes whose name, or whose being there, depends on the generation. */
export interface GenerationAttributes {
  cacheWriteTokens: string;
  /** Only where the generation has them. */
  latest?: {
    reasoningLevel: string;
    previousResponseId: string;
    /** By modality: `gen_ai.usage.audio.input_tokens`. */
    modalityTokens(modality: "audio" | "image", direction: "input" | "output"): string;
    cacheReadAudioTokens: string;
  };
}

export const GENERATION_ATTRIBUTES: Readonly<Record<Semconv, GenerationAttributes>> = {
  "1.41": { cacheWriteTokens: "gen_ai.usage.cache_creation.input_tokens" },
  latest: {
    cacheWriteTokens: "gen_ai.usage.cache_write.input_tokens",
    latest: {
      reasoningLevel: "gen_ai.request.reasoning.level",
      previousResponseId: "gen_ai.request.previous_response.id",
      modalityTokens: (modality, direction) => `gen_ai.usage.${modality}.${direction}_tokens`,
      cacheReadAudioTokens: "gen_ai.usage.audio.cache_read.input_tokens",
    },
  },
};

/** Metrics. Those of `latest` tell inference, embeddings and the rest apart; the rest keeps the old names. */
export const METRIC = {
  operationDuration: "gen_ai.client.operation.duration",
  operationTimeToFirstChunk: "gen_ai.client.operation.time_to_first_chunk",
  tokenUsage: "gen_ai.client.token.usage",
  inferenceDuration: "gen_ai.client.inference.duration",
  inferenceTimeToFirstChunk: "gen_ai.client.inference.time_to_first_chunk",
  embeddingsDuration: "gen_ai.client.embeddings.duration",
  inferenceInputTokens: "gen_ai.client.inference.operation.input_tokens",
  inferenceOutputTokens: "gen_ai.client.inference.operation.output_tokens",
  embeddingsInputTokens: "gen_ai.client.embeddings.operation.input_tokens",
  usageInputTokens: "gen_ai.client.inference.usage.input_tokens",
  usageOutputTokens: "gen_ai.client.inference.usage.output_tokens",
  usageCacheReadTokens: "gen_ai.client.inference.usage.cache_read.input_tokens",
  usageCacheWriteTokens: "gen_ai.client.inference.usage.cache_write.input_tokens",
  usageReasoningTokens: "gen_ai.client.inference.usage.reasoning.output_tokens",
} as const;

export const EVENT = {
  operationDetails: "gen_ai.client.inference.operation.details",
  operationException: "gen_ai.client.operation.exception",
} as const;

/** Bucket boundaries that the conventions advise. */
export const DURATION_BUCKETS: readonly number[] = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
export const TOKEN_BUCKETS: readonly number[] = [
  1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
];
