/** The Responses API: the whole object, or the events that build it. */
import { usageFacts } from "./openai-chat.ts";
import type { ExpectedFacts, MockAnswer, MockRequest, Plan, PlannedEvent } from "./types.ts";
import { answerFacts, contentFacts, CREATED_AT, jsonPlan, sseEvent, ssePlan } from "./wire.ts";

type Item = Record<string, unknown> & { id: string; type: string };

export function renderOpenAiResponses(request: MockRequest, answer: MockAnswer): Plan {
  const id = answer.id("resp_");
  const output = wireItems(answer);
  const final = wireResponse(answer, id, output);
  const facts = { ...finishFacts(answer), usage: usageFacts(answer), responseId: id };
  return request.body["stream"] === true
    ? streamResponse(answer, id, output, final, facts)
    : jsonPlan(final, { ...contentFacts(answer), ...facts });
}

function wireResponse(answer: MockAnswer, id: string, output: Item[]): Record<string, unknown> {
  const incomplete = answer.finish === "length" || answer.finish === "content_filter";
  const reason = answer.finish === "length" ? "max_output_tokens" : "content_filter";
  const { usage } = answer;
  return {
    id,
    object: "response",
    created_at: CREATED_AT,
    status: incomplete ? "incomplete" : "completed",
    error: null,
    incomplete_details: incomplete ? { reason } : null,
    model: answer.model,
    output,
    parallel_tool_calls: true,
    service_tier: "default",
    tools: [],
    usage: {
      input_tokens: usage.inputTokens,
      input_tokens_details: { cached_tokens: usage.cacheReadTokens },
      output_tokens: usage.outputTokens,
      output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
      total_tokens: usage.inputTokens + usage.outputTokens,
    },
  };
}

function wireItems(answer: MockAnswer): Item[] {
  const items: Item[] = [];
  if (answer.reasoning !== "") {
    items.push({
      id: answer.id("rs_"),
      type: "reasoning",
      summary: [{ type: "summary_text", text: answer.reasoning }],
    });
  }
  if (answer.text !== "" || answer.refusal !== "") {
    const content =
      answer.text === ""
        ? { type: "refusal", refusal: answer.refusal }
        : { type: "output_text", text: answer.text, annotations: [] };
    items.push({ id: answer.id("msg_"), type: "message", status: "completed", role: "assistant", content: [content] });
  }
  for (const call of answer.toolCalls) {
    items.push({
      id: answer.id("fc_"),
      type: "function_call",
      status: "completed",
      call_id: answer.id("call_"),
      name: call.name,
      arguments: JSON.stringify(call.arguments),
    });
  }
  return items;
}

function streamResponse(
  answer: MockAnswer,
  id: string,
  output: Item[],
  final: Record<string, unknown>,
  facts: ExpectedFacts,
): Plan {
  let sequence = 0;
  const events: PlannedEvent[] = [];
  const add = (type: string, fields: Record<string, unknown>, planned: Omit<PlannedEvent, "bytes"> = {}) => {
    events.push({ bytes: sseEvent({ type, sequence_number: sequence++, ...fields }, type), ...planned });
  };
  const begun = { ...final, status: "in_progress", incomplete_details: null, output: [], usage: null };
  add("response.created", { response: begun });
  add("response.in_progress", { response: begun });
  for (const [index, item] of output.entries()) {
    add("response.output_item.added", { output_index: index, item: emptyItem(item) });
    streamItem(answer, item, { item_id: item.id, output_index: index }, add);
    add("response.output_item.done", { output_index: index, item });
  }
  const terminal = final["status"] === "incomplete" ? "response.incomplete" : "response.completed";
  add(terminal, { response: final }, { facts: { ...facts, toolCalls: [...answer.toolCalls] } });

  const error = { code: "server_error", message: "The model had an error while answering." };
  const errorBytes = sseEvent({ type: "error", ...error, param: null, sequence_number: sequence }, "error");
  return ssePlan({ ...answerFacts(answer), responseId: id, usage: { source: "missing" } }, events, {
    bytes: errorBytes,
    facts: { error },
  });
}

type Add = (type: string, fields: Record<string, unknown>, planned?: Omit<PlannedEvent, "bytes">) => void;

function streamItem(answer: MockAnswer, item: Item, place: Record<string, unknown>, add: Add): void {
  if (item.type === "reasoning") return streamReasoning(answer, place, add);
  if (item.type === "function_call") {
    const whole = String(item["arguments"]);
    for (const delta of answer.cut(whole))
      add("response.function_call_arguments.delta", { ...place, delta }, { output: true });
    return add("response.function_call_arguments.done", { ...place, name: item["name"], arguments: whole });
  }
  const refused = answer.text === "";
  const kind = refused ? "refusal" : "output_text";
  const field = refused ? "refusal" : "text";
  const whole = refused ? answer.refusal : answer.text;
  const part = refused ? { type: kind, refusal: "" } : { type: kind, text: "", annotations: [] };
  add("response.content_part.added", { ...place, content_index: 0, part });
  for (const delta of answer.cut(whole)) {
    add(`response.${kind}.delta`, { ...place, content_index: 0, delta }, { output: true, facts: { [field]: delta } });
  }
  add(`response.${kind}.done`, { ...place, content_index: 0, [field]: whole });
  add("response.content_part.done", { ...place, content_index: 0, part: { ...part, [field]: whole } });
}

function streamReasoning(answer: MockAnswer, place: Record<string, unknown>, add: Add): void {
  const at = { ...place, summary_index: 0 };
  add("response.reasoning_summary_part.added", { ...at, part: { type: "summary_text", text: "" } });
  for (const delta of answer.cut(answer.reasoning)) {
    add("response.reasoning_summary_text.delta", { ...at, delta }, { output: true, facts: { reasoning: delta } });
  }
  add("response.reasoning_summary_text.done", { ...at, text: answer.reasoning });
  add("response.reasoning_summary_part.done", { ...at, part: { type: "summary_text", text: answer.reasoning } });
}

/** An item as it looks before its content has come. */
function emptyItem(item: Item): Item {
  if (item.type === "reasoning") return { ...item, summary: [] };
  if (item.type === "function_call") return { ...item, status: "in_progress", arguments: "" };
  return { ...item, status: "in_progress", content: [] };
}

/** Responses have no finish reason: what a record says follows from `status` and the items. */
function finishFacts(answer: MockAnswer): ExpectedFacts {
  const refused = answer.refusal !== "" && answer.text === "" && answer.toolCalls.length === 0;
  return { finishReason: refused ? "content_filter" : answer.finish };
}
