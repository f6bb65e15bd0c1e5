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
import { scrubUrl } from "../providers/secrets.ts";
import type { Exchange, RouteInfo, RunContext, TapOptions } from "../types.ts";
import { addNote, createExchange, noteEnd } from "./exchange.ts";
import { findHeader } from "./headers.ts";
import { createRedirects, type Redirects } from "./redirects.ts";
import { createId } from "./id.ts";
import { authorityOf, type HostEntry, type Router } from "./route.ts";

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

/** Origins, and places at them, remembered before a cache starts anew. */
const CACHE_LIMIT = 2000;
/** Longer ones hold what is said once. */
const LONGEST_PATH_KEPT = 200;

/** What the address of a call tells. */
interface Place {
  route: RouteInfo;
  /** Whether it is a call, its body says. */
  isSniffed: boolean;
  /** These without credentials. */
  url: string;
  host: string;
  path: string;
  pollOf: string | undefined;
}

export function createObserver(parts: ObserverOptions): Observer {
  const { router, options, flow } = parts;
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
      if (interests.size >= CACHE_LIMIT) interests.clear();
      const authority = authorityOf(origin);
      const entry = authority === undefined ? undefined : router.lookUp(authority);
      known = entry === undefined ? "unknown" : entry;
      interests.set(origin, known);
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

  /** By origin, then by path: what an app calls, it calls again and again. */
  const places = new Map<string, Map<string, Place>>();
  let placesKnown = 0;

  function findPlace(interest: HostEntry | "sniff", start: BeginOptions): Place | undefined {
    if (start.method !== "POST") return readPlace(interest, start)?.place;
    const known = places.get(start.origin)?.get(start.path);
    if (known !== undefined) return known;
    const read = readPlace(interest, start);
    if (read?.isLasting === true) keepPlace(start, read.place);
    return read?.place;
  }

  function keepPlace({ origin, path }: BeginOptions, place: Place): void {
    // A query may hold a key.
    if (path.length > LONGEST_PATH_KEPT || path.includes("?")) return;
    if (placesKnown >= CACHE_LIMIT) {
      places.clear();
      placesKnown = 0;
    }
    let byPath = places.get(origin);
    if (byPath === undefined) places.set(origin, (byPath = new Map<string, Place>()));
    byPath.set(path, place);
    placesKnown += 1;
  }

  /** `isLasting`: it does not depend on the headers. */
  function readPlace(
    interest: HostEntry | "sniff",
    { method, origin, path, headers }: BeginOptions,
  ): { place: Place; isLasting: boolean } | undefined {
    const isSniffed = interest === "sniff";
    let isLasting = true;
    const readHeader = (name: string): string | undefined => {
      isLasting = false;
      return findHeader(headers, name);
    };
    const called = isSniffed ? router.sniff(method, path) : router.route(interest, method, path, readHeader);
    const poll = isSniffed || called !== undefined ? undefined : router.routePoll(interest, method, path);
    const route = called ?? poll?.route;
    if (route === undefined) return undefined;
    const place: Place = {
      route,
      isSniffed: isSniffed || route.bodyDecides === true,
      url: scrubUrl(origin + path),
      host: authorityOf(origin) ?? "",
      path: scrubUrl(path),
      pollOf: poll?.jobId,
    };
    return { place, isLasting };
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
