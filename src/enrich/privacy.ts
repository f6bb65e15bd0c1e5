/**
 * THE privacy gate: the one place through which every field of a record passes. What the tables below do not let through
 * is left out of a copy, so a field that nobody decided about reaches no sink (and does not compile).
 *
 * With content off stay: model, settings by allow-list, finish reasons, names and ids of tool calls, media descriptors,
 * usage, timings, ids, status, and of an error its kind, status, code and type. Order for each text: credentials,
 * personal data, the user's `redact`, and only then the cut to length.
 */
import type { KnownBeginning } from "../known-messages.ts";
import type {
  CallError,
  CallRequest,
  CallResponse,
  Capture,
  Cost,
  LlmCall,
  RateLimit,
  Span,
  TapRecord,
  Timing,
  Trace,
  Usage,
} from "../types.ts";
import { maskCredentials } from "./credentials.ts";
import { describeError } from "./describe-error.ts";
import { listEchoes } from "./echoes.ts";
import { keepParameterFacts, keepUsageFacts } from "./facts.ts";
import { createGate } from "./gate.ts";
import type { BrokenSides, Gate, Place, PrivacyPolicy } from "./gate.ts";
import { keepChoices, keepMessages, keepParts, keepTools, moveIndex } from "./privacy-messages.ts";
import { maskPersonalData } from "./redact.ts";
import { scrubRecordUrl } from "./record-url.ts";
import {
  applyRules,
  at,
  copyBefore,
  defineRules,
  keep,
  keepBoolean,
  keepEach,
  keepIdentifier,
  keepNumber,
  keepNumbersByName,
  nested,
  onceKnown,
} from "./rules.ts";
import type { Rule, Rules, RuleTable } from "./rules.ts";
import { cutText, isErrorName } from "./text.ts";

export type { PrivacyPolicy } from "./gate.ts";

const inputPlace = (where: string): Place => ({ where, side: "input" });
const outputPlace = (where: string): Place => ({ where, side: "output" });

const urlPlace = inputPlace("request.url");
const requestPlace = inputPlace("request");
const responsePlace = outputPlace("response");
/** Parsers cut what is no message but a page from 1,000 characters on. */
const errorPlace: Place = { where: "error.message", side: "either", credentials: true, maxLength: 1_000 };
const recordPlace: Place = { where: "record", side: "either" };

const requestRules: Rules<CallRequest> = {
  method: (method) => (/^[A-Za-z]{1,16}$/.test(method) ? method : "OTHER"),
  url: (url, gate) =>
    scrubRecordUrl(url, {
      content: gate.allows("input"),
      redactPii: gate.policy.redactPii,
      ...(gate.policy.redact !== undefined && { isKept: (text: string) => gate.isKept(text, urlPlace) }),
    }),
  host: (host) => cutText(maskCredentials(host), 255),
  model: keepIdentifier,
  parameters: onceKnown("parameters", keepParameters),
  system: at(inputPlace("request.system"), (system, gate, place) =>
    gate.allows("input") ? keepParts(system, gate, place) : undefined,
  ),
  messages: at(inputPlace("request.messages"), keepMessages),
  tools: onceKnown("tools", keepTools),
  attempt: keepNumber,
  logicalCallId: keepIdentifier,
  retryOf: keepIdentifier,
  bytes: keepNumber,
};

const FIXED_KEYS = { hasFixedKeys: true };
const parametersPlace: Place = { where: "request.parameters", side: "input", credentials: true };

/** Each parameter is a field of its own: a schema of a megabyte must not push out the temperature behind it. */
function keepParameters(parameters: CallRequest["parameters"], gate: Gate): CallRequest["parameters"] {
  if (!gate.allows("input")) return keepParameterFacts(parameters);
  let result: Record<string, unknown> | undefined;
  for (const name of Object.keys(parameters)) {
    const value = parameters[name];
    // As an object of one field, so that the name counts too where it names a credential.
    const field = { [name]: value };
    const isPlain = typeof value === "boolean" || (typeof value === "number" && !gate.policy.redactPii);
    const entry = isPlain ? field : (gate.json(field, parametersPlace, FIXED_KEYS) as typeof field);
    if (result === undefined) {
      if (entry[name] === value && value !== undefined && name !== "__proto__") continue;
      result = copyBefore(parameters, name);
    }
    for (const key of Object.keys(entry)) if (key !== "__proto__") result[key] = entry[key];
  }
  return result ?? parameters;
}

const rateLimitRules: Rules<RateLimit> = { limit: keepNumber, remaining: keepNumber, resetMs: keepNumber };

const responseRules: Rules<CallResponse> = {
  status: keepNumber,
  id: keepIdentifier,
  model: keepIdentifier,
  requestId: keepIdentifier,
  serviceTier: keepIdentifier,
  upstreamProvider: keepIdentifier,
  choices: at(outputPlace("response.choices"), keepChoices),
  embeddings: nested<NonNullable<CallResponse["embeddings"]>>({ count: keepNumber, dimensions: keepNumber }),
  rateLimit: keepNumbersByName<RateLimit>(nested(rateLimitRules)),
  processingMs: keepNumber,
  cacheHit: keepBoolean,
  jobId: keepIdentifier,
  bytes: keepNumber,
  chunks: keepNumber,
};

