/** From a function that has ended to the span that leaves: sampled, built, gated. */
import type { Linker } from "./enrich/link.ts";
import { applySpanPrivacy } from "./enrich/privacy.ts";
import { createPolicy, isSampled, type Report } from "./record-policy.ts";
import type { SpanDraft } from "./spans/span-log.ts";
import { readThrown } from "./spans/thrown-error.ts";
import type { Span, TapOptions } from "./types.ts";

export type RecordSpan = (draft: SpanDraft) => Span | undefined;

export interface SpanRecorderOptions {
  options: TapOptions;
  linker: Linker;
  report: Report;
}

/** `undefined`: sampled out. */
export function createSpanRecorder({ options, linker, report }: SpanRecorderOptions): RecordSpan {
  const { sampleRate = 1, contentSampleRate = 1 } = options;
  return function recordSpan(draft) {
    const { name, kind, trace, settings, startTime } = draft;
    const { traceId } = trace;
    if (kind === "tool") linker.noteTool({ traceId, name, startTime });
    if (!isSampled(traceId, sampleRate)) return undefined;
    // Spans have no provider: what `capture` can tell them by is who asked.
    const policy = createPolicy(settings, () => ({ provider: "app", host: "" }), options, report);
    if (!isSampled(traceId, contentSampleRate)) policy.privacyMode = true;
    return applySpanPrivacy(buildSpan(draft, sampleRate), policy);
  };
}

function buildSpan(draft: SpanDraft, sampleRate: number): Span {
  const { id, name, kind, trace, settings, startedAt, durationMs, input, output, thrown, notes } = draft;
  return {
    type: "span",
    schemaVersion: 1,
    id,
    kind,
    name,
    source: "observe",
    timing: { startedAt, durationMs },
    ...(thrown !== undefined && { error: readThrown(thrown.error) }),
    ...(input !== undefined && { input }),
    ...(output !== undefined && { output }),
    ...(kind === "tool" && { tool: { name } }),
    context: settings.context,
    trace,
    capture: {
      via: "observe",
      content: "full",
      requestTruncated: false,
      responseTruncated: false,
      ...(sampleRate < 1 && { sampleRate }),
      notes,
    },
  };
}
