/** Messages and token counting, as Anthropic sends them. */
import type { ExpectedFacts, MockAnswer, MockRequest, Plan, PlannedEvent } from "./types.ts";
import { answerFacts, contentFacts, jsonPlan, sseEvent, ssePlan } from "./wire.ts";

type Block = Record<string, unknown> & { type: string };

const STOP_REASONS = {
  stop: "end_turn",
  length: "max_tokens",
  content_filter: "refusal",
  tool_calls: "tool_use",
} as const;

export function renderAnthropicMessages(request: MockRequest, answer: MockAnswer): Plan {
  const message = {
    id: answer.id("msg_"),
    type: "message",
    role: "assistant",
    model: answer.model,
    content: wireBlocks(answer),
    stop_reason: STOP_REASONS[answer.finish],
    stop_sequence: null,
    usage: wireUsage(answer),
  };
  if (request.body["stream"] === true) return streamMessage(answer, message);
  const facts = { responseId: message.id, ...finishFacts(answer), usage: usageFacts(answer, true) };
  return jsonPlan(message, { ...contentFacts(answer), ...facts });
}

export function renderAnthropicTokenCount(_request: MockRequest, answer: MockAnswer): Plan {
  return jsonPlan({ input_tokens: answer.usage.inputTokens }, { requestModel: answer.requestModel });
}

/** Anthropic has no refusal part: a refusal is text with its own stop reason. */
function wireBlocks(answer: MockAnswer): Block[] {
  const blocks: Block[] = [];
  if (answer.reasoning !== "") {
    blocks.push({ type: "thinking", thinking: answer.reasoning, signature: answer.id("sig") });
  }
  if (answer.text !== "") blocks.push({ type: "text", text: answer.text });
  for (const call of answer.toolCalls) {
    blocks.push({ type: "tool_use", id: answer.id("toolu_"), name: call.name, input: call.arguments });
  }
  return blocks;
}

function streamMessage(answer: MockAnswer, message: Record<string, unknown> & { id: string; content: Block[] }): Plan {
  const events: PlannedEvent[] = [];
  const add = (payload: Record<string, unknown> & { type: string }, planned: Omit<PlannedEvent, "bytes"> = {}) => {
    events.push({ bytes: sseEvent(payload, payload.type), ...planned });
  };
  const early = { ...(wireUsage(answer) as Record<string, unknown>), output_tokens: 1, output_tokens_details: null };
  const begun = { ...message, content: [], stop_reason: null, usage: early };
  add({ type: "message_start", message: begun }, { facts: { usage: usageFacts(answer, false) } });
  add({ type: "ping" });
  for (const [index, block] of message.content.entries()) streamBlock(answer, block, index, add);
  add(
    {
      type: "message_delta",
      delta: { stop_reason: message["stop_reason"], stop_sequence: null },
      usage: wireUsage(answer),
    },
    { facts: { ...finishFacts(answer), usage: usageFacts(answer, true), toolCalls: [...answer.toolCalls] } },
  );
  add({ type: "message_stop" });

  const error = { type: "overloaded_error", message: "Overloaded" };
  const errorEvent = { bytes: sseEvent({ type: "error", error }, "error"), facts: { error } };
  return ssePlan({ ...answerFacts(answer), responseId: message.id }, events, errorEvent);
}

type Add = (payload: Record<string, unknown> & { type: string }, planned?: Omit<PlannedEvent, "bytes">) => void;

function streamBlock(answer: MockAnswer, block: Block, index: number, add: Add): void {
  const delta = (fields: Record<string, unknown>, facts?: ExpectedFacts) =>
    add({ type: "content_block_delta", index, delta: fields }, facts === undefined ? {} : { output: true, facts });
  if (block.type === "thinking") {
    add({ type: "content_block_start", index, content_block: { type: "thinking", thinking: "", signature: "" } });
    for (const thinking of answer.cut(answer.reasoning))
      delta({ type: "thinking_delta", thinking }, { reasoning: thinking });
    delta({ type: "signature_delta", signature: block["signature"] });
  } else if (block.type === "text") {
    add({ type: "content_block_start", index, content_block: { type: "text", text: "", citations: null } });
    for (const text of answer.cut(answer.text)) delta({ type: "text_delta", text }, { text });
  } else {
    // A tool's name is output: it is the first thing that the model has decided.
    add({ type: "content_block_start", index, content_block: { ...block, input: {} } }, { output: true });
    delta({ type: "input_json_delta", partial_json: "" });
    for (const piece of answer.cut(JSON.stringify(block["input"]))) {
      delta({ type: "input_json_delta", partial_json: piece }, {});
    }
  }
  add({ type: "content_block_stop", index });
}

function finishFacts(answer: MockAnswer): ExpectedFacts {
  return { finishReason: answer.finish, rawFinishReason: STOP_REASONS[answer.finish] };
}

/** Anthropic counts cached input apart from `input_tokens`. */
function wireUsage({ usage }: MockAnswer): unknown {
  return {
    input_tokens: usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens,
    cache_creation_input_tokens: usage.cacheWriteTokens,
    cache_read_input_tokens: usage.cacheReadTokens,
    cache_creation: { ephemeral_5m_input_tokens: usage.cacheWriteTokens, ephemeral_1h_input_tokens: 0 },
    output_tokens: usage.outputTokens,
    output_tokens_details: { thinking_tokens: usage.reasoningTokens },
    service_tier: "standard",
  };
}

function usageFacts({ usage }: MockAnswer, complete: boolean): NonNullable<ExpectedFacts["usage"]> {
  const input = {
    inputTokens: usage.inputTokens,
    cacheReadTokens: usage.cacheReadTokens,
    cacheWriteTokens: usage.cacheWriteTokens,
  };
  if (!complete) return { source: "reported", complete, ...input };
  return {
    source: "reported",
    complete,
    ...input,
    outputTokens: usage.outputTokens,
    totalTokens: usage.inputTokens + usage.outputTokens,
    reasoningTokens: usage.reasoningTokens,
  };
}