const rawUsagePlace: Place = { where: "usage.raw", side: "either", credentials: true };

const usageRules: Rules<Usage> = {
  source: keep,
  missingReason: keep,
  complete: keepBoolean,
  inconsistent: keepBoolean,
  inputTokens: keepNumber,
  outputTokens: keepNumber,
  totalTokens: keepNumber,
  cacheReadTokens: keepNumber,
  cacheWriteTokens: keepNumber,
  cacheWrite5mTokens: keepNumber,
  cacheWrite1hTokens: keepNumber,
  reasoningTokens: keepNumber,
  inputAudioTokens: keepNumber,
  outputAudioTokens: keepNumber,
  inputImageTokens: keepNumber,
  outputImageTokens: keepNumber,
  cacheReadAudioTokens: keepNumber,
  acceptedPredictionTokens: keepNumber,
  rejectedPredictionTokens: keepNumber,
  imageCount: keepNumber,
  audioSeconds: keepNumber,
  searchUnits: keepNumber,
  pages: keepNumber,
  characters: keepNumber,
  serverToolUses: keepNumbersByName<number>(keepNumber),
  raw: (raw, gate) => (gate.allows("either") ? gate.json(raw, rawUsagePlace) : keepUsageFacts(raw)),
};

const costRules: Rules<Cost> = {
  totalUsd: keepNumber,
  inputUsd: keepNumber,
  outputUsd: keepNumber,
  cacheReadUsd: keepNumber,
  cacheWriteUsd: keepNumber,
  source: keep,
  pricesVersion: keepIdentifier,
};

const timingRules: Rules<Timing> = {
  startedAt: keepNumber,
  headersMs: keepNumber,
  firstByteMs: keepNumber,
  firstTokenMs: keepNumber,
  durationMs: keepNumber,
  outputTokensPerSecond: keepNumber,
};

function keepErrorName(name: string, gate: Gate, place: Place): string | undefined {
  const masked = maskCredentials(name);
  return masked === name && isErrorName(name) ? name : gate.text(name, place);
}

const errorRules = defineRules<CallError>({
  kind: keep,
  type: keepErrorName,
  code: keepErrorName,
  status: keepNumber,
  message: (message, gate, place) => gate.text(message, place),
  retryAfterMs: keepNumber,
});

function keepError(error: CallError, gate: Gate): CallError {
  const kept = applyRules(error, errorRules, gate, errorPlace);
  if (kept.message !== undefined) return kept;
  const reason = gate.allows(errorPlace.side) ? "redaction failed" : "content off";
  return { ...kept, message: `${describeError(kept)} (${reason})` };
}

const traceRules: Rules<Trace> = {
  traceId: keep,
  spanId: keep,
  parentSpanId: keep,
  turn: keepNumber,
  linkedBy: keep,
  newMessagesFrom: keepNumber,
  newUserMessages: keepNumber,
};

/** Looked at last: it says what the other rules did. */
const captureRules = defineRules<Capture>({
  via: keep,
  content: judgeContent,
  requestTruncated: (truncated, gate) => truncated || gate.report.cut.input,
  responseTruncated: (truncated, gate) => truncated || gate.report.cut.output,
  sampleRate: keepNumber,
  notes: (notes, gate) =>
    gate.report.notes.size === 0
      ? keepEach(notes, (note) => (isNote(note) ? note : undefined))
      : [...new Set([...notes.filter(isNote), ...gate.report.notes])],
});

function judgeContent(content: Capture["content"], gate: Gate): Capture["content"] {
  const { report } = gate;
  if (content === "metadata" || !(gate.allows("input") || gate.allows("output"))) return "metadata";
  if (content === "redacted" || report.redacted || !gate.allows("either")) return "redacted";
  return content === "truncated" || report.cut.input || report.cut.output || report.cut.either ? "truncated" : "full";
}

/** Notes are words of our own; anything longer came from the wire. */
function isNote(note: string): boolean {
  return /^[\w:.-]{1,64}$/.test(note);
}

const callRules = defineRules<LlmCall>({
  type: keep,
  schemaVersion: keep,
  id: keep,
  provider: keepIdentifier,
  api: keep,
  operation: keep,
  streaming: keepBoolean,
  outcome: keep,
  request: at(requestPlace, nested(requestRules)),
  response: at(responsePlace, nested(responseRules)),
  usage: nested(usageRules),
  cost: nested(costRules),
  timing: nested(timingRules),
  error: keepError,
  context: keep,
  trace: nested(traceRules),
  capture: keep,
});

/** All but `capture`, and then that. */
function applyRecordRules<T extends TapRecord>(record: T, rules: RuleTable<T>, gate: Gate): T {
  const kept = applyRules(record, rules, gate, recordPlace);
  const capture = applyRules(record.capture, captureRules, gate, recordPlace);
  return kept.capture === capture ? kept : { ...kept, capture };
}

/** What went into a function and what came out of it. */
interface SpanSides {
  input: Place["side"];
  output: Place["side"];
}

