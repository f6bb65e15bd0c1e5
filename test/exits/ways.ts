/** The ways to put a tap around an app's calls, each beside the same without. */
import * as undici from "undici";
import { describe, expect } from "vitest";
import { createTap, type LlmCall, type Tap, type TapOptions } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";

export type Fetch = typeof globalThis.fetch;

/** Agent options for those ways that have a dispatcher of their own. */
export type AgentOptions = undici.Agent.Options;

export type WayName =
  | "tap.fetch"
  | "tap.fetch with a Request"
  | "tap.install()"
  | "a composed dispatcher"
  | "tap.wrapFetch of a foreign fetch";

interface Way {
  /** The same call without a tap. */
  bare(options: AgentOptions): Fetch;
  /** @returns with what takes hooks off again */
  tapped(tap: Tap, options: AgentOptions): { fetch: Fetch; restore?: () => void };
}

/** Of a Request that was collected undici no longer hears the abort, with or without a tap. */
const kept: Request[] = [];
function keep(request: Request): Request {
  kept.push(request);
  return request;
}

const current: Fetch = (...given) => globalThis.fetch(...given);
/** Undici's own, with a dispatcher that the app has made. */
const through =
  (dispatcher: undici.Dispatcher): Fetch =>
  (input, init) =>
    undici.fetch(
      input as undici.RequestInfo,
      { ...init, dispatcher } as undici.RequestInit,
    ) as unknown as Promise<Response>;
/** It makes the call in a flow of its own and takes no dispatcher from anyone: to a tap, a fetch that is not undici's. */
const agentOf = new WeakMap<AgentOptions, undici.Agent>();
function ownFetch(options: AgentOptions): Fetch {
  const agent = agentOf.get(options) ?? new undici.Agent(options);
  agentOf.set(options, agent);
  return (input, init) =>
    undici.fetch(
      input as undici.RequestInfo,
      { ...init, dispatcher: agent } as undici.RequestInit,
    ) as unknown as Promise<Response>;
}

const WAYS: Readonly<Record<WayName, Way>> = {
  "tap.fetch": {
    bare: () => current,
    tapped: (tap) => ({ fetch: tap.fetch }),
  },
  "tap.fetch with a Request": {
    bare: () => (input, init) => globalThis.fetch(keep(new Request(input, init))),
    tapped: (tap) => ({ fetch: (input, init) => tap.fetch(keep(new Request(input, init))) }),
  },
  "tap.install()": {
    bare: () => current,
    tapped: (tap) => ({ restore: tap.install(), fetch: current }),
  },
  "a composed dispatcher": {
    bare: (options) => through(new undici.Agent(options)),
    tapped: (tap, options) => ({ fetch: through(new undici.Agent(options).compose(tap.interceptor)) }),
  },
  "tap.wrapFetch of a foreign fetch": {
    bare: ownFetch,
    tapped: (tap, options) => ({ fetch: tap.wrapFetch(ownFetch(options)) }),
  },
};

/** All at once, but for those that change what is global. */
export function describeEachWay(suite: (way: WayName) => void): void {
  for (const way of Object.keys(WAYS) as WayName[]) {
    describe("through " + way, { concurrent: way !== "tap.install()" }, () => suite(way));
  }
}

/** Those that take the options of an agent. */
export const OWN_DISPATCHER: readonly WayName[] = ["a composed dispatcher", "tap.wrapFetch of a foreign fetch"];

/** What an app can tell of an error: all but which object it is. */
export function describeError(error: unknown, known: readonly unknown[] = []): unknown {
  if (known.includes(error)) return { isKnown: known.indexOf(error) };
  if (typeof error !== "object" || error === null) return error;
  const { name, message, code, cause, errno, syscall } = error as Error & Record<string, unknown>;
  return {
    class: Object.prototype.toString.call(error) + String(Object.getPrototypeOf(error)?.constructor?.name),
    isError: error instanceof Error,
    keys: Object.keys(error).toSorted(),
    name,
    message: message?.replaceAll(/(?:127\.0\.0\.1|::1):\d+/g, "host"),
    code,
    errno,
    syscall,
    cause: cause === undefined ? undefined : describeError(cause, known),
  };
}

export interface Ended {
  value?: unknown;
  error?: unknown;
}

/** How a reset is told depends on what the kernel has come to: a read that fails, or an end without a last word. */
function describeLoss(ended: Ended): Ended {
  const text = JSON.stringify(ended.error ?? "");
  return /ECONNRESET|UND_ERR_SOCKET|EPIPE/.test(text) ? { error: "the connection was lost" } : ended;
}

export async function observe(run: () => Promise<unknown>, known: readonly unknown[]): Promise<Ended> {
  try {
    return { value: await run() };
  } catch (error) {
    return { error: describeError(error, known) };
  }
}

/** What a record must say of how a call has ended. */
export interface Expected {
  outcome: LlmCall["outcome"];
  kind?: string;
  status?: number;
  note?: string;
}

export interface Comparison {
  way: WayName;
  run: (fetch: Fetch) => Promise<unknown>;
  expected: Expected;
  /** Objects of the app that have to come back as they are: reasons of an abort. */
  known?: readonly unknown[];
  agent?: AgentOptions;
  hosts: readonly string[];
  /** The server resets the connection. */
  isReset?: boolean;
}

/** Runs the same without and with a tap; the app must see the same, and the record say what has happened. */
export async function expectSameEnd({
  way,
  run,
  expected,
  known = [],
  agent = {},
  hosts,
  isReset = false,
}: Comparison): Promise<LlmCall> {
  const { bare, tapped } = WAYS[way];
  const without = await observe(() => run(bare(agent)), known);
  const sink = memorySink();
  const errors: Error[] = [];
  const declared: NonNullable<TapOptions["hosts"]> = {};
  for (const host of hosts) declared[host] = { provider: "custom" };
  const tap = createTap({ sinks: [sink], hosts: declared, onError: (error) => errors.push(error) });
  const { fetch, restore } = tapped(tap, agent);
  const given = await observe(() => run(fetch), known);
  restore?.();
  // How a call ends that the app has let go reaches the socket some turns later.
  for (let turn = 0; turn < 200 && tap.stats().inFlight > 0; turn += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  await tap.flush();
  if (isReset) expect(describeLoss(given)).toEqual(describeLoss(without));
  else expect(given).toEqual(without);
  expect(sink.calls.map(({ outcome, error }) => ({ outcome, kind: error?.kind }))).toEqual([
    { outcome: expected.outcome, kind: expected.kind },
  ]);
  const [call] = sink.calls as [LlmCall];
  if (expected.status !== undefined) expect(call.response?.status).toBe(expected.status);
  if (expected.note !== undefined) expect(call.capture.notes).toContain(expected.note);
  expect(errors).toEqual([]);
  await tap.close();
  return call;
}
