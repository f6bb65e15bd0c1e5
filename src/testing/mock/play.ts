/** Plays a planned response to a socket: timings, faults, and a note of what really left and when. */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import { performance } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { MockFault, MockReply, Plan, PlannedEvent } from "./types.ts";

/** Milliseconds from the arrival of the request to the write, and how much was written. */
export interface MeasuredTiming {
  headersMs?: number;
  firstTokenMs?: number;
  endMs?: number;
  /** Of the body, without its framing. */
  bodyBytes?: number;
}

export interface Played {
  /** Events that left completely, in order. */
  sent: readonly PlannedEvent[];
  /** `left`: the client closed before the end. */
  ending: "complete" | "fault" | "left";
  measured: MeasuredTiming;
}

/** Resolves when the response is over, however it ended; for a hang, when the client gives up. */
export async function playPlan(
  plan: Plan,
  reply: MockReply,
  response: ServerResponse,
  arrivedAt: number,
): Promise<Played> {
  const { fault, timing = {} } = reply;
  const measured: MeasuredTiming = {};
  const sent: PlannedEvent[] = [];
  const since = () => performance.now() - arrivedAt;
  const waitUntil = (atMs: number) => waitOrClose(response, atMs - since());
  const ended = (ending: Played["ending"]): Played => {
    measured.endMs = since();
    measured.bodyBytes = sent.reduce((sum, { bytes }) => sum + Buffer.byteLength(bytes), 0);
    return {
      sent,
      ending: response.closed && !response.writableFinished && ending === "complete" ? "left" : ending,
      measured,
    };
  };

  await waitUntil(timing.headersMs ?? 0);
  if (response.destroyed) return ended("left");
  if (fault?.kind === "no_response") {
    response.socket?.destroy();
    return ended("fault");
  }
  response.writeHead(plan.status, plan.headers);
  response.flushHeaders();
  measured.headersMs = since();

  // A body with fewer outputs than the fault waits for breaks before its last.
  const breakAfter = Math.min(fault?.afterOutputs ?? 1, plan.events.filter((event) => event.output).length - 1);
  let outputs = 0;
  for (const [index, event] of plan.events.entries()) {
    if (fault !== undefined && outputs >= breakAfter && (event.output === true || outputs > 0)) {
      return ended(await breakOff(plan, fault, response, sent));
    }
    const first = event.output === true && outputs === 0;
    if (first) await waitUntil(timing.firstTokenMs ?? 0);
    else if (outputs > 0 && index > 0) await waitOrClose(response, timing.chunkMs ?? 0);
    if (response.destroyed) return ended("left");
    if (event.output === true) outputs++;
    if (first) measured.firstTokenMs = since();
    await writeBytes(response, event.bytes, reply.bytesPerWrite);
    if (response.destroyed) return ended("left");
    sent.push(event);
  }
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.end(() => resolve());
  });
  return ended("complete");
}

async function breakOff(
  plan: Plan,
  fault: MockFault,
  response: ServerResponse,
  sent: PlannedEvent[],
): Promise<"fault" | "left"> {
  // What was written must have reached the client: a socket that dies at once may take it along.
  await waitOrClose(response, 25);
  if (fault.kind === "hang") {
    await waitOrClose(response, Number.POSITIVE_INFINITY);
    return "left";
  }
  if (fault.kind === "reset") {
    response.socket?.destroy();
    return "fault";
  }
  if (fault.kind === "error_event" && plan.errorEvent) {
    await writeBytes(response, plan.errorEvent.bytes, undefined);
    sent.push(plan.errorEvent);
  }
  response.end();
  return "fault";
}

async function writeBytes(
  response: ServerResponse,
  bytes: string | Uint8Array,
  perWrite: number | undefined,
): Promise<void> {
  const whole = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  const step = perWrite ?? Math.max(1, whole.length);
  for (let start = 0; start < whole.length; start += step) {
    const flushed = response.write(whole.subarray(start, start + step));
    if (response.destroyed) return;
    if (!flushed) await drained(response);
    // Without a turn of the loop between them two writes leave as one.
    if (perWrite !== undefined) await nextTurn();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
  });
}

/** Waits `ms`, or less when the client goes away. */
function waitOrClose(response: ServerResponse, ms: number): Promise<void> {
  if (ms <= 0 || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = Number.isFinite(ms) ? setTimeout(done, ms) : undefined;
    response.once("close", done);
    function done(): void {
      clearTimeout(timer);
      response.off("close", done);
      resolve();
    }
  });
}
