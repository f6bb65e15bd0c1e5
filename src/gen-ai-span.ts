/** Which spans of other instrumentations stand for one call to a model. */

/** Agents, tools and workflows hold calls; these are calls. */
const CALL_OPERATIONS: ReadonlySet<unknown> = new Set(["chat", "generate_content", "text_completion", "embeddings"]);

/** @param attributes of a span, as OpenTelemetry's SDK keeps them. */
export function isModelCallSpan(attributes: Readonly<Record<string, unknown>>): boolean {
  const operation = attributes["gen_ai.operation.name"];
  if (operation !== undefined) return CALL_OPERATIONS.has(operation);
  // Before there were operations: `gen_ai.system` and a model.
  return attributes["gen_ai.request.model"] !== undefined && attributes["gen_ai.tool.name"] === undefined;
}

/** The note of a call inside such a span. */
export const NOTE_GEN_AI_SPAN = "otel_gen_ai_span";
