/** Spans of the app's own functions, from their begin to their end: what they are made of is kept until it is recorded. */
import type { FlowStore } from "#platform";
import { type Flow, mergeContext, type MergedContext, type ResolvedSettings } from "../context.ts";
import { copyFields, createContextBudget } from "../context-values.ts";
import { findGivenTrace } from "../enrich/link-trace.ts";
import { createId, randomHex } from "../interceptor/id.ts";
import type { CallSettings, SpanKind, Trace } from "../types.ts";
import type { FollowedSpan } from "./follow-result.ts";
import { takeSnapshot } from "./snapshot.ts";

export interface SpanStart {
  name: string;
  kind: SpanKind;
  /** What the function was given. */
  input: unknown;
  /** Of `tap.with`. */
  bound: MergedContext | undefined;
}

/** A span that has ended. Content is complete: the privacy gate comes next. */
export interface SpanDraft {
  id: string;
  name: string;
  kind: SpanKind;
  trace: Trace;
  settings: CallSettings;
  /** Epoch ms. */
  startedAt: number;
  /** Of `performance.now()`. */
  startTime: number;
  durationMs: number;
  input: unknown;
  output: unknown;
  /** What was thrown, if anything was. */
  thrown: { error: unknown } | undefined;
  notes: string[];
}

export interface OpenSpan extends FollowedSpan {
  readonly traceId: string;
  readonly spanId: string;
  setOutput(output: unknown): void;
  setProperties(properties: unknown): void;
  /** Ends it as far as it has come. */
  abandon(note: string): void;
}

export interface SpanLogOptions {
  flow: FlowStore<Flow>;
  /** Who asks, here and now. */
  resolve(bound: MergedContext | undefined): ResolvedSettings;
  /** Spans that may be open, and that may wait to be taken. */
  maxSpans: number;
  /** One is there to be taken. */
  onEnd(): void;
  /** There was no room for one. */
  onDropped(): void;
}

export interface SpanLog {
  /** `undefined`: here nothing is recorded. */
  open(start: SpanStart): OpenSpan | undefined;
  /** Those that have ended; they are forgotten here. */
  take(): SpanDraft[];
  /** Ends those that are open. */
  abandonAll(note: string): void;
  /** Spans that wait to be taken. */
  readonly size: number;
}

export function createSpanLog({ flow, resolve, maxSpans, onEnd, onDropped }: SpanLogOptions): SpanLog {
  let ended: SpanDraft[] = [];
  const opened = new Set<OpenSpan>();

  function open({ name, kind, input, bound }: SpanStart): OpenSpan | undefined {
    const outer = flow.get();
    if (outer?.isSuppressed === true) return undefined;
    const { settings, isIgnored, notes } = resolve(bound);
    if (isIgnored) return undefined;
    const spanId = randomHex(16);
    const trace: Trace = { ...(findGivenTrace(settings) ?? { traceId: randomHex(32) }), spanId };
    const { traceId } = trace;
    const inner: Flow = {
      ...outer,
      context: mergeContext(mergeContext(bound, outer?.context ?? {}), { traceId, parentSpanId: spanId }),
      span: { spanId, openedUnder: settings.activeSpan?.spanId },
    };
    const draft: SpanDraft = {
      id: createId(Date.now()),
      name,
      kind,
      trace,
      settings,
      startedAt: Date.now(),
      startTime: performance.now(),
      durationMs: 0,
      // What will not be kept need not be copied.
      input: settings.privacyMode || settings.excludeInput ? undefined : takeSnapshot(input),
      output: undefined,
      thrown: undefined,
      notes: [...notes],
    };
    const keepsOutput = !settings.privacyMode && !settings.excludeOutput;
    const budget = createContextBudget();
    let hasOutput = false;
    let isEnded = false;

    function end(): void {
      if (isEnded) return;
      isEnded = true;
      opened.delete(span);
      draft.durationMs = performance.now() - draft.startTime;
      if (ended.length >= maxSpans) {
        onDropped();
        return;
      }
      ended.push(draft);
      onEnd();
    }

    const span: OpenSpan = {
      traceId,
      spanId,
      keepsOutput,
      run: (step) => flow.run(inner, step),
      setOutput(output) {
        if (isEnded) return;
        hasOutput = true;
        if (keepsOutput) draft.output = takeSnapshot(output);
      },
      setProperties(properties) {
        if (isEnded) return;
        const { context } = settings;
        context.properties = { ...context.properties, ...copyFields(properties, budget) };
        for (const note of budget.notes) if (!draft.notes.includes(note)) draft.notes.push(note);
      },
      succeed(output) {
        if (!hasOutput) span.setOutput(output);
        end();
      },
      fail(error) {
        if (!isEnded) draft.thrown = { error };
        end();
      },
      abandon(note) {
        if (!isEnded) draft.notes.push(note);
        end();
      },
    };
    if (opened.size < maxSpans) opened.add(span);
    return span;
  }

  return {
    open,
    take() {
      const taken = ended;
      ended = [];
      return taken;
    },
    abandonAll(note) {
      for (const span of opened) span.abandon(note);
    },
    get size() {
      return ended.length;
    },
  };
}
