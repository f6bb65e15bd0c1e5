/** Who asked: the context of `tap.run`, `tap.with`, the `context` option and the override headers, merged at dispatch. */
import { createFlowStore, type FlowStore } from "#platform";
import { readBaggage } from "./context-baggage.ts";
import { readActiveSpan } from "./context-otel.ts";
import { type ContextNote, copyFields, copyTags, copyText, createContextBudget, MAX_TAGS } from "./context-values.ts";
import type { ContextBudget } from "./context-values.ts";
import type { CallContext, CallSettings, RunContext, TapOptions } from "./types.ts";

export { parseProperties } from "./context-values.ts";

/** What flows along with the app's code. */
export interface Flow {
  context?: MergedContext;
  /** The span of ours that was opened last. */
  span?: FlowSpan;
  /** This is the tap's own traffic, or a callback of the user that the tap runs: never tapped. */
  isSuppressed?: boolean;
  /** A sink is sending: its sockets must not keep the process alive. */
  isBackground?: boolean;
  /** The call that is being made right now, for taps further down the same call. */
  marker?: CallMarker | undefined;
  /** What a call made with a Request waits for: the global dispatcher tells when it is reached. */
  pending?: PendingCall | undefined;
  /** The call whose request body is being asked for its next chunk. */
  upload?: Upload;
}

export interface Upload {
  call: object;
  /** The same for another tap, which sees this call too. */
  outer: Upload | undefined;
}

/** A span of `tap.observe` or `tap.span`; its ids are in the context, as `traceId` and `parentSpanId`. */
export interface FlowSpan {
  spanId: string;
  /** OpenTelemetry's span that was active when ours was opened: another one in its place was opened later, inside. */
  openedUnder: string | undefined;
}

/** Contexts of several places in one. */
export interface MergedContext extends RunContext {
  /** Something in it could not be read. */
  isInvalid?: boolean;
}

/** A call through a fetch wrapper that could not give its dispatcher along. */
export interface PendingCall {
  observer: object;
  /** That of another tap, whose wrapper this call has passed before. */
  outer: PendingCall | undefined;
  /** Whether a dispatch is this call; others may be made in its flow, by a body that calls out. */
  isFor(options: unknown): boolean;
  /** Stands in for the dispatch that has been reached. */
  dispatchThrough(dispatch: unknown, options: unknown, handler: unknown): boolean;
}

/** One HTTP call on its way through however many taps. */
export interface CallMarker {
  id: string;
  url: string;
  /** The taps that have seen it. */
  observers: Set<object>;
  /** Overrides that a tap further up took off the request. */
  overrides: HeaderOverrides | undefined;
}

/** What the `x-llm-tap-*` headers of one request said. */
export interface HeaderOverrides {
  userId?: string;
  deviceId?: string;
  sessionId?: string;
  traceId?: string;
  privacyMode?: boolean;
  properties?: Record<string, unknown>;
  ignore?: boolean;
}

const STORE = Symbol.for("llm-tap.flow.1");

/** Shared by all copies of llm-tap in the process, so that a `run` of one is seen by the others. */
export function getFlowStore(): FlowStore<Flow> {
  const holder = globalThis as { [STORE]?: FlowStore<Flow> };
  if (holder[STORE] === undefined) {
    Object.defineProperty(globalThis, STORE, { value: createFlowStore<Flow>(), configurable: true });
  }
  return holder[STORE] as FlowStore<Flow>;
}

const IDENTITY = ["userId", "deviceId", "sessionId"] as const;
const TEXTS = ["userId", "deviceId", "sessionId", "agentId", "parentAgentId", "customerOrgId", "env"] as const;
const SWITCHES_ON = ["ignore", "privacyMode", "excludeInput", "excludeOutput"] as const;
const SWITCHES_OFF = ["tokenTracking", "costTracking"] as const;
const FIELDS: readonly (keyof RunContext)[] = [...TEXTS, "traceId", "parentSpanId", "tags", "properties", "groups"];
/** Characters of a trace or span id that an app made up. */
const MAX_ID = 256;

/**
 * `inner` over `outer`, as a new object; properties, tags and groups merge; what tightens privacy stays tight. Reads the
 * app's own object, and never throws.
 */
export function mergeContext(outer: MergedContext | undefined, inner: MergedContext): MergedContext {
  const merged: MergedContext = { ...outer };
  const fields = merged as Record<string, unknown>;
  const read = (key: keyof MergedContext): unknown => {
    try {
      return inner[key];
    } catch {
      merged.isInvalid = true;
      return undefined;
    }
  };
  for (const key of FIELDS) {
    const value = read(key);
    if (value !== undefined && value !== null) fields[key] = mergeValue(fields[key], value, merged);
  }
  // The parent belongs to the trace that it was given with.
  if (merged.traceId !== outer?.traceId && read("parentSpanId") === undefined) delete merged.parentSpanId;
  for (const key of SWITCHES_ON) if (read(key) === true) merged[key] = true;
  for (const key of SWITCHES_OFF) if (read(key) === false) merged[key] = false;
  if (read("isInvalid") === true) merged.isInvalid = true;
  return merged;
}

