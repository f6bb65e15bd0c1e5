/**
 * Calls whose answer comes later: Responses in the background, predictions of Replicate. The record of such a call leaves
 * at once, with `usage.missingReason: "deferred"` and `response.jobId`, and is never changed. The poll that brings the
 * end of the job becomes a second record, once: usage is counted once. Polls that say "not yet", polls of jobs that
 * nobody here has begun, and later polls of the same job give none.
 */
import type { ParsedResponse } from "../parsers/parser.ts";
import type { CallSettings, Exchange, LlmCall, RouteInfo, Trace } from "../types.ts";

/** What is remembered of the call that began a job. */
export interface Job {
  callId: string;
  logicalCallId: string | undefined;
  route: RouteInfo;
  model: string | undefined;
  settings: CallSettings;
  trace: Trace;
  /** Epoch ms. */
  startedAt: number;
  /** Of `performance.now()`. */
  startTime: number;
}

export interface JobStore {
  /** Remembers a call that has begun a job. */
  note(call: LlmCall, exchange: Exchange): void;
  /**
   * The job that a poll brings to its end, which is forgotten then.
   * @param response - what the poll said; `undefined`: it could not be read
   */
  complete(exchange: Exchange, response: ParsedResponse | undefined): Job | undefined;
}

export interface JobStoreOptions {
  /** Default 1,000; the oldest goes. */
  maxJobs?: number;
  /** Default 24 hours: as long as providers keep what they answered. */
  maxAgeMs?: number;
}

export function createJobStore({ maxJobs = 1_000, maxAgeMs = 24 * 60 * 60_000 }: JobStoreOptions = {}): JobStore {
  /** Oldest first. */
  const jobs = new Map<string, Job>();

  function note(call: LlmCall, exchange: Exchange): void {
    const id = call.response?.jobId;
    if (id === undefined) return;
    const key = keyOf(exchange.host, id);
    jobs.delete(key);
    jobs.set(key, {
      callId: call.id,
      logicalCallId: call.request.logicalCallId,
      route: exchange.route,
      model: call.request.model,
      settings: exchange.settings,
      trace: { ...call.trace },
      startedAt: exchange.startedAt,
      startTime: exchange.startTime,
    });
    for (const [oldest, { startTime }] of jobs) {
      if (jobs.size <= maxJobs && exchange.endTime - startTime <= maxAgeMs) break;
      jobs.delete(oldest);
    }
  }

  function complete(exchange: Exchange, response: ParsedResponse | undefined): Job | undefined {
    if (exchange.pollOf === undefined) return undefined;
    const key = keyOf(exchange.host, exchange.pollOf);
    const job = jobs.get(key);
    if (job === undefined || response === undefined || exchange.endTime - job.startTime > maxAgeMs) return undefined;
    if (!isEnd(exchange, response)) return undefined;
    jobs.delete(key);
    return job;
  }

  return { note, complete };
}

/** A poll that failed says nothing of the job. */
function isEnd({ status, pollOf }: Exchange, { id, usage, finished, notes }: ParsedResponse): boolean {
  if (status < 200 || status >= 300 || !finished || usage.missingReason === "deferred") return false;
  return id === pollOf && !notes.includes("parser_failed");
}

function keyOf(host: string, id: string): string {
  return `${host} ${id}`;
}

/** Whether a response says that its answer will come later. */
export function isDeferred(response: ParsedResponse | undefined): boolean {
  return response?.jobId !== undefined && response.usage.missingReason === "deferred";
}

/**
 * The poll as the end of the call: asked by whoever asked then, begun when the call began, and as private as the
 * stricter of the two.
 */
export function toResult(job: Job, poll: Exchange): Exchange {
  const { settings: then, route, startedAt, startTime } = job;
  const { settings: now } = poll;
  const settings: CallSettings = {
    ...then,
    privacyMode: then.privacyMode || now.privacyMode,
    excludeInput: then.excludeInput || now.excludeInput,
    excludeOutput: then.excludeOutput || now.excludeOutput,
    tokenTracking: then.tokenTracking && now.tokenTracking,
    costTracking: then.costTracking && now.costTracking,
  };
  return { ...poll, settings, route, startedAt, startTime, notes: [...poll.notes, "deferred_result"] };
}

/**
 * What the record of the end takes from the call: its trace, as a child of it, its model, and its id as
 * `logicalCallId`. Times of the one poll that happened to bring it are left out.
 */
export function joinJob(call: LlmCall, { callId, logicalCallId, model, trace }: Job, spanId: string): void {
  const { traceId, spanId: parentSpanId, turn } = trace;
  call.trace = { traceId, spanId, parentSpanId, linkedBy: "response_id", ...(turn !== undefined && { turn }) };
  call.request.logicalCallId = logicalCallId ?? callId;
  if (model !== undefined) call.request.model ??= model;
  const { startedAt, durationMs } = call.timing;
  call.timing = { startedAt, durationMs };
}