function createSpanRules(keepName: Rule<string>, sides: SpanSides): RuleTable<Span> {
  return defineRules<Span>({
    type: keep,
    schemaVersion: keep,
    id: keep,
    kind: keep,
    name: keepName,
    source: keep,
    timing: nested(timingRules),
    error: keepError,
    input: at({ where: "span.input", side: sides.input }, keepSnapshot),
    output: at({ where: "span.output", side: sides.output }, keepSnapshot),
    tool: nested<NonNullable<Span["tool"]>>({ callId: keepIdentifier, name: keepName }),
    context: keep,
    trace: nested(traceRules),
    capture: keep,
  });
}

/** The app's own function, under a name of its own. */
const functionRules = createSpanRules(keepChosenName, { input: "input", output: "output" });
/** A function that runs for a model: what it is given the model said, what it gives back is sent to the model. */
const toolRules = createSpanRules(keepChosenName, { input: "either", output: "either" });
/** The same, as the wire tells of it: the name is the model's too. */
const inferredRules = createSpanRules((name, gate, place) => gate.identifier(name, place) ?? "(content off)", {
  input: "output",
  output: "input",
});

function findSpanRules({ source, kind }: Span): RuleTable<Span> {
  if (source === "inferred") return inferredRules;
  return kind === "tool" ? toolRules : functionRules;
}

/** Chosen on purpose, as the context is: it stays with content off too. */
function keepChosenName(name: string, gate: Gate): string {
  return cutText(gate.policy.redactPii ? maskPersonalData(name) : maskCredentials(name), 256);
}

const SNAPSHOT = { snapshot: true };

/** Arguments and results of the app's own functions: any value, and the app goes on using it. */
function keepSnapshot(value: unknown, gate: Gate, place: Place): unknown {
  return gate.json(value, place, SNAPSHOT);
}

/**
 * @param record - complete, with content; it is not changed
 * @param known - its messages that were there before
 * @returns what the policy allows of it; the record itself where that is all of it
 */
export function applyPrivacy(record: LlmCall, policy: PrivacyPolicy, known?: KnownBeginning): LlmCall {
  const gate = createGate(tighten(record, policy), findBrokenSides(record), listInput(record, policy), known);
  const kept: LlmCall = moveNewMessages(record, applyRecordRules(record, callRules, gate), gate);
  if ((kept.provider as string | undefined) === undefined) kept.provider = "unknown";
  return kept;
}

function tighten({ capture, streaming }: LlmCall, policy: PrivacyPolicy): PrivacyPolicy {
  if (capture.content === "metadata") return { ...policy, privacyMode: true };
  // What was dropped of a stream left no trace in its texts: what is masked may have lost its middle.
  const hasGap = streaming && capture.notes.includes("response_content_dropped");
  return hasGap && (policy.redactPii || policy.redact !== undefined) ? { ...policy, excludeOutput: true } : policy;
}

function listInput({ request }: LlmCall, { privacyMode, excludeInput, excludeOutput }: PrivacyPolicy): string[] {
  return excludeInput && !excludeOutput && !privacyMode ? listEchoes(request) : [];
}

function findBrokenSides({ capture, outcome, error }: LlmCall): BrokenSides {
  const { requestTruncated: input, responseTruncated } = capture;
  // An answer that an error ended has no end of its own; the error itself came whole.
  const isOpen = outcome === "truncated" || outcome === "cancelled" || (outcome === "error" && error?.kind !== "http");
  return { input, output: responseTruncated || isOpen, either: input || responseTruncated };
}

/** The index is into the messages as they are in the record. */
function moveNewMessages({ request, trace }: LlmCall, kept: LlmCall, gate: Gate): LlmCall {
  if (trace.newMessagesFrom === undefined) return kept;
  const index = moveIndex(trace.newMessagesFrom, request.messages ?? [], gate);
  if (index === trace.newMessagesFrom) return kept;
  const moved = { ...kept.trace };
  if (index === undefined) delete moved.newMessagesFrom;
  else moved.newMessagesFrom = index;
  return { ...kept, trace: moved };
}

/** The same for a span. */
export function applySpanPrivacy(span: Span, policy: PrivacyPolicy): Span {
  const { capture } = span;
  const isBroken = capture.requestTruncated || capture.responseTruncated;
  const gate = createGate(capture.content === "metadata" ? { ...policy, privacyMode: true } : policy, {
    input: isBroken,
    output: isBroken,
    either: isBroken,
  });
  return applyRecordRules(span, findSpanRules(span), gate);
}

const metadataPolicy: PrivacyPolicy = {
  privacyMode: true,
  excludeInput: true,
  excludeOutput: true,
  captureMedia: false,
  maxContentLength: 0,
  redactPii: false,
  digest: () => ({ bytes: 0, sha256: "" }),
};

/** For sinks with `content: "metadata"`: without content; the record stays as it is. */
export function toMetadata(record: TapRecord): TapRecord {
  return record.type === "call" ? applyPrivacy(record, metadataPolicy) : applySpanPrivacy(record, metadataPolicy);
}
