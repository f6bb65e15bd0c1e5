/** Chat Completions: JSON and stream, as OpenAI sends them. */
import { asObject } from "../../parsers/shared/json.ts";
import type { ExpectedFacts, MockAnswer, MockRequest, Plan, PlannedEvent } from "./types.ts";
import { answerFacts, contentFacts, CREATED_AT, jsonPlan, sseEvent, ssePlan } from "./wire.ts";

export function renderOpenAiChat(request: MockRequest, answer: MockAnswer): Plan {
  const id = answer.id("chatcmpl-");
  return request.body["stream"] === true ? streamChat(request, answer, id) : completeChat(answer, id);
}

function completeChat(answer: MockAnswer, id: string): Plan {
  const message = {
    role: "assistant",
    content: answer.text === "" ? null : answer.text,
    refusal: answer.refusal === "" ? null : answer.refusal,
    ...(answer.reasoning === "" ? {} : { reasoning_content: answer.reasoning }),
    ...(answer.toolCalls.length === 0 ? {} : { tool_calls: wireToolCalls(answer) }),
  };
  const body = {
    id,
    object: "chat.completion",
    created: CREATED_AT,
    model: answer.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: answer.finish }],
    usage: wireUsage(answer),
    service_tier: "default",
    system_fingerprint: "fp_mock",
  };
  const facts = { responseId: id, ...finishFacts(answer), usage: usageFacts(answer) };
  return jsonPlan(body, { ...contentFacts(answer), ...facts });
}

function streamChat(request: MockRequest, answer: MockAnswer, id: string): Plan {
  const includeUsage = asObject(request.body["stream_options"])?.["include_usage"] === true;
  const head = {
    id,
    object: "chat.completion.chunk",
    created: CREATED_AT,
    model: answer.model,
    service_tier: "default",
  };
  const chunk = (delta: unknown, finish: string | null = null) =>
    sseEvent({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(includeUsage ? { usage: null } : {}),
    });

  const events: PlannedEvent[] = [{ bytes: chunk({ role: "assistant", content: "", refusal: null }) }];
  const addPieces = (text: string, field: string, fact: "text" | "reasoning" | "refusal") => {
    for (const piece of answer.cut(text)) {
      events.push({ bytes: chunk({ [field]: piece }), output: true, facts: { [fact]: piece } });
    }
  };
  addPieces(answer.reasoning, "reasoning_content", "reasoning");
  addPieces(answer.text, "content", "text");
  addPieces(answer.refusal, "refusal", "refusal");
  for (const delta of toolDeltas(answer)) events.push({ bytes: chunk({ tool_calls: [delta] }), output: true });
  events.push({ bytes: chunk({}, answer.finish), facts: { ...finishFacts(answer), toolCalls: [...answer.toolCalls] } });
  if (includeUsage) {
    const bytes = sseEvent({ ...head, choices: [], usage: wireUsage(answer) });
    events.push({ bytes, facts: { usage: usageFacts(answer) } });
  }
  events.push({ bytes: sseEvent("[DONE]") });

  const error = {
    message: "The server had an error while processing your request.",
    type: "server_error",
    code: "mock_code",
  };
  return ssePlan({ ...answerFacts(answer), responseId: id, usage: { source: "missing" } }, events, {
    bytes: sseEvent({ error: { ...error, param: null } }),
    facts: { error },
  });
}

/** Heads of all calls first, then their arguments in turn: the order that tells one call's pieces from the other's. */
function toolDeltas(answer: MockAnswer): unknown[] {
  const heads: unknown[] = [];
  const pieces: { index: number; function: { arguments: string } }[][] = [];
  for (const [index, call] of wireToolCalls(answer).entries()) {
    heads.push({ index, ...call, function: { name: call.function.name, arguments: "" } });
    pieces.push(answer.cut(call.function.arguments).map((text) => ({ index, function: { arguments: text } })));
  }
  const interleaved: unknown[] = [];
  const longest = Math.max(0, ...pieces.map((list) => list.length));
  for (let turn = 0; turn < longest; turn++) {
    for (const list of pieces) if (list[turn] !== undefined) interleaved.push(list[turn]);
  }
  return [...heads, ...interleaved];
}

function wireToolCalls(
  answer: MockAnswer,
): { id: string; type: "function"; function: { name: string; arguments: string } }[] {
  return answer.toolCalls.map((call) => ({
    id: answer.id("call_"),
    type: "function",
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }));
}

function finishFacts(answer: MockAnswer): ExpectedFacts {
  return { finishReason: answer.finish, rawFinishReason: answer.finish };
}

function wireUsage({ usage }: MockAnswer): unknown {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cacheReadTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** What OpenAI's usage objects say, in a record's words. */
export function usageFacts({ usage }: MockAnswer): NonNullable<ExpectedFacts["usage"]> {
  return {
    source: "reported",
    complete: true,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    totalTokens: usage.inputTokens + usage.outputTokens,
    cacheReadTokens: usage.cacheReadTokens,
    reasoningTokens: usage.reasoningTokens,
  };
}
