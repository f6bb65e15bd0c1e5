/** Who asked: the context of `tap.run`, `tap.with`, the `context` option and the override headers, merged at dispatch. */
import { createFlowStore, type FlowStore } from "#platform";
import type { CallContext, CallSettings, RunContext, TapOptions } from "./types.ts";

/** What flows along with the app's code. */
export interface Flow {
  context?: RunContext;
  /** This is the tap's own traffic, or a callback of the user that the tap runs: never tapped. */
  isSuppressed?: boolean;
  /** A sink is sending: its sockets must not keep the process alive. */
  isBackground?: boolean;
  /** The call that is being made right now, for taps further down the same call. */
  marker?: CallMarker | undefined;
  /** What a call made with a Request waits for: the global dispatcher tells when it is reached. */
  pending?: PendingCall | undefined;
}

/** A call through a fetch wrapper that could not give its dispatcher along. */
export interface PendingCall {
  observer: object;
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

const MAX_CONTEXT_LENGTH = 8 * 1024;
const IDENTITY = ["userId", "deviceId", "sessionId"] as const;
const TEXTS = ["userId", "deviceId", "sessionId", "agentId", "parentAgentId", "customerOrgId", "env"] as const;
const SWITCHES_ON = ["ignore", "privacyMode", "excludeInput", "excludeOutput"] as const;
const SWITCHES_OFF = ["tokenTracking", "costTracking"] as const;

/** `inner` over `outer`; properties, tags and groups merge; what tightens privacy stays tight. */
export function mergeContext(outer: RunContext | undefined, inner: RunContext): RunContext {
  if (outer === undefined) return inner;
  const merged: RunContext = { ...outer };
  for (const key of Object.keys(inner) as (keyof RunContext)[]) {
    if (inner[key] !== undefined) Object.assign(merged, { [key]: inner[key] });
  }
  if (outer.properties !== undefined) merged.properties = { ...outer.properties, ...inner.properties };
  if (outer.groups !== undefined) merged.groups = { ...outer.groups, ...inner.groups };
  if (outer.tags !== undefined) merged.tags = [...new Set([...outer.tags, ...(inner.tags ?? [])])];
  for (const key of SWITCHES_ON) if (outer[key] === true) merged[key] = true;
  for (const key of SWITCHES_OFF) if (outer[key] === false) merged[key] = false;
  return merged;
}

export interface SettingsSources {
  options: TapOptions;
  /** Of `tap.with`. */
  bound: RunContext | undefined;
  /** Of the `context` option. */
  fromOption: RunContext | undefined;
  /** Of `tap.run`. */
  fromRun: RunContext | undefined;
  overrides: HeaderOverrides | undefined;
}

export interface ResolvedSettings {
  settings: CallSettings;
  isIgnored: boolean;
  /** A context that could not be read as given. */
  isInvalid: boolean;
}

/** Precedence of identity: run, with, `context()`, header (header first with `headerOverrides.identity: "header"`). */
export function resolveSettings({ options, bound, fromOption, fromRun, overrides }: SettingsSources): ResolvedSettings {
  let given: RunContext | undefined = fromOption;
  if (bound !== undefined) given = mergeContext(given, bound);
  if (fromRun !== undefined) given = mergeContext(given, fromRun);
  const trust = options.headerOverrides === false ? undefined : options.headerOverrides;
  const headers = options.headerOverrides === false ? undefined : overrides;
  let isInvalid = false;
  const context: CallContext = {};
  if (given !== undefined) {
    isInvalid = !copyContext(given, context);
  }
  if (headers !== undefined) {
    for (const key of IDENTITY) {
      const value = headers[key];
      if (value !== undefined && (context[key] === undefined || trust?.identity === "header")) context[key] = value;
    }
    if (headers.properties !== undefined) context.properties = { ...headers.properties, ...context.properties };
  }
  const traceId = given?.traceId ?? headers?.traceId;
  return {
    settings: {
      context,
      ...(traceId !== undefined && { traceId }),
      ...(given?.parentSpanId !== undefined && { parentSpanId: given.parentSpanId }),
      privacyMode: options.privacyMode === true || given?.privacyMode === true || headers?.privacyMode === true,
      excludeInput: options.excludeInput === true || given?.excludeInput === true,
      excludeOutput: options.excludeOutput === true || given?.excludeOutput === true,
      tokenTracking: options.tokenTracking !== false && given?.tokenTracking !== false,
      costTracking: options.costTracking !== false && given?.costTracking !== false,
    },
    isIgnored: given?.ignore === true || (trust?.ignore === true && headers?.ignore === true),
    isInvalid,
  };
}

/** Snapshots what the app gave: it may change its objects after the dispatch. @returns false when something was left out */
function copyContext(given: RunContext, context: CallContext): boolean {
  let isValid = true;
  for (const key of TEXTS) {
    const value: unknown = given[key];
    if (value === undefined || value === null) continue;
    if (typeof value === "string") context[key] = value.slice(0, MAX_CONTEXT_LENGTH);
    else if (typeof value === "number" || typeof value === "bigint") context[key] = String(value);
    else isValid = false;
  }
  if (given.tags !== undefined) {
    if (Array.isArray(given.tags)) context.tags = given.tags.filter((tag) => typeof tag === "string").slice(0, 100);
    else isValid = false;
  }
  const properties = snapshot(given.properties);
  if (properties !== undefined) context.properties = properties;
  else if (given.properties !== undefined) isValid = false;
  const groups = snapshot(given.groups);
  if (groups !== undefined) context.groups = groups as NonNullable<CallContext["groups"]>;
  else if (given.groups !== undefined) isValid = false;
  return isValid;
}

/** A plain copy by way of JSON, at most 8 KB. `undefined`: no object, cyclic, or too big. */
function snapshot(value: unknown): Record<string, unknown> | undefined {
  if (value === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  try {
    const text = JSON.stringify(value, (_key, leaf: unknown) => (typeof leaf === "bigint" ? String(leaf) : leaf));
    if (text.length > MAX_CONTEXT_LENGTH) return undefined;
    return parseProperties(text);
  } catch {
    return undefined;
  }
}

/** A JSON object without keys that could reach a prototype. */
export function parseProperties(text: string): Record<string, unknown> | undefined {
  if (text.length > MAX_CONTEXT_LENGTH) return undefined;
  try {
    const value: unknown = JSON.parse(text, (key, leaf: unknown) =>
      key === "__proto__" || key === "constructor" || key === "prototype" ? undefined : leaf,
    );
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