function mergeValue(outer: unknown, inner: unknown, merged: MergedContext): unknown {
  if (typeof inner !== "object" || inner === null || typeof outer !== "object" || outer === null) return inner;
  try {
    if (Array.isArray(inner)) {
      return Array.isArray(outer) ? [...new Set([...outer, ...inner.slice(0, MAX_TAGS)])] : inner;
    }
    return Array.isArray(outer) ? inner : { ...outer, ...inner };
  } catch {
    merged.isInvalid = true;
    return outer;
  }
}

export interface SettingsSources {
  options: TapOptions;
  /** Of `tap.with`. */
  bound: MergedContext | undefined;
  /** Of the `context` option. */
  fromOption: MergedContext | undefined;
  /** What flows along: that of `tap.run`, and of spans. */
  flow: Pick<Flow, "context" | "span"> | undefined;
  overrides: HeaderOverrides | undefined;
  /** The request's own `baggage` header; read only where the option `baggageKeys` says so. */
  baggage: string | undefined;
}

export interface ResolvedSettings {
  settings: CallSettings;
  isIgnored: boolean;
  /** What of the context could not be taken as given. */
  notes: Iterable<ContextNote>;
}

/**
 * Precedence of identity: run, with, `context()`, header (header first with `headerOverrides.identity: "header"`), and
 * last baggage.
 */
export function resolveSettings(sources: SettingsSources): ResolvedSettings {
  const { options, overrides } = sources;
  const given = mergeSources(sources);
  const trust = options.headerOverrides === false ? undefined : options.headerOverrides;
  const headers = options.headerOverrides === false ? undefined : overrides;
  const budget = createContextBudget();
  const context = copyContext(given, budget);
  if (headers !== undefined) addHeaders(context, headers, trust?.identity === "header", budget);
  if (options.baggageKeys !== undefined) addBaggage(context, readBaggage(options.baggageKeys, sources.baggage), budget);
  const settings: CallSettings = {
    context,
    privacyMode: options.privacyMode === true || given?.privacyMode === true || headers?.privacyMode === true,
    excludeInput: options.excludeInput === true || given?.excludeInput === true,
    excludeOutput: options.excludeOutput === true || given?.excludeOutput === true,
    tokenTracking: options.tokenTracking !== false && given?.tokenTracking !== false,
    costTracking: options.costTracking !== false && given?.costTracking !== false,
  };
  addTrace(settings, given, headers, sources.flow?.span);
  if (given?.isInvalid === true) budget.notes.add("context_invalid");
  return {
    settings,
    isIgnored: given?.ignore === true || (trust?.ignore === true && headers?.ignore === true),
    notes: budget.notes,
  };
}

function mergeSources({ fromOption, bound, flow }: SettingsSources): MergedContext | undefined {
  let given: MergedContext | undefined;
  for (const context of [fromOption, bound, flow?.context]) {
    if (context !== undefined)
      given = given === undefined && context !== fromOption ? context : mergeContext(given, context);
  }
  return given;
}

/** Snapshots what the app gave: it may change its objects after the dispatch. */
function copyContext(given: MergedContext | undefined, budget: ContextBudget): CallContext {
  const context: CallContext = {};
  if (given === undefined) return context;
  for (const key of TEXTS) {
    const text = copyText(given[key], budget);
    if (text !== undefined) context[key] = text;
  }
  const tags = copyTags(given.tags, budget);
  if (tags !== undefined) context.tags = tags;
  const groups = copyFields(given.groups, budget);
  if (groups !== undefined) context.groups = groups as NonNullable<CallContext["groups"]>;
  const properties = copyFields(given.properties, budget);
  if (properties !== undefined) context.properties = properties;
  return context;
}

function addHeaders(context: CallContext, headers: HeaderOverrides, comesFirst: boolean, budget: ContextBudget): void {
  for (const key of IDENTITY) {
    if (headers[key] === undefined || (context[key] !== undefined && !comesFirst)) continue;
    const text = copyText(headers[key], budget);
    if (text !== undefined) context[key] = text;
  }
  const properties = copyFields(headers.properties, budget);
  if (properties !== undefined) context.properties = { ...properties, ...context.properties };
}

/** Where nothing else says anything. */
function addBaggage(context: CallContext, baggage: CallContext, budget: ContextBudget): void {
  for (const key of IDENTITY) {
    const text = context[key] === undefined ? copyText(baggage[key], budget) : undefined;
    if (text !== undefined) context[key] = text;
  }
  const properties = copyFields(baggage.properties, budget);
  if (properties !== undefined) context.properties = { ...properties, ...context.properties };
}

function addTrace(
  settings: CallSettings,
  given: MergedContext | undefined,
  headers: HeaderOverrides | undefined,
  span: FlowSpan | undefined,
): void {
  const traceId = copyId(given?.traceId) ?? copyId(headers?.traceId);
  const parentSpanId = traceId === undefined ? undefined : copyId(given?.parentSpanId);
  if (traceId !== undefined) settings.traceId = traceId;
  if (parentSpanId !== undefined) settings.parentSpanId = parentSpanId;
  const active = readActiveSpan();
  if (active === undefined) return;
  settings.activeSpan = active;
  // Opened inside the span of ours that would be the parent: it is nearer.
  const isInside = span !== undefined && span.spanId === parentSpanId && span.openedUnder !== active.spanId;
  if (isInside && active.traceId === traceId) settings.parentSpanId = active.spanId;
}

function copyId(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && value.length <= MAX_ID ? value : undefined;
}
