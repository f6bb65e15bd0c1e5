/** generateContent, its stream, embeddings and token counting, as the Gemini API sends them. */
import { asArray } from "../../parsers/shared/json.ts";
import type { ExpectedFacts, MockAnswer, MockRequest, Plan, PlannedEvent } from "./types.ts";
import { answerFacts, contentFacts, jsonPlan, ssePlan } from "./wire.ts";

type GeminiPart = Record<string, unknown>;

// Gemini says STOP for function calls too; a refusal is SAFETY.
const FINISH_REASONS = { stop: "STOP", length: "MAX_TOKENS", content_filter: "SAFETY", tool_calls: "STOP" } as const;

export function renderGeminiContent(_request: MockRequest, answer: MockAnswer): Plan {
  const responseId = answer.id("");
  const parts: GeminiPart[] = [];
  if (answer.reasoning !== "") parts.push({ text: answer.reasoning, thought: true });
  if (answer.text !== "") parts.push({ text: answer.text });
  parts.push(...functionCalls(answer));
  const body = wireChunk(answer, responseId, parts, answer.usage.outputTokens, true);
  return jsonPlan(body, { ...contentFacts(answer), responseId, ...finishFacts(answer), usage: usageFacts(answer) });
}

/** With `alt=sse` server-sent events, without it one JSON array that grows. */
export function renderGeminiStream(request: MockRequest, answer: MockAnswer): Plan {
  const responseId = answer.id("");
  const pieces: { parts: GeminiPart[]; facts: ExpectedFacts }[] = [
    ...answer.cut(answer.reasoning).map((text) => ({ parts: [{ text, thought: true }], facts: { reasoning: text } })),
    ...answer.cut(answer.text).map((text) => ({ parts: [{ text }], facts: { text } })),
  ];
  const calls = functionCalls(answer);
  if (calls.length > 0) pieces.push({ parts: calls, facts: { toolCalls: [...answer.toolCalls] } });

  const asArrayBody = !request.path.includes("alt=sse");
  const frame = (payload: unknown, index: number) =>
    asArrayBody
      ? `${index === 0 ? "[" : ",\r\n"}${JSON.stringify(payload)}`
      : `data: ${JSON.stringify(payload)}\r\n\r\n`;
  const events: PlannedEvent[] = pieces.map(({ parts, facts }, index) => {
    const last = index === pieces.length - 1;
    const soFar = Math.max(1, Math.round((answer.usage.outputTokens * (index + 1)) / pieces.length));
    const payload = wireChunk(answer, responseId, parts, soFar, last);
    const progress = { usage: { source: "reported" as const, complete: false, inputTokens: answer.usage.inputTokens } };
    return {
      bytes: frame(payload, index),
      output: true,
      facts: { ...facts, ...(last ? { ...finishFacts(answer), usage: usageFacts(answer) } : progress) },
    };
  });
  if (asArrayBody) events.push({ bytes: "]" });

  const error = { code: 503, message: "The model is overloaded. Please try again later.", status: "UNAVAILABLE" };
  const errorFacts = { type: "UNAVAILABLE", message: error.message };
  const plan = ssePlan({ ...answerFacts(answer), responseId }, events, {
    bytes: frame({ error }, 1),
    facts: { error: errorFacts },
  });
  if (asArrayBody) plan.headers = { "content-type": "application/json; charset=UTF-8" };
  return plan;
}

/** `embedContent` is one, `batchEmbedContents` many. The Gemini API reports no tokens for them. */
export function renderGeminiEmbeddings(request: MockRequest, answer: MockAnswer): Plan {
  const batch = request.path.includes(":batchEmbedContents");
  const count = batch ? asArray(request.body["requests"]).length : 1;
  const vectors = Array.from({ length: count }, () => ({
    values: Array.from({ length: answer.dimensions }, () => answer.random() * 2 - 1),
  }));
  return jsonPlan(batch ? { embeddings: vectors } : { embedding: vectors[0] }, {
    requestModel: answer.requestModel,
    embeddings: { count, dimensions: answer.dimensions },
    usage: { source: "not_applicable" },
  });
}

export function renderGeminiTokenCount(_request: MockRequest, answer: MockAnswer): Plan {
  return jsonPlan({ totalTokens: answer.usage.inputTokens }, { requestModel: answer.requestModel });
}

function functionCalls(answer: MockAnswer): GeminiPart[] {
  return answer.toolCalls.map((call) => ({ functionCall: { name: call.name, args: call.arguments } }));
}

function wireChunk(
  answer: MockAnswer,
  responseId: string,
  parts: GeminiPart[],
  outputSoFar: number,
  last: boolean,
): unknown {
  return {
    candidates: [
      { content: { parts, role: "model" }, index: 0, ...(last ? { finishReason: FINISH_REASONS[answer.finish] } : {}) },
    ],
    usageMetadata: wireUsage(answer, outputSoFar),
    modelVersion: answer.model,
    responseId,
  };
}

/** Thoughts are counted apart from candidates; the sum is the total. */
function wireUsage({ usage }: MockAnswer, outputSoFar: number): unknown {
  const thoughts = Math.min(usage.reasoningTokens, outputSoFar);
  return {
    promptTokenCount: usage.inputTokens,
    ...(outputSoFar - thoughts > 0 ? { candidatesTokenCount: outputSoFar - thoughts } : {}),
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
    ...(usage.cacheReadTokens > 0 ? { cachedContentTokenCount: usage.cacheReadTokens } : {}),
    totalTokenCount: usage.inputTokens + outputSoFar,
    promptTokensDetails: [{ modality: "TEXT", tokenCount: usage.inputTokens }],
  };
}

function usageFacts({ usage }: MockAnswer): NonNullable<ExpectedFacts["usage"]> {
  return {
    source: "reported",
    complete: true,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    totalTokens: usage.inputTokens + usage.outputTokens,
    ...(usage.cacheReadTokens > 0 ? { cacheReadTokens: usage.cacheReadTokens } : {}),
    ...(usage.reasoningTokens > 0 ? { reasoningTokens: usage.reasoningTokens } : {}),
  };
}

function finishFacts(answer: MockAnswer): ExpectedFacts {
  return { finishReason: answer.finish, rawFinishReason: FINISH_REASONS[answer.finish] };
}
