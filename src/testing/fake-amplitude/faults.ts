/** What a fake Amplitude can be told to do wrong. */
import type { ServerResponse } from "node:http";
import type { FakeAmplitudeEvent } from "./rules.ts";

/**
 * - `refuse`: connections are refused (only as the whole script, because it concerns the port, not a request);
 * - `hang`: no answer; `reset`: the connection breaks before the request counts;
 * - `accept_then_hang`, `accept_then_reset`: the events are stored, but the sender never learns of it;
 * - `html`: a 200 that is somebody else's page; `empty`: a 200 without a body; `truncated`: an acknowledgement that
 *   breaks off; `redirect`: a 302 to a page;
 * - a number: that HTTP status with the body that Amplitude gives it (429 names every device and user, 400 names nothing);
 * - an object: any answer. With `accept` the events are stored all the same.
 */
export type FakeAmplitudeFault =
  | "refuse"
  | "hang"
  | "reset"
  | "accept_then_hang"
  | "accept_then_reset"
  | "html"
  | "empty"
  | "truncated"
  | "redirect"
  | number
  | { status: number; body: unknown; headers?: Record<string, string>; accept?: boolean };

/** What a fault script sees of a request. */
export interface FaultRequest {
  /** From 0, counted since the script was set. */
  index: number;
  path: string;
  /** As they were sent, before any check. */
  events: readonly FakeAmplitudeEvent[];
  bytes: number;
}

/** One fault for every request, a list that is used up request by request, or a function that decides for each. */
export type FaultScript =
  | FakeAmplitudeFault
  | readonly (FakeAmplitudeFault | undefined)[]
  | ((request: FaultRequest) => FakeAmplitudeFault | undefined);

const PAGE = "<!doctype html><title>Sign in</title><h1>Welcome to the hotel network</h1>";

/** Whether the events of a request with this fault are stored. */
export function storesEvents(fault: FakeAmplitudeFault): boolean {
  return typeof fault === "object" ? fault.accept === true : String(fault).startsWith("accept");
}

/**
 * Answers a request wrongly.
 *
 * @returns the HTTP status, or `undefined` when there was no complete answer.
 */
export function playFault(
  fault: FakeAmplitudeFault,
  request: FaultRequest,
  response: ServerResponse,
): number | undefined {
  if (typeof fault === "object") {
    const isText = typeof fault.body === "string";
    response.writeHead(fault.status, { "content-type": isText ? "text/plain" : "application/json", ...fault.headers });
    response.end(isText ? fault.body : JSON.stringify(fault.body));
    return fault.status;
  }
  if (typeof fault === "number") {
    response.writeHead(fault, { "content-type": "application/json" });
    response.end(JSON.stringify(statusBody(fault, request)));
    return fault;
  }
  return NAMED[fault](response);
}

const NAMED: Record<Exclude<FakeAmplitudeFault, number | object>, (response: ServerResponse) => number | undefined> = {
  // The listener is closed; a request on a connection from before is broken off.
  refuse: destroy,
  hang: () => undefined,
  reset: destroy,
  accept_then_hang: () => undefined,
  accept_then_reset: destroy,
  html(response) {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(PAGE);
    return 200;
  },
  empty(response) {
    response.writeHead(200);
    response.end();
    return 200;
  },
  truncated(response) {
    response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
    response.write('{"code":200,');
    setTimeout(() => response.destroy(), 20);
    return undefined;
  },
  redirect(response) {
    response.writeHead(302, { location: "/portal" });
    response.end();
    return 302;
  },
};

function destroy(response: ServerResponse): undefined {
  response.socket?.destroy();
}

function statusBody(status: number, request: FaultRequest): unknown {
  if (status === 413) return { code: 413, error: "Payload too large" };
  if (status === 429)
    return throttledBody(
      request.events,
      request.events.map((_, index) => index),
      0,
    );
  if (status === 400) return { code: 400, error: "Invalid field values on some events" };
  return { code: status, error: "Server error" };
}

/** The body of a 429 about these events. */
export function throttledBody(
  events: readonly Partial<FakeAmplitudeEvent>[],
  indexes: readonly number[],
  threshold: number,
): unknown {
  const named = indexes.map((index) => events[index]);
  const count = (field: "device_id" | "user_id"): Record<string, number> => {
    const counts = new Map<string, number>();
    for (const event of named) {
      const id = event?.[field];
      if (id !== undefined) counts.set(id, threshold + 1);
    }
    return Object.fromEntries(counts);
  };
  return {
    code: 429,
    error: "Too many requests for some devices and users",
    eps_threshold: threshold,
    throttled_devices: count("device_id"),
    throttled_users: count("user_id"),
    throttled_events: indexes,
  };
}
