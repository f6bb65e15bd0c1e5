// What a record says, in the words of the scorer's fact list (traffic/README.md).

/** @param {import("../src/types.ts").LlmCall} call */
export function callToFacts(call) {
  const { request, response, usage, error } = call;
  const status = error?.status ?? response?.status;
  const choice = response?.choices.find(({ index }) => index === 0) ?? response?.choices[0];
  const parts = choice?.message.parts ?? [];
  return {
    provider: call.provider,
    operation: call.operation,
    streaming: call.streaming,
    requestModel: request.model,
    responseModel: response?.model,
    // The fact list knows two: an answer that was cut short or cancelled is no error there.
    outcome: call.outcome === "error" ? "error" : "success",
    errorStatus: status >= 400 ? status : undefined,
    errorType: error?.type,
    errorCode: error?.code,
    errorMessage: error?.message,
    outputText: joinParts(parts, "text"),
    reasoningText: joinParts(parts, "reasoning"),
    toolCalls: parts
      .filter(({ type }) => type === "tool_call")
      .map(({ name, arguments: input }) => ({ name, arguments: input })),
    finishReason: choice?.rawFinishReason,
    finish: choice?.finishReason,
    usage: {
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
      totalTokens: usage.totalTokens,
      cacheReadTokens: usage.cacheReadTokens,
      cacheWriteTokens: usage.cacheWriteTokens,
      reasoningTokens: usage.reasoningTokens,
    },
    embeddings: response?.embeddings,
  };
}

function joinParts(parts, type) {
  return parts
    .filter((part) => part.type === type)
    .map(({ content }) => content)
    .join("");
}
