/**
 * What the hooks call when a request passes: is it a call to an LLM, and who asked? Everything that happens here
 * happens inside the app's call, so it is short, and whatever it throws is caught by the hook.
 */
import type { FlowStore } from "#platform";
import {
  type CallMarker,
  type Flow,
  type HeaderOverrides,
  type MergedContext,
  type ResolvedSettings,
  resolveSettings,
} from "../context.ts";
import type { Exchange, RunContext, TapOptions } from "../types.ts";
import { addNote, createExchange, noteEnd } from "./exchange.ts";
import { findHeader } from "./headers.ts";
import { createPlaceFinder } from "./place.ts";
import { createRedirects, type Redirects } from "./redirects.ts";
import { createId } from "./id.ts";
import { authorityOf, type HostEntry, type Router } from "./route.ts";
import { remember } from "../remember.ts";

/** What the interceptor needs of the rest. */
export interface ObserverOptions {
  router: Router;
  options: TapOptions;
  flow: FlowStore<Flow>;
  /** Content kept of a request body, in bytes. */
  exchangeBytes: number;
  /** False when there is no room for another exchange. */
  admit(exchange: Exchange): boolean;
  /** There is something new in an exchange. */
  touch(exchange: Exchange): void;
  countIgnored(cause: string): void;
  /** Something of ours, or a callback of the user, failed. */
  report(place: string, error: unknown): void;
  /** Said once: an override header could not be taken off because it is signed. */
  reportSigned(): void;
}

export interface BeginOptions {
  via: "fetch" | "dispatcher";
  origin: string;
  method: string;
  /** With query. */
  path: string;
  headers: unknown;
  overrides: HeaderOverrides | undefined;
  bound: RunContext | undefined;
  /** The id that another tap gave this attempt. */
  id: string | undefined;
}

/** What a host is to this hook. */
export type HostInterest = HostEntry | "sniff" | undefined;

export interface Observer extends ObserverOptions {
  /** Who asks, here and now: for spans. */
  resolve(bound: MergedContext | undefined): ResolvedSettings;
  /** Of calls that are seen at a dispatcher. */
  redirects: Redirects;
  /** The tap was closed: everything passes through. */
  isClosed: boolean;
  /** First question of each hook. One look-up for an origin seen before. */
  findInterest(origin: string, sniffs: boolean): HostInterest;
  /** `undefined`: no call, or not to be recorded. */
  begin(interest: HostEntry | "sniff", begin: BeginOptions): Exchange | undefined;
  end(exchange: Exchange): void;
  fail(exchange: Exchange, error: unknown, isCancelled: boolean): void;
}

/** Origins remembered before the cache starts anew. */
const CACHE_LIMIT = 2000;

export function createObserver(parts: ObserverOptions): Observer {
  const { router, options, flow } = parts;
  const findPlace = createPlaceFinder(router);
  /** `null`: the user said never to look there. */
  type Known = HostEntry | null | "unknown";
  const interests = new Map<string, Known>();
  /** An app calls the same host again and again: to compare is cheaper than to hash. */
  let lastOrigin = "";
  let lastKnown: Known = "unknown";

  function lookUp(origin: string): Known {
    if (origin === lastOrigin) return lastKnown;
    let known = interests.get(origin);
    if (known === undefined) {
      const authority = authorityOf(origin);
      const entry = authority === undefined ? undefined : router.lookUp(authority);
      known = remember(interests, CACHE_LIMIT, origin, entry === undefined ? "unknown" : entry);
    }
    lastOrigin = origin;
    lastKnown = known;
    return known;
  }

  function findInterest(origin: string, sniffs: boolean): HostInterest {
    const known = lookUp(origin);
    if (known === "unknown") return sniffs ? "sniff" : undefined;
    return known ?? undefined;
  }

  /** It must answer at once: a promise says nothing at dispatch. */
  function readContextOption(): MergedContext | undefined {
    if (options.context === undefined) return undefined;
    try {
      const given: unknown = flow.runBriefly({ isSuppressed: true }, options.context);
      if (given === undefined || given === null) return undefined;
      const isPromise = given instanceof Promise;
      if (isPromise) given.catch(() => {});
      else if (typeof given === "object") return given;
      throw new TypeError("`context` must return an object like { userId }, at once");
    } catch (error) {
      parts.report("context", error);
      return { isInvalid: true };
    }
  }

  function begin(interest: HostEntry | "sniff", start: BeginOptions): Exchange | undefined {
    const place = findPlace(interest, start);
    if (place === undefined) {
      if (interest !== "sniff") parts.countIgnored("not_inference");
      return undefined;
    }
    const fromOption = readContextOption();
    const { settings, isIgnored, notes } = resolveSettings({
      options,
      bound: start.bound,
      fromOption,
      flow: flow.get(),
      overrides: start.overrides,
      baggage: options.baggageKeys === undefined ? undefined : findHeader(start.headers, "baggage"),
    });
    if (isIgnored) {
      parts.countIgnored("opt_out");
      return undefined;
    }
    const exchange = createExchange({
      id: start.id ?? createId(Date.now()),
      via: start.via,
      route: place.route,
      sniffed: place.isSniffed,
      method: start.method,
      url: place.url,
      host: place.host,
      path: place.path,
      pollOf: place.pollOf,
      settings,
    });
    for (const note of notes) addNote(exchange, note);
    return parts.admit(exchange) ? exchange : undefined;
  }

  return {
    ...parts,
    redirects: createRedirects(),
    isClosed: false,
    resolve: (bound) =>
      resolveSettings({
        options,
        bound,
        fromOption: readContextOption(),
        flow: flow.get(),
        overrides: undefined,
        baggage: undefined,
      }),
    findInterest,
    begin,
    end(exchange) {
      if (exchange.isEnded) return;
      noteEnd(exchange, false);
      parts.touch(exchange);
    },
    fail(exchange, error, isCancelled) {
      if (exchange.isEnded) return;
      exchange.isCancelled = isCancelled;
      noteEnd(exchange, true, error);
      parts.touch(exchange);
    },
  };
}

/** The marker of a call that no tap has seen yet. */
export function createMarker(id: string, url: string, overrides: HeaderOverrides | undefined): CallMarker {
  return { id, url, observers: new Set(), overrides };
}
