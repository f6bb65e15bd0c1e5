/** The span of a tool that was run between two calls, as the wire tells of it. */
import type { LlmCall, Span } from "../types.ts";
import type { ToolRun } from "./link-tools.ts";

/**
 * Content is complete: the privacy gate comes next.
 *
 * @param call - the one that brought the result: who asked is known from it
 * @param ids - new ones
 */
export function buildToolSpan(run: ToolRun, call: LlmCall, ids: { id: string; spanId: string }): Span {
  const { traceId, parentSpanId, linkedBy } = call.trace;
  const isGiven = linkedBy === "context" || linkedBy === "otel";
  // The answer that asked for it may be in a trace of its own.
  const parent = run.parentTraceId === traceId ? run.parentSpanId : parentSpanId;
  return {
    type: "span",
    schemaVersion: 1,
    id: ids.id,
    kind: "tool",
    name: run.name,
    source: "inferred",
    timing: { startedAt: run.startedAt, durationMs: run.durationMs },
    // What went wrong is the result, which is content.
    ...(run.isError && { error: { kind: "app", type: "tool_error", message: "The tool failed" } }),
    ...(run.arguments !== undefined && { input: run.arguments }),
    ...(run.result !== undefined && { output: run.result }),
    tool: { name: run.name, ...(run.callId !== undefined && { callId: run.callId }) },
    context: call.context,
    trace: {
      traceId,
      spanId: ids.spanId,
      ...(parent !== undefined && { parentSpanId: parent }),
      ...(run.turn !== undefined && { turn: run.turn }),
      linkedBy: isGiven ? linkedBy : "tool_result",
    },
    capture: {
      via: call.capture.via,
      content: call.capture.requestTruncated ? "truncated" : "full",
      requestTruncated: false,
      responseTruncated: call.capture.requestTruncated,
      ...(call.capture.sampleRate !== undefined && { sampleRate: call.capture.sampleRate }),
      notes: [],
    },
  };
}
