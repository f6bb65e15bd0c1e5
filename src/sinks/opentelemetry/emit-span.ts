/** From a record to an ended span. */
import type { Attributes, Context, Span, Tracer } from "@opentelemetry/api";
import type { TapRecord } from "../../types.ts";
import { toJsonText } from "../shared/copy-json.ts";
import { callAttributes, errorTypeOf, spanAttributes, spanNameOf, startAttributes } from "./attributes.ts";
import { readContent } from "./content.ts";
import { adoptIds, parentContext, toHrTime, toTraceId } from "./ids.ts";
import type { OtelApi } from "./load-api.ts";
import { ATTRIBUTE, OWN_ATTRIBUTE, type Semconv } from "./names.ts";

export interface EmitSpanOptions {
  api: typeof OtelApi;
  tracer: Tracer;
  semconv: Semconv;
  /** Whether prompts and answers go on spans. */
  content: boolean;
  attributes: (record: TapRecord) => Attributes | undefined;
}

export interface EmittedSpan {
  /** Holds the span, for what belongs to it. */
  context: Context;
  /** `false`: not sampled, or there is no SDK. */
  isRecording: boolean;
}

export function createSpanEmitter({ api, tracer, semconv, content, attributes }: EmitSpanOptions) {
  return function emitSpan(record: TapRecord): EmittedSpan {
    const { trace, timing } = record;
    const parent =
      trace.parentSpanId === undefined
        ? api.ROOT_CONTEXT
        : api.trace.setSpanContext(api.ROOT_CONTEXT, parentContext(trace.traceId, trace.parentSpanId));
    const span = tracer.startSpan(
      spanNameOf(record),
      {
        kind: record.type === "call" ? api.SpanKind.CLIENT : api.SpanKind.INTERNAL,
        startTime: toHrTime(timing.startedAt),
        attributes: startAttributes(record),
      },
      parent,
    );
    const isRecording = span.isRecording();
    if (isRecording) {
      if (!adoptIds(span, trace.traceId, trace.spanId)) span.setAttribute(OWN_ATTRIBUTE.spanId, trace.spanId);
      if (toTraceId(trace.traceId) !== trace.traceId) span.setAttribute(OWN_ATTRIBUTE.traceId, trace.traceId);
      describe(span, record);
      span.end(toHrTime(timing.startedAt + Math.max(0, timing.durationMs)));
    }
    return { context: api.trace.setSpan(api.ROOT_CONTEXT, span), isRecording };
  };

  function describe(span: Span, record: TapRecord): void {
    span.setAttributes(record.type === "call" ? callAttributes(record, semconv) : spanAttributes(record));
    if (content) span.setAttributes(contentAttributes(record, semconv));
    const own = attributes(record);
    if (own !== undefined) span.setAttributes(own);
    if (errorTypeOf(record) === undefined) return;
    const message = record.error?.message ?? "";
    span.setStatus({ code: api.SpanStatusCode.ERROR, ...(message !== "" && { message }) });
  }
}

/** Spans hold no structures: JSON in a string. */
function contentAttributes(record: TapRecord, semconv: Semconv): Attributes {
  const given: readonly (readonly [string, unknown])[] =
    record.type === "call" ? callContent(record, semconv) : spanContent(record);
  const attributes: Attributes = {};
  for (const [name, value] of given) {
    if (value !== undefined) attributes[name] = typeof value === "string" ? value : toJsonText(value);
  }
  return attributes;
}

function callContent(call: Extract<TapRecord, { type: "call" }>, semconv: Semconv): [string, unknown][] {
  const { inputMessages, outputMessages, systemInstructions, toolDefinitions } = readContent(call, semconv);
  return [
    [ATTRIBUTE.inputMessages, inputMessages],
    [ATTRIBUTE.outputMessages, outputMessages],
    [ATTRIBUTE.systemInstructions, systemInstructions],
    [ATTRIBUTE.toolDefinitions, toolDefinitions],
  ];
}

function spanContent({ kind, input, output }: Extract<TapRecord, { type: "span" }>): [string, unknown][] {
  return kind === "tool"
    ? [
        [ATTRIBUTE.toolCallArguments, input],
        [ATTRIBUTE.toolCallResult, output],
      ]
    : [
        [OWN_ATTRIBUTE.spanInput, input],
        [OWN_ATTRIBUTE.spanOutput, output],
      ];
}
